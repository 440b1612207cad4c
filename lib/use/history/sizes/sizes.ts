/**
 * The storage cost of versions: which stored objects each needs, including bases of deltas, and
 * their bytes. Objects are numbered once; a recipe that many versions share is opened once. Bytes and
 * bases are looked up of all numbered objects together.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ObjectNeed } from '../../../knowledge/catalog/needs.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { namedObjects, openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import type { VersionTier } from '../../../storage/objects/tiers.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { parseRefName } from '../../../storage/repo/refs/ref-name.js';
import { listNotedVersions, listRefs, type Ref } from '../../../storage/repo/refs/refs.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import type { Version } from '../../../storage/repo/version/version.js';
import { segmentCount } from '../../../storage/store/types.js';
import { collectFacts, orderVersions } from '../lines/ancestry.js';
import { Describer } from '../versions.js';

/** A stored file, as versions and staging name it. */
export type SizedFile = Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>;

/** Numbers and sizes of stored objects. */
export class StoredSizes {
  /** Bytes in pack files of each object, extents with all their segments; 0 until `measure`. */
  readonly bytes: number[] = [];
  readonly #repo: ReadAccess;
  readonly #describer: Describer;
  readonly #numbers = new Map<Id, number>();
  readonly #needs: ObjectNeed[] = [];
  /** Objects that an object is a delta against. */
  readonly #bases: number[][] = [];
  readonly #files = new Map<Id, number[]>();
  readonly #signal: AbortSignal | undefined;
  #measured = 0;
  #noted: Promise<Set<Id>> | null = null;

  constructor(repo: ReadAccess, signal?: AbortSignal) {
    this.#repo = repo;
    this.#describer = new Describer(repo);
    this.#signal = signal;
  }

  /** The number of an object. */
  number(need: ObjectNeed): number {
    const known = this.#numbers.get(need.id);
    if (known !== undefined) return known;
    const number = this.bytes.length;
    this.#numbers.set(need.id, number);
    this.#needs.push(need);
    this.bytes.push(0);
    this.#bases.push([]);
    return number;
  }

  /** What a number stands for. */
  need(object: number): ObjectNeed {
    return this.#needs[object] as ObjectNeed;
  }

  /** Looks up bytes and bases of all objects that are numbered, and of what they are deltas against. */
  async measure(): Promise<void> {
    while (this.#measured < this.#needs.length) {
      throwIfAborted(this.#signal);
      const from = this.#measured;
      const needs = this.#needs.slice(from);
      this.#measured = this.#needs.length;
      // What is not found is missing: fsck's business.
      const found = await this.#repo.store.sizesOf(needs);
      for (const [i, { segments }] of needs.entries()) {
        const size = found[i];
        if (size === undefined) continue;
        this.bytes[from + i] = size.bytes;
        this.#bases[from + i] = size.bases.map((id) => this.number({ id, segments }));
      }
    }
  }

  /** Objects that a file is rebuilt from, without what they are deltas against. */
  async file(file: SizedFile): Promise<readonly number[]> {
    return (await this.#objectsOf(file)) ?? [];
  }

  /** The same; null for a file that is at a remote alone: it takes nothing here, and is not fetched to be counted. */
  async #objectsOf(file: SizedFile): Promise<readonly number[] | null> {
    const known = this.#files.get(file.recipe.id);
    if (known !== undefined) return known;
    throwIfAborted(this.#signal);
    const { store } = this.#repo;
    if (store.promised !== null && !(await store.hasBlob(file.recipe.id))) return null;
    const objects: number[] = [];
    for (const { kind, id, count } of namedObjects(await openStoredFile(this.#repo, file))) {
      const segments = kind === 'blob' ? 0 : segmentCount(count as number);
      objects.push(this.number({ id, segments }));
    }
    this.#files.set(file.recipe.id, objects);
    return objects;
  }

  /** Objects that a version itself is: its record, pages, logs, network. */
  async record(id: Id): Promise<number[]> {
    const { tree, logs, network } = await this.#repo.version(id);
    const ids = [id, ...tree.pages.map((page) => page.id), ...logs.map((log) => log.id)];
    if (network !== null) ids.push(network);
    return ids.map((blob) => this.number({ id: blob, segments: 0 }));
  }

  /** All objects of a version. */
  async version(id: Id): Promise<number[]> {
    const objects = new Set(await this.record(id));
    for (const file of await this.files(id)) {
      for (const object of await this.file(file)) objects.add(object);
    }
    return [...objects];
  }

  /**
   * Objects of a version that its parent has not, some of which it may have all the same: together with those
   * of the parent they are all. null where that may change: a file is at a remote alone.
   */
  async added(id: Id, parent: Id | null): Promise<number[] | null> {
    const before = new Map(
      (parent === null ? [] : await this.files(parent)).map((file) => [file.path, file]),
    );
    const recipes = new Set([...before.values()].map(({ recipe }) => recipe.id));
    const had = new Set(parent === null ? [] : await this.record(parent));
    const objects = new Set(await this.record(id));
    for (const file of await this.files(id)) {
      if (recipes.has(file.recipe.id)) continue;
      const own = await this.#objectsOf(file);
      if (own === null) return null;
      for (const object of own) objects.add(object);
      const old = before.get(file.path);
      for (const object of old === undefined ? [] : await this.file(old)) had.add(object);
    }
    return [...objects].filter((object) => !had.has(object));
  }

  /** True if files of a version are replaced by others: what it needs is not what it names. */
  async hasTier(id: Id): Promise<boolean> {
    return (await this.#tier(id)) !== null;
  }

  async #tier(id: Id): Promise<VersionTier | null> {
    // Few versions have notes: those are listed once, and the others are not asked.
    this.#noted ??= listNotedVersions(this.#repo.layout).then((ids) => new Set(ids));
    return (await this.#noted).has(id) ? this.#repo.tier(id) : null;
  }

  /** Files of a version, but for those that were given up: they take nothing. */
  async files(id: Id): Promise<FileEntry[]> {
    const files: FileEntry[] = [];
    const { tree } = await this.#repo.version(id);
    const tier = await this.#tier(id);
    for await (const page of this.#describer.pages(tree)) {
      for (const file of page.files) {
        const entry = tier?.entryOf(file) ?? file;
        if (entry.tombstone === undefined) files.push(entry);
      }
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

/** Adds up what groups need and what only one of them needs. */
export class Tally {
  readonly #sizes: StoredSizes;
  readonly #groups: (readonly number[])[][] = [];

  constructor(sizes: StoredSizes) {
    this.#sizes = sizes;
  }

  /** Begins the next group. */
  next(): void {
    this.#groups.push([]);
  }

  /** Counts objects, and what they are deltas against, for the group that was begun last. */
  add(objects: readonly number[]): void {
    this.#groups.at(-1)?.push(objects);
  }

  /** Bytes of each group, in the order in which they were begun, and of all together. */
  async finish(): Promise<{ groups: GroupBytes[]; totalBytes: number }> {
    await this.#sizes.measure();
    const { bytes } = this.#sizes;
    /** For each object the group that needs it, and the last group that counted it. */
    const owner = new Int32Array(bytes.length).fill(NOBODY);
    const last = new Int32Array(bytes.length).fill(NOBODY);
    const groups = this.#groups.map((lists, group): GroupBytes => {
      let storedBytes = 0;
      const stack: number[] = [];
      const count = (object: number): void => {
        if (last[object] === group) return;
        last[object] = group;
        storedBytes += bytes[object] as number;
        owner[object] = owner[object] === NOBODY ? group : SHARED;
        stack.push(object);
      };
      for (const list of lists) for (const object of list) count(object);
      for (let object = stack.pop(); object !== undefined; object = stack.pop()) {
        for (const base of this.#sizes.basesOf(object)) count(base);
      }
      return { storedBytes, uniqueBytes: 0 };
    });
    let totalBytes = 0;
    owner.forEach((by, object) => {
      if (by === NOBODY) return;
      totalBytes += bytes[object] as number;
      const group = groups[by];
      if (group) group.uniqueBytes += bytes[object] as number;
    });
    return { groups, totalBytes };
  }
}

/** Versions that refs and HEAD name. @param refs  all of them, where the caller has read them. */
export async function versionRoots(repo: ReadAccess, refs?: readonly Ref[]): Promise<Id[]> {
  const head = await readHead(repo.layout);
  const ids = (refs ?? (await listRefs(repo.layout))).map((ref) => ref.id);
  return head.kind === 'detached' ? [...ids, head.id] : ids;
}

/**
 * What the versions that every list shows and counts start from: branches, tags, branches of remotes as they were seen
 * last, and HEAD. Stashes are left out: they take space, but hold unfinished work.
 */
export async function listedRoots(repo: ReadAccess, refs?: readonly Ref[]): Promise<Id[]> {
  const all = refs ?? (await listRefs(repo.layout));
  return versionRoots(
    repo,
    all.filter(({ name }) => parseRefName(name)?.kind !== 'stash'),
  );
}

/** What ordering versions by model needs of each. */
type Placed = Pick<Version, 'model' | 'number' | 'parents' | 'time'>;

/**
 * Versions reachable from some, by model, each newest first as `dlv log` shows them; every version once.
 * @param read  gives what is needed of a version.
 */
export async function versionsByModel(
  read: (id: Id) => Promise<Placed>,
  starts: readonly Id[],
): Promise<Map<string, Id[]>> {
  const found = await collectFacts(read, starts, {});
  const models = new Map<string, Id[]>();
  for (const id of orderVersions(found, starts, false)) {
    const { model } = found.get(id) as Placed;
    const line = models.get(model);
    if (line) line.push(id);
    else models.set(model, [id]);
  }
  return new Map([...models].sort(([a], [b]) => (a < b ? -1 : 1)));
}
