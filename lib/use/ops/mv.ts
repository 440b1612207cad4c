/** `dlv mv`: moves or renames tracked files, in the work tree and in what is staged. */
import nodePath from 'node:path';
import { ConflictError, ExistsError, NotFoundError } from '../../base/errors.js';
import {
  listEntries,
  makeDurableDirectory,
  removeEmptyFolder,
  renameFile,
  statOrNull,
  syncDirectory,
} from '../../base/files/files.js';
import { checkPath } from '../../pure/paths/version-path.js';
import {
  changedEntry,
  isClean,
  nowNs,
  type StagedEntry,
} from '../../storage/repo/staging/staging.js';
import {
  readStaging,
  type StagingOnDisk,
  writeStaging,
} from '../../storage/repo/staging/staging-file.js';
import { resolveReference } from '../../storage/repo/version/snapshots.js';
import { holdsFolder, LinkGuard, toVersionPath } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import { checkUnchanged, SEEN } from '../history/commit/staged-version.js';
import { currentLine } from '../history/lines/lines.js';
import type { Repository } from '../repository.js';
import { hashFile } from '../worktree/changes.js';
import { warnOfMissing } from '../worktree/missing-references.js';
import { PathInput } from '../worktree/operands/path-input.js';

export interface MvOptions {
  /** Tracked files, folders or globs. */
  sources: string[];
  /** New name, or the folder that they go into. */
  destination: string;
  model?: string;
  /** Replaces a file that has the new name. */
  force?: boolean;
  /** Says what would move. */
  dryRun?: boolean;
}

export interface MvResult {
  dryRun: boolean;
  model: string;
  moved: { from: string; to: string }[];
}

interface Move {
  entry: StagedEntry;
  to: string;
}

/** @throws {NotFoundError} for what is not tracked; {ExistsError} {ConflictError} {UsageError} */
export async function mv(
  repo: Repository,
  options: MvOptions,
  context: OpContext,
): Promise<MvResult> {
  const onDisk = await readStaging(repo.layout);
  const { model } = await currentLine(repo, onDisk.staging, options.model);
  const moves = await planMoves(repo, { staging: onDisk.staging, model }, options, context);
  const moved = moves.map(({ entry, to }) => ({ from: entry.path, to }));
  const result = { dryRun: options.dryRun === true, model, moved };
  await checkMoves(repo, onDisk, moves, options.force === true);
  if (options.dryRun) return result;
  // Files go first: mv that was interrupted finds them under the new name, and is run again.
  const entries = await moveFiles(repo, onDisk, moves, context);
  const all = await repo.locked(async (lock) => {
    const { staging } = await readStaging(repo.layout);
    checkUnchanged(onDisk.staging, staging, model);
    for (const { from } of moved) staging.remove(from);
    for (const entry of entries) staging.put(model, entry);
    await writeStaging(lock, staging);
    return staging.entries(model);
  });
  const changed = new Set(moved.flatMap(({ from, to }) => [from, to]));
  await warnOfMissing(repo.layout, { entries: all, changed, where: 'staged' }, context);
  return result;
}

/** What a file names as parts of its checkpoint, after it was moved: it names them relative to its folder. */
function referencesAt(to: string, { path, hint }: StagedEntry): string[] {
  const folder = nodePath.posix.dirname(path);
  return hint.references.flatMap((reference) => {
    return resolveReference(to, nodePath.posix.relative(folder, reference)) ?? [];
  });
}

/** What moves where. */
async function planMoves(
  repo: Repository,
  { staging, model }: Pick<StagingOnDisk, 'staging'> & { model: string },
  { sources, destination }: MvOptions,
  { cwd }: OpContext,
): Promise<Move[]> {
  const target = toVersionPath(repo.layout, cwd, destination);
  const entries = staging.entries(model);
  const known = entries.map(({ path }) => path);
  const named = new Map<string, string>();
  for (const text of sources) {
    const input = new PathInput(repo.layout, cwd, text);
    const found = input.select(known);
    if (found.size === 0) {
      if (input.path !== null) staging.checkOwner(model, input.path);
      throw new NotFoundError(`'${text}' is not tracked in model '${model}'`, {
        kind: 'path',
        name: text,
        hint: 'move an untracked file without dlv',
      });
    }
    for (const path of found.keys()) named.set(path, input.topOf(path));
  }
  const tops = new Set(named.values());
  const isFolder =
    (await isInto(repo, target, { tops, destination, known })) &&
    !(await isRenamed(repo, target, { named, tops, known }));
  const moves = new Map<string, Move>();
  for (const [path, top] of named) {
    // A folder goes with its name, and so does each that a glob finds.
    const below = path.slice(top.length);
    const name = top.slice(top.lastIndexOf('/') + 1);
    const goal = isFolder ? [target, name].filter((part) => part !== '').join('/') : target;
    checkOutside(top, { goal, isFolder: below !== '' });
    const to = goal + below;
    if (to !== path) moves.set(path, { entry: staging.entry(path) as StagedEntry, to });
  }
  return [...moves.values()];
}

/** @throws {ConflictError} for a folder that would go into itself. */
function checkOutside(top: string, { goal, isFolder }: { goal: string; isFolder: boolean }): void {
  if (!isFolder || (top !== '' && !goal.startsWith(`${top}/`))) return;
  throw new ConflictError(`cannot move '${top === '' ? '.' : top}' into itself: '${goal}'`, {
    path: top,
    hint: 'name a folder outside of it',
  });
}

/** True if the destination is a folder that files go into, not a new name. */
async function isInto(
  repo: Repository,
  target: string,
  { tops, destination, known }: { tops: Set<string>; destination: string; known: string[] },
): Promise<boolean> {
  if (target === '' || /[\\/]$/.test(destination)) return true;
  const there = await statOrNull(repo.layout.workFile(target));
  if (there?.isDirectory || known.some((path) => path.startsWith(`${target}/`))) return true;
  if (tops.size === 1) return false;
  throw new NotFoundError(`'${destination}' is not a folder`, {
    kind: 'path',
    name: destination,
    hint: `to move several files, name a folder: write '${destination}/'`,
  });
}

/**
 * True if a folder has its new name already: an interrupted run moved files of it there, and nothing else
 * is there. Without this, the next run would move the folder into itself.
 */
async function isRenamed(
  { layout }: Repository,
  target: string,
  { named, tops, known }: { named: Map<string, string>; tops: Set<string>; known: string[] },
): Promise<boolean> {
  const [top = ''] = tops;
  const isNew = target !== '' && !known.some((path) => path.startsWith(`${target}/`));
  if (tops.size !== 1 || top === '' || named.has(top) || !isNew) return false;
  const goals = new Map([...named.keys()].map((path) => [target + path.slice(top.length), path]));
  if (!(await statOrNull(layout.workFile(target)))?.isDirectory) return false;
  const there = await filesBelow(layout.workFile(target));
  if (there === null) return false;
  let isMoved = false;
  for (const name of there) {
    const from = goals.get(`${target}/${name}`);
    if (from === undefined) return false;
    isMoved ||= (await statOrNull(layout.workFile(from))) === null;
  }
  return isMoved;
}

/** Files below a folder, `/` between the parts of a path; null if it holds anything but files and folders. */
async function filesBelow(folder: string): Promise<string[] | null> {
  const found: string[] = [];
  for (const entry of await listEntries(folder)) {
    if (entry.isFile()) found.push(entry.name);
    else if (entry.isDirectory()) {
      const below = await filesBelow(nodePath.join(folder, entry.name));
      if (below === null) return null;
      for (const name of below) found.push(`${entry.name}/${name}`);
    } else return null;
  }
  return found;
}

async function checkMoves(
  repo: Repository,
  { staging }: StagingOnDisk,
  moves: readonly Move[],
  force: boolean,
): Promise<void> {
  const guard = new LinkGuard(repo.layout.workTree);
  const going = new Set(moves.map(({ entry }) => entry.path));
  const targets = new Set<string>();
  for (const { entry, to } of moves) {
    checkPath(to);
    await guard.check(to);
    if (targets.has(to)) {
      throw new ConflictError(`two files would be called '${to}'`, { path: to });
    }
    targets.add(to);
    const isTracked = staging.ownerOf(to) !== null && !going.has(to);
    const there = await statOrNull(repo.layout.workFile(to));
    const isMoved = (await statOrNull(repo.layout.workFile(entry.path))) === null && there?.isFile;
    if (going.has(to) || isMoved) continue;
    if (there !== null && !there.isFile) {
      throw new ConflictError(`cannot move to '${to}': no file is there`, { path: to });
    }
    // After a power cut a file may be under both names: nothing is lost then.
    const isTwin = !isTracked && there !== null && (await isSame(repo, entry.path, to));
    if ((there !== null || isTracked) && !isTwin && !force) {
      throw new ExistsError(`'${to}' exists already`, {
        kind: 'path',
        name: to,
        hint: 'choose another name, or replace it with --force',
      });
    }
  }
}

/** True if two work files are there and hold the same. */
async function isSame({ layout }: Repository, a: string, b: string): Promise<boolean> {
  const [one, other] = [layout.workFile(a), layout.workFile(b)];
  const [first, second] = [await statOrNull(one), await statOrNull(other)];
  if (first?.isFile !== true || second?.isFile !== true) return false;
  if (first.stat.size !== second.stat.size) return false;
  return (await hashFile(one)) === (await hashFile(other));
}

/** Renames the work files. @returns their entries under the new names. */
async function moveFiles(
  repo: Repository,
  { writtenNs }: StagingOnDisk,
  moves: readonly Move[],
  context: OpContext,
): Promise<StagedEntry[]> {
  const { layout } = repo;
  const folders = new Set<string>();
  const clean = new Set<Move>();
  const renames = new Map<string, string>();
  for (const move of moves) {
    const from = layout.workFile(move.entry.path);
    const before = await statOrNull(from);
    if (before?.isFile && isClean(move.entry, before.stat, writtenNs)) clean.add(move);
    if (before !== null) renames.set(from, layout.workFile(move.to));
  }
  for (const [from, target] of (await wholeFolder(renames, context)) ?? renames) {
    // A power cut may not keep the rename and lose the folder that it led into.
    await makeDurableDirectory(nodePath.dirname(target));
    await renameFile(from, target);
    folders.add(nodePath.dirname(target)).add(nodePath.dirname(from));
  }
  const entries: StagedEntry[] = [];
  for (const move of moves) {
    // Renaming changes one of its times: the file is as it was before.
    const there = clean.has(move) ? await statOrNull(layout.workFile(move.to)) : null;
    const isHere = move.entry.stat !== null || renames.has(layout.workFile(move.entry.path));
    const state = { stat: there?.stat ?? (isHere ? SEEN : null), stagedAtNs: nowNs() };
    const hint = { ...move.entry.hint, references: referencesAt(move.to, move.entry) };
    entries.push(changedEntry(move.entry, { ...state, hint, path: move.to }));
  }
  for (const { entry } of moves) {
    let dir = nodePath.dirname(layout.workFile(entry.path));
    while (dir !== layout.workTree && !holdsFolder(dir, context.cwd)) {
      if (!(await removeEmptyFolder(dir))) break;
      folders.delete(dir);
      dir = nodePath.dirname(dir);
      folders.add(dir);
    }
  }
  for (const folder of folders) await syncDirectory(folder);
  return entries;
}

/**
 * The one rename that does all of them: that of a folder which holds no other files, to a name that is
 * free. Nobody then finds a part of it under each name. Null if there is none.
 * @param renames  paths of files, before and after.
 */
async function wholeFolder(
  renames: ReadonlyMap<string, string>,
  { cwd }: OpContext,
): Promise<Map<string, string> | null> {
  const [first] = renames;
  if (first === undefined) return null;
  let [from, to] = [nodePath.dirname(first[0]), nodePath.dirname(first[1])];
  const isAll = ([before, after]: [string, string]): boolean =>
    before.startsWith(from + nodePath.sep) && after === to + before.slice(from.length);
  while (![...renames].every(isAll)) {
    if (from === to || nodePath.basename(from) !== nodePath.basename(to)) return null;
    [from, to] = [nodePath.dirname(from), nodePath.dirname(to)];
  }
  if (holdsFolder(from, cwd) || `${to}${nodePath.sep}`.startsWith(`${from}${nodePath.sep}`))
    return null;
  if ((await statOrNull(to)) !== null) return null;
  const files = await filesBelow(from);
  const isOnly = files?.every((name) => renames.has(nodePath.join(from, ...name.split('/'))));
  return isOnly ? new Map([[from, to]]) : null;
}
