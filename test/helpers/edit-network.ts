/** Statements of DQL carried out on one file in memory, for tests of what slice and construct make. */
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import type { Construct, Slice } from '../../lib/pure/dql/ast.js';
import { ChangePlan, compileSlice } from '../../lib/pure/dql/construct/change-plan.js';
import { newNetwork } from '../../lib/pure/dql/construct/new-network.js';
import { parseStatement } from '../../lib/pure/dql/parse.js';
import { QueryRunner } from '../../lib/pure/dql/select.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import {
  editModel,
  newModel,
  type Piece,
  streamPieces,
} from '../../lib/pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../lib/pure/formats/onnx/write/model-parts.js';
import { LayerNames } from '../../lib/pure/network/edit/chain.js';
import { changeLayers, layerNames } from '../../lib/pure/network/edit/change-layers.js';
import { beforeChange, finishDraft } from '../../lib/pure/network/edit/finish-draft.js';
import { GraphDraft } from '../../lib/pure/network/edit/graph-draft.js';
import { sliceGraph } from '../../lib/pure/network/edit/slice-graph.js';
import { layerView } from '../../lib/pure/network/layers/layer-view.js';
import type { Network } from '../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { type DqlVersion, dqlHost } from './dql-host.js';

async function bytesOf(pieces: readonly Piece[], source: MemorySource | null): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of streamPieces(pieces, source)) parts.push(part);
  return Buffer.concat(parts);
}

/** The file that a construct without a source makes. */
export async function newFile(text: string): Promise<Buffer> {
  const { chain, seed, span, variable: name } = parseStatement(text) as Construct;
  const { finished, ...forms } = newNetwork(text, chain, { name, seed: seed ?? 0, span });
  return bytesOf(newModel(name, forms, finished.edit).pieces, null);
}

/** The file that a slice or a construct makes of one, whose version is called 'm@1'. */
export async function editedFile(file: Uint8Array, text: string): Promise<Buffer> {
  const source = new MemorySource(file, 'model.onnx');
  const raw = await readOnnxModel(source);
  const network = networkOfOnnx(raw, 'model.onnx');
  const host = dqlHost([{ name: 'm@1', columns: { model: 'm' }, network }]);
  const statement = parseStatement(text) as Slice | Construct;
  const from = { ...statement, source: statement.source as Slice['source'] };
  const { scope, versions } = await new QueryRunner<DqlVersion>(host).bound(text, from);
  const [version] = versions;
  if (version === undefined) throw new Error('the condition lets nothing through');
  const draft = new GraphDraft(raw, 'model.onnx');
  const before = beforeChange(draft);
  const tuple = [version.row];
  const finished =
    statement.kind === 'slice'
      ? sliceGraph(
          draft,
          before,
          compileSlice(host, scope, statement)(tuple, version.bindings)[0] ?? { from: [], to: [] },
        )
      : (() => {
          const plan = new ChangePlan(text, host, scope, statement.mutations);
          const changes = plan.changesOf(tuple, version.bindings).flatMap((one) => one.changes);
          changeLayers(draft, changes, new LayerNames(layerNames(draft)));
          return finishDraft(draft, before, statement.seed ?? 0);
        })();
  const parts = await readModelParts(source);
  return bytesOf(editModel(parts, finished.edit, raw.graph.nodes).pieces, source);
}

/** The network of a file. */
export async function networkIn(file: Uint8Array): Promise<Network> {
  return networkOfOnnx(await readOnnxModel(new MemorySource(file, 'model.onnx')), 'model.onnx');
}

/** Names of the layers of a file, in order. */
export async function layersIn(file: Uint8Array): Promise<string[]> {
  return layerView(await networkIn(file)).flatMap(({ layers }) => layers.map(({ name }) => name));
}
