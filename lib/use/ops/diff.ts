/** `dlv diff`: how two to eight versions differ, from their files down to every tensor. */
import { UsageError } from '../../base/errors.js';
import type { SuppliedReader } from '../../storage/objects/stored/bring.js';
import { compareEnds, endOf } from '../comparison/compare-ends.js';
import type { Comparison, PairDiff } from '../comparison/result.js';
import { compareTexts } from '../comparison/texts.js';
import type { OpContext } from '../context.js';
import { diffCheckpoints } from '../history/diff/checkpoints.js';
import { diffFiles } from '../history/diff/files.js';
import { nothingStored } from '../history/diff/nothing-stored.js';
import type { DiffSide } from '../history/diff/sides.js';
import { diffSnapshots, type TensorDiff } from '../history/diff/snapshots.js';
import { resolveId } from '../history/lines/resolve.js';
import type { Repository } from '../repository.js';
import { type DiffOptions, openManySides, openSides } from '../worktree/sides/diff-sides.js';
import { diskSide, isOnDisk, matchSides } from '../worktree/sides/disk-side.js';

export type * from '../comparison/result.js';
export type { CheckpointDiff } from '../history/diff/checkpoints.js';
export type { FileDiff } from '../history/diff/files.js';
export type { SnapshotDiff, TensorDiff } from '../history/diff/snapshots.js';
export type { DiffOptions } from '../worktree/sides/diff-sides.js';

/** How two sides differ. */
export interface DiffResult extends PairDiff, Comparison {}

/** How two to eight versions differ. */
export interface ManyDiffResult extends Comparison {
  /** True if nothing differs. */
  same: boolean;
  /** Each version against the baseline, in order; the baseline has none. */
  pairs: PairDiff[];
}

/** Compares two sides. @throws {NotFoundError} {UsageError} {CorruptError} */
export async function diff(
  repo: Repository,
  options: DiffOptions,
  context: OpContext,
): Promise<DiffResult> {
  const { before, after } = await openSides(repo, options, context);
  return compareTwo(repo, [before, after], options, context);
}

/** Compares two to eight versions, each with the baseline. @throws as `diff`. */
export async function diffMany(
  repo: Repository,
  options: DiffOptions,
  context: OpContext,
): Promise<ManyDiffResult> {
  return compareMany(repo, await openManySides(repo, options, context), options, context);
}

/** Either of both: many where more than two versions or a baseline are named. */
export async function diffAny(
  repo: Repository,
  options: DiffOptions,
  context: OpContext,
): Promise<DiffResult | ManyDiffResult> {
  const sides = await openManySides(repo, options, context);
  const [before, after, ...others] = sides;
  const isPair = before !== undefined && after !== undefined && others.length === 0;
  if (!isPair || options.baseline !== undefined) return compareMany(repo, sides, options, context);
  return compareTwo(repo, [before, after], options, context);
}

/**
 * Compares two files or folders on disk, whether a version holds them or not; no repository is needed.
 * @param words  both, as the user wrote them. @throws {NotFoundError} {UsageError}
 */
export async function diffOnDisk(
  words: readonly string[],
  options: Pick<DiffOptions, 'filesOnly' | 'all' | 'exact' | 'rank' | 'onlyChanged' | 'sort'>,
  context: OpContext,
): Promise<DiffResult> {
  const [first, second, ...others] = words;
  if (first === undefined || second === undefined || others.length > 0) {
    throw new UsageError('two files or folders are compared on disk', {
      hint: "as in 'dlv diff --no-index a.safetensors b.safetensors'",
    });
  }
  const [before, after] = matchSides(
    await diskSide(first, context),
    await diskSide(second, context),
  );
  return compareTwo(await nothingStored(context.cwd), [before, after], options, context);
}

/** True if words name two files or folders on disk, which is all that can be compared without a repository. */
export async function arePairOnDisk(
  words: readonly string[],
  context: OpContext,
): Promise<boolean> {
  if (words.length !== 2) return false;
  for (const word of words) if (!(await isOnDisk(word, context))) return false;
  return true;
}

async function compareTwo(
  repo: SuppliedReader,
  sides: readonly [DiffSide, DiffSide],
  options: DiffOptions,
  context: OpContext,
): Promise<DiffResult> {
  try {
    const pair = await comparePair(repo, sides, options, context);
    return {
      ...pair,
      ...(await comparison(repo, sides, { ...options, at: 0, pairs: [null, pair] }, context)),
    };
  } finally {
    context.progress.finish();
  }
}

async function compareMany(
  repo: Repository,
  sides: readonly DiffSide[],
  options: DiffOptions,
  context: OpContext,
): Promise<ManyDiffResult> {
  const baseline = await baselineOf(repo, sides, options);
  const base = sides[baseline] as DiffSide;
  try {
    const pairs: (PairDiff | null)[] = [];
    for (const [at, side] of sides.entries()) {
      pairs.push(at === baseline ? null : await comparePair(repo, [base, side], options, context));
    }
    const compared = pairs.filter((pair) => pair !== null);
    const whole = await comparison(repo, sides, { ...options, at: baseline, pairs }, context);
    return { ...whole, same: compared.every(({ same }) => same), pairs: compared };
  } finally {
    context.progress.finish();
  }
}

/** Place of the version that others are compared with. @throws {UsageError} if it is not among them. */
async function baselineOf(
  repo: Repository,
  sides: readonly DiffSide[],
  { baseline }: DiffOptions,
): Promise<number> {
  if (baseline === undefined) return 0;
  const named = sides.findIndex(({ label }) => label === baseline);
  if (named >= 0) return named;
  const id = await resolveId(repo, baseline);
  const found = sides.findIndex(({ version }) => version === id);
  if (found >= 0) return found;
  throw new UsageError(`the baseline '${baseline}' is not one of the versions that are compared`, {
    hint: `they are ${sides.map(({ label }) => label).join(', ')}`,
  });
}

async function comparePair(
  repo: SuppliedReader,
  [before, after]: readonly [DiffSide, DiffSide],
  options: DiffOptions,
  context: OpContext,
): Promise<PairDiff> {
  const files = await diffFiles(repo, before, after, context.signal);
  const { filesOnly } = options;
  const request = { ...options, files, context };
  const snapshots = filesOnly ? [] : await diffSnapshots(repo, before, after, request);
  return {
    before: endOf(before),
    after: endOf(after),
    same: files.length === 0,
    files,
    checkpoints: diffCheckpoints(before, after, files),
    snapshots:
      options.sort === 'drift'
        ? snapshots.map((one) => ({ ...one, tensors: byDrift(one.tensors) }))
        : snapshots,
    texts: filesOnly ? [] : await compareTexts(before, after, files, context.signal),
  };
}

/** Those that moved most first; those that came or went last. */
function byDrift(tensors: readonly TensorDiff[]): TensorDiff[] {
  const moved = ({ numbers }: TensorDiff): number => numbers?.relativeL2 ?? -1;
  return [...tensors].sort((a, b) => moved(b) - moved(a));
}

async function comparison(
  repo: SuppliedReader,
  sides: readonly DiffSide[],
  {
    filesOnly,
    onlyChanged,
    sort,
    at,
    pairs,
  }: DiffOptions & { at: number; pairs: readonly (PairDiff | null)[] },
  context: OpContext,
): Promise<Comparison> {
  if (!filesOnly) {
    const how = { baseline: at, byDrift: sort === 'drift', pairs };
    const all = await compareEnds(repo, sides, how, context);
    if (!onlyChanged) return all;
    const { params, metrics, operation, environment, data } = all;
    return {
      ...all,
      params: changed(params),
      metrics: changed(metrics),
      operation: changed(operation),
      environment: changed(environment),
      data: changed(data),
    };
  }
  const none = { params: [], metrics: [], operation: [], environment: [], data: [] };
  return { ends: sides.map(endOf), baseline: at, ...none, networks: [], layers: [] };
}

function changed<T extends { equal: boolean }>(rows: readonly T[]): T[] {
  return rows.filter(({ equal }) => !equal);
}
