/** Zip archives that dlv writes, read by the reader, which has oracles of its own. */
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { crc32 } from '../../../../lib/base/bytes/checksum.js';
import { readZip, readZipEntry } from '../../../../lib/pure/formats/zip/zip.js';
import {
  checksumPatch,
  directoryEntry,
  endRecords,
  localHeader,
  type WrittenEntry,
} from '../../../../lib/pure/formats/zip/zip-records.js';
import { HoleSource } from '../../../helpers/hole-source.js';

/** An archive; data that is a number is so many zero bytes, whose checksum is not looked at. */
function archive(parts: readonly (readonly [name: string, data: Uint8Array | number])[]) {
  const chunks: (Uint8Array | number)[] = [];
  const entries: WrittenEntry[] = [];
  let offset = 0;
  const push = (chunk: Uint8Array | number): void => {
    chunks.push(chunk);
    offset += typeof chunk === 'number' ? chunk : chunk.length;
  };
  for (const [name, data] of parts) {
    const size = typeof data === 'number' ? data : data.length;
    const entry = { name, size, offset, crc: typeof data === 'number' ? 7 : crc32(data) };
    const header = localHeader(entry);
    const patch = checksumPatch(entry);
    header.set(patch.bytes, patch.offset - offset);
    push(header);
    push(data);
    entries.push(entry);
  }
  const start = offset;
  for (const entry of entries) push(directoryEntry(entry));
  push(endRecords(entries.length, start, offset - start));
  return chunks;
}

test('zip records: a small archive has no zip64 field and reads back', async (t) => {
  const data = Buffer.from('some bytes');
  const bytes = Buffer.concat(
    archive([
      ['a', data],
      ['packs/b.hi', new Uint8Array(0)],
    ]) as Uint8Array[],
  );
  t.is(bytes.length, 30 + 1 + 10 + 30 + 10 + (46 + 1) + (46 + 10) + 22);
  const source = new MemorySource(bytes, 'small');
  const { entries, start } = await readZip(source);
  t.is(start, 0);
  t.deepEqual(
    entries.map(({ name, size }) => [name, size]),
    [
      ['a', 10],
      ['packs/b.hi', 0],
    ],
  );
  t.deepEqual(Buffer.from(await readZipEntry(source, entries[0]!, 100)), data);
});

test('zip records: sizes and places beyond 4 GiB read back', async (t) => {
  const five = 5 * 2 ** 30;
  const last = Buffer.from('last');
  const source = new HoleSource(
    archive([
      ['first', Buffer.from('1')],
      ['large', five],
      ['at the limit', 0xffffffff],
      ['last', last],
    ]),
  );
  const { entries } = await readZip(source);
  t.deepEqual(
    entries.map(({ name, size }) => [name, size]),
    [
      ['first', 1],
      ['large', five],
      ['at the limit', 0xffffffff],
      ['last', 4],
    ],
  );
  t.true(entries[3]!.headerOffset > five);
  t.deepEqual(Buffer.from(await readZipEntry(source, entries[3]!, 100)), last);
});

test('zip records: more entries than 16 bits count read back', async (t) => {
  const parts = Array.from({ length: 66_000 }, (_, i) => [`${i}`, new Uint8Array(0)] as const);
  const bytes = Buffer.concat(archive(parts) as Uint8Array[]);
  const { entries } = await readZip(new MemorySource(bytes, 'many'));
  t.is(entries.length, 66_000);
  t.is(entries.at(-1)?.name, '65999');
});
