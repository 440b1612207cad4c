/**
 * Carries out a storage plan: re-encodes what the plan changes, lists it, rebuilds it from the
 * disk, and only then retires the records that it replaces.
 *
 * Extents are encoded bases first. For every prefix of that order, the live graph is a forest:
 * everything below a new record is as the plan has it, and everything below an old one is old or
 * new. So a run that is killed leaves a sound repository, and the next run finds the work that was
 * done.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import { CorruptError, isDamage } from '../../base/errors.js';
import { ARCHIVE_PLANES_BYTES } from '../../base/limits.js';
import { encodeRans } from '../../pure/codec/planes-rans.js';
import { verifySegment } from '../../pure/codec/segment.js';
import type { PackAccess } from '../objects/access.js';
import { lendUnder } from '../objects/planes/base-planes.js';
import { ChainReader } from '../objects/planes/chain-reader.js';
import { planePool } from '../objects/planes/plane-pool.js';
import type { PlaneReader, SegmentRequest } from '../objects/planes/plane-reader.js';
import { readSegments } from '../objects/planes/read-segments.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import { recodeBase, recodedRecord, storedSegment } from '../objects/recode.js';
import { findPinnedSets } from '../store/forest.js';
import {
  recordBytesOf,
  type SegmentEntry,
  segmentKey,
  setBytes,
  storedBytes,
} from '../store/types.js';
import { replaceSets } from '../upkeep/replace-sets.js';
import type { SurveyedExtent } from './numbered-extents.js';
import type { ArchivePlan } from './planning/report-plan.js';
import type { EncodingEdge } from './planning/storage-graph.js';
import { ReencodedWriter } from './reencoded-writer.js';

export interface ReencodeOptions {
  readonly signal?: AbortSignal;
  /** Begins a piece of work of this many bytes of tensors. */
  onStart?(what: 'encode' | 'rebuild' | 'retire', bytes: number): void;
  onBytes?(bytes: number): void;
}

export interface Reencoded {
  /** Extents that were re-encoded. */
  readonly extents: number;
  /** Bytes of their records. */
  readonly bytes: number;
  /** Sets written, and sets that went to trash. */
  readonly newSets: number;
  readonly retiredSets: number;
  /** Bytes of their files, which stay in trash for a time. */
  readonly retiredBytes: number;
}

/** Jobs at once: each holds two or three segments and what they are coded to. */
const JOBS_AT_ONCE = 2;
/** A set is written again if this much of it is hidden by new encodings. */
const HIDDEN_SHARE = 0.01;

/**
 * Brings the repository to the plan.
 * @throws {ConflictError} if another command changed the packs: survey, plan and try again;
 *   {CorruptError} if something cannot be rebuilt: nothing was retired then.
 */
export async function reencode(
  repo: PackAccess,
  plan: ArchivePlan,
  options: ReencodeOptions = {},
): Promise<Reencoded> {
  const encoder = new Reencoder(repo, plan, options);
  const done = await encoder.run();
  // Also if all was encoded before: a run that was killed may have left what its encodings hide.
  return { ...done, ...(await retireHidden(repo, encoder.rebuilt, options)) };
}

class Reencoder {
  readonly #repo: PackAccess;
  readonly #plan: ArchivePlan;
  readonly #options: ReencodeOptions;
  readonly #writer: ReencodedWriter;
  readonly #planes: PlaneReader;
  readonly #children = new Map<number, number[]>();
  /** Vertices under which something changes, themselves included. */
  readonly #busy = new Set<number>();
  /** Segments that were rebuilt from the disk, as `segmentKey`. */
  readonly rebuilt = new Set<string>();
  #bytes = 0;

  constructor(repo: PackAccess, plan: ArchivePlan, options: ReencodeOptions) {
    this.#repo = repo;
    this.#plan = plan;
    this.#options = options;
    this.#writer = new ReencodedWriter(repo);
    const { signal } = options;
    this.#planes = new ChainReader(repo.store, {
      cacheBytes: ARCHIVE_PLANES_BYTES,
      ...(signal ? { signal } : {}),
    });
  }

  async run(): Promise<Omit<Reencoded, 'retiredSets' | 'retiredBytes'>> {
    const { chosen } = this.#plan;
    const changed = chosen.filter((edge) => edge.how !== 'live');
    const bytes = changed.reduce((sum, edge) => sum + tensorBytes(this.#extent(edge.vertex)), 0);
    this.#options.onStart?.('encode', bytes);
    for (const { vertex, base } of chosen) {
      const siblings = this.#children.get(base);
      if (siblings) siblings.push(vertex);
      else this.#children.set(base, [vertex]);
    }
    for (const edge of changed) {
      for (let at = edge.vertex; at !== 0 && !this.#busy.has(at); ) {
        this.#busy.add(at);
        at = this.#edge(at).base;
      }
    }
    try {
      await this.#encodeTrees();
      await this.#writer.flush();
    } finally {
      await this.#writer.abort();
    }
    await this.#rebuild(changed, bytes);
    const newSets = this.#writer.listed.length;
    return { extents: changed.length, bytes: this.#bytes, newSets };
  }

  #extent(vertex: number): SurveyedExtent {
    return this.#plan.survey.extents[vertex - 1] as SurveyedExtent;
  }

  #edge(vertex: number): EncodingEdge {
    return this.#plan.chosen[vertex - 1] as EncodingEdge;
  }

  /** Every tree of the plan in which something changes, segment by segment, some at a time. */
  async #encodeTrees(): Promise<void> {
    const roots = (this.#children.get(0) ?? []).filter((root) => this.#busy.has(root));
    const jobs = roots.flatMap((root) =>
      Array.from({ length: this.#segmentsOf(root) }, (_, segment) => ({ root, segment })),
    );
    await forEachLimit(jobs, JOBS_AT_ONCE, ({ root, segment }) => this.#encodeTree(root, segment));
  }

  /** Segments of the longest extent of a tree. */
  #segmentsOf(root: number): number {
    let most = 0;
    const stack = [root];
    for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
      most = Math.max(most, this.#extent(vertex).segments);
      for (const child of this.#children.get(vertex) ?? []) stack.push(child);
    }
    return most;
  }

  /** One segment of a tree, depth first: each base is in memory when its deltas are made. */
  async #encodeTree(root: number, segment: number): Promise<void> {
    const stack = [root];
    for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
      throwIfAborted(this.#options.signal);
      const isNew = this.#edge(vertex).how !== 'live';
      if (isNew && segment < this.#extent(vertex).segments) await this.#encode(vertex, segment);
      for (const child of this.#children.get(vertex) ?? []) {
        if (this.#busy.has(child)) stack.push(child);
      }
    }
  }

  async #encode(vertex: number, segment: number): Promise<void> {
    const { id, width, count } = this.#extent(vertex);
    const { base, how } = this.#edge(vertex);
    const name = `extent ${id}`;
    const { store } = this.#repo;
    const stored = await storedSegment(store, id, segment);
    const on = base === 0 ? null : recodeBase(stored, this.#extent(base));
    const place = on && { id, width, count, segment, base: on.id, operation: on.operation };
    const under = place && (await lendUnder(store, this.#planes, place));
    const lease = await this.#planes.lend({ id, segment });
    const { planes } = lease;
    const basePlanes = under?.planes ?? null;
    const noPrefix = how === 'whole';
    const { level } = this.#plan.encoding;
    const elements = segmentElements(count, segment);
    const room = planePool.lendRoom(width, elements);
    const encoding = { level, noPrefix, room: room?.planes[0] };
    const coded = await encodeRans(planes, basePlanes, encoding);
    const scratch = planePool.lend.bind(planePool);
    await verifySegment(coded, planes, basePlanes, { file: name, scratch });
    lease.release();
    under?.release();
    const record = recodedRecord(stored, coded, on, this.#depth(vertex));
    await this.#writer.add(record, coded.usesBase && on?.operation !== undefined);
    room?.release();
    this.#bytes += record.head.length + record.hi.length + record.mid.length + record.low.length;
    this.#options.onBytes?.(width * elements);
  }

  /** Links under a vertex in the plan. */
  #depth(vertex: number): number {
    let depth = 0;
    for (let at = this.#edge(vertex).base; at !== 0; at = this.#edge(at).base) depth++;
    return depth;
  }

  /** Reads every new encoding back and checks it against the extent's id. */
  async #rebuild(changed: readonly EncodingEdge[], bytes: number): Promise<void> {
    this.#options.onStart?.('rebuild', bytes);
    try {
      const requests = changed.flatMap(({ vertex }) => {
        const { id, segments } = this.#extent(vertex);
        return Array.from({ length: segments }, (_, segment) => ({ id, segment }));
      });
      await rebuildAll(this.#repo, requests, this.#options);
      for (const { id, segment } of requests) this.rebuilt.add(segmentKey(id, segment));
    } catch (error) {
      if (isDamage(error)) await this.#unlist(error as Error);
      throw error;
    }
  }

  /**
   * Takes the new sets out again, unless a merge dropped meanwhile what they hide.
   * @throws {CorruptError} always.
   */
  async #unlist(cause: Error): Promise<never> {
    const { store } = this.#repo;
    const bad = new Set(this.#writer.listed.map((info) => info.id));
    let hint = "run 'dlv fsck': another command merged packs meanwhile, so nothing was taken back";
    await this.#repo.locked(async () => {
      await store.reload();
      if (!this.#writer.isReplaceable) return;
      await store.publish([], (sets) => sets.filter((info) => !bad.has(info.id)));
      await store.retire([...bad]);
      hint = 'the disk may be failing; the old packs are in place and nothing was removed';
    });
    const message = `an archived pack does not give back what was stored: ${cause.message}`;
    throw new CorruptError(message, { hint });
  }
}

function tensorBytes({ width, count }: SurveyedExtent): number {
  return width * count;
}

/** Reads segments back and checks them against their extents' ids. @throws {CorruptError} */
async function rebuildAll(
  repo: PackAccess,
  requests: readonly SegmentRequest[],
  { signal, onBytes }: ReencodeOptions,
): Promise<void> {
  await readSegments(repo.store, requests, {
    ...(signal ? { signal } : {}),
    onSegment: async (planes, request) => {
      const { id, segment } = requests[request] as SegmentRequest;
      await repo.hashes.check(id, segment, planes);
      onBytes?.(planes.reduce((sum, plane) => sum + plane.length, 0));
    },
  });
}

/**
 * Writes sets again without the records that new encodings hide.
 * @param rebuilt  segments whose live encodings were checked; those that others hid are checked first.
 */
async function retireHidden(
  repo: PackAccess,
  rebuilt: ReadonlySet<string>,
  options: ReencodeOptions,
): Promise<Pick<Reencoded, 'retiredSets' | 'retiredBytes'>> {
  await repo.store.reload();
  const seen = [...repo.store.sets()];
  const hidden = new Map<string, number>();
  const unchecked: SegmentEntry[] = [];
  const pinned = await findPinnedSets(repo.store.backend, seen, options.signal);
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(options.signal);
    if (live) continue;
    hidden.set(entry.set, (hidden.get(entry.set) ?? 0) + storedBytes(entry));
    if ('segment' in entry && !rebuilt.has(segmentKey(entry.id, entry.segment))) {
      unchecked.push(entry);
    }
  }
  const chosen = seen.filter(
    (info) =>
      !pinned.has(info.id) && (hidden.get(info.id) ?? 0) > HIDDEN_SHARE * recordBytesOf(info),
  );
  if (chosen.length === 0) return { retiredSets: 0, retiredBytes: 0 };
  const names = new Set<string>(chosen.map((info) => info.id));
  const requests = unchecked.filter((entry) => names.has(entry.set));
  if (requests.length > 0) {
    const bytes = requests.reduce(
      (sum, e) => sum + e.width * segmentElements(e.count, e.segment),
      0,
    );
    options.onStart?.('rebuild', bytes);
    await rebuildAll(repo, requests, options);
  }
  const { signal } = options;
  options.onStart?.(
    'retire',
    chosen.reduce((sum, info) => sum + setBytes(info), 0),
  );
  await replaceSets(repo, {
    seen,
    chosen,
    keep: null,
    stillValid: async () => true,
    ...(signal ? { signal } : {}),
  });
  const after = new Set(repo.store.sets().map((info) => info.id));
  const retired = seen.filter(({ id }) => !after.has(id));
  const retiredBytes = retired.reduce((sum, info) => sum + setBytes(info), 0);
  return { retiredSets: retired.length, retiredBytes };
}
