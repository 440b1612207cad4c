/** Sends what a plan names: sets as they are, and records of other sets copied into new ones. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { CorruptError } from '../../../base/errors.js';
import { encodeBlob } from '../../../pure/codec/blob-coder.js';
import { encodeSegment } from '../../../pure/codec/segment.js';
import type { ReadAccess } from '../../objects/access.js';
import { recodedRecord, storedSegment } from '../../objects/recode.js';
import { readRecord } from '../../objects/records.js';
import { newWorkName } from '../../repo/processes/made-names.js';
import type { Backend } from '../../store/backends/backend.js';
import { packName } from '../../store/names.js';
import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import {
  type BlobEntry,
  type BlobRecord,
  FILE_CLASSES,
  recordKey,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
} from '../../store/types.js';
import { verifySet } from '../../store/verify.js';
import type { PushPlan } from '../push-plan.js';
import type { TransferOptions } from '../transports/transport.js';
import { changedMeanwhile } from './push-ends.js';
import type { Upload } from './upload.js';

export interface SendOptions extends TransferOptions {
  /** Compares what travels as it is with its checksums first. */
  verify?: boolean;
  /** Where sets are made that are sent in place of several; default: in the repository, which has to be writable then. */
  workshop?: Backend;
}

/** @throws {CorruptError} if something here is damaged; {NotFoundError} if the plan no longer holds. */
export async function sendPlan(
  repo: ReadAccess,
  plan: PushPlan,
  upload: Upload,
  options: SendOptions,
): Promise<void> {
  for (const { info, whole } of plan.sets) {
    if (!whole) continue;
    if (options.verify) await verifyWhole(repo, info, options);
    const files: SealedSet['files'] = {};
    for (const fileClass of FILE_CLASSES) {
      if (info.bytes[fileClass] > 0) files[fileClass] = packName(info.id, fileClass);
    }
    await upload.send({ info, files });
  }
  await sendCopies(repo, plan, upload, options);
}

/** @throws {CorruptError} if a byte of a set is not what it should be. */
async function verifyWhole(
  { store }: ReadAccess,
  info: SealedSet['info'],
  { signal }: SendOptions,
): Promise<void> {
  throwIfAborted(signal);
  for await (const { message, file } of verifySet(store.backend, info)) {
    throw new CorruptError(`cannot take from this repository: ${message}`, {
      file,
      hint: "run 'dlv fsck' and repair the repository first",
    });
  }
}

/** Copies the records of all other sets into new ones, each of which is sent once it is full. */
async function sendCopies(
  repo: ReadAccess,
  { sets, alone }: PushPlan,
  upload: Upload,
  { signal, workshop }: SendOptions,
): Promise<void> {
  const backend = workshop ?? repo.store.backend;
  const sink = new RollingWriter({
    backend,
    tmpName: () => newWorkName('push'),
    onSealed: async (sealed) => {
      try {
        await upload.send(sealed, backend);
        await upload.keepIndex(sealed, backend);
      } finally {
        await removeSealed(backend, [sealed]);
      }
    },
  });
  try {
    for (const entry of sets.flatMap(({ whole, entries }) => (whole ? [] : entries))) {
      throwIfAborted(signal);
      const isAlone = alone.has(recordKey(entry));
      if ('kind' in entry) {
        await sink.addBlob(await (isAlone ? blobAlone(repo, entry) : blobAsItIs(repo, entry)));
      } else {
        await sink.addSegment(
          await (isAlone ? segmentAlone(repo, entry) : segmentAsItIs(repo, entry)),
        );
      }
    }
    await sink.flush();
  } finally {
    await sink.abort();
  }
}

/** @throws {NotFoundError} if its live record is another one now: the plan no longer holds. */
async function blobAsItIs(repo: ReadAccess, { id, base }: BlobEntry): Promise<BlobRecord> {
  const record = (await readRecord(repo, { id, segment: null })) as BlobRecord | null;
  if (record === null || record.base !== base) throw changedMeanwhile();
  return record;
}

/** As `blobAsItIs`. */
async function segmentAsItIs(
  repo: ReadAccess,
  { id, segment, base }: SegmentEntry,
): Promise<SegmentRecord> {
  const record = (await readRecord(repo, { id, segment })) as SegmentRecord | null;
  if (record === null || record.base !== base) throw changedMeanwhile();
  return record;
}

/** Encodes a blob once more, without a base. */
async function blobAlone({ blobs }: ReadAccess, { id, kind }: BlobEntry): Promise<BlobRecord> {
  const bytes = await blobs.readBlob(id, kind);
  const { codec, payload } = await encodeBlob(bytes, 1);
  return { id, kind, codec, base: null, depth: 0, rawBytes: bytes.length, payload };
}

/** As `blobAlone`. */
async function segmentAlone(
  { store, planes }: ReadAccess,
  { id, segment }: SegmentEntry,
): Promise<SegmentRecord> {
  const stored = await storedSegment(store, id, segment);
  const lease = await planes.lend({ id, segment });
  try {
    return recodedRecord(stored, await encodeSegment(lease.planes, null), null, 0);
  } finally {
    lease.release();
  }
}
