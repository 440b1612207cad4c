/**
 * What `diff` compares: a version, the staged files or the work tree, as files and snapshots whose
 * tensors are opened only when they are needed.
 */

import { UsageError } from '../../../base/errors.js';
import type { StagedEntry } from '../../../storage/repo/staging/staging.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import { makeSnapshots } from '../../../storage/repo/version/snapshots.js';
import type { OpContext } from '../../context.js';
import type { LineAccess } from '../../history/access.js';
import { narrowToPlace, renameFile, splitPlace } from '../../history/diff/places.js';
import {
  type DiffSide,
  emptySide,
  narrowSide,
  storedFile,
  versionSide,
} from '../../history/diff/sides.js';
import { currentLine } from '../../history/lines/lines.js';
import { parseRange, resolveEnds } from '../../history/lines/ranges.js';
import { resolveId } from '../../history/lines/resolve.js';
import { isBelow } from '../../history/steps/pick-snapshot.js';
import { PathInput, placePath } from '../operands/path-input.js';
import { isTracked, revisionProblem, splitWords } from '../operands/revisions-or-paths.js';
import { selectPaths } from '../operands/select-paths.js';
import { diskSide, isOnDisk, matchSides, type PlacedSide } from './disk-side.js';
import { workSide } from './work-side.js';

export interface DiffOptions {
  /**
   * None: work tree against staging. One: work tree against it. Two, or `a..b`: the second against
   * the first. Unless `paths` is given, the last ones may be paths. `<rev>:<path>` is one folder or
   * file: two are compared with each other, one with that path of the work tree, or with `paths`.
   */
  revisions?: string[];
  /**
   * Staging instead of the work tree; against HEAD's version (or, before the first, nothing) if no
   * revision is given.
   */
  staged?: boolean;
  model?: string;
  /** Only files at or below these paths, and snapshots with such a file. */
  paths?: string[];
  /** Only files, no tensors. */
  filesOnly?: boolean;
  /** Lists tensors that are equal as well. */
  all?: boolean;
  /** The revision that others are compared with; default: the first. */
  baseline?: string;
  /** Reads all bytes of large checkpoints, not the leading planes that say enough. */
  exact?: boolean;
  /** Works out the rank of each change, also where that is much work; false: of none. */
  rank?: boolean;
  /** Leaves out hyperparameters, metrics and other values that are equal in all versions. */
  onlyChanged?: boolean;
  /** Order of tensors and layers: as they stand in the file, or by how far they moved. */
  sort?: 'name' | 'drift';
}

/** Opens the two sides that the options name. No file stays open. */
export async function openSides(
  repo: LineAccess,
  options: DiffOptions,
  context: OpContext,
): Promise<{ before: DiffSide; after: DiffSide }> {
  const onDisk = await sidesOnDisk(repo, options, context);
  if (onDisk !== null) return { before: onDisk[0], after: onDisk[1] };
  const words = await splitDiffWords(repo, options, context);
  const { paths } = words;
  const places = words.revisions.map(splitPlace);
  const revisions = words.revisions.map((word, i) => places[i]?.revision ?? word);
  const { before, after } = await chooseSides(repo, options, revisions, context);
  if (places.some((place) => place !== null)) {
    const cwd = { layout: repo.layout, cwd: context.cwd };
    await narrowToPlaces(before, after, placesOf(places, paths, cwd));
  } else if (paths.length > 0) {
    const known = new Set([...before.files.keys(), ...after.files.keys()]);
    const label = 'either side';
    const wanted = selectPaths({ layout: repo.layout, cwd: context.cwd }, paths, [...known], label);
    for (const side of [before, after]) narrowSide(side, (path) => wanted.has(path));
  }
  return { before, after };
}

/** The path of each side: '' for all of it, null for the same path as the first, if it is there. @throws {UsageError} for paths that name no second one. */
function placesOf(
  places: readonly ({ path: string } | null)[],
  paths: readonly string[],
  { layout, cwd }: { layout: LineAccess['layout']; cwd: string },
): [string, string | null] {
  const [first, second] = places.map((place) => {
    return place && { path: placePath(layout, cwd, place.path) };
  });
  const [other, ...more] = paths;
  if (more.length > 0 || (other !== undefined && second !== undefined)) {
    throw new UsageError('a place and paths at once', {
      hint: "name two places, as in 'dlv diff HEAD~1:a HEAD:b'",
    });
  }
  const path = first?.path ?? '';
  if (second !== undefined) return [path, second?.path ?? ''];
  return [path, other === undefined ? null : new PathInput(layout, cwd, other).path];
}

async function narrowToPlaces(
  before: DiffSide,
  after: DiffSide,
  [first, second]: [string, string | null],
): Promise<void> {
  const from = await narrowToPlace(before, first);
  const isGone = second === null && !holds(after, first);
  if (isGone) narrowSide(after, () => false);
  const to = isGone ? null : await narrowToPlace(after, second ?? first);
  if (from !== null && to !== null) renameFile(before, from, to);
  for (const [side, path] of [
    [before, first],
    [after, second ?? first],
  ] as const) {
    if (path !== '') side.label = `${side.label}:${path}`;
  }
}

function holds({ files }: DiffSide, path: string): boolean {
  return [...files.keys()].some((file) => isBelow(file, path.replace(/\/+$/, '')));
}

/** Fewest and most versions that are compared at once. */
export const [SIDES_MIN, SIDES_MAX] = [2, 8];

/**
 * Opens the sides that the options name: two, or for three to eight revisions as many. `<rev>:<path>` is one
 * folder or file of a version.
 * @throws {UsageError}
 */
export async function openManySides(
  repo: LineAccess,
  options: DiffOptions,
  context: OpContext,
): Promise<DiffSide[]> {
  const onDisk = await sidesOnDisk(repo, options, context);
  if (onDisk !== null) return onDisk;
  const { revisions, paths } = await splitDiffWords(repo, options, context);
  if (revisions.length <= SIDES_MIN) {
    const { before, after } = await openSides(repo, options, context);
    return [before, after];
  }
  const ranged = revisions.find((word) => parseRange(word) !== null);
  if (revisions.length > SIDES_MAX || options.staged || ranged !== undefined) {
    const most = `at most ${SIDES_MAX} versions are compared at once, and neither ranges nor --staged`;
    throw new UsageError('too many revisions', { hint: most });
  }
  const cwd = { layout: repo.layout, cwd: context.cwd };
  const sides: DiffSide[] = [];
  for (const word of revisions) {
    const place = splitPlace(word);
    const revision = place?.revision ?? word;
    const side = await versionSide(repo, await resolveId(repo, revision), word);
    if (place !== null) {
      const file = await narrowToPlace(side, placePath(repo.layout, context.cwd, place.path));
      // Files that are compared need one name.
      if (file !== null && sides[0] !== undefined) renameLone(side, file, sides[0]);
    }
    sides.push(side);
  }
  if (paths.length > 0) {
    const known = new Set(sides.flatMap((side) => [...side.files.keys()]));
    const wanted = selectPaths(cwd, paths, [...known], 'these versions');
    for (const side of sides) narrowSide(side, (path) => wanted.has(path));
  }
  return sides;
}

/**
 * Both sides where one at least is a path on disk that is tracked nowhere: two paths, or one and `<rev>:<path>`. Null
 * for other words; they are revisions and tracked paths.
 */
async function sidesOnDisk(
  repo: LineAccess,
  { revisions = [], paths = [], staged }: DiffOptions,
  context: OpContext,
): Promise<[DiffSide, DiffSide] | null> {
  const [first, second, ...others] = revisions;
  const isPair = first !== undefined && second !== undefined && others.length === 0;
  if (!isPair || paths.length > 0 || staged) return null;
  let isAnyUntracked = false;
  for (const word of [first, second]) {
    if ((await revisionProblem(repo, word)) === null) {
      if (splitPlace(word) === null) return null;
    } else if (!(await isOnDisk(word, context))) return null;
    else isAnyUntracked ||= !(await isTracked(repo, word, context));
  }
  if (!isAnyUntracked) return null;
  const open = async (word: string): Promise<PlacedSide> => {
    const place = splitPlace(word);
    if (place === null || (await revisionProblem(repo, word)) !== null) {
      return diskSide(word, context);
    }
    const side = await versionSide(repo, await resolveId(repo, place.revision), word);
    const file = await narrowToPlace(side, placePath(repo.layout, context.cwd, place.path));
    return { side, file };
  };
  return matchSides(await open(first), await open(second));
}

/** Gives the only file of a side the name that the only file of the first side has. */
function renameLone(side: DiffSide, file: string, first: DiffSide): void {
  const [name, ...others] = first.files.keys();
  if (name !== undefined && others.length === 0) renameFile(side, file, name);
}

async function splitDiffWords(
  repo: LineAccess,
  { revisions = [], paths = [] }: DiffOptions,
  context: OpContext,
): Promise<{ revisions: string[]; paths: string[] }> {
  return paths.length > 0 ? { revisions, paths } : splitWords(repo, revisions, context);
}

async function chooseSides(
  repo: LineAccess,
  options: DiffOptions,
  revisions: readonly string[],
  context: OpContext,
): Promise<{ before: DiffSide; after: DiffSide }> {
  const [first, second, ...rest] = revisions;
  const range = first === undefined ? null : parseRange(first);
  const isPair = range !== null || second !== undefined;
  if (rest.length > 0 || (isPair && options.staged) || (range !== null && second !== undefined)) {
    throw new UsageError('too many revisions', { hint: "as in 'dlv diff HEAD~1 HEAD'" });
  }
  if (range !== null) {
    const ends = await resolveEnds(repo, range, context.signal);
    return {
      before: await versionSide(repo, ends.before, range.from),
      after: await versionSide(repo, ends.after, range.to),
    };
  }
  if (second !== undefined) {
    return {
      before: await versionSide(repo, await resolveId(repo, first as string), first as string),
      after: await versionSide(repo, await resolveId(repo, second), second),
    };
  }
  const { staging, writtenNs } = await readStaging(repo.layout);
  const version = first === undefined ? null : await resolveId(repo, first);
  const model =
    options.model ?? (version === null ? undefined : (await repo.version(version)).model);
  const line = await currentLine(repo, staging, model);
  const entries = staging.entries(line.model);
  let before: DiffSide;
  if (version !== null) before = await versionSide(repo, version, first as string);
  else if (!options.staged) before = stagedSide(repo, entries);
  else before = line.tip === null ? emptySide() : await versionSide(repo, line.tip, 'HEAD');
  const after = options.staged
    ? stagedSide(repo, entries)
    : await workSide(repo, entries, writtenNs, context);
  return { before, after };
}

function stagedSide(repo: LineAccess, entries: readonly StagedEntry[]): DiffSide {
  return {
    label: 'staged',
    version: null,
    tier: null,
    files: new Map(entries.map((entry) => [entry.path, storedFile(repo, entry)])),
    snapshots: makeSnapshots(entries),
  };
}
