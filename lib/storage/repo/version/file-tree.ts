/**
 * The files and snapshots of a version, and how they are cut into pages.
 *
 * Up to FILES_INLINE_MAX files are in the version itself. More are cut where their paths say
 * (content-defined), so that a change of one of 10,000 files rewrites one page. A snapshot is in
 * the page of its key file. Start at `readPages`; build-tree.ts makes trees. @see docs/format/version.md
 */

import { ID_BYTES, idBytes, idFromBytes, sha256Hex } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import { decodeCanonical, type Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { FILES_INLINE_MAX, FILES_PAGE_MAX, FILES_PER_VERSION_MAX } from '../../../base/limits.js';
import { comparePaths, PathOrder } from '../../../pure/paths/version-path.js';
import { ROLES } from '../../../pure/tensor/layout.js';
import { type BesidePage, besidePages, inOrder } from './beside-pages.js';
import type { BlobReader } from './blobs.js';
import {
  checkOrder,
  compareSnapshots,
  corrupt,
  type FileEntry,
  type FilePage,
  type PageRef,
  packPage,
  unpackPage,
} from './file-page.js';
import { type HintedFile, makeSnapshots } from './snapshots.js';

/** Files that a version probably has, with what tells which snapshots they make. */
export type KnownFiles = readonly (FileEntry & HintedFile)[];

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

/** True if no file of a page but its last ends a page by the rule. Takes a hash of each path. */
function isOnePage({ files }: FilePage): boolean {
  return !files.slice(0, -1).some((file) => endsPage(file.path));
}

/**
 * Checks that a page is what its tree says of it at `index`: how many files, between which paths, and that it ends where
 * the rule says; the last of a tree may end anywhere.
 * @throws {CorruptError}
 */
export function checkPlace(tree: FileTree, index: number, { files }: FilePage): void {
  const { id, count, last } = tree.pages[index] as PageRef;
  const file = `files ${id.slice(0, 10)}`;
  const before = tree.pages[index - 1]?.last ?? null;
  const isAfter = before === null || comparePaths(before, files[0]?.path ?? '') < 0;
  if (files.length !== count || files.at(-1)?.path !== last || !isAfter) {
    throw corrupt(file, 'it is not the page that its version describes');
  }
  const isLast = index === tree.pages.length - 1;
  if (!isLast && count < FILES_PAGE_MAX && !endsPage(last))
    throw corrupt(file, 'it is cut wrongly');
}

/** One page of a tree, read and checked. @throws {CorruptError} */
export async function readPageAt(
  tree: FileTree,
  index: number,
  reader: BlobReader,
): Promise<FilePage> {
  return readPage(tree, index, reader, new PathOrder());
}

/** @param order  of the paths before it. */
async function readPage(
  tree: FileTree,
  index: number,
  reader: BlobReader,
  order: PathOrder,
): Promise<FilePage> {
  const { id } = tree.pages[index] as PageRef;
  const file = `files ${id.slice(0, 10)}`;
  const page = unpackPage(decodeCanonical(await reader.readBlob(id, 'files'), file), file, order);
  checkPlace(tree, index, page);
  if (!isOnePage(page)) throw corrupt(file, 'it is cut wrongly');
  return page;
}

/**
 * Gives the pages of a tree in path order, checked, one in memory at a time.
 * @param known  what it probably holds. Pages that are the same are given of that and not read; of where these are cut,
 *   their ends alone are checked.
 * @throws {CorruptError}
 */
export async function* readPages(
  tree: FileTree,
  reader: BlobReader,
  known: FilePage | null = null,
): AsyncGenerator<FilePage> {
  if (tree.inline !== null) {
    yield tree.inline;
    return;
  }
  const beside = known === null ? null : besidePages(tree.pages, known);
  const order = new PathOrder();
  const seen = { bytes: 0, snapshots: 0 };
  for (const [i, ref] of tree.pages.entries()) {
    const part = beside?.next().value as BesidePage | undefined;
    const isKnown = part !== undefined && part.same !== null;
    const page = isKnown ? part : await readPage(tree, i, reader, order);
    if (isKnown) {
      checkPlace(tree, i, page);
      checkOrder(page, `files ${ref.id.slice(0, 10)}`, order);
    }
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
 * @param known  see `readPages`; files that are the same are these objects.
 * @throws {CorruptError} also if a snapshot names a file that the tree does not have.
 */
export async function readTree(
  tree: FileTree,
  reader: BlobReader,
  known: KnownFiles | null = null,
): Promise<FilePage> {
  const all: FilePage = { files: [], snapshots: [] };
  const probably = known === null ? null : inOrder(known, makeSnapshots(known));
  for await (const page of readPages(tree, reader, probably)) {
    for (const file of page.files) all.files.push(file);
    for (const snapshot of page.snapshots) all.snapshots.push(snapshot);
  }
  const hasMembers = all.snapshots.some(({ members }) => members.length > 1);
  const paths = new Set(hasMembers ? all.files.map((file) => file.path) : []);
  for (const { key, members } of hasMembers ? all.snapshots : []) {
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
    const index = tree.pages.findIndex(({ last }) => comparePaths(path, last) <= 0);
    if (index < 0) return null;
    page = await readPageAt(tree, index, reader);
  }
  return page.files.find((file) => file.path === path) ?? null;
}
