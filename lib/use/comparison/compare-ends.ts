/** What two to eight versions have and how it differs: the whole comparison but for files and tensors. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { isUnreadable } from '../../base/errors.js';
import type { CountedTensor } from '../../pure/network/cost/parameter-counts.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { type Knowledge, readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { Version } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import { seriesOf } from '../history/commit/tell.js';
import type { DiffSide } from '../history/diff/sides.js';
import { definingCandidates, mayDefineNetwork } from '../history/networks/candidates.js';
import { networksOfVersion, type VersionNetwork } from '../history/networks/networks.js';
import { compareLayers, sortByDrift } from './layers.js';
import { compareMetrics, type MetricSource } from './metrics.js';
import { joinCheckpoint, type NetworkSide, networkSide, weightsSide } from './network-sides.js';
import { type DriftOf, mergeNetworks, pairNetworks } from './networks.js';
import type { Comparison, DiffEnd, LayerDrift, PairDiff } from './result.js';
import { compareValues, paramsOf, textsOf } from './values.js';

/** What is asked of a comparison. */
export interface ComparisonOptions {
  /** Place of the side that others are compared with. */
  baseline: number;
  /** For each side how it differs from the baseline; null for that. */
  pairs: readonly (PairDiff | null)[];
  /** Layers in the order of how far they moved. */
  byDrift: boolean;
}

/** A version as it is compared. */
interface End {
  version: Version;
  knowledge: Knowledge;
  metrics: MetricSource;
}

/** Compares sides as wholes. */
export async function compareEnds(
  repo: ReadAccess,
  sides: readonly DiffSide[],
  { baseline, pairs, byDrift }: ComparisonOptions,
  context: OpContext,
): Promise<Comparison> {
  const ends: (End | null)[] = [];
  const networks: NetworkSide[][] = [];
  const found: VersionNetwork[][] = [];
  for (const side of sides) {
    throwIfAborted(context.signal);
    ends.push(await readEnd(repo, side));
    found.push(await networksIn(repo, side, context));
  }
  // Weights alone may go with the network of another version.
  const others = [...(found[baseline] ?? []), ...found.flat()];
  for (const [at, side] of sides.entries()) {
    networks.push(await networkSides(side, found[at] ?? [], others));
  }
  // A work tree and staged files have no hyperparameters and metrics that could differ.
  const told = ends.every((end) => end !== null) ? ends : [];
  const values = (of: (end: End) => Parameters<typeof compareValues>[0][number]) =>
    compareValues(told.map(of), baseline);
  const snapshots = pairs.map((pair) => pair?.snapshots ?? null);
  const layers = compareLayers(snapshots, networks[baseline] ?? []);
  const drift = driftIn(layers);
  return {
    ends: sides.map(endOf),
    baseline,
    params: values(({ version }) => paramsOf(version.params)),
    metrics: compareMetrics(
      told.map(({ metrics }) => metrics),
      baseline,
    ),
    operation: values(({ knowledge: { operation } }) =>
      textsOf(
        operation === null
          ? []
          : [
              { name: 'kind', text: operation.kind },
              { name: 'detail', text: operation.detail },
            ],
      ),
    ),
    environment: values(({ knowledge }) => textsOf(knowledge.environment)),
    data: values(({ knowledge }) => textsOf(knowledge.data)),
    networks: pairNetworks(networks, baseline).map((row) => mergeNetworks(row, baseline, drift)),
    layers: byDrift ? sortByDrift(layers) : layers,
  };
}

/** How a side is called. */
export function endOf({ label, version, tier }: DiffSide): DiffEnd {
  return { label, version, tier };
}

async function readEnd(repo: ReadAccess, { version: id }: DiffSide): Promise<End | null> {
  if (id === null) return null;
  const version = await repo.version(id);
  const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
  const series = await seriesOf(repo, version, knowledge);
  return {
    version,
    knowledge,
    metrics: { metrics: version.metrics, facts: knowledge.metrics, series },
  };
}

/** Networks that files of a side define. */
async function networksIn(
  repo: ReadAccess,
  side: DiffSide,
  context: OpContext,
): Promise<VersionNetwork[]> {
  if (side.version === null) return networksOfFiles(side, context);
  const found = await networksOfVersion(repo, side.version, context);
  return found.filter(({ path }) => side.files.has(path));
}

/** Networks that files define which no version keeps: of the work tree, staged, anywhere on disk. */
async function networksOfFiles(
  { files, snapshots }: DiffSide,
  { signal, warn }: OpContext,
): Promise<VersionNetwork[]> {
  const known = [...files].map(([path, file]) => ({ path, file }));
  const found: VersionNetwork[] = [];
  for (const { path, file } of definingCandidates({ files: known, snapshots })) {
    if (!mayDefineNetwork(path)) continue;
    try {
      const described = await file.network(signal);
      if (described !== null) found.push({ ...described, path, stored: false });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      warn(`'${file.path}' is described by its tensors alone: ${error.message}`);
    }
  }
  return found;
}

/**
 * The networks of a side. Its last checkpoint of weights that none of them describes is joined to the one that
 * it goes with: its own, else another version's; else its layers are as the names of its tensors tell.
 */
async function networkSides(
  side: DiffSide,
  own: readonly VersionNetwork[],
  others: readonly VersionNetwork[],
): Promise<NetworkSide[]> {
  const sides = own.map((network) => ({ network, side: networkSide(network) }));
  const networks = sides.map((one) => one.side);
  const described = new Set(own.map(({ path }) => path));
  const last = side.snapshots.findLast(
    ({ role, key }) => role === 'weights' && !described.has(key),
  );
  if (last === undefined) return networks;
  const tensors: CountedTensor[] = [];
  for (const member of last.members) {
    for (const tensor of (await side.files.get(member)?.tensors()) ?? []) {
      if (tensor.role === 'weights') tensors.push(tensor);
    }
  }
  if (tensors.length === 0) return networks;
  for (const one of sides) {
    if (joinCheckpoint(one.side, one.network.view, last.key, tensors)) return networks;
  }
  for (const network of own.length > 0 ? [] : others) {
    const lent = { ...networkSide(network), path: last.key };
    for (const layer of lent.layers) layer.tensors = [];
    if (joinCheckpoint(lent, network.view, last.key, tensors)) return [lent];
  }
  return [...networks, weightsSide(last.key, tensors)];
}

/** Drift of layers, by the files that their tensors are in. */
function driftIn(layers: readonly LayerDrift[]): DriftOf {
  const known = new Map(layers.map((layer) => [`${layer.key}\0${layer.name}`, layer]));
  return (at, { name, tensors }) => {
    for (const path of new Set(tensors.map((tensor) => tensor.path))) {
      const cell = known.get(`weights ${path}\0${name}`)?.cells[at];
      if (cell) return cell.relativeL2;
    }
    return null;
  };
}
