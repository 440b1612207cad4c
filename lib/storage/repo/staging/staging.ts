/**
 * Staging: for each model the files that its next version will have, and what they cost so far.
 *
 * As git's index it holds whole trees, so a removed path is simply absent. A path belongs to at most
 * one model. Trees in memory and their rules are here; bytes are in staging-file.ts.
 * @see docs/format/staging.md
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import { type FileStat, sameStat } from '../../../base/files/files.js';
import { checkPath, comparePaths, PathOrder } from '../../../pure/paths/version-path.js';
import { checkModelName } from '../refs/ref-name.js';
import type { StagedEntry } from './staged-entry.js';
import { StagedTree } from './staged-tree.js';

export { changedEntry, type EntryFields, type StagedEntry } from './staged-entry.js';

/** A pack set that was written for the next version. */
export interface StagedSet {
  id: string;
  /** Bytes of its pack files, without the index: what the version costs. */
  storedBytes: number;
  /** Bytes of its index. */
  metadataBytes: number;
}

/** The state of one model line. */
export interface StagedModel {
  readonly model: string;
  /** Branch that its files belong to; null if they belong to a version without a branch. */
  branch: string | null;
  /** Version that its files were checked out from or committed as; null before the first. */
  base: Id | null;
  /** Further parents that the next version will have (merge, --parent). */
  otherParents: Id[];
  /** Sets written since the base. */
  sets: StagedSet[];
}

/**
 * Largest step between time stamps of a file system that counts fractions of a second: the tick of
 * the kernel's clock.
 */
const TICK_NS = 10_000_000n;
/** The same for one that counts whole seconds (FAT counts every second one). */
const WHOLE_SECONDS_NS = 2_000_000_000n;
const SECOND_NS = 1_000_000_000n;
/** A step that is longer than both, and than what a time of today loses as a double. */
const SURELY_NS = 3e9;

/** The time now, as `stagedAtNs` tells it. */
export function nowNs(): string {
  return String(BigInt(Date.now()) * 1_000_000n);
}

/**
 * True if a work file surely has the bytes that were staged, told without reading it.
 *
 * Size, inode and both times must be those seen when it was hashed. Equal times prove nothing for a
 * file that changed in the tick of the clock in which it was hashed or staged ("racy" in git): a file
 * is trusted only if it last changed before the staging file was written (both by the clock of the
 * file system) and a tick before it was hashed (by our clock).
 *
 * @param stat            of the work file now.
 * @param stagingWrittenNs mtime of the staging file.
 */
export function isClean(
  entry: Pick<StagedEntry, 'stat' | 'stagedAtNs' | 'hasStat'>,
  stat: FileStat,
  stagingWrittenNs: bigint,
): boolean {
  const isSame = entry.hasStat?.(stat) ?? (entry.stat !== null && sameStat(entry.stat, stat));
  if (!isSame) return false;
  const by = SURELY_NS + Math.max(Number(stat.mtimeNs), Number(stat.ctimeNs));
  if (by < Number(stagingWrittenNs) && by < Number(entry.stagedAtNs)) return true;
  const mtime = BigInt(stat.mtimeNs);
  const ctime = BigInt(stat.ctimeNs);
  const changed = mtime > ctime ? mtime : ctime;
  const tick = changed % SECOND_NS === 0n ? WHOLE_SECONDS_NS : TICK_NS;
  return changed < stagingWrittenNs && changed + tick < BigInt(entry.stagedAtNs);
}

function* foldersOf(path: string): Generator<string> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) yield path.slice(0, at);
}

/** A branch of a model. */
export interface StagedBranch {
  model: string;
  branch: string;
}

/** All that is staged, in memory. */
export class Staging {
  /** The one branch that this is for, apart from where HEAD is; null for the lines of the work tree. */
  readonly only: StagedBranch | null;
  readonly #models = new Map<string, StagedModel>();
  readonly #trees = new Map<string, StagedTree>();
  /** Path → model; null until somebody asks where there are several models. */
  #owners: Map<string, string> | null = null;
  /** Folder → number of staged files below it; null until a file comes that was not there. */
  #folders: Map<string, number> | null = null;

  constructor(only: StagedBranch | null = null) {
    this.only = only;
  }

  /** The models that have a line here, by name. */
  models(): StagedModel[] {
    return [...this.#models.values()].sort((a, b) => comparePaths(a.model, b.model));
  }

  /** The line of a model; a new one is made on `branch` if there is none. @throws {UsageError} for a bad name */
  open(model: string, branch: string | null = null): StagedModel {
    let line = this.#models.get(model);
    if (line === undefined) {
      line = { model: checkModelName(model), branch, base: null, otherParents: [], sets: [] };
      this.#models.set(model, line);
      this.#trees.set(model, new StagedTree());
    }
    return line;
  }

  /** The line of a model, or undefined. */
  get(model: string): StagedModel | undefined {
    return this.#models.get(model);
  }

  /** Forgets a line and its files. */
  drop(model: string): void {
    for (const path of [...(this.#trees.get(model)?.paths() ?? [])]) this.remove(path);
    this.#trees.delete(model);
    this.#models.delete(model);
  }

  #ownerOf(path: string): string | undefined {
    if (this.#owners === null) {
      if (this.#trees.size <= 1) {
        for (const [model, tree] of this.#trees) return tree.has(path) ? model : undefined;
        return undefined;
      }
      this.#owners = new Map();
      for (const [model, tree] of this.#trees) {
        for (const one of tree.paths()) this.#owners.set(one, model);
      }
    }
    return this.#owners.get(path);
  }

  /** The model that a path belongs to, or null. */
  ownerOf(path: string): string | null {
    return this.#ownerOf(path) ?? null;
  }

  /** The entry of a path, whatever its model, or null. */
  entry(path: string): StagedEntry | null {
    const owner = this.#ownerOf(path);
    return owner === undefined ? null : (this.#trees.get(owner)?.get(path) ?? null);
  }

  /** Entries of a model in path order. */
  entries(model: string): readonly StagedEntry[] {
    return this.#trees.get(model)?.sorted() ?? [];
  }

  /** Number of files of a model. */
  count(model: string): number {
    return this.#trees.get(model)?.size ?? 0;
  }

  /**
   * Gives a new line of a model its files, all at once.
   * @param entries  in path order, each path once and none that is both file and folder; call
   *   `checkTogether` when all lines are there.
   */
  load(model: string, entries: readonly StagedEntry[]): void {
    this.open(model);
    this.#trees.set(model, new StagedTree(entries));
    this.#owners = null;
    this.#folders = null;
  }

  /** @throws {ConflictError} DLV_CONFLICT if lines that were loaded have a path in common, or one is in the way of another. */
  checkTogether(): void {
    const lines = [...this.#trees.values()].filter(({ size }) => size > 0);
    if (lines.length <= 1) return;
    const order = new PathOrder();
    const paths = lines.flatMap((tree) => tree.sorted().map((entry) => entry.path));
    for (const path of paths.sort(comparePaths)) {
      const isTwice = !order.follows(path);
      const blocking = isTwice ? path : order.add(path);
      if (blocking === null) continue;
      throw new ConflictError(`'${blocking}' belongs to two models, or is a file and a folder`, {
        path,
      });
    }
  }

  /**
   * Puts a file into the tree of a model, in place of what is there. A file of the same model that
   * stands where a folder must be (or below the new file) is removed, as in git.
   * @throws {ConflictError} DLV_CONFLICT if the path, or one in its way, belongs to another model;
   *   {UsageError} DLV_USAGE for a path that no version can hold.
   */
  put(model: string, entry: StagedEntry): void {
    const { path } = entry;
    checkPath(path);
    this.checkOwner(model, path);
    const isNew = this.#ownerOf(path) === undefined;
    for (const other of isNew ? this.#inTheWay(path) : []) {
      this.checkOwner(model, other);
      this.remove(other);
    }
    this.open(model);
    if (isNew) this.#tally(path, 1);
    this.#owners?.set(path, model);
    (this.#trees.get(model) as StagedTree).set(entry);
  }

  /** @throws {ConflictError} DLV_CONFLICT if the path belongs to a model other than `model`. */
  checkOwner(model: string, path: string): void {
    const owner = this.#ownerOf(path);
    if (owner === undefined || owner === model) return;
    throw new ConflictError(`'${path}' belongs to model '${owner}', not to '${model}'`, {
      path,
      owner,
      model,
      hint: `'dlv add --model ${owner} ${path}' stages it there; 'dlv rm --cached --model ${owner} ${path}' takes it out of '${owner}' and leaves the file`,
    });
  }

  /** Staged files that cannot be beside a file at `path`. */
  #inTheWay(path: string): string[] {
    const found: string[] = [];
    for (const folder of foldersOf(path))
      if (this.#ownerOf(folder) !== undefined) found.push(folder);
    if (this.#foldersNow().has(path)) {
      for (const tree of this.#trees.values()) {
        for (const other of tree.paths()) if (other.startsWith(`${path}/`)) found.push(other);
      }
    }
    return found;
  }

  #foldersNow(): Map<string, number> {
    if (this.#folders !== null) return this.#folders;
    this.#folders = new Map();
    for (const tree of this.#trees.values()) for (const path of tree.paths()) this.#tally(path, 1);
    return this.#folders;
  }

  /** Counts a file that came (1) or went (-1) in the folders above it. */
  #tally(path: string, change: 1 | -1): void {
    const folders = this.#folders;
    if (folders === null) return;
    for (const folder of foldersOf(path)) {
      const left = (folders.get(folder) ?? 0) + change;
      if (left === 0) folders.delete(folder);
      else folders.set(folder, left);
    }
  }

  /** Takes a path out of the tree of its model. @returns false if it is in none. */
  remove(path: string): boolean {
    const owner = this.#ownerOf(path);
    if (owner === undefined) return false;
    this.#owners?.delete(path);
    this.#trees.get(owner)?.delete(path);
    this.#tally(path, -1);
    return true;
  }
}
