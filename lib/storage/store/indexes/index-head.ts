/** What precedes the rows of a pack index: counts, sizes of files, and the fanout by which rows are found. Pure. */
import { crc32 } from '../../../base/bytes/checksum.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { encodeFileHeader } from '../packs/pack-format.js';
import { type DataSizes, INDEX_TABLES, type IndexTable, ROW_BYTES } from './index-rows.js';

/** File header, two row counts, four file sizes. */
export const INDEX_FIXED_BYTES = 8 + 4 + 4 + 4 * 8;
/** Cumulative row count and CRC-32 of one bucket. */
export const FANOUT_ENTRY_BYTES = 4 + 4;
/** First half of a sha256 over all that precedes it. */
export const INDEX_SUM_BYTES = 16;
/** Rows of a bucket that the number of buckets aims at. */
const BUCKET_ROWS = 64;
const FANOUT_BITS_MAX = 16;

/** Leading bits of an id that choose its bucket, for a table of `rows` rows. */
export function fanoutBits(rows: number): number {
  let bits = 0;
  while (bits < FANOUT_BITS_MAX && rows / 2 ** bits > BUCKET_ROWS) bits++;
  return bits;
}

/** The bucket of a key (algorithm byte first) under `bits` leading bits of its digest. */
export function bucketOf(key: Uint8Array, bits: number): number {
  return ((key[1]! << 8) | key[2]!) >>> (16 - bits);
}

/** What precedes the rows of an idx. @param rows  of each table, sorted. */
export function encodeIndexHead(
  rows: Readonly<Record<IndexTable, Uint8Array>>,
  sizes: DataSizes,
): Uint8Array {
  const head = new ByteWriter(4096)
    .raw(encodeFileHeader('idx'))
    .u32(rows.blob.length / ROW_BYTES.blob)
    .u32(rows.segment.length / ROW_BYTES.segment)
    .u64(sizes.blob)
    .u64(sizes.hi)
    .u64(sizes.mid)
    .u64(sizes.low);
  for (const table of INDEX_TABLES) addFanout(head, table, rows[table]);
  return head.u32(crc32(head.finish())).finish();
}

function addFanout(writer: ByteWriter, table: IndexTable, rows: Uint8Array): void {
  const rowBytes = ROW_BYTES[table];
  const count = rows.length / rowBytes;
  const bits = fanoutBits(count);
  let start = 0;
  for (let bucket = 0; bucket < 2 ** bits; bucket++) {
    let end = start;
    while (end < count && bucketOf(rows.subarray(end * rowBytes), bits) === bucket) end++;
    writer.u32(end).u32(crc32(rows.subarray(start * rowBytes, end * rowBytes)));
    start = end;
  }
}
