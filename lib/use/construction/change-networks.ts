/** The networks of one version with the changes that a statement asks for, not stored yet. */
import { type ByteSource, MemorySource } from '../../base/bytes/byte-source.js';
import type { NetworkChanges, SliceEnds } from '../../pure/dql/construct/change-plan.js';
import type { LayerSet } from '../../pure/dql/layers/layer-set.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import type { RawModel } from '../../pure/formats/onnx/onnx-model.js';
import { editModel, type Piece } from '../../pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../pure/formats/onnx/write/model-parts.js';
import { LayerNames } from '../../pure/network/edit/chain.js';
import {
  changeLayers,
  type LayerChanged,
  layerNames,
} from '../../pure/network/edit/change-layers.js';
import {
  beforeChange,
  type FinishedDraft,
  finishDraft,
  type InitialTensor,
} from '../../pure/network/edit/finish-draft.js';
import { GraphDraft } from '../../pure/network/edit/graph-draft.js';
import { sliceGraph } from '../../pure/network/edit/slice-graph.js';
import { layerView } from '../../pure/network/layers/layer-view.js';
import type { GraphValue, Network } from '../../pure/network/network.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../storage/objects/stored/stored-structure.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { fileOf } from '../history/find-file.js';
import { checkTiers } from '../history/tier-gate.js';

/** An input or output of a new network. */
export interface ShownValue {
  name: string;
  type: string | null;
  shape: readonly (number | string | null)[] | null;
}

/** A network that is to be made. */
export interface PlannedNetwork {
  /** The file that it comes from; null for one that comes from none. */
  source: FileEntry | null;
  pieces: Piece[];
  bytes: number;
  shown: ShownNetwork;
}

/** What is said of it. */
export interface ShownNetwork {
  /** Path of its file in the new version. */
  path: string;
  inputs: ShownValue[];
  outputs: ShownValue[];
  layers: number;
  /** Layers of the network that it comes from. */
  layersBefore: number;
  parameters: number;
  changes: LayerChanged[];
  /** Weights that are new, and how they begin. */
  initialised: InitialTensor[];
  /** Values that came from outside of a slice and are inputs now. */
  sideInputs: string[];
}

/** A network of a version: its file, and its layers as queries see them. */
export interface NetworkFile {
  version: Parameters<typeof fileOf>[1];
  path: string;
  set: LayerSet;
}

/** @throws {TierError} for a file whose exact bytes were given up: what was not said to be approximate is not. */
async function openNetwork(
  repo: ReadAccess,
  { version, path }: NetworkFile,
  context: OpContext,
): Promise<{ entry: FileEntry; source: ByteSource; raw: RawModel }> {
  const entry = await fileOf(repo, version, path);
  checkTiers([entry], false, context);
  const file = await openStoredFile(repo, entry);
  const source =
    structureSource(repo, file) ??
    new MemorySource(await repo.blobs.readBlob(entry.recipe.id, 'blob'), path);
  return { entry, source, raw: await readOnnxModel(source, context.signal) };
}

/** Plans the changes of a network. @throws {UsageError} {ChangeProblem} if they cannot be made */
export async function planChanges(
  repo: ReadAccess,
  file: NetworkFile,
  { changes, seed, target }: NetworkChanges & { seed: number; target: string },
  context: OpContext,
): Promise<PlannedNetwork> {
  const { entry, source, raw } = await openNetwork(repo, file, context);
  const draft = new GraphDraft(raw, file.path);
  const before = beforeChange(draft);
  const names = new LayerNames([...layerNames(draft), ...file.set.layers.map(({ name }) => name)]);
  const changed = changeLayers(draft, changes, names);
  const finished = finishDraft(draft, before, seed);
  const parts = await readModelParts(source, context.signal);
  return {
    source: entry,
    ...editModel(parts, finished.edit, raw.graph.nodes),
    shown: shownNetwork(target, finished, {
      ...{ layersBefore: file.set.layers.length, changes: changed, sideInputs: [] },
    }),
  };
}

/** Plans a slice of a network. @throws {UsageError} */
export async function planSlice(
  repo: ReadAccess,
  file: NetworkFile,
  { ends, target }: { ends: SliceEnds; target: string },
  context: OpContext,
): Promise<PlannedNetwork> {
  const { entry, source, raw } = await openNetwork(repo, file, context);
  const draft = new GraphDraft(raw, file.path);
  const { sideInputs, ...finished } = sliceGraph(draft, beforeChange(draft), ends);
  const parts = await readModelParts(source, context.signal);
  return {
    source: entry,
    ...editModel(parts, finished.edit, raw.graph.nodes),
    shown: shownNetwork(target, finished, {
      ...{ layersBefore: file.set.layers.length, changes: [], sideInputs },
    }),
  };
}

export function shownNetwork(
  path: string,
  { network, initialised }: Pick<FinishedDraft, 'network' | 'initialised'>,
  rest: Pick<ShownNetwork, 'layersBefore' | 'changes' | 'sideInputs'>,
): ShownNetwork {
  const value = ({ name, dtype, shape }: GraphValue): ShownValue => ({ name, type: dtype, shape });
  return {
    path,
    inputs: network.graph.inputs.map(value),
    outputs: network.graph.outputs.map(value),
    layers: layerView(network).reduce((sum, { layers }) => sum + layers.length, 0),
    parameters: parametersOf(network),
    initialised,
    ...rest,
  };
}

/** Elements of the weights of the main graph. */
function parametersOf({ graph }: Network): number {
  return graph.parameters
    .filter(({ values }) => values === null)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
