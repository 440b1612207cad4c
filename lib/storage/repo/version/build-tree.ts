/** Makes the tree of a version: cuts its files into pages and writes those that its parent does not have. */
import { decodeCanonical } from '../../../base/bytes/msgpack/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { UsageError } from '../../../base/errors.js';
import { FILES_INLINE_MAX, FILES_PAGE_MAX } from '../../../base/limits.js';
import { comparePaths, PathOrder, pathProblem } from '../../../pure/paths/version-path.js';
import { type BesidePage, besidePages, inOrder } from './beside-pages.js';
import type { BlobWriter } from './blobs.js';
import {
  comparePlaces,
  encodePage,
  type FileEntry,
  type FilePage,
  type PageRef,
  type Snapshot,
  unpackPage,
} from './file-page.js';
import { endsPage, type FileTree } from './file-tree.js';

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
  if (snapshots.length === 0) return;
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

/** A page that is to be written. */
interface NewPage extends FilePage {
  /** Its bytes, if the parent has it. */
  known: Uint8Array | null;
}

/** Cuts parts of files into pages. A part that is a page of the parent is one again where a page begins before it. */
function* cutPages(parts: Iterable<BesidePage>): Generator<NewPage> {
  const all = [...parts];
  let page: NewPage = { files: [], snapshots: [], known: null };
  for (const [i, { files, snapshots, same }] of all.entries()) {
    // The last page of the parent ends where its files do.
    const isLast = all[i]?.ref !== null && (all[i + 1]?.ref ?? null) === null;
    if (same !== null && page.files.length === 0 && (!isLast || i === all.length - 1)) {
      yield { files, snapshots, known: same };
      continue;
    }
    let next = 0;
    for (const file of files) {
      page.files.push(file);
      while (snapshots[next]?.key === file.path) page.snapshots.push(snapshots[next++] as Snapshot);
      if (page.files.length < FILES_PAGE_MAX && !endsPage(file.path)) continue;
      yield page;
      page = { files: [], snapshots: [], known: null };
    }
  }
  if (page.files.length > 0) yield page;
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
 * @param previous   tree of the parent: its pages are taken where they are the same, and named to the writer as
 *   likely bases where they are not.
 * @throws {UsageError} DLV_USAGE for a bad path, a path twice, a snapshot of an unknown file.
 */
export async function buildTree(
  files: Iterable<FileEntry>,
  snapshots: Iterable<Snapshot>,
  writer: BlobWriter,
  previous: FileTree | null = null,
): Promise<FileTree> {
  const all = inOrder(files, snapshots);
  checkDraft(all.files, all.snapshots);
  const tree: FileTree = {
    count: all.files.length,
    bytes: all.files.reduce((sum, file) => sum + file.size, 0),
    snapshotCount: all.snapshots.length,
    inline: null,
    pages: [],
  };
  if (tree.count <= FILES_INLINE_MAX) {
    tree.inline = all;
    return tree;
  }
  for (const page of cutPages(besidePages(previous?.pages ?? [], all))) {
    const last = (page.files.at(-1) as FileEntry).path;
    const bytes = page.known ?? encodePage(page);
    // What the parent has was read back when it was written.
    if (page.known === null) checkPage(bytes);
    const id = await writer.writeBlob('files', bytes, pageOf(previous, last)?.id);
    tree.pages.push({ id, count: page.files.length, last });
  }
  return tree;
}

function checkPage(bytes: Uint8Array): void {
  checkReadable('files', () => {
    unpackPage(decodeCanonical(bytes, 'files'), 'files', new PathOrder());
  });
}
