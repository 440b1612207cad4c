/**
 * Planes for readers that go through several files or tensors side by side: what their chains share
 * is decoded once.
 *
 * Whoever knows what it is about to read, and in about which order, says so here; its readers then
 * take from here what was announced, in any order, and find everything else as always. Start at
 * `rebuildGroup` for whole files, at `sharePlanes` for any segments.
 */

import type { Id } from '../../base/bytes/hash.js';
import { isDamage, NotFoundError } from '../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { segmentCount } from '../store/types.js';
import type { ObjectAccess } from './access.js';
import { planChains, plannedBytes, type SegmentRequest, totalBytes } from './chain-forest.js';
import { Extents, type PlaneSource } from './extents.js';
import { Materializer } from './materializer.js';
import { namedObjects, type Readers, type StoredFile, streamFile } from './stored-file.js';
import { isContiguous, type StoredTensor, tensorBytes } from './tensors.js';

/** Planes of bases kept for the next readers. */
const CACHE_BYTES = 48 * 1024 * 1024;
/** Segments announced at once: more are read as always. */
const SEGMENTS_MAX = 8192;

/** Readers over planes that were announced. */
export interface SharedReaders extends Readers {
  /** Lets go of what is kept. */
  close(): void;
}

export interface ShareOptions {
  readonly signal?: AbortSignal;
  /** Planes of bases that are kept; default 48 MiB. */
  readonly cacheBytes?: number;
}

/**
 * Readers that decode once what the chains of segments share.
 * @param requests  in about the order in which they will be read, each as often.
 * @returns null if nothing is shared, or a chain is broken: readers as always say so in their turn.
 */
export async function sharePlanes(
  repo: ObjectAccess,
  requests: readonly SegmentRequest[],
  options: ShareOptions = {},
): Promise<SharedReaders | null> {
  if (requests.length < 2 || requests.length > SEGMENTS_MAX) return null;
  const { signal, cacheBytes = CACHE_BYTES } = options;
  try {
    const how = signal ? { signal } : {};
    const forest = await planChains(repo.store, requests, { ...how, keepOrder: true });
    const once = totalBytes(plannedBytes(forest, 'reusable'));
    if (once === totalBytes(plannedBytes(forest, 'independent'))) return null;
    const source = new Announced(new Materializer(repo.store, forest, { ...how, cacheBytes }));
    for (const [place, { id, segment }] of requests.entries()) source.announce(id, segment, place);
    const extents = new Extents(repo.store, signal, source);
    return { blobs: repo.blobs, extents, close: () => source.close() };
  } catch (error) {
    if (isDamage(error) || error instanceof NotFoundError) return null;
    throw error;
  }
}

/** Segments that two tensors are read from when they are read side by side; none unless both are stored. */
export function pairSegments(a: StoredTensor, b: StoredTensor): SegmentRequest[] {
  const [left, right] = [segmentsOfTensor(a), segmentsOfTensor(b)];
  if (left.length === 0 || right.length === 0) return [];
  return inTurn([left, right]);
}

/** An element of each list in turn. */
function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = lists.reduce((most, list) => Math.max(most, list.length), 0);
  const all: T[] = [];
  for (let at = 0; at < longest; at++) {
    for (const list of lists) if (at < list.length) all.push(list[at] as T);
  }
  return all;
}

/** Segments that a tensor's view lies in. */
function segmentsOfTensor(tensor: StoredTensor): SegmentRequest[] {
  const { home, byteOffset } = tensor;
  const bytes = tensorBytes(tensor);
  if (home.kind !== 'extent' || bytes === 0 || !isContiguous(tensor)) return [];
  const { id, width } = home;
  const segmentBytes = SEGMENT_ELEMENTS * width;
  const requests: SegmentRequest[] = [];
  for (
    let at = Math.floor(byteOffset / segmentBytes);
    at * segmentBytes < byteOffset + bytes;
    at++
  ) {
    requests.push({ id, segment: at });
  }
  return requests;
}

/** Places of a materializer by what stands there. */
class Announced implements PlaneSource {
  readonly #materializer: Materializer;
  readonly #places = new Map<string, number[]>();

  constructor(materializer: Materializer) {
    this.#materializer = materializer;
  }

  announce(id: Id, segment: number, place: number): void {
    const key = `${id}/${segment}`;
    const places = this.#places.get(key);
    if (places) places.push(place);
    else this.#places.set(key, [place]);
  }

  async use<T>(
    id: Id,
    segment: number,
    use: (planes: readonly Uint8Array[]) => T,
  ): Promise<{ result: T } | null> {
    const place = this.#places.get(`${id}/${segment}`)?.shift();
    if (place === undefined) return null;
    return { result: await this.#materializer.use(place, use) };
  }

  close(): void {
    this.#places.clear();
    this.#materializer.close();
  }
}

/** Files rebuilt side by side: each has an unfinished file open. */
const FILES_AT_ONCE = 16;
/** Pieces asked for at once, of different files. */
const PIECES_AHEAD = 2;

/** A piece of one of several files, or its end. */
export interface GroupPiece {
  /** Its place among the files. */
  readonly file: number;
  /** null: the file is whole and has its sha256. */
  readonly bytes: Uint8Array | null;
}

/** A file that may be rebuilt together with others. */
export interface GroupMember {
  readonly stored: StoredFile;
  /** By `weightOf`. */
  readonly weight: number;
}

/** What a file takes of the room of a group: its segments, and a little for each tensor. */
export function weightOf(file: StoredFile): number {
  return segmentsOfFile(file).length + ((file.skeleton?.tensors.length ?? 0) >> 2);
}

/** True if a group has room for one more file. */
export function fitsGroup(group: readonly GroupMember[], file: StoredFile): boolean {
  if (group.length === 0) return true;
  const before = group.reduce((sum, member) => sum + member.weight, 0);
  return group.length < FILES_AT_ONCE && before + weightOf(file) <= SEGMENTS_MAX;
}

/** Segments of the extents of a file, in its order. */
function segmentsOfFile(file: StoredFile): SegmentRequest[] {
  const requests: SegmentRequest[] = [];
  for (const { kind, id, count = 0 } of namedObjects(file)) {
    if (kind !== 'extent') continue;
    for (let segment = 0; segment < segmentCount(count); segment++) requests.push({ id, segment });
  }
  return requests;
}

/**
 * Rebuilds a group of files. Those whose chains have records in common advance side by side, a piece
 * of each in turn; else one comes after another.
 * @throws {CorruptError} as streamFile; {AbortedError}
 */
export async function* rebuildGroup(
  repo: ObjectAccess,
  files: readonly StoredFile[],
  options: ShareOptions = {},
): AsyncGenerator<GroupPiece> {
  const { signal } = options;
  const shared = await sharePlanes(repo, inTurn(files.map(segmentsOfFile)), options);
  if (shared === null) {
    for (const [file, stored] of files.entries()) {
      for await (const bytes of streamFile(repo, stored, signal ? { signal } : {})) {
        yield { file, bytes };
      }
      yield { file, bytes: null };
    }
    return;
  }
  const how = { aheadBytes: 0, ...(signal ? { signal } : {}) };
  try {
    yield* inRotation(files.map((stored) => streamFile(shared, stored, how)));
  } finally {
    shared.close();
  }
}

/** A piece of each stream in turn, the next few being made meanwhile. */
async function* inRotation(
  streams: readonly AsyncGenerator<Uint8Array>[],
): AsyncGenerator<GroupPiece> {
  const waiting = streams.map((_, file) => file);
  const asked: { file: number; next: Promise<IteratorResult<Uint8Array>> }[] = [];
  try {
    while (waiting.length > 0 || asked.length > 0) {
      while (asked.length < PIECES_AHEAD && waiting.length > 0) {
        const file = waiting.shift() as number;
        const next = (streams[file] as (typeof streams)[0]).next();
        next.catch(() => {});
        asked.push({ file, next });
      }
      const { file, next } = asked[0] as (typeof asked)[0];
      const { done, value } = await next;
      asked.shift();
      if (!done) waiting.push(file);
      yield { file, bytes: done ? null : value };
    }
  } finally {
    await Promise.allSettled(asked.map(({ next }) => next));
    for (const stream of streams) await stream.return(undefined).catch(() => {});
  }
}
