/** A segment on its way into the session: encoded, decoded and compared, then written in its turn. */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import { isLater, type Operation } from '../../pure/codec/operation.js';
import {
  type CodecLevel,
  type EncodedSegment,
  encodeSegment,
  type PayloadChecksums,
  verifySegment,
} from '../../pure/codec/segment.js';
import { sketchPositions } from '../../pure/codec/sketch.js';
import { runCount } from '../../pure/tensor/extent-id.js';
import { type DeltaPlace, lendUnder } from '../objects/planes/base-planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import type { PlaneReader } from '../objects/planes/plane-reader.js';
import { encodeSegmentHead, segmentElements } from '../objects/planes/segment-head.js';
import type { PackSession } from '../objects/session.js';
import { OBJECTS_FLAG, QUANTISED_FLAG } from '../repo/format.js';
import type { UnnamedRecord } from '../store/packs/unnamed-records.js';
import { segmentCount, type UnnamedSegment } from '../store/types.js';
import type { FittedBase } from './bases/named-bases.js';
import type { ReadExtent } from './read-extent.js';
import type { Write } from './work-in-flight.js';

/** What segments are encoded with. */
export interface CodingHost {
  readonly session: PackSession;
  /** Reads bases. */
  readonly bases: PlaneReader;
  /** The file that errors name. */
  readonly file: string;
  readonly level: CodecLevel;
  readonly signal?: AbortSignal;
}

/** Which segment of which extent, and what it may be a delta against. */
export interface SegmentJob {
  readonly width: number;
  readonly count: number;
  readonly segment: number;
  readonly base: FittedBase | null;
  /** What is done to the base first. */
  readonly operation: Operation | undefined;
}

/** A segment that was encoded, decoded and compared. */
export interface CodedSegment {
  readonly job: SegmentJob;
  readonly coded: EncodedSegment;
  readonly crcs: PayloadChecksums | null;
  /** True if planes that are stored as they are stand in the place of payloads. */
  readonly isShared: boolean;
  /** Where its other payloads are. */
  readonly room: PlaneLease | null;
}

/** Planes of a base; null if it is damaged, which must not keep new work from being stored. */
async function basePlanes(
  { session, bases }: CodingHost,
  place: DeltaPlace,
): Promise<PlaneLease | null> {
  try {
    return await lendUnder(session, bases, place);
  } catch (error) {
    if (isUnreadable(error)) return null;
    throw error;
  }
}

/**
 * Encodes a segment and checks what it decodes to.
 * @param id      of its extent, if that is known.
 * @param planes  of the segment; they are not to be changed until it is written or given up.
 */
export async function codeSegment(
  host: CodingHost,
  job: SegmentJob,
  planes: readonly Uint8Array[],
  id: Id | null,
): Promise<CodedSegment> {
  const { level, signal, file } = host;
  const { width, count, segment, base, operation } = job;
  const baseLease =
    base === null
      ? null
      : await basePlanes(host, {
          ...{ id: id ?? base.id, width, count, segment },
          ...{ base: base.id, operation },
        });
  const room = planePool.lendRoom(width, segmentElements(count, segment));
  const under = baseLease?.planes ?? null;
  const coded = await encodeSegment(planes, under, {
    level,
    signal,
    room: room?.planes[0],
    sharesPlanes: true,
  });
  const scratch = planePool.lend.bind(planePool);
  const crcs = await verifySegment(coded, planes, under, { file, scratch });
  baseLease?.release();
  const isShared = [coded.hi, coded.mid, coded.low].some((payload) => planes.includes(payload));
  return { job, coded, crcs, isShared, room };
}

/** A segment that is written but for the id of its extent. */
export interface WrittenSegment {
  readonly segment: number;
  /** Of its codec. */
  readonly head: Uint8Array;
  readonly unnamed: UnnamedRecord;
}

/** Writes a segment of an extent that has no id yet. Its planes are not needed after that. */
export async function writeUnnamed(
  session: PackSession,
  { job, coded, crcs, room }: CodedSegment,
): Promise<WrittenSegment> {
  const { width, count, segment } = job;
  const hashes = Array.from({ length: width }, () => new Uint8Array(32 * runCount(count)));
  const sketch = new Uint8Array(width * sketchPositions(width, count).length);
  const head = headOf({ hashes, sketch }, job, coded);
  const unnamed = await session.putUnnamed(recordOf({ head, job, coded, crcs }));
  const written = { segment, head: coded.head.slice(), unnamed };
  room?.release();
  return written;
}

/** What names a segment that is written. */
export function nameOf(
  session: PackSession,
  hashes: ReadExtent,
  { segment, head: codec, unnamed }: WrittenSegment,
): Write {
  const head = headOf(hashes, { segment, operation: undefined }, { head: codec, usesBase: false });
  return () => session.nameSegment(unnamed, hashes.id, head);
}

/**
 * What writes a segment, once it is its turn.
 * @param lease  its planes, which are released as soon as they are not needed any more.
 */
export function writeOf(
  session: PackSession,
  hashes: ReadExtent,
  { job, coded, crcs, isShared, room }: CodedSegment,
  lease: PlaneLease,
): Write {
  const { operation } = job;
  if (!isShared) lease.release();
  const head = headOf(hashes, job, coded);
  return async () => {
    if (coded.usesBase && operation !== undefined) {
      session.needsFlag(isLater(operation) ? QUANTISED_FLAG : OBJECTS_FLAG);
    }
    await session.putSegment({ id: hashes.id, ...recordOf({ head, job, coded, crcs }) });
    if (isShared) lease.release();
    room?.release();
  };
}

/** The head of a record: the first segment's has the hashes of the extent. */
function headOf(
  { hashes, sketch }: Pick<ReadExtent, 'hashes' | 'sketch'>,
  { segment, operation }: Pick<SegmentJob, 'segment' | 'operation'>,
  { head: codec, usesBase }: Pick<EncodedSegment, 'head' | 'usesBase'>,
): Uint8Array {
  return encodeSegmentHead({
    codec,
    ...(segment === 0 ? { runHashes: Buffer.concat(hashes), sketch } : {}),
    ...(usesBase ? { operation } : {}),
  });
}

interface RecordParts extends Pick<CodedSegment, 'job' | 'coded' | 'crcs'> {
  readonly head: Uint8Array;
}

function recordOf({ head, job, coded, crcs }: RecordParts): UnnamedSegment {
  const { width, count, segment, base } = job;
  const { hi, mid, low, usesBase } = coded;
  return {
    ...{ segment, segments: segmentCount(count), width, count },
    base: usesBase ? (base as FittedBase).id : null,
    depth: usesBase ? (base as FittedBase).depth : 0,
    ...{ head, hi, mid, low },
    ...(crcs ? { crcs } : {}),
  };
}
