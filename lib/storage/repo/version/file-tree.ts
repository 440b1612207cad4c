/**
 * The files and snapshots of a version, and how they are cut into pages.
 *
 * Up to FILES_INLINE_MAX files are in the version itself. More are cut where their paths say
 * (content-defined), so that a change of one of 10,000 files rewrites one page. A snapshot is in
 * the page of its key file. Start at `buildTree` and `readPages`. @see docs/format/version.md
 */

import { ID_BYTES, type Id, idBytes, idFromBytes, sha256Hex } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { UsageError } from '../../../base/errors.js';
import { FILES_INLINE_MAX, FILES_PAGE_MAX, FILES_PER_VERSION_MAX } from '../../../base/limits.js';
import { comparePaths, PathOrder, pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES } from '../../../pure/tensor/layout.js';
import type { BlobReader, BlobWriter } from './blobs.js';
import {
  comparePlaces,
  compareSnapshots,
  corrupt,
  type FileEntry,
  type FilePage,
  packPage,
  type Snapshot,
  unpackPage,
} from './file-page.js';

/** Where a page lies: blob of kind 'files', number of its files, path of the last. */
export interface PageRef {
  id: Id;
  count: number;
  last: string;
}

/** What a version says of its files. Either `inline` or `pages` holds them. */
export interface FileTree {
  count: number;
  /** Sum of the sizes of the files. */
  bytes: number;
  snapshotCount: number;
  inline: FilePage | null;
  pages: PageRef[];
}

/** True if a page ends after the file `path`, however many it has: one path in 64. */
export function endsPage(path: string): boolean {
  return (Number.parseInt(sha256Hex(path).slice(-2), 16) & 0x3f) === 0;
}

/** The part of a version's bytes that tells of its files. */
export function packTree(tree: FileTree): Packed {
  return [
    tree.count,
    tree.bytes,
    tree.snapshotCount,
    tree.inline === null
      ? tree.pages.map((page) => [idBytes(page.id), page.count, page.last])
      : packPage(tree.inline),
  ];
}

/** The mirror of packTree. @throws {CorruptError} DLV_CORRUPT */
export function unpackTree(value: Packed, file: string): FileTree {
  const fields = new Fields(value, file, 4);
  const count = fields.count('file count', FILES_PER_VERSION_MAX);
  const bytes = fields.count('file bytes');
  const snapshotCount = fields.count('snapshot count', count * ROLES.length);
  const rows = fields.any('files');
  if (count <= FILES_INLINE_MAX) {
    const inline = unpackPage(rows, file, new PathOrder());
    const tree = { count, bytes, snapshotCount, inline, pages: [] };
    checkTotals(tree, [inline], file);
    return tree;
  }
  const pages = new Fields(rows, file).items.map((row): PageRef => {
    const f = new Fields(row, file, 3);
    const id = idFromBytes(f.bytes('page id', ID_BYTES), file);
    return { id, count: f.count('page count', FILES_PAGE_MAX), last: f.string('last path') };
  });
  if (pages.reduce((sum, page) => sum + page.count, 0) !== count) {
    throw corrupt(file, `its pages do not add up to ${count} files`);
  }
  for (let i = 1; i < pages.length; i++) {
    if (comparePaths((pages[i - 1] as PageRef).last, (pages[i] as PageRef).last) >= 0) {
      throw corrupt(file, 'its pages are out of order');
    }
  }
  return { count, bytes, snapshotCount, inline: null, pages };
}

function checkTotals(tree: FileTree, pages: readonly FilePage[], file: string): void {
  let [count, bytes, snapshots] = [0, 0, 0];
  for (const page of pages) {
    count += page.files.length;
    snapshots += page.snapshots.length;
    for (const entry of page.files) bytes += entry.size;
  }
  if (count !== tree.count || bytes !== tree.bytes || snapshots !== tree.snapshotCount) {
    throw corrupt(file, 'its totals do not match its files');
  }
}

/** Checks what must hold before a tree is written. @throws {UsageError} DLV_USAGE */
function checkDraft(files: readonly FileEntry[], snapshots: readonly Snapshot[]): void {
  const order = new PathOrder();
  for (const { path } of files) {
    const problem = pathProblem(path) ?? (order.follows(path) ? null : 'it is listed twice');
    const blocking = problem === null ? order.add(path) : null;
    if (problem !== null || blocking !== null) {
      throw new UsageError(
        `cannot version '${path}': ${problem ?? `'${blocking}' is a file and a folder`}`,
        { path },
      );
    }
  }
  const paths = new Set(files.map((entry) => entry.path));
  for (const { key, members } of snapshots) {
    const missing = [key, ...members].find((path) => !paths.has(path));
    if (missing !== undefined) {
      throw new UsageError(
        `snapshot '${key}' names '${missing}', which is not a file of the version`,
      );
    }
  }
  const twice = snapshots.find(
    (s, i) => i > 0 && comparePlaces(snapshots[i - 1] as Snapshot, s) === 0,
  );
  if (twice) throw new UsageError(`snapshot '${twice.key}' (${twice.role}) is listed twice`);
}

function cutPages(files: readonly FileEntry[], snapshots: readonly Snapshot[]): FilePage[] {
  const byKey = new Map<string, Snapshot[]>();
  for (const snapshot of snapshots) {
    const same = byKey.get(snapshot.key);
    if (same) same.push(snapshot);
    else byKey.set(snapshot.key, [snapshot]);
  }
  const pages: FilePage[] = [];
  let page: FilePage = { files: [], snapshots: [] };
  for (const file of files) {
    page.files.push(file);
    pushAll(page.snapshots, byKey.get(file.path) ?? []);
    if (page.files.length === FILES_PAGE_MAX || endsPage(file.path)) {
      pages.push(page);
      page = { files: [], snapshots: [] };
    }
  }
  if (page.files.length > 0) pages.push(page);
  return pages;
}

/** The page of `tree` that `path` lies in or would lie in, or undefined. */
function pageOf(tree: FileTree | null, path: string): PageRef | undefined {
  return tree?.pages.find((page) => comparePaths(path, page.last) <= 0) ?? tree?.pages.at(-1);
}

/**
 * Makes the tree of a version and writes its pages, if it needs any.
 *
 * @param files      in any order; not kept.
 * @param snapshots  in any order; keys and members are paths of `files`.
 * @param previous   tree of the parent: its pages are named to the writer as likely bases.
 * @throws {UsageError} DLV_USAGE for a bad path, a path twice, a snapshot of an unknown file.
 */
export async function buildTree(
  files: Iterable<FileEntry>,
  snapshots: Iterable<Snapshot>,
  writer: BlobWriter,
  previous: FileTree | null = null,
): Promise<FileTree> {
  const sorted = [...files].sort((a, b) => comparePaths(a.path, b.path));
  const rows = [...snapshots]
    .map((s) => ({ ...s, members: [...new Set([s.key, ...s.members])].sort(comparePaths) }))
    .sort(comparePlaces);
  checkDraft(sorted, rows);
  const tree: FileTree = {
    count: sorted.length,
    bytes: sorted.reduce((sum, file) => sum + file.size, 0),
    snapshotCount: rows.length,
    inline: null,
    pages: [],
  };
  if (sorted.length <= FILES_INLINE_MAX) {
    tree.inline = { files: sorted, snapshots: rows };
    return tree;
  }
  for (const page of cutPages(sorted, rows)) {
    const last = (page.files.at(-1) as FileEntry).path;
    const bytes = encodeCanonical(packPage(page));
    checkReadable('files', () => {
      unpackPage(decodeCanonical(bytes, 'files'), 'files', new PathOrder());
    });
    const id = await writer.writeBlob('files', bytes, pageOf(previous, last)?.id);
    tree.pages.push({ id, count: page.files.length, last });
  }
  return tree;
}

async function readPage(ref: PageRef, reader: BlobReader, order: PathOrder): Promise<FilePage> {
  const file = `files ${ref.id.slice(0, 10)}`;
  const page = unpackPage(
    decodeCanonical(await reader.readBlob(ref.id, 'files'), file),
    file,
    order,
  );
  if (page.files.length !== ref.count || page.files.at(-1)?.path !== ref.last) {
    throw corrupt(file, 'it is not the page that its version describes');
  }
  return page;
}

/** True if a page is cut where the rule says; the last of a tree may end anywhere. */
function isCutRight(page: FilePage, isLast: boolean): boolean {
  const last = page.files.length - 1;
  if (page.files.slice(0, last).some((file) => endsPage(file.path))) return false;
  return isLast || last + 1 === FILES_PAGE_MAX || endsPage((page.files[last] as FileEntry).path);
}

/** Gives the pages of a tree in path order, checked, one in memory at a time. @throws {CorruptError} */
export async function* readPages(tree: FileTree, reader: BlobReader): AsyncGenerator<FilePage> {
  if (tree.inline !== null) {
    yield tree.inline;
    return;
  }
  const order = new PathOrder();
  const seen = { bytes: 0, snapshots: 0 };
  for (const [i, ref] of tree.pages.entries()) {
    const page = await readPage(ref, reader, order);
    const file = `files ${ref.id.slice(0, 10)}`;
    if (!isCutRight(page, i === tree.pages.length - 1)) throw corrupt(file, 'it is cut wrongly');
    for (const entry of page.files) seen.bytes += entry.size;
    seen.snapshots += page.snapshots.length;
    yield page;
  }
  if (seen.bytes !== tree.bytes || seen.snapshots !== tree.snapshotCount) {
    throw corrupt('version', 'its totals do not match its files');
  }
}

/** Gives the files of a tree in path order, page by page. @throws {CorruptError} */
export async function* readFiles(tree: FileTree, reader: BlobReader): AsyncGenerator<FileEntry> {
  for await (const page of readPages(tree, reader)) yield* page.files;
}

/**
 * All files (in path order) and snapshots (by step, then key) of a tree.
 * @throws {CorruptError} also if a snapshot names a file that the tree does not have.
 */
export async function readTree(tree: FileTree, reader: BlobReader): Promise<FilePage> {
  const all: FilePage = { files: [], snapshots: [] };
  for await (const page of readPages(tree, reader)) {
    for (const file of page.files) all.files.push(file);
    for (const snapshot of page.snapshots) all.snapshots.push(snapshot);
  }
  const paths = new Set(all.files.map((file) => file.path));
  for (const { key, members } of all.snapshots) {
    const missing = members.find((path) => !paths.has(path));
    if (missing !== undefined) throw corrupt('version', `snapshot '${key}' lacks '${missing}'`);
  }
  all.snapshots.sort(compareSnapshots);
  return all;
}

/** The file at `path`, or null; reads at most one page. */
export async function findFile(
  tree: FileTree,
  path: string,
  reader: BlobReader,
): Promise<FileEntry | null> {
  let page = tree.inline;
  if (page === null) {
    const ref = tree.pages.find((candidate) => comparePaths(path, candidate.last) <= 0);
    if (ref === undefined) return null;
    page = await readPage(ref, reader, new PathOrder());
  }
  return page.files.find((file) => file.path === path) ?? null;
}
