/**
 * Refs: names of versions, one small sealed file each, moved by compare-and-swap under the lock.
 *
 * Also the refs under refs/notes, which hold a set of note ids that only grows. Reading needs no
 * lock. HEAD is in head.ts, names in ref-name.ts. @see docs/format/refs.md
 */
import path from 'node:path';
import { type Id, isId } from '../../../base/bytes/hash.js';
import { linesOf } from '../../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../../base/bytes/sealed.js';
import { ConflictError, CorruptError } from '../../../base/errors.js';
import {
  io,
  isMissing,
  listDirectory,
  makeDurableDirectory,
  readSmallFile,
  removeFile,
  statOrNull,
  syncDirectory,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { listTree, readFiles } from '../../../base/files/small-files.js';
import { NOTES_BYTES_MAX, STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import { isNoState } from '../git-markers.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { checkRefName, notesRefName, parseRefName, shownRef } from './ref-name.js';
import { appendReflog, keepReflog, type MoveReason } from './reflog.js';

/** A ref and the version that it names. */
export interface Ref {
  name: string;
  id: Id;
}

/** Text of a ref before its checksum line. */
export function formatRef(id: Id): string {
  return `${id}\n`;
}

/** The mirror of formatRef. @throws {CorruptError} DLV_CORRUPT */
export function parseRef(text: string, file: string): Id {
  const id = text.slice(0, -1);
  if (!isId(id) || text !== formatRef(id)) {
    throw new CorruptError(`'${file}' is damaged: it does not hold an id`, {
      file,
      hint: "run 'dlv fsck --rebuild'",
    });
  }
  return id;
}

async function readOrNull(file: string, maxBytes: number): Promise<Uint8Array | null> {
  if ((await statOrNull(file))?.isDirectory) return null;
  try {
    return await readSmallFile(file, maxBytes);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** The version that a ref names, or null if there is no such ref. @throws {CorruptError} */
export async function readRef(layout: Layout, name: string): Promise<Id | null> {
  const file = layout.ref(checkRefName(name));
  const bytes = await readOrNull(file, STATE_FILE_BYTES_MAX);
  return bytes === null ? null : parseRef(unseal(bytes, file), file);
}

/**
 * Names of all refs at or below a folder of refs, sorted; damaged ones too.
 * @param prefix 'refs', 'refs/heads', 'refs/heads/<model>', 'refs/tags' and the like.
 */
export async function listRefNames(layout: Layout, prefix = 'refs'): Promise<string[]> {
  const names = await listTree(layout.ref(prefix), { skip: isNoState });
  return names.map((name) => `${prefix}/${name}`).filter((name) => parseRefName(name) !== null);
}

/** A ref that was read; `parse` gives its version. */
export interface RefText {
  name: string;
  /** @throws {CorruptError} if it is damaged. */
  parse(): Id;
}

/** Refs at or below a folder of refs, notes apart, by name; each is parsed when its reader asks. */
export async function* readEachRef(layout: Layout, prefix = 'refs'): AsyncGenerator<RefText> {
  const names = (await listRefNames(layout, prefix)).filter((name) => !isNotesRef(name));
  const below = names.map((name) => name.slice(prefix.length + 1));
  for await (const read of readFiles(layout.ref(prefix), below, STATE_FILE_BYTES_MAX)) {
    const name = `${prefix}/${read.name}`;
    const parse = (): Id => {
      const file = layout.ref(name);
      // Of a file that is too long only the end was read; no checksum may make a ref of that.
      return parseRef(read.start > 0 ? '' : unseal(read.bytes, file), file);
    };
    yield { name, parse };
  }
}

/** All refs at or below a folder of refs, notes apart, by name. @throws {CorruptError} for a damaged one. */
export async function listRefs(layout: Layout, prefix = 'refs'): Promise<Ref[]> {
  const refs: Ref[] = [];
  for await (const { name, parse } of readEachRef(layout, prefix)) refs.push({ name, id: parse() });
  return refs;
}

function isNotesRef(name: string): boolean {
  return name.startsWith('refs/notes/');
}

/** Names of the models that have a branch, sorted. Lists one folder per model, not each branch. */
export async function listModels(layout: Layout): Promise<string[]> {
  const models: string[] = [];
  for (const name of await listDirectory(layout.ref('refs/heads'))) {
    if (await holdsRef(layout, `refs/heads/${name}`)) models.push(name);
  }
  return models;
}

/** True if there is a ref below a folder of refs; ends at the first. */
async function holdsRef(layout: Layout, folder: string): Promise<boolean> {
  const names = await listDirectory(layout.ref(folder)).catch(() => []);
  for (const name of names.filter((entry) => !isNoState(entry))) {
    const child = `${folder}/${name}`;
    const there = await statOrNull(layout.ref(child));
    if (there?.isFile && parseRefName(child) !== null) return true;
    if (there?.isDirectory && (await holdsRef(layout, child))) return true;
  }
  return false;
}

/**
 * Refuses a ref beside which `name` cannot stand: 'a' and 'a/b' are a file and a folder.
 * @throws {ConflictError} DLV_CONFLICT
 */
export async function checkRoom(layout: Layout, name: string): Promise<void> {
  const parts = name.split('/');
  for (let i = 3; i < parts.length; i++) {
    const above = parts.slice(0, i).join('/');
    if ((await statOrNull(layout.ref(above)))?.isFile) throw noRoom(name, above);
  }
  if (!(await statOrNull(layout.ref(name)))?.isDirectory) return;
  const [below] = await listRefNames(layout, name);
  if (below !== undefined) throw noRoom(name, below);
  await removeEmptyFolders(layout.ref(name));
}

function noRoom(name: string, other: string): ConflictError {
  return new ConflictError(`cannot create '${shownRef(name)}': '${shownRef(other)}' exists`, {
    name,
    other,
    hint: 'a name cannot also be a folder of another name; choose another name or delete the other ref',
  });
}

/** Removes a folder and the folders in it, as far as they are empty. */
async function removeEmptyFolders(dir: string): Promise<void> {
  for (const entry of await listDirectory(dir)) {
    const child = path.join(dir, entry);
    if ((await statOrNull(child))?.isDirectory) await removeEmptyFolders(child);
  }
  await io.rmdir(dir).catch(() => {});
}

/** Removes the folders above `file` that became empty, up to `top` (kept). */
async function pruneAbove(file: string, top: string): Promise<void> {
  for (let dir = path.dirname(file); dir.startsWith(top + path.sep); dir = path.dirname(dir)) {
    try {
      await io.rmdir(dir);
    } catch {
      return; // not empty
    }
  }
}

/** One move of a ref: created if `before` is null, deleted if `after` is. */
export interface RefMove {
  name: string;
  before: Id | null;
  after: Id | null;
  why: MoveReason;
}

/**
 * Moves, creates or deletes a ref, if it still names `before`.
 *
 * The new value is on the disk when this returns. A reflog line is written first, but that of a new ref
 * after it; deleting moves the reflog to that of deleted refs.
 * @throws {ConflictError} DLV_CONFLICT if the ref moved meanwhile, or its name is taken as a folder.
 */
export async function updateRef(
  lock: RepositoryLock,
  { name, before, after, why }: RefMove,
): Promise<void> {
  lock.assertHeld();
  const { layout } = lock;
  const current = await readRef(layout, name);
  if (current !== before) {
    const moved = current === null ? 'is gone' : `names ${current.slice(0, 10)} now`;
    throw new ConflictError(
      `cannot update '${shownRef(name)}': it ${moved}, not ${before?.slice(0, 10) ?? 'nothing'}`,
      {
        name,
        expected: before,
        current,
        hint: 'another command moved it at the same time; run the command again',
      },
    );
  }
  const file = layout.ref(name);
  if (after === null) {
    if (before === null) return;
    await appendReflog(lock, name, { before, after, ...why });
    await keepReflog(lock, name);
    await removeFile(file);
    await syncDirectory(path.dirname(file));
    await removeFile(layout.log(name)).catch(() => {});
    const kind = name.split('/').slice(0, 2);
    await pruneAbove(file, layout.ref(kind.join('/')));
    await pruneAbove(layout.log(name), layout.log(kind.join('/')));
    return;
  }
  const line = { before, after, ...why };
  if (before === null) {
    await checkRoom(layout, name);
    await makeDurableDirectory(path.dirname(file));
  } else await appendReflog(lock, name, line);
  await writeFileAtomic(file, sealReadable(formatRef(after), file, parseRef));
  if (before === null) await appendReflog(lock, name, line);
}

/** Text of a notes ref before its checksum line: sorted ids, one a line. */
export function formatNotes(ids: Iterable<Id>): string {
  return [...new Set(ids)]
    .sort()
    .map((id) => `${id}\n`)
    .join('');
}

const ID_DIGITS = 64;

/** The mirror of formatNotes. @throws {CorruptError} DLV_CORRUPT if not sorted ids. */
export function parseNotes(text: string, file: string): Id[] {
  const ids = linesOf(text, ID_DIGITS);
  if (ids === null || !ids.every(isId) || formatNotes(ids as Id[]) !== text) {
    throw new CorruptError(`'${file}' is damaged: it is not a sorted list of ids`, {
      file,
      hint: "run 'dlv fsck --rebuild'",
    });
  }
  return ids as Id[];
}

/** Ids of the notes about a version, sorted; none if it has no notes. @throws {CorruptError} */
export async function readNotes(layout: Layout, version: Id): Promise<Id[]> {
  const file = layout.ref(notesRefName(version));
  const bytes = await readOrNull(file, NOTES_BYTES_MAX);
  return bytes === null ? [] : parseNotes(unseal(bytes, file), file);
}

/** Reads the notes of many versions: which of them have any is looked up once. */
export function notesReader(layout: Layout): (version: Id) => Promise<Id[]> {
  let noted: Promise<Set<Id>> | null = null;
  return async (version) => {
    noted ??= listNotedVersions(layout).then((ids) => new Set(ids));
    return (await noted).has(version) ? readNotes(layout, version) : [];
  };
}

/** Adds note ids to those of a version: union, so the order of merges does not matter. */
export async function addNotes(
  lock: RepositoryLock,
  version: Id,
  notes: Iterable<Id>,
): Promise<void> {
  lock.assertHeld();
  const before = await readNotes(lock.layout, version);
  const after = formatNotes([...before, ...notes]);
  if (after === formatNotes(before)) return;
  const file = lock.layout.ref(notesRefName(version));
  await makeDurableDirectory(path.dirname(file));
  await writeFileAtomic(file, sealReadable(after, file, parseNotes));
}

/** Versions that have notes, sorted. */
export async function listNotedVersions(layout: Layout): Promise<Id[]> {
  const names = await listRefNames(layout, 'refs/notes');
  return names.map((name) => name.split('/')[3] as Id);
}
