/**
 * Trees of deltas decoded from their roots on, many records at a time: the kernel reads, decodes and compares
 * them, and keeps the planes of bases meanwhile. What it cannot check, or finds wrong, is left to the reader that
 * goes record by record and names what is wrong.
 */
import os from 'node:os';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import { CHECKED_PLANES_BYTES, RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../../base/limits.js';
import {
  CHECK_SLOTS_MAX,
  type CheckedRecord,
  type ReadPayloads,
  RecordChecker,
} from '../../../pure/codec/check-plan.js';
import { runCount } from '../../../pure/tensor/extent-id.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import { PLANE_CLASSES, type SegmentEntry, type SetId, storedBytes } from '../../store/types.js';
import type { ObjectAccess } from '../access.js';
import { missingExtent } from '../chain.js';
import { decodeSegmentHead, segmentElements } from './segment-head.js';
import { layOutTree } from './tree-order.js';

/** A segment, by the extent that it is of. */
export type Place = readonly [id: Id, segment: number];

export interface TreeCheckOptions {
  /** Extents whose segment of that number is a delta of this one. */
  childrenOf(id: Id, segment: number): readonly Id[];
  /** Called with the stored bytes of a record that is right, and the set that it is in. */
  onBytes(count: number, set: SetId): void;
  signal?: AbortSignal | undefined;
}

/** Trees that are checked at once at most: each has slots of its own. */
const TREES_AT_ONCE = 4;
/** Records that one call of the kernel checks, whose files are open meanwhile, and bytes of their planes. */
const CALL_RECORDS_MAX = 32;
const CALL_PLANES_BYTES = 16 * 1024 * 1024;

/** A record of a tree, with the slots of its planes and of those of its base. */
interface Node {
  readonly id: Id;
  readonly segment: number;
  readonly base: Node | null;
  readonly slot: number;
  /** Which tree it is of. */
  readonly tree: number;
}

/** A record that is about to be checked. */
interface Ready {
  readonly node: Node;
  readonly entry: SegmentEntry;
  readonly record: CheckedRecord;
  release(): void;
}

/**
 * Checks the trees that stand on some roots.
 * @returns records that are left, in the order of the roots: of what stands on them nothing was checked.
 * @throws {AbortedError}
 */
export async function checkTrees(
  repo: ObjectAccess,
  roots: readonly Place[],
  options: TreeCheckOptions,
): Promise<Place[]> {
  const left: Node[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const checker = new TreeChecker(repo, options, left);
    try {
      for (let tree = next++; tree < roots.length; tree = next++) {
        await checker.add(roots[tree] as Place, tree);
      }
      await checker.flush();
    } catch (error) {
      next = roots.length;
      throw error;
    } finally {
      checker.release();
    }
  };
  const workers = Math.min(TREES_AT_ONCE, Math.max(2, os.availableParallelism()), roots.length);
  // All of them end before an error is thrown: they use files of the repository.
  const ended = await Promise.allSettled(Array.from({ length: workers }, work));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return left.sort((a, b) => a.tree - b.tree).map(({ id, segment }) => [id, segment]);
}

/** Checks one tree after the other, in the same slots. */
class TreeChecker {
  readonly #repo: ObjectAccess;
  readonly #options: TreeCheckOptions;
  readonly #left: Node[];
  readonly #lost = new WeakSet<Node>();
  readonly #checker: RecordChecker;
  #ready: Ready[] = [];
  #bytes = 0;

  constructor(repo: ObjectAccess, options: TreeCheckOptions, left: Node[]) {
    this.#repo = repo;
    this.#options = options;
    this.#left = left;
    this.#checker = new RecordChecker({ signal: options.signal, read: (of) => this.#read(of) });
  }

  async add([id, segment]: Place, tree: number): Promise<void> {
    const { childrenOf, signal } = this.#options;
    const order = layOutTree(id, (of) => childrenOf(of, segment));
    const slots = 1 + order.reduce((most, { slot }) => Math.max(most, slot), 0);
    const nodes: Node[] = [];
    for (const { id, base, slot } of order) {
      const under = base === null ? null : (nodes[base] as Node);
      const node: Node = { id, segment, base: under, slot, tree };
      nodes.push(node);
      if (this.#isLost(node)) continue;
      throwIfAborted(signal);
      const ready = slots > CHECK_SLOTS_MAX ? null : await this.#open(node, slots);
      if (ready === null) {
        this.#leave(node);
        continue;
      }
      this.#ready.push(ready);
      this.#bytes += ready.record.width * ready.record.elements;
      const isFull = this.#ready.length >= CALL_RECORDS_MAX || this.#bytes >= CALL_PLANES_BYTES;
      if (isFull) await this.flush();
    }
  }

  /** Checks what is ready. */
  async flush(): Promise<void> {
    try {
      while (this.#ready.length > 0) {
        const ready = this.#ready;
        const done = await this.#checker.check(ready.map(({ record }) => record));
        for (const { entry } of ready.slice(0, done)) {
          this.#options.onBytes(storedBytes(entry), entry.set);
        }
        const wrong = ready[done];
        if (wrong === undefined) break;
        this.#leave(wrong.node);
        for (const one of ready.splice(0, done + 1)) one.release();
        const lost = ready.filter(({ node }) => this.#isLost(node));
        for (const one of lost) one.release();
        this.#ready = ready.filter((one) => !lost.includes(one));
      }
    } finally {
      this.release();
    }
  }

  release(): void {
    for (const one of this.#ready) one.release();
    this.#ready = [];
    this.#bytes = 0;
  }

  #leave(node: Node): void {
    this.#lost.add(node);
    this.#left.push(node);
  }

  /** True if something under a node was left: it goes with that. */
  #isLost(node: Node): boolean {
    if (node.base !== null && this.#lost.has(node.base)) this.#lost.add(node);
    return this.#lost.has(node);
  }

  /** Null for what the kernel cannot check, or what cannot be read. */
  async #open(node: Node, slots: number): Promise<Ready | null> {
    const { id, segment } = node;
    const { store } = this.#repo;
    try {
      const head = await store.here.openSegment(id, segment);
      if (head === null || head.entry.base !== (node.base?.id ?? null)) return null;
      const { entry } = head;
      const elements = segmentElements(entry.count, segment);
      const isLarge = slots * entry.width * elements > CHECKED_PLANES_BYTES;
      if (isLarge || elements < 1) return null;
      const record = await this.#recordOf(node, head, elements);
      if (record === null) return null;
      const lent = await store.lendPayloads(head, PLANE_CLASSES);
      if (lent === null) return null;
      const { hi, mid, low } = lent.payloads;
      const classes = [hi, mid, low] as const;
      return { node, entry, record: { ...record, classes }, release: () => lent.release() };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return null;
    }
  }

  /** What a record has to give. @throws {CorruptError} */
  async #recordOf(
    { id, segment, slot, base }: Node,
    { entry, record }: SegmentHeadAt,
    elements: number,
  ): Promise<Omit<CheckedRecord, 'classes'> | null> {
    const { width, count } = entry;
    const { codec, runHashes, operation } = decodeSegmentHead(record);
    if (operation !== undefined) return null;
    const isFirst = segment === 0;
    // Those of later segments are in the first one.
    const hashes = isFirst ? runHashes : Buffer.concat(await this.#repo.hashes.of(id));
    if (hashes?.length !== 32 * width * runCount(count)) return null;
    const firstRun = (segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
    const sizes = { id, width, count, elements, firstRun };
    return { ...sizes, hashes, checksId: isFirst, slot, baseSlot: base?.slot ?? null, head: codec };
  }

  /** Payloads for a kernel that reads no files. */
  async #read({ id, firstRun }: CheckedRecord): Promise<ReadPayloads> {
    const segment = (firstRun * RUN_ELEMENTS) / SEGMENT_ELEMENTS;
    const record = await this.#repo.store.here.readSegment(id, segment);
    if (record === null) throw missingExtent(id);
    return record;
  }
}
