/**
 * The files and snapshots of a version, and how they are cut into pages.
 *
 * Up to FILES_INLINE_MAX files stand in the version itself. More are cut where their paths say
 * (content-defined), so that a change of one of 10,000 files rewrites one page. A snapshot stands in
 * the page of its key file. Start at `buildTree` and `readPages`. @see docs/format/version.md
 */
import { createHash } from 'node:crypto';
import { ID_BYTES, type Id, idBytes, idFromBytes } from '../bytes/hash.js';
import { decodeCanonical, encodeCanonical, Fields, type Packed } from '../bytes/msgpack.js';
import { CorruptError, UsageError } from '../errors.js';
import { FILES_INLINE_MAX, FILES_PAGE_MAX, FILES_PER_VERSION_MAX } from '../limits.js';
import { ROLES, type Role } from '../tensor/layout.js';
import type { BlobReader, BlobWriter } from './blobs.js';
import { comparePaths, PathOrder, pathProblem } from './path.js';

/** Permissions that a version keeps: is it executable or not. */
export type FileMode = 0o644 | 0o755;

/** How a file is rebuilt: it is the blob `id`, or the recipe `id` says how. */
export interface RecipeRef {
  kind: 'blob' | 'recipe';
  id: Id;
}

/** One file of a version. */
export interface FileEntry {
  path: string;
  mode: FileMode;
  size: number;
  /** 64 hex digits: sha256 of the file, the oid of LFS and Hugging Face. */
  sha256: string;
  /** 40 hex digits: git's blob id, for files up to GIT_SHA1_BYTES_MAX; else null. */
  gitSha1: string | null;
  recipe: RecipeRef;
}

/** One checkpoint of a version. Its tensors stand in the recipes of its members. */
export interface Snapshot {
  /** Path of the checkpoint's file, or of the index that lists its shards. */
  key: string;
  role: Role;
  /** Training step, 0 or more, or null if nothing says it. */
  step: number | null;
  /** Paths of all its files, ascending, the key among them. */
  members: string[];
}

/** Some files in path order, and the snapshots whose key is one of them (by key, then role). */
export interface FilePage {
  files: FileEntry[];
  snapshots: Snapshot[];
}

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

const PAGE_FORMAT = 1;
const MODES: readonly FileMode[] = [0o644, 0o755];
const RECIPE_KINDS = ['blob', 'recipe'] as const;

/** True if a page ends after the file `path`, however many it has: one path in 64. */
export function endsPage(path: string): boolean {
  const digest = createHash('sha256').update(path).digest();
  return ((digest[31] as number) & 0x3f) === 0;
}

/** Order of snapshots in a version: by step (none first), then key, then role. */
export function compareSnapshots(a: Snapshot, b: Snapshot): number {
  return (a.step ?? -1) - (b.step ?? -1) || comparePlaces(a, b);
}

function comparePlaces(a: Snapshot, b: Snapshot): number {
  return comparePaths(a.key, b.key) || ROLES.indexOf(a.role) - ROLES.indexOf(b.role);
}

function packPage(page: FilePage): Packed[] {
  return [
    PAGE_FORMAT,
    page.files.map((file) => [
      file.path,
      file.mode,
      file.size,
      Buffer.from(file.sha256, 'hex'),
      file.gitSha1 === null ? null : Buffer.from(file.gitSha1, 'hex'),
      RECIPE_KINDS.indexOf(file.recipe.kind),
      idBytes(file.recipe.id),
    ]),
    page.snapshots.map((snapshot) => [
      snapshot.key,
      ROLES.indexOf(snapshot.role),
      snapshot.step,
      isAlone(snapshot) ? null : snapshot.members,
    ]),
  ];
}

function isAlone(snapshot: Snapshot): boolean {
  return snapshot.members.length === 1 && snapshot.members[0] === snapshot.key;
}

function corrupt(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what}`, { file });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function unpackFile(row: Packed, file: string): FileEntry {
  const f = new Fields(row, file, 7);
  const path = f.string('path');
  const problem = pathProblem(path);
  if (problem !== null) throw corrupt(file, `path ${JSON.stringify(path)}: ${problem}`);
  const mode = f.count('mode') as FileMode;
  if (!MODES.includes(mode)) throw corrupt(file, `mode ${mode} of '${path}'`);
  const size = f.count('size');
  const sha256 = hex(f.bytes('sha256', 32));
  const git = f.any('git sha1');
  if (git !== null && !(git instanceof Uint8Array && git.length === 20)) {
    throw corrupt(file, `git sha1 of '${path}'`);
  }
  const kind = RECIPE_KINDS[f.count('recipe kind', RECIPE_KINDS.length - 1)] as RecipeRef['kind'];
  const id = idFromBytes(f.bytes('recipe', ID_BYTES), file);
  return { path, mode, size, sha256, gitSha1: git && hex(git), recipe: { kind, id } };
}

function unpackSnapshot(row: Packed, file: string): Snapshot {
  const f = new Fields(row, file, 4);
  const key = f.string('snapshot key');
  const role = ROLES[f.count('snapshot role', ROLES.length - 1)] as Role;
  const step = f.any('snapshot step');
  if (step !== null && !(Number.isSafeInteger(step) && (step as number) >= 0)) {
    throw corrupt(file, `step of snapshot '${key}'`);
  }
  const rows = f.any('snapshot members');
  if (rows === null) return { key, role, step: step as number | null, members: [key] };
  if (!Array.isArray(rows) || !rows.every((path) => typeof path === 'string')) {
    throw corrupt(file, `members of snapshot '${key}'`);
  }
  const snapshot: Snapshot = { key, role, step: step as number | null, members: rows };
  const ascending = rows.every((p, i) => i === 0 || comparePaths(rows[i - 1] as string, p) < 0);
  if (!ascending || !rows.includes(key) || isAlone(snapshot)) {
    throw corrupt(file, `members of snapshot '${key}' are not in canonical form`);
  }
  return snapshot;
}

/** Checks one page of a tree. @param order watches the paths of all pages of the tree. */
function unpackPage(value: Packed, file: string, order: PathOrder): FilePage {
  const fields = new Fields(value, file, 3);
  const format = fields.count('page format');
  if (format !== PAGE_FORMAT) throw corrupt(file, `page format ${format}`);
  const files = fields.array('files').map((row) => unpackFile(row, file));
  for (const { path } of files) {
    if (!order.follows(path)) throw corrupt(file, `'${path}' is out of order`);
    const blocking = order.add(path);
    if (blocking !== null) throw corrupt(file, `'${blocking}' is a file and a folder`);
  }
  const paths = new Set(files.map((entry) => entry.path));
  const snapshots = fields.array('snapshots').map((row) => unpackSnapshot(row, file));
  snapshots.forEach((snapshot, i) => {
    if (!paths.has(snapshot.key)) throw corrupt(file, `no file '${snapshot.key}' of a snapshot`);
    if (i > 0 && comparePlaces(snapshots[i - 1] as Snapshot, snapshot) >= 0) {
      throw corrupt(file, `snapshot '${snapshot.key}' is out of order`);
    }
  });
  return { files, snapshots };
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
function checkDraft(files: readonly FileEntry[], snapshots: readonly Snapshot[]): Set<string> {
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
      throw new UsageError(`snapshot '${key}' names '${missing}', which is no file of the version`);
    }
  }
  return paths;
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
    page.snapshots.push(...(byKey.get(file.path) ?? []));
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
  const seen = { files: 0, bytes: 0, snapshots: 0 };
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
