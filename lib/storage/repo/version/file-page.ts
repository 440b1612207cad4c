/**
 * One page of files: entries, the snapshots whose key is among them, and their canonical form.
 *
 * The unit in which a version tells of its files; file-tree.ts cuts and joins pages.
 * @see docs/format/version.md
 */
import { ID_BYTES, type Id, idBytes, idFromBytes } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import { arrayHeader, encodeCanonical, type Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../../base/errors.js';
import { FILE_BYTES_MAX } from '../../../base/limits.js';
import { comparePaths, type PathOrder, pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';

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
  /**
   * Set on the files of a version whose exact bytes were given up: sha256 and recipe above are then
   * those of their replacements. Never written: versions name their exact files.
   */
  tier?: FileTier;
  /** Set on the files of a version whose content was given up: nothing can be read of it. Never written. */
  tombstone?: FileTombstone;
  /** What a page says of it, in canonical form, where that is known. */
  row?(): Uint8Array;
}

/** That the content of a file was given up. */
export interface FileTombstone {
  /** The note that says so. */
  note: Id;
  /** Milliseconds since 1970-01-01 UTC. */
  time: number;
  why: string;
}

/** What a file stands for. */
export interface FileTier {
  /** 'bf16', 'fixed12', …: canonical text of lib/pure/tensor/tier.ts. */
  name: string;
  exactSha256: string;
  exactRecipe: Id;
}

/** One checkpoint of a version. Its tensors are in the recipes of its members. */
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

const PAGE_FORMAT = 1;
/** What a page begins with: an array of 3, its form first. */
const PAGE_HEAD = Uint8Array.of(0x93, PAGE_FORMAT);
const MODES: readonly FileMode[] = [0o644, 0o755];
const RECIPE_KINDS = ['blob', 'recipe'] as const;

/** Order of snapshots in a version: by step (none first), then key, then role. */
export function compareSnapshots(a: Snapshot, b: Snapshot): number {
  return (a.step ?? -1) - (b.step ?? -1) || comparePlaces(a, b);
}

/** Order of snapshots in a page: by key, then role. */
export function comparePlaces(a: Snapshot, b: Snapshot): number {
  return comparePaths(a.key, b.key) || ROLES.indexOf(a.role) - ROLES.indexOf(b.role);
}

/** Canonical form of one file entry. */
export function packFile(file: FileEntry): Packed[] {
  return [
    file.path,
    file.mode,
    file.size,
    Buffer.from(file.sha256, 'hex'),
    file.gitSha1 === null ? null : Buffer.from(file.gitSha1, 'hex'),
    RECIPE_KINDS.indexOf(file.recipe.kind),
    idBytes(file.recipe.id),
  ];
}

function packSnapshot(snapshot: Snapshot): Packed {
  const members = isAlone(snapshot) ? null : snapshot.members;
  return [snapshot.key, ROLES.indexOf(snapshot.role), snapshot.step, members];
}

/** Canonical form of a page whose lists are in order. */
export function packPage(page: FilePage): Packed[] {
  return [PAGE_FORMAT, page.files.map(packFile), page.snapshots.map(packSnapshot)];
}

/** Its bytes: those of `packPage`. Of files whose rows are known nothing is encoded. */
export function encodePage({ files, snapshots }: FilePage): Uint8Array {
  return Buffer.concat([
    PAGE_HEAD,
    arrayHeader(files.length),
    ...files.map((file) => file.row?.() ?? encodeCanonical(packFile(file))),
    encodeCanonical(snapshots.map(packSnapshot)),
  ]);
}

function isAlone(snapshot: Snapshot): boolean {
  return snapshot.members.length === 1 && snapshot.members[0] === snapshot.key;
}

/** An error that names the damaged object. */
export function corrupt(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what}`, { file });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** The mirror of packFile. @throws {CorruptError} DLV_CORRUPT */
export function unpackFile(row: Packed, file: string): FileEntry {
  const f = new Fields(row, file, 7);
  const path = f.string('path');
  const problem = pathProblem(path);
  if (problem !== null) throw corrupt(file, `path ${JSON.stringify(path)}: ${problem}`);
  const mode = f.count('mode') as FileMode;
  if (!MODES.includes(mode)) throw corrupt(file, `mode ${mode} of '${path}'`);
  const size = f.count('size', FILE_BYTES_MAX);
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

/** Checks the paths of a page with those before it. @throws {CorruptError} DLV_CORRUPT */
export function checkOrder(
  { files }: Pick<FilePage, 'files'>,
  file: string,
  order: PathOrder,
): void {
  for (const { path } of files) {
    if (!order.follows(path)) throw corrupt(file, `'${path}' is out of order`);
    const blocking = order.add(path);
    if (blocking !== null) throw corrupt(file, `'${blocking}' is a file and a folder`);
  }
}

/**
 * The mirror of packPage, checked.
 * @param order watches the paths of all pages of the tree.
 * @throws {CorruptError} DLV_CORRUPT
 */
export function unpackPage(value: Packed, file: string, order: PathOrder): FilePage {
  const fields = new Fields(value, file);
  fields.form('form of a page', PAGE_FORMAT);
  const files = fields.array('files').map((row) => unpackFile(row, file));
  checkOrder({ files }, file, order);
  const paths = new Set(files.map((entry) => entry.path));
  const snapshots = fields.array('snapshots').map((row) => unpackSnapshot(row, file));
  snapshots.forEach((snapshot, i) => {
    if (!paths.has(snapshot.key)) throw corrupt(file, `no file '${snapshot.key}' of a snapshot`);
    if (i > 0 && comparePlaces(snapshots[i - 1] as Snapshot, snapshot) >= 0) {
      throw corrupt(file, `snapshot '${snapshot.key}' is out of order`);
    }
  });
  fields.end();
  return { files, snapshots };
}
