/** The bytes of single records: laws of coding, and every lie about a length or a field. */
import test from 'ava';
import { crc32 } from '../../../../../lib/base/bytes/checksum.js';
import { type DlvError, isDamage } from '../../../../../lib/base/errors.js';
import {
  blobRecordBytes,
  decodeBlobRecord,
  encodeBlobHeader,
} from '../../../../../lib/storage/store/packs/blob-record.js';
import {
  checkFileHeader,
  encodeFileHeader,
} from '../../../../../lib/storage/store/packs/pack-format.js';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  segmentRecordBytes,
  sizesOf,
} from '../../../../../lib/storage/store/packs/segment-record.js';
import {
  type BlobRecord,
  FILE_CLASSES,
  type SegmentRecord,
} from '../../../../../lib/storage/store/types.js';
import { blob, isBlob, plain, sampleRecords, segment } from '../records.js';

function blobBytes(record: BlobRecord): Buffer {
  return Buffer.concat([encodeBlobHeader(record).bytes, record.payload]);
}

/** Changes bytes of a record and makes its checksum right again. */
function resum(bytes: Buffer, crcAt: number, patch: (bytes: Buffer) => void): Buffer {
  const changed = Buffer.from(bytes);
  patch(changed);
  const sum = crc32(changed.subarray(crcAt + 4), crc32(changed.subarray(0, crcAt)));
  changed.writeUInt32LE(sum, crcAt);
  return changed;
}

function throwsDamage(
  t: import('ava').ExecutionContext,
  action: () => unknown,
  what: string,
): void {
  const error = t.throws(action, undefined, what);
  t.true(isDamage(error), `${what}: ${error}`);
}

test('blob record: what is encoded is decoded, and its length is known from the fixed part', (t) => {
  for (const record of sampleRecords().filter(isBlob)) {
    const bytes = blobBytes(record);
    t.is(blobRecordBytes(bytes.subarray(0, 16), 'f', 0), bytes.length);
    const decoded = decodeBlobRecord(bytes, 'f', 0);
    t.deepEqual(plain(decoded.record), plain(record));
    t.is(decoded.crc, encodeBlobHeader(record).crc);
  }
});

test('blob record: every flipped bit and every other length is damage', (t) => {
  const base = blob('base');
  for (const record of [blob('content'), blob('delta', { base: base.id, depth: 1 })]) {
    const bytes = blobBytes(record);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      throwsDamage(t, () => decodeBlobRecord(changed, 'f', 0), `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++) {
      throwsDamage(t, () => decodeBlobRecord(bytes.subarray(0, length), 'f', 0), `${length} bytes`);
    }
    throwsDamage(t, () => decodeBlobRecord(Buffer.concat([bytes, bytes]), 'f', 0), 'too long');
  }
});

test('blob record: lies with a right checksum are damage', (t) => {
  const record = blob('content');
  const bytes = blobBytes(record);
  const crcAt = bytes.length - record.payload.length - 4;
  const lies: Record<string, (b: Buffer) => void> = {
    kind: (b) => b.writeUInt8(7, 4),
    'depth without a base': (b) => b.writeUInt16LE(1, 6),
    'depth beyond the bound': (b) => b.writeUInt16LE(5000, 6),
    rawBytes: (b) => b.writeUInt32LE(2 ** 31, 8),
    payloadBytes: (b) => b.writeUInt32LE(record.payload.length + 1, 12),
    'algorithm of the id': (b) => b.writeUInt8(2, 16),
  };
  for (const [what, patch] of Object.entries(lies)) {
    throwsDamage(t, () => decodeBlobRecord(resum(bytes, crcAt, patch), 'f', 0), what);
  }
});

function segmentBytes(record: SegmentRecord, places: { mid: number; low: number } | null): Buffer {
  return Buffer.from(encodeSegmentHeader(record, sizesOf(record), places).bytes);
}

test('segment record: what is encoded is decoded', (t) => {
  for (const record of sampleRecords()) {
    if (isBlob(record)) continue;
    const mid = record.mid.length > 0 ? 1234 : 0;
    const low = record.low.length > 0 ? 2 ** 40 : 0;
    for (const places of [null, { mid, low }]) {
      const bytes = segmentBytes(record, places);
      const { header, head } = decodeSegmentHeader(bytes, 'f', 0);
      const { hi, mid: midPart, low: lowPart, head: _head, ...fields } = record;
      t.like(header, { ...fields, inline: places === null, headBytes: record.head.length });
      t.deepEqual(header.bytes, { hi: hi.length, mid: midPart.length, low: lowPart.length });
      t.deepEqual(header.crcs, { hi: crc32(hi), mid: crc32(midPart), low: crc32(lowPart) });
      t.deepEqual([header.midOffset, header.lowOffset], places ? [mid, low] : [0, 0]);
      t.deepEqual(Buffer.from(head), Buffer.from(record.head));
      const lengths = segmentRecordBytes(bytes.subarray(0, 24), 'f', 0);
      t.is(lengths.header + lengths.head, bytes.length);
      const inline = places === null ? midPart.length + lowPart.length : 0;
      t.is(lengths.inHi, bytes.length + hi.length + inline);
    }
  }
});

test('segment record: every flipped bit and every other length is damage', (t) => {
  for (const places of [null, { mid: 8, low: 9 }]) {
    const bytes = segmentBytes(segment('a'), places);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      throwsDamage(t, () => decodeSegmentHeader(changed, 'f', 0), `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++) {
      throwsDamage(t, () => decodeSegmentHeader(bytes.subarray(0, length), 'f', 0), `${length}`);
    }
  }
});

test('segment record: lies with a right checksum are damage', (t) => {
  const record = segment('a');
  const bytes = segmentBytes(record, { mid: 8, low: 8 });
  const crcAt = bytes.length - record.head.length - 4;
  const lies: Record<string, (b: Buffer) => void> = {
    'width 0': (b) => b.writeUInt8(0, 4),
    'width 9': (b) => b.writeUInt8(9, 4),
    flags: (b) => b.writeUInt8(2, 5),
    'inline without inline lengths': (b) => b.writeUInt8(1, 5),
    'depth without a base': (b) => b.writeUInt16LE(1, 6),
    'depth beyond the bound': (b) => b.writeUInt16LE(0xffff, 6),
    headBytes: (b) => b.writeUInt32LE(2 ** 31, 8),
    hiBytes: (b) => b.writeUInt32LE(2 ** 31, 12),
    midBytes: (b) => b.writeUInt32LE(0, 16),
    lowBytes: (b) => b.writeUInt32LE(2 ** 32 - 1, 20),
    'algorithm of the id': (b) => b.writeUInt8(0, 24),
    'a segment that the count does not have': (b) => b.writeUInt32LE(1, 57),
    'count beyond 2^53': (b) => b.writeBigUInt64LE(2n ** 63n, 61),
    'a place of nothing': (b) => b.writeBigUInt64LE(0n, 81),
  };
  for (const [what, patch] of Object.entries(lies)) {
    throwsDamage(t, () => decodeSegmentHeader(resum(bytes, crcAt, patch), 'f', 0), what);
  }
});

test('file header: each class has its own, a newer version is told from a flipped bit', (t) => {
  const headers = FILE_CLASSES.map((fileClass) => encodeFileHeader(fileClass));
  t.is(new Set(headers.map((h) => Buffer.from(h).toString('hex'))).size, FILE_CLASSES.length);
  for (const [i, fileClass] of FILE_CLASSES.entries()) {
    const bytes = headers[i] as Uint8Array;
    t.notThrows(() => checkFileHeader(bytes, fileClass, 'f'));
    throwsDamage(t, () => checkFileHeader(bytes, FILE_CLASSES[(i + 1) % 5] as 'hi', 'f'), 'class');
    for (let bit = 0; bit < 64; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      throwsDamage(t, () => checkFileHeader(changed, fileClass, 'f'), `bit ${bit}`);
    }
    const newer = Buffer.from(bytes);
    newer.writeUInt16LE(2, 4);
    newer.writeUInt16LE(0xfffd, 6);
    const error = t.throws(() => checkFileHeader(newer, fileClass, 'f'));
    t.is((error as DlvError).code, 'DLV_FORMAT_VERSION');
  }
});
