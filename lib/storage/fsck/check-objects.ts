/**
 * Checks that needed objects can be rebuilt: every blob gives its id, every plane of every extent the
 * hashes of its id, and chains of deltas end.
 *
 * Extents are decoded from the roots of their chains on, so that each record is decoded about once; the
 * planes of bases wait in a cache of bounded size.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { BlobKind, Id } from '../../base/bytes/hash.js';
import { type DlvError, isUnreadable, objectFault } from '../../base/errors.js';
import { FSCK_PLANES_BYTES } from '../../base/limits.js';
import type { ObjectAccess } from '../objects/access.js';
import { linksOf } from '../objects/chain.js';
import { ChainReader } from '../objects/planes/chain-reader.js';
import { checkTrees, type Place } from '../objects/planes/check-trees.js';
import type { PlaneReader } from '../objects/planes/plane-reader.js';
import { packName } from '../store/names.js';
import { bytesHere, isPromised, type PromisedBy, planesHere } from '../store/promised.js';
import { type SetId, segmentKey, storedBytes } from '../store/types.js';
import { type Findings, problemOf, REMEDY, remedyOf } from './report.js';
import type { Suspect } from './wrong-records.js';

export interface ObjectCheckOptions {
  /** Called with the stored bytes of a record that was checked, and the set that it is in. */
  onBytes(count: number, set: SetId): void;
  /** Called for each object that is here and does not give what its id says. */
  onSuspect?(suspect: Suspect): void;
  signal?: AbortSignal;
}

/** The object that an error is about: a link of the chain may be it, rather than its end. */
function objectOf(error: DlvError, fallback: Id): Id {
  const { id, name, file } = error.data;
  for (const text of [id, name, file]) {
    const found = typeof text === 'string' && /^(?:(?:object|extent) )?([0-9a-f]{64})$/.exec(text);
    if (found) return found[1] as Id;
  }
  return fallback;
}

/** Reads every blob. Those that fail become findings. */
export async function checkBlobs(
  repo: ObjectAccess,
  blobs: ReadonlyMap<Id, BlobKind>,
  findings: Findings,
  options: ObjectCheckOptions,
): Promise<void> {
  for (const [id, kind] of blobs) {
    throwIfAborted(options.signal);
    try {
      const entry = await repo.store.findBlob(id);
      if (entry !== null) options.onBytes(storedBytes(entry), entry.set);
      await repo.blobs.readBlob(id, kind);
    } catch (error) {
      if (isPromised(error)) {
        findings.addPromised(error.by);
        continue;
      }
      if (!isUnreadable(error)) throw error;
      const found = await addBlobFailure(repo, findings, { id, kind }, error);
      if (found !== null) options.onSuspect?.({ id: found, segment: null });
    }
  }
}

/** @returns the blob that is damaged, if it is here and no finding knew it. */
async function addBlobFailure(
  repo: ObjectAccess,
  findings: Findings,
  { id, kind }: { id: Id; kind: BlobKind },
  error: DlvError,
): Promise<Id | null> {
  const broken = objectOf(error, id);
  let known = findings.of(broken);
  const met = new Set<Id>();
  for await (const link of linksOf(id, (next) => repo.store.findBlob(next))) {
    if (known !== undefined || met.has(link.id)) break;
    met.add(link.id);
    if (link.id !== id) known = findings.of(link.id);
  }
  if (known !== undefined) {
    known.objects.add(id);
    return null;
  }
  const entry = await repo.store.findBlob(broken);
  if (entry === null) {
    const message = `blob ${broken} is missing`;
    const remedy = remedyOf('missing', kind);
    findings.add(problemOf({ kind: 'missing', area: 'object', file: null, message, remedy }), [
      broken,
      id,
    ]);
    return null;
  }
  const file = packName(entry.set, 'blob');
  const fault = objectFault(error) ?? 'damaged';
  const problem = problemOf({
    kind: fault,
    area: 'object',
    file,
    message: error.message,
    remedy: remedyOf(fault, kind),
  });
  const place = { offset: entry.offset, object: broken, segment: null };
  findings.addPlace(problem, place).objects.add(id);
  return fault === 'damaged' ? broken : null;
}

/** Leading planes that a chain may stop at while others are elsewhere. */
const FEWER_PLANES = [4, 3, 2];
/** Missing segments of one extent that are reported: as many of them say no more. */
const MISSING_MAX = 64;
const NO_IDS: readonly Id[] = [];

/** Checks extents, each given with its number of segments, and every base under them. */
export async function checkExtents(
  repo: ObjectAccess,
  extents: ReadonlyMap<Id, number>,
  findings: Findings,
  options: ObjectCheckOptions,
): Promise<void> {
  const check = new ExtentCheck(repo, findings, options);
  for (const [id, segments] of extents) {
    // A recipe may claim more segments than any disk holds.
    let missing = 0;
    for (let segment = 0; segment < segments && missing < MISSING_MAX; segment++) {
      if (!(await check.walk(id, segment))) missing++;
    }
  }
  await check.decode();
}

class ExtentCheck {
  readonly #repo: ObjectAccess;
  readonly #findings: Findings;
  readonly #options: ObjectCheckOptions;
  /** Keys met so far. */
  readonly #met = new Set<string>();
  readonly #roots: Place[] = [];
  readonly #children = new Map<string, Id[]>();
  readonly #planes: PlaneReader;

  constructor(repo: ObjectAccess, findings: Findings, options: ObjectCheckOptions) {
    this.#repo = repo;
    this.#findings = findings;
    this.#options = options;
    // Only planes of bases are worth keeping.
    this.#planes = new ChainReader(repo.store, {
      cacheBytes: FSCK_PLANES_BYTES,
      keeps: (id, segment) => this.#children.has(segmentKey(id, segment)),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  }

  /**
   * Follows the chain of a segment to its root and notes which is whose base.
   * @returns false if the segment or a base under it is missing.
   */
  async walk(id: Id, segment: number): Promise<boolean> {
    throwIfAborted(this.#options.signal);
    const chain: Id[] = [];
    const { store } = this.#repo;
    const find = (next: Id) => store.here.findSegment(next, segment);
    for await (const { id: current, entry } of linksOf(id, find)) {
      const key = segmentKey(current, segment);
      if (this.#met.has(key)) {
        if (chain.includes(current)) this.#addCircle(chain, current, segment);
        return true;
      }
      this.#met.add(key);
      const by = entry === null ? await this.#promisedBy(current, segment, false) : null;
      if (by !== null) {
        this.#findings.addPromised(by);
        return true;
      }
      if (entry === null) {
        const message = `segment ${segment} of extent ${current} is missing`;
        this.#findings.add(
          problemOf({ kind: 'missing', area: 'object', file: null, message, remedy: REMEDY.add }),
          [current, ...chain],
        );
        return false;
      }
      chain.push(current);
      if (entry.base === null) this.#roots.push([current, segment]);
      else {
        const children = this.#children.get(segmentKey(entry.base, segment));
        if (children) children.push(current);
        else this.#children.set(segmentKey(entry.base, segment), [current]);
      }
    }
    return true;
  }

  #addCircle(chain: readonly Id[], start: Id, segment: number): void {
    const circle = chain.slice(chain.indexOf(start));
    const message = `segment ${segment} of extent ${start} is a delta whose bases lead back to itself`;
    this.#findings.add(
      problemOf({ kind: 'damaged', area: 'graph', file: null, message, remedy: REMEDY.restore }),
      circle,
    );
  }

  /** Decodes everything that has a root, bases before their deltas. */
  async decode(): Promise<void> {
    const { onBytes, signal } = this.#options;
    const left = await checkTrees(this.#repo, this.#roots.splice(0), {
      childrenOf: (id, segment) => this.#children.get(segmentKey(id, segment)) ?? NO_IDS,
      onBytes,
      signal,
    });
    for (const root of left) await this.#decodeAbove(root);
    // Deltas of a broken record are affected by it.
    for (const finding of this.#findings.list) {
      for (const id of finding.objects) {
        const record = await this.#repo.store.here.findSegment(id, 0).catch(() => null);
        for (let segment = 0; segment < (record?.segments ?? 1); segment++) {
          for (const child of this.#children.get(segmentKey(id, segment)) ?? []) {
            finding.objects.add(child);
          }
        }
      }
    }
  }

  /** Decodes a root and what stands on it. */
  async #decodeAbove(root: Place): Promise<void> {
    const stack = [root];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      throwIfAborted(this.#options.signal);
      const [id, segment] = next;
      const children = this.#children.get(segmentKey(id, segment)) ?? [];
      try {
        await this.#decodeOne(id, segment);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        await this.#addFailure(id, segment, error);
        continue;
      }
      for (const child of children) stack.push([child, segment]);
    }
  }

  #promisedBy(id: Id, segment: number, whole: boolean): Promise<PromisedBy | null> {
    const { promised } = this.#repo.store;
    return promised?.of({ kind: 'extent', id, segment, whole }) ?? Promise.resolve(null);
  }

  async #decodeOne(id: Id, segment: number): Promise<void> {
    const { store } = this.#repo;
    const entry = await store.here.findSegment(id, segment);
    if (entry === null) return;
    this.#options.onBytes(bytesHere(store.promised, entry), entry.set);
    // Fewer planes of it may be here, or of a base under it.
    const most = planesHere(entry, store.promised?.absent(entry.set) ?? []);
    for (const planes of [most, ...FEWER_PLANES.filter((few) => few < most)]) {
      try {
        const lease = await this.#planes.lend({ id, segment, planes });
        await this.#repo.hashes.check(id, segment, lease.planes);
        lease.release();
        if (planes < entry.width && most < entry.width) {
          const by = await this.#promisedBy(id, segment, true);
          if (by !== null) this.#findings.addPromised(by);
        }
        return;
      } catch (error) {
        if (!isPromised(error)) throw error;
        // What is short may stand below one of which all is here.
        if (planes <= 2 || most === entry.width) this.#findings.addPromised(error.by);
      }
    }
  }

  async #addFailure(id: Id, segment: number, error: DlvError): Promise<void> {
    const broken = objectOf(error, id);
    const fault = objectFault(error) ?? 'damaged';
    // Each segment has a record of its own, though one problem tells of the extent.
    if (fault === 'damaged') this.#options.onSuspect?.({ id: broken, segment });
    const known = this.#findings.of(broken);
    if (known !== undefined) {
      known.objects.add(id);
      return;
    }
    const entry = await this.#repo.store.here.findSegment(broken, segment);
    const file = entry === null ? null : packName(entry.set, 'hi');
    const problem = problemOf({
      kind: fault,
      area: 'object',
      file,
      message: error.message,
      remedy: remedyOf(fault, null),
    });
    const place = { offset: entry?.offset ?? null, object: broken, segment };
    this.#findings.addPlace(problem, place).objects.add(id);
  }
}
