/**
 * Records that are not here, and files of sets that are not here, because a remote has them and said so.
 *
 * The store asks whoever knows before it calls something missing. @see docs/format/promised.md
 */

import type { Id } from '../../base/bytes/hash.js';
import { formatBytes } from '../../base/bytes/words/wording.js';
import { NotFoundError } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { SegmentHeadAt } from './packs/read-records.js';
import {
  type BlobRecord,
  type PlaneClass,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
  type SetInfo,
  storedBytes,
} from './types.js';

/** Something that a reader found to be not here. */
export type Need =
  | { readonly kind: 'blob'; readonly id: Id }
  /** `whole`: the record is here, and not all of its planes. */
  | { readonly kind: 'extent'; readonly id: Id; readonly segment: number; readonly whole: boolean };

/** Who promised it. */
export interface PromisedBy {
  readonly remote: string;
  /** Bytes of its records there, of that object alone. */
  readonly bytes: number;
  /** Bytes of records under it that are not here either. */
  readonly below?: number;
  /** Where it names objects that may not be here either: bytes of all that the remote has and that is not here. */
  readonly bytesMax?: number;
  /** Tells it from others, where it is one object. */
  readonly object?: string;
}

/** Bytes that come where something is fetched, as far as they are known. */
export function neededBytes({ bytes, below = 0 }: Pick<PromisedBy, 'bytes' | 'below'>): number {
  return bytes + below;
}

/** How much is at a remote, in words; empty if that is not known. */
export function promisedSize(by: Pick<PromisedBy, 'bytes' | 'below' | 'bytesMax'>): string {
  const bytes = neededBytes(by);
  const { bytesMax = bytes } = by;
  if (bytesMax <= bytes) return bytes > 0 ? formatBytes(bytes) : '';
  return `${formatBytes(bytes)}, with what they name at most ${formatBytes(bytesMax)}`;
}

/** What is promised, and how it comes here. */
export interface Promised {
  /** Who promised it; null: nobody, it is missing. */
  of(need: Need): Promise<PromisedBy | null>;
  /** Classes of planes of a set that are at a remote and need not be here. */
  absent(set: SetId): readonly PlaneClass[];
  /** Brings something promised here. @throws {PromisedError} if that is not wanted now; {RemoteError} */
  bring(need: Need): Promise<void>;
}

/** Leading planes of a record that are here. @param absent  classes of its set that are not. */
export function planesHere(entry: SegmentEntry, absent: readonly PlaneClass[]): number {
  const { width, inline, midBytes, lowBytes } = entry;
  if (inline || width <= 2) return width;
  if (absent.includes('mid') && midBytes > 0) return 2;
  if (absent.includes('low') && lowBytes > 0) return width === 4 ? 3 : 4;
  return width;
}

/** Bytes of files of a set that are not here. */
export function absentBytes(promised: Promised | null, { id, bytes }: SetInfo): number {
  return (promised?.absent(id) ?? []).reduce((sum, plane) => sum + bytes[plane], 0);
}

/** Bytes of a record that are here. */
export function bytesHere(promised: Promised | null, entry: SegmentEntry): number {
  const absent = entry.inline ? [] : (promised?.absent(entry.set) ?? []);
  const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
  return absent.reduce((sum, plane) => sum - sizes[plane], storedBytes(entry));
}

/** What makes a partial clone whole, whatever was left out. */
export const FETCH_ALL_FLAGS = '--planes all --depth all --only all';

/** That something is at a remote alone, and was not fetched. */
export class PromisedError extends NotFoundError {
  readonly by: PromisedBy;

  constructor(what: string, by: PromisedBy, why: string) {
    const { remote } = by;
    const bytes = neededBytes(by);
    super(`${what} is at the remote '${remote}' alone${why}`, {
      kind: 'promised',
      remote,
      bytes,
      bytesMax: by.bytesMax ?? bytes,
      hint: `'dlv fetch ${FETCH_ALL_FLAGS} ${remote}' brings everything, a command without --no-fetch what it needs`,
    });
    this.by = by;
  }
}

/** True if an error says that something is promised and was not fetched. */
export function isPromised(error: unknown): error is PromisedError {
  return error instanceof PromisedError;
}

/** Records that are here. */
export interface RecordsHere {
  findSegment(id: Id, segment: number): Promise<SegmentEntry | null>;
  openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null>;
  readSegment(
    id: Id,
    segment: number,
    classes?: readonly PlaneClass[],
  ): Promise<SegmentRecord | null>;
  readPlanes(head: SegmentHeadAt, classes: readonly PlaneClass[]): Promise<SegmentRecord | null>;
  readBlob(id: Id): Promise<BlobRecord | null>;
}

/** False if some of the classes asked for of a record are at a remote alone. */
export function isHere(
  promised: Promised | null,
  entry: SegmentEntry,
  classes: readonly PlaneClass[],
): boolean {
  const absent = promised?.absent(entry.set) ?? [];
  if (absent.length === 0 || entry.inline) return true;
  const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
  return !classes.some((plane) => absent.includes(plane) && sizes[plane] > 0);
}

/** @throws {NotFoundError} for planes that are promised. */
export function checkHere(
  promised: Promised | null,
  entry: SegmentEntry,
  classes: readonly PlaneClass[],
): void {
  if (isHere(promised, entry, classes)) return;
  throw new NotFoundError(`low planes of extent '${entry.id}' are not here`, {
    kind: 'planes',
    name: entry.id,
  });
}

/** Look-ups of one record; each after the second because what came was given up again meanwhile. */
const LOOK_UPS_MAX = 4;

/**
 * Looks something up; if it is not here and promised, it is fetched.
 * @param promised  what is promised now: a look-up may have found out that it is more than before.
 * @throws {PromisedError} {RemoteError}
 */
export async function orPromised<T>(
  promised: () => Promised | null,
  need: Need,
  lookUp: () => Promise<T | null>,
): Promise<T | null> {
  for (let attempt = 1; ; attempt++) {
    let missing: unknown;
    try {
      const found = await lookUp();
      if (found !== null) return found;
    } catch (error) {
      const isAbsent = error instanceof NotFoundError && error.data.kind === 'planes';
      if (!isAbsent && !isMissing(error)) throw error;
      missing = error;
    }
    const by = promised();
    if (attempt < LOOK_UPS_MAX && by !== null && (await by.of(need)) !== null) {
      await by.bring(need);
      continue;
    }
    if (missing !== undefined) throw missing;
    return null;
  }
}
