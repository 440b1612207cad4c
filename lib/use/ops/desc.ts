/** `dlv desc`: what the networks of a version are, and what a pass through them costs. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { UsageError } from '../../base/errors.js';
import type { StoredNetwork } from '../../pure/network/encode.js';
import type { Architecture } from '../../pure/network/weights/architecture.js';
import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import { ownersIn } from '../comparison/layers.js';
import { networkSide } from '../comparison/network-sides.js';
import type { OpContext } from '../context.js';
import { type Curve, readCurves } from '../history/curves.js';
import { narrowToPlace, splitPlace } from '../history/diff/places.js';
import { type DiffFile, type DiffSide, narrowSide, versionSide } from '../history/diff/sides.js';
import { resolveId } from '../history/lines/resolve.js';
import {
  type DescribedNetworkFile,
  describeNetwork,
  type NetworkOptions,
} from '../history/networks/describe-network.js';
import { networksOfVersion, type VersionNetwork } from '../history/networks/networks.js';
import {
  type CheckpointStatistics,
  weightStatistics,
} from '../history/networks/weight-statistics.js';
import { type DescribedWeights, describeWeights } from '../history/networks/weights.js';
import { warnOfMissingParts } from '../history/steps/missing-parts.js';
import { Describer, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { placePath } from '../worktree/operands/path-input.js';

export type {
  DescribedLayer,
  DescribedNetworkFile,
  DescribedValue,
} from '../history/networks/describe-network.js';
export type { CheckpointStatistics } from '../history/networks/weight-statistics.js';
export type { WeightStatistics } from '../history/networks/weight-sums.js';

export interface DescOptions extends NetworkOptions {
  /** Adds numbers and histograms of the weights, which are read for that. */
  statistics?: boolean;
  /** Reads all bytes for them, also of large checkpoints. */
  exact?: boolean;
}

export interface DescResult extends VersionSummary {
  files: number;
  logicalBytes: number;
  /** What config.json beside the weights says, or what their names look like; null if nothing does. */
  architecture: Architecture | null;
  networks: DescribedNetworkFile[];
  /** Checkpoints without a network: layers as their names and shapes tell. */
  weights: DescribedWeights[];
  /** Metrics over steps, in few points. */
  curves: Curve[];
  /** Numbers and histograms of weights; empty unless they are asked for. */
  statistics: CheckpointStatistics[];
}

/**
 * Describes a version.
 * @param revision  or `<rev>:<path>`, for one file or folder of it.
 * @throws {NotFoundError} {AmbiguousError} {UsageError} for shapes of inputs that are not there.
 */
export async function desc(
  repo: Repository,
  revision: string,
  options: DescOptions,
  context: OpContext,
): Promise<DescResult> {
  const place = splitPlace(revision);
  const id = await resolveId(repo, place?.revision ?? revision);
  const version = await repo.version(id);
  const side = await versionSide(repo, id, place?.revision ?? revision);
  const { isWanted, ...size } = await wantedFiles(repo, side, place?.path ?? '', context);
  const found = (await networksOfVersion(repo, id, context)).filter(({ path }) => isWanted(path));
  checkInputs(found, options);
  const how = { signal: context.signal, isWanted };
  const { weights, architecture } = await describeWeights(repo, id, found, how);
  const page = await repo.tree(id);
  for (const snapshot of page.snapshots) {
    // A network is described without the numbers of its weights.
    const isNetwork = found.some(({ path }) => path === snapshot.key);
    if (snapshot.role !== 'weights' || isNetwork || !isWanted(snapshot.key)) continue;
    await warnOfMissingParts(repo, page, snapshot, context);
  }
  const describer = new Describer(repo);
  const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
  const { metrics } = version;
  return {
    ...(await describer.describe(id)),
    ...size,
    architecture,
    networks: found.map((one) => {
      throwIfAborted(context.signal);
      return describeNetwork(one, options);
    }),
    weights,
    curves: await readCurves(repo, id, { metrics, knowledge }, context.warn),
    statistics: options.statistics
      ? await readStatistics(repo, side, { found, exact: options.exact === true }, context)
      : [],
  };
}

/** The files of a place of a version, to which `side` is narrowed. @throws {NotFoundError} if there are none. */
async function wantedFiles(
  repo: Repository,
  side: DiffSide,
  path: string,
  context: OpContext,
): Promise<{ isWanted: (path: string) => boolean; files: number; logicalBytes: number }> {
  const all = [...side.files.values()];
  if (path === '') return { isWanted: () => true, ...sizeOf(all) };
  const wanted = placePath(repo.layout, context.cwd, path);
  const narrowed = { ...side };
  await narrowToPlace(narrowed, wanted);
  const own = new Set([...narrowed.files.values()].map((file) => file.path));
  narrowSide(side, (file) => own.has(file));
  return { isWanted: (file) => own.has(file), ...sizeOf([...side.files.values()]) };
}

function sizeOf(files: readonly DiffFile[]): { files: number; logicalBytes: number } {
  const logicalBytes = files.reduce((sum, { size }) => sum + (size ?? 0), 0);
  return { files: files.length, logicalBytes };
}

/** Numbers of the checkpoints of a side, by the layers of its networks where they have any. */
async function readStatistics(
  repo: Repository,
  side: DiffSide,
  { found, exact }: { found: readonly VersionNetwork[]; exact: boolean },
  context: OpContext,
): Promise<CheckpointStatistics[]> {
  const owners = ownersIn(found.map(networkSide));
  return weightStatistics(repo, side, { exact, owners }, context);
}

function checkInputs(
  networks: readonly StoredNetwork[],
  { shapes = {}, batch }: DescOptions,
): void {
  if (batch !== undefined && !(Number.isSafeInteger(batch) && batch > 0)) {
    throw new UsageError(`the batch is ${batch}, not a whole number above 0`);
  }
  const names = networks.flatMap(({ network }) => network.graph.inputs.map(({ name }) => name));
  const unknown = Object.keys(shapes).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`no network of this version has an input '${unknown}'`, {
    hint:
      names.length === 0 ? 'it has no network' : `its inputs are ${names.slice(0, 8).join(', ')}`,
  });
}
