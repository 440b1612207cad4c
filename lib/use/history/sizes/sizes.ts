/**
 * The storage cost of versions: which stored objects each needs, including bases of deltas, and
 * their bytes. Objects are numbered once; a recipe that many versions share is opened once.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { namedObjects, openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { listNotedVersions, listRefs, type Ref } from '../../../storage/repo/refs/refs.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import { bytesHere } from '../../../storage/store/promised.js';
import { type BlobEntry, segmentCount, storedBytes } from '../../../storage/store/types.js';
import { Describer } from '../versions.js';

/** A stored file, as versions and staging name it. */
export type SizedFile = Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>;

/** Missing segments of one extent after which no more of it are looked for. */
const MISSING_MAX = 64;

/** Numbers and sizes of stored objects. */
export class StoredSizes {
  /** Bytes in pack files of each object; extents with all their segments. */
  readonly bytes: number[] = [];
  readonly #repo: ReadAccess;
  readonly #describer: Describer;
  readonly #numbers = new Map<Id, number>();
  /** Objects that an object is a delta against. */
  readonly #bases: number[][] = [];
  readonly #files = new Map<Id, number[]>();
  readonly #signal: AbortSignal | undefined;
  #noted: Promise<Set<Id>> | null = null;

  constructor(repo: ReadAccess, signal?: AbortSignal) {
    this.#repo = repo;
    this.#describer = new Describer(repo);
    this.#signal = signal;
  }

  #number(id: Id): number {
    const number = this.bytes.length;
    this.#numbers.set(id, number);
    this.bytes.push(0);
    this.#bases.push([]);
    return number;
  }

  async #blob(id: Id): Promise<number> {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const number = this.#number(id);
    const entry: BlobEntry | null = await this.#repo.store.findBlob(id);
    if (entry === null) return number; // missing: fsck's business
    this.bytes[number] = storedBytes(entry);
    if (entry.base !== null) this.#bases[number]?.push(await this.#blob(entry.base));
    return number;
  }

  async #extent(id: Id, segments: number): Promise<number> {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const number = this.#number(id);
    const bases = new Set<Id>();
    let missing = 0;
    for (let segment = 0; segment < segments; segment++) {
      const entry = await this.#repo.store.here.findSegment(id, segment);
      // Missing: fsck's business. A recipe may claim more segments than any disk holds.
      if (entry === null && ++missing > MISSING_MAX) break;
      if (entry === null) continue;
      const here = bytesHere(this.#repo.store.promised, entry);
      this.bytes[number] = (this.bytes[number] as number) + here;
      if (entry.base !== null) bases.add(entry.base);
    }
    for (const base of bases) this.#bases[number]?.push(await this.#extent(base, segments));
    return number;
  }

  /** Objects that a file is rebuilt from, without what they are deltas against. */
  async file(file: SizedFile): Promise<readonly number[]> {
    const known = this.#files.get(file.recipe.id);
    if (known !== undefined) return known;
    throwIfAborted(this.#signal);
    const objects: number[] = [];
    // What is at a remote alone takes nothing here, and is not fetched to be counted.
    const { store } = this.#repo;
    if (store.promised !== null && !(await store.hasBlob(file.recipe.id))) return objects;
    for (const object of namedObjects(await openStoredFile(this.#repo, file))) {
      objects.push(
        object.kind === 'blob'
          ? await this.#blob(object.id)
          : await this.#extent(object.id, segmentCount(object.count as number)),
      );
    }
    this.#files.set(file.recipe.id, objects);
    return objects;
  }

  /** Objects that a version itself is: its record, pages, logs, network. */
  async record(id: Id): Promise<number[]> {
    const { tree, logs, network } = await this.#repo.version(id);
    const ids = [id, ...tree.pages.map((page) => page.id), ...logs.map((log) => log.id)];
    if (network !== null) ids.push(network);
    const objects: number[] = [];
    for (const blob of ids) objects.push(await this.#blob(blob));
    return objects;
  }

  /** Files of a version. */
  async files(id: Id): Promise<FileEntry[]> {
    const files: FileEntry[] = [];
    const { tree } = await this.#repo.version(id);
    // Few versions have notes: those are listed once, and the others are not asked.
    this.#noted ??= listNotedVersions(this.#repo.layout).then((ids) => new Set(ids));
    const tier = (await this.#noted).has(id) ? await this.#repo.tier(id) : null;
    for await (const page of this.#describer.pages(tree)) {
      for (const file of page.files) files.push(tier?.entryOf(file) ?? file);
    }
    return files;
  }

  /** What `object` is a delta against. */
  basesOf(object: number): readonly number[] {
    return this.#bases[object] as number[];
  }
}

/** Bytes that one group of objects needs. */
export interface GroupBytes {
  /** Bytes in pack files of all that it needs. */
  storedBytes: number;
  /** Those of them that nothing else needs: what its deletion frees in the end. */
  uniqueBytes: number;
}

const NOBODY = -1;
const SHARED = -2;

/** Adds up what groups need and what only one of them needs. Groups come one after another. */
export class Tally {
  readonly #sizes: StoredSizes;
  readonly #stored: number[] = [];
  /** For each object the group that needs it, and the last group that counted it. */
  readonly #owner: number[] = [];
  readonly #last: number[] = [];
  #group = -1;

  constructor(sizes: StoredSizes) {
    this.#sizes = sizes;
  }

  /** Begins the next group. */
  next(): void {
    this.#group++;
    this.#stored.push(0);
  }

  /** Counts objects, and what they are deltas against, for the group that was begun last. */
  add(objects: readonly number[]): void {
    const stack = [...objects];
    for (let object = stack.pop(); object !== undefined; object = stack.pop()) {
      if (this.#last[object] === this.#group) continue;
      this.#last[object] = this.#group;
      this.#stored[this.#group] =
        (this.#stored[this.#group] as number) + (this.#sizes.bytes[object] as number);
      this.#owner[object] = (this.#owner[object] ?? NOBODY) === NOBODY ? this.#group : SHARED;
      stack.push(...this.#sizes.basesOf(object));
    }
  }

  /** Bytes of each group, in the order in which they were begun. */
  finish(): GroupBytes[] {
    const groups = this.#stored.map((bytes) => ({ storedBytes: bytes, uniqueBytes: 0 }));
    this.#owner.forEach((owner, object) => {
      const group = groups[owner];
      if (group) group.uniqueBytes += this.#sizes.bytes[object] as number;
    });
    return groups;
  }

  /** Bytes of all objects that any group needs. */
  get totalBytes(): number {
    let total = 0;
    this.#owner.forEach((owner, object) => {
      if (owner !== undefined) total += this.#sizes.bytes[object] as number;
    });
    return total;
  }
}

/** Versions that refs and HEAD name. @param refs  all of them, where the caller has read them. */
export async function versionRoots(repo: ReadAccess, refs?: readonly Ref[]): Promise<Id[]> {
  const head = await readHead(repo.layout);
  const ids = (refs ?? (await listRefs(repo.layout))).map((ref) => ref.id);
  return head.kind === 'detached' ? [...ids, head.id] : ids;
}

/** Versions reachable from some, by model, each newest first; every version once. */
export async function versionsByModel(
  repo: ReadAccess,
  starts: Iterable<Id>,
): Promise<Map<string, Id[]>> {
  const models = new Map<string, Id[]>();
  const seen = new Set<Id>();
  const queue = [...starts];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { model, parents } = await repo.version(id);
    const line = models.get(model);
    if (line) line.push(id);
    else models.set(model, [id]);
    queue.push(...parents);
  }
  const times = new Map<Id, number>();
  for (const id of seen) times.set(id, (await repo.version(id)).time);
  const newest = (a: Id, b: Id): number => (times.get(b) as number) - (times.get(a) as number);
  return new Map(
    [...models].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, ids]) => [name, ids.sort(newest)]),
  );
}
