/** What a session checks of the listed sets that it builds on: that their chains are whole, and that none has gone. */
import type { Id } from '../../base/bytes/hash.js';
import { CorruptError } from '../../base/errors.js';
import type { ObjectStore } from '../store/object-store.js';
import type { PackSetWriter } from '../store/packs/pack-writer.js';
import { planesHere } from '../store/promised.js';
import type { BlobEntry, SegmentEntry, SetId } from '../store/types.js';
import { linksOf } from './chain.js';

/**
 * Tells whether the chain under a listed record is complete. After a repair a delta may have a base that was lost: it
 * is stored once more then, in a set that comes first in the manifest.
 */
export class WholeChains {
  /** True if a chain was found broken: sets that are listed from then on have to come first. */
  foundBroken = false;
  readonly #store: ObjectStore;
  /** Records whose chains were followed to the end. */
  readonly #whole = new Set<string>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @param segment  null for a blob. */
  async isWhole(id: Id, segment: number | null): Promise<boolean> {
    if (this.#whole.has(`${id}/${segment}`)) return true;
    const chain = await this.#follow(id, segment);
    if (chain === null) {
      this.foundBroken = true;
      return false;
    }
    for (const key of chain) this.#whole.add(key);
    return true;
  }

  /** The records of a chain, by id and segment; null if it is broken. */
  async #follow(id: Id, segment: number | null): Promise<string[] | null> {
    const find = (next: Id): Promise<BlobEntry | SegmentEntry | null> =>
      segment === null ? this.#store.findBlob(next) : this.#store.here.findSegment(next, segment);
    const chain: string[] = [];
    try {
      for await (const { id: at, entry } of linksOf(id, find)) {
        if (entry === null || ('segment' in entry && this.#isThin(entry))) return null;
        chain.push(`${at}/${segment}`);
        if (this.#whole.has(`${entry.base}/${segment}`)) break;
      }
    } catch (error) {
      // A chain that does not end is broken as well.
      if (!(error instanceof CorruptError)) throw error;
      return null;
    }
    return chain;
  }

  /** True if some planes of a record are at a remote alone: it is stored once more then, whole. */
  #isThin(entry: SegmentEntry): boolean {
    const absent = this.#store.promised?.absent(entry.set) ?? [];
    return planesHere(entry, absent) < entry.width;
  }
}

/** The sets that were listed while something was looked up: what was found is there while they are. */
export class SeenSets {
  readonly #store: ObjectStore;
  readonly #seen = new Set<SetId>();
  #generation = -1;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Remembers the sets in which something is about to be found. */
  see(): void {
    if (this.#store.generation === this.#generation) return;
    this.#generation = this.#store.generation;
    for (const info of this.#store.sets()) this.#seen.add(info.id);
  }

  /** True if no set has gone from the manifest since. Reads the manifest again. */
  async areListed(): Promise<boolean> {
    this.see();
    await this.#store.reload();
    const listed = new Set(this.#store.sets().map((info) => info.id));
    return [...this.#seen].every((id) => listed.has(id));
  }
}

/** A segment of an extent, or a blob. */
interface RecordPlace {
  readonly id: Id;
  readonly segment: number | null;
}

/** Bases of each set that is not listed yet, where another set has them. */
export class ReliedBases {
  readonly #bases = new WeakMap<PackSetWriter, Map<string, RecordPlace>>();

  /** @param segment  null for a blob. */
  add(set: PackSetWriter, id: Id, segment: number | null): void {
    const bases = this.#bases.get(set) ?? new Map<string, RecordPlace>();
    this.#bases.set(set, bases.set(`${id}/${segment}`, { id, segment }));
  }

  /** A base of a set that the store does not have; null if it has all. */
  async missing(set: PackSetWriter, store: ObjectStore): Promise<Id | null> {
    for (const { id, segment } of this.#bases.get(set)?.values() ?? []) {
      const found = segment === null ? store.findBlob(id) : store.here.findSegment(id, segment);
      if ((await found) === null) return id;
    }
    return null;
  }
}
