/**
 * The live delta graph: does the chain of every live record end in a record without a base?
 *
 * The order of the sets decides which records are live, so it also decides whether the chains end.
 * `checkOrder` guards every change of the order; `planPromotion` finds, in a damaged repository, the
 * hidden records that make chains end again. Both read indexes only. Memory: about 60 bytes for each
 * live record of one table, and 32 MiB of indexes.
 */
import { ID_BYTES, type Id, idFromBytes } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { CHAIN_DEPTH_MAX } from '../../base/limits.js';
import type { Backend } from './backends/backend.js';
import {
  baseOfRow,
  compareRows,
  INDEX_TABLES,
  type IndexTable,
  rowKey,
} from './indexes/index-rows.js';
import { type RowOfSet, SetRows } from './indexes/set-rows.js';
import type { SealedSet, SetId, SetInfo } from './types.js';

/** The key of a record. A blob is its own segment 0. */
export interface RecordKey {
  readonly table: IndexTable;
  readonly id: Id;
  readonly segment: number;
}

const DIGEST_BYTES = ID_BYTES - 1;

/** What is known of a live record: 0 nothing, n > 0 that its chain ends after n − 1 links. */
const ON_PATH = -1;
const UNRESOLVED = -2;

/** Keys and bases of the live records of one table, in order of their keys. */
class LiveRecords {
  readonly #table: IndexTable;
  count = 0;
  #digests = new Uint8Array(DIGEST_BYTES * 256);
  #bases = new Uint8Array(DIGEST_BYTES * 256);
  #segments = new Uint32Array(256);
  #isDelta = new Uint8Array(256);
  /** Records whose digest begins with a byte below the index. */
  readonly #starts = new Uint32Array(257);

  constructor(table: IndexTable) {
    this.#table = table;
  }

  /** Adds the next record in order. */
  add(row: Uint8Array): void {
    if (this.count === this.#isDelta.length) this.#grow();
    const at = this.count++;
    this.#digests.set(row.subarray(1, ID_BYTES), at * DIGEST_BYTES);
    this.#segments[at] = this.#table === 'blob' ? 0 : segmentOf(row);
    const base = baseOfRow(this.#table, row);
    this.#isDelta[at] = base === null ? 0 : 1;
    if (base !== null) this.#bases.set(base.subarray(1), at * DIGEST_BYTES);
    this.#starts.fill(this.count, (row[1] as number) + 1);
  }

  #grow(): void {
    const bigger = <T extends Uint8Array | Uint32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.#digests = bigger(this.#digests, new Uint8Array(this.#digests.length * 2));
    this.#bases = bigger(this.#bases, new Uint8Array(this.#bases.length * 2));
    this.#segments = bigger(this.#segments, new Uint32Array(this.#segments.length * 2));
    this.#isDelta = bigger(this.#isDelta, new Uint8Array(this.#isDelta.length * 2));
  }

  key(at: number): RecordKey {
    const digest = this.#digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
    const id = Buffer.from(digest).toString('hex') as Id;
    return { table: this.#table, id, segment: this.#segments[at] as number };
  }

  isDelta(at: number): boolean {
    return this.#isDelta[at] === 1;
  }

  /** The place of the base of a delta, or −1 if no set holds it. */
  baseOf(at: number): number {
    const from = at * DIGEST_BYTES;
    const lead = this.#bases[from] as number;
    let low = this.#starts[lead] as number;
    let high = this.#starts[lead + 1] as number;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = this.#compare(middle, from, this.#segments[at] as number);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /** Orders record `at` and the base that is at `from`. */
  #compare(at: number, from: number, segment: number): number {
    for (let i = 0; i < DIGEST_BYTES; i++) {
      const difference =
        (this.#digests[at * DIGEST_BYTES + i] as number) - (this.#bases[from + i] as number);
      if (difference !== 0) return difference;
    }
    return (this.#segments[at] as number) - segment;
  }
}

function segmentOf(row: Uint8Array): number {
  return Buffer.from(row.buffer, row.byteOffset + ID_BYTES, 4).readUInt32LE();
}

async function readLive(rows: SetRows, table: IndexTable): Promise<LiveRecords> {
  const live = new LiveRecords(table);
  for await (const batch of rows.batches(table)) {
    let last: Uint8Array | null = null;
    for (const { row } of batch) {
      if (last === null || !sameKey(table, row, last)) live.add(row);
      last = row;
    }
  }
  return live;
}

function sameKey(table: IndexTable, a: Uint8Array, b: Uint8Array): boolean {
  const length = table === 'blob' ? ID_BYTES : ID_BYTES + 4;
  return Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0;
}

/** Follows every chain once. @returns keys whose chain lacks a base, goes in a circle or is too long. */
function unresolvedOf(live: LiveRecords): RecordKey[] {
  const known = new Int32Array(live.count);
  const unresolved: RecordKey[] = [];
  const path: number[] = [];
  for (let start = 0; start < live.count; start++) {
    let at = start;
    while (at >= 0 && known[at] === 0 && live.isDelta(at)) {
      known[at] = ON_PATH;
      path.push(at);
      at = live.baseOf(at);
    }
    // A record on the path itself is met again in a circle.
    let links = at < 0 ? UNRESOLVED : (known[at] as number);
    if (at >= 0 && !live.isDelta(at)) links = known[at] = 1;
    for (let next = path.pop(); next !== undefined; next = path.pop()) {
      links = links < 0 || links > CHAIN_DEPTH_MAX ? UNRESOLVED : links + 1;
      known[next] = links;
      if (links === UNRESOLVED) unresolved.push(live.key(next));
    }
  }
  return unresolved;
}

/** Live records whose chain does not end in a record without a base. @throws {CorruptError} {AbortedError} */
export async function findUnresolved(rows: SetRows): Promise<RecordKey[]> {
  const found: RecordKey[] = [];
  for (const table of INDEX_TABLES) {
    for (const key of unresolvedOf(await readLive(rows, table))) found.push(key);
  }
  return found;
}

/** A key as text, for maps. */
export function keyText({ table, id, segment }: RecordKey): string {
  return `${table} ${id}:${segment}`;
}

function keyBytes({ table, id, segment }: RecordKey): Uint8Array {
  return rowKey(table, id, segment);
}

/**
 * Sets that hold a record hidden by one whose own chain does not end: that record may be the only
 * sound one, so the set must stay as it is.
 */
export async function findPinnedSets(
  backend: Backend,
  sets: readonly SetInfo[],
  signal?: AbortSignal,
): Promise<Set<SetId>> {
  const rows = new SetRows(backend, sets, { signal });
  const pinned = new Set<SetId>();
  for (const key of await findUnresolved(rows)) {
    const [, ...hidden] = await rows.find(key.table, keyBytes(key));
    for (const { info } of hidden) pinned.add(info.id);
  }
  return pinned;
}

/**
 * Checks a list of sets that is to replace another one: every chain that ended still ends, and no
 * record is dropped while the one that hides it cannot be resolved.
 * @param sealed  sets of `after` that are not in packs/ yet.
 * @throws {ConflictError} DLV_CONFLICT otherwise.
 */
export async function checkOrder(
  backend: Backend,
  before: readonly SetInfo[],
  after: readonly SetInfo[],
  sealed: readonly SealedSet[] = [],
): Promise<void> {
  const places = new Map<SetId, string>();
  for (const { info, files } of sealed) if (files.idx) places.set(info.id, files.idx);
  const rows = new SetRows(backend, after, { places });
  const unresolved = await findUnresolved(rows);
  if (unresolved.length === 0) return;
  const old = new SetRows(backend, before);
  const known = new Set((await findUnresolved(old)).map(keyText));
  for (const key of unresolved) {
    if (!known.has(keyText(key))) throw refuse(key, 'its chain of deltas would not end');
    const bytes = keyBytes(key);
    const kept = new Set((await rows.find(key.table, bytes)).map(recordText));
    for (const row of await old.find(key.table, bytes)) {
      if (!kept.has(recordText(row))) throw refuse(key, 'a record that may be sound would be lost');
    }
  }
}

/** Distinguishes records of one key: a row ends with the base and the checksum of its record. */
function recordText({ row }: RowOfSet): string {
  return Buffer.from(row.subarray(row.length - ID_BYTES - 4)).toString('hex');
}

function refuse({ table, id }: RecordKey, why: string): ConflictError {
  const what = table === 'blob' ? 'object' : 'extent';
  return new ConflictError(`cannot list these packs: ${what} '${id}': ${why}`, {
    id,
    hint: "run the command again; if it fails again, run 'dlv fsck --rebuild'",
  });
}

/** What to do about chains that do not end. */
export interface Promotion {
  /** Hidden records that must become live, in an order in which each base comes before its deltas. */
  readonly rows: readonly { table: IndexTable; row: RowOfSet }[];
  /** Keys that no choice of records resolves. */
  readonly lost: readonly RecordKey[];
}

/**
 * Chooses hidden records that, listed in front, make as many chains end as can: records without a base
 * first, then deltas of what is resolved. What resolves already keeps its live record.
 */
export async function planPromotion(rows: SetRows): Promise<Promotion> {
  const plan = new PromotionPlan(rows);
  for (const key of await findUnresolved(rows)) await plan.add(key);
  return plan.run();
}

interface Candidate {
  readonly key: RecordKey;
  readonly row: RowOfSet;
  readonly base: RecordKey | null;
  readonly live: boolean;
}

class PromotionPlan {
  readonly #rows: SetRows;
  /** Keys that do not resolve yet. */
  readonly #open = new Map<string, RecordKey>();
  readonly #whole: Candidate[] = [];
  readonly #deltas: Candidate[] = [];

  constructor(rows: SetRows) {
    this.#rows = rows;
  }

  async add(key: RecordKey): Promise<void> {
    this.#open.set(keyText(key), key);
    const { table, segment } = key;
    for (const [i, row] of (await this.#rows.find(table, keyBytes(key))).entries()) {
      const bytes = baseOfRow(table, row.row);
      const base = bytes === null ? null : { table, id: idFromBytes(bytes), segment };
      const list = base === null ? this.#whole : this.#deltas;
      list.push({ key, row, base, live: i === 0 });
    }
  }

  async run(): Promise<Promotion> {
    const waiting = new Map<string, Candidate[]>();
    const ready: Candidate[] = [];
    for (const candidate of this.#deltas) {
      const base = candidate.base as RecordKey;
      const text = keyText(base);
      if (this.#open.has(text)) {
        const others = waiting.get(text);
        if (others) others.push(candidate);
        else waiting.set(text, [candidate]);
      }
      // A live delta of a base that resolves is too long a chain: nothing is gained by it.
      else if (!candidate.live && (await this.#rows.find(base.table, keyBytes(base))).length > 0) {
        ready.push(candidate);
      }
    }
    const chosen: Candidate[] = [];
    const settle = (first: RecordKey): void => {
      const queue = [first];
      for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
        if (!this.#open.delete(keyText(key))) continue;
        for (const candidate of waiting.get(keyText(key)) ?? []) {
          if (candidate.live) queue.push(candidate.key);
          else ready.push(candidate);
        }
      }
    };
    const choose = (candidate: Candidate): void => {
      if (!this.#open.has(keyText(candidate.key))) return;
      chosen.push(candidate);
      settle(candidate.key);
    };
    for (const candidate of this.#whole) choose(candidate);
    // Grows while it is walked.
    for (const candidate of ready) choose(candidate);
    const promoted = chosen.map(({ key, row }) => ({ table: key.table, row }));
    return { rows: promoted, lost: [...this.#open.values()] };
  }
}

/** The sets that a live record is of: a record of any other one is in a set before it. */
export async function setsOfLive(rows: SetRows): Promise<Set<SetId>> {
  const found = new Set<SetId>();
  for (const table of INDEX_TABLES) {
    for await (const batch of rows.batches(table)) {
      for (const [i, { row, info }] of batch.entries()) {
        const before = batch[i - 1];
        if (before === undefined || compareRows(table, before.row, row) !== 0) found.add(info.id);
      }
    }
  }
  return found;
}
