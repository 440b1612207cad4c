/** zip: every legal form is read, every lie is refused, nothing is inflated beyond its bound. */
import test, { type ExecutionContext } from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { CorruptError, DlvError, LimitError } from '../../../../lib/base/errors.js';
import { decodeCp437 } from '../../../../lib/pure/formats/zip/cp437.js';
import { firstZipName, readZip, readZipEntry } from '../../../../lib/pure/formats/zip/zip.js';
import { MeteredSource } from '../../../helpers/fuzz.js';
import { randomBytes } from '../../../helpers/rng.js';
import { buildZip, type ZipOptions, type ZipPart } from '../../../helpers/zip.js';

const A = { name: 'a.bin', data: randomBytes(300, 1) };
const B = { name: 'dir/b.bin', data: randomBytes(2000, 2) };

/** Reads back every entry and compares it with the parts. */
async function checkRoundTrip(
  t: ExecutionContext,
  parts: readonly ZipPart[],
  options?: ZipOptions,
): Promise<void> {
  const bytes = buildZip(parts, options);
  const source = new MemorySource(bytes);
  const { entries } = await readZip(source);
  t.is(entries.length, parts.length);
  for (const part of parts) {
    const entry = entries.find((candidate) => candidate.name === part.name);
    if (entry === undefined) {
      t.fail(`${part.name} is missing`);
      continue;
    }
    const content = await readZipEntry(source, entry, 1 << 20);
    t.deepEqual(Buffer.from(content), Buffer.from(part.data));
    if (!part.deflate) {
      const { dataOffset, size } = entry;
      t.deepEqual(bytes.subarray(dataOffset, dataOffset + size), Buffer.from(part.data));
    }
  }
}

async function refuses(t: ExecutionContext, bytes: Uint8Array, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(readZip(new MemorySource(bytes, 'bad.zip')));
  t.true(error instanceof DlvError && error.exitCode === 12, String(error));
  t.regex(error?.message ?? '', message);
  t.regex(error?.message ?? '', /^'bad\.zip'/);
}

test('zip: reads stored and deflated entries', async (t) => {
  await checkRoundTrip(t, [A, { ...B, deflate: true }]);
});

test('zip: reads data descriptors, zip64 fields, comments and padding', async (t) => {
  const forms: Partial<ZipPart>[] = [
    { descriptor: true },
    { descriptor: 'bare' },
    { zip64: true },
    { zip64: true, descriptor: true },
    { descriptor: true, deflate: true },
    { extra: Buffer.alloc(60, 'Z') },
    { zip64: true, extra: Buffer.alloc(5000) },
    { data: new Uint8Array(0) },
  ];
  for (const form of forms) {
    await checkRoundTrip(t, [{ ...A, ...form }, B]);
    await checkRoundTrip(t, [B, { ...A, ...form }], {
      zip64: true,
      comment: 'a PK\x05\x06 comment',
    });
  }
});

test('zip: a directory in another order than the file', async (t) => {
  await checkRoundTrip(t, [A, B, { name: 'c', data: randomBytes(5, 3) }], {
    directoryOrder: [2, 0, 1],
  });
});

test('zip: an empty archive has no entries', async (t) => {
  t.deepEqual((await readZip(new MemorySource(buildZip([])))).entries, []);
});

test('zip: the variable ranges hold all that a new save of equal sizes changes', async (t) => {
  for (const form of [{}, { descriptor: true }, { descriptor: 'bare', zip64: true }] as const) {
    const bytes = buildZip([{ ...A, ...form }, B]);
    const other = buildZip([{ ...A, ...form, data: randomBytes(300, 9) }, B]);
    const [entry] = (await readZip(new MemorySource(bytes))).entries;
    if (!entry) return t.fail();
    const covered = [...entry.variable, { offset: entry.dataOffset, length: entry.size }];
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === other[i]) continue;
      t.true(
        covered.some(({ offset, length }) => i >= offset && i < offset + length),
        `byte ${i} differs`,
      );
    }
  }
});

test('zip: the name of the first entry is found in the head', (t) => {
  t.is(firstZipName(buildZip([B])), 'dir/b.bin');
  t.is(firstZipName(buildZip([])), null);
  t.is(firstZipName(buildZip([B]).subarray(0, 35)), null);
});

test('zip: refuses entries that overlap, by one local header or by length', async (t) => {
  await refuses(t, buildZip([A, { ...B, centralOffset: 0 }]), /overlap|different/);
  const inner = buildZip([{ name: 'b', data: new Uint8Array(4) }]).subarray(0, 35);
  const quoted = buildZip([
    { name: 'a', data: inner },
    { name: 'b', data: new Uint8Array(4), centralOffset: 31 },
  ]);
  await refuses(t, quoted, /overlap/);
});

test('zip: a bomb of many names for one entry is refused after one local header', async (t) => {
  const data = new Uint8Array(1 << 16);
  const parts = Array.from({ length: 500 }, (_, i) => ({
    name: `f${String(i).padStart(3, '0')}`,
    data: i === 0 ? data : new Uint8Array(0),
    centralSize: data.length,
    centralOffset: 0,
    deflate: true,
  }));
  const source = new MeteredSource(buildZip(parts));
  await t.throwsAsync(readZip(source), { instanceOf: DlvError });
  t.true(source.reads < 6, `${source.reads} reads`);
});

test('zip: a name may stand twice: both entries are listed, in order', async (t) => {
  const bytes = buildZip([A, B, { ...A, data: randomBytes(3, 3) }]);
  const { entries } = await readZip(new MemorySource(bytes));
  t.deepEqual(
    entries.map(({ name, size }) => [name, size]),
    [
      ['a.bin', 300],
      ['dir/b.bin', 2000],
      ['a.bin', 3],
    ],
  );
});

test('zip: names are any text, as no file is written under one', async (t) => {
  const names = ['../x', '/etc/x', 'a\\b', 'C:x', 'a//b', './a', '', 'a\0b', '..', '/', 'ä€😀'];
  const { entries } = await readZip(
    new MemorySource(buildZip(names.map((name) => ({ ...A, name })))),
  );
  t.deepEqual(
    entries.map((entry) => entry.name),
    names,
  );
});

test('zip: names that are not marked as UTF-8 are read as Python reads them', async (t) => {
  const bytes = buildZip([{ ...A, name: 'x\u03b1', flags: 0 }]);
  const { entries } = await readZip(new MemorySource(bytes));
  // The two bytes of alpha in code page 437.
  t.is(entries[0]?.name, 'x\u256c\u2592');
  t.is(decodeCp437(Buffer.from([0x41, 0x80, 0xe1, 0xff])), 'A\u00c7\u00df\u00a0');
  await refuses(
    t,
    Buffer.from(
      buildZip([{ ...A, name: 'xyz' }])
        .toString('latin1')
        .replaceAll('xyz', 'x\xff\xfe'),
      'latin1',
    ),
    /not UTF-8/,
  );
});

test('zip: an archive that begins after other bytes is found, with and without zip64', async (t) => {
  const before = Buffer.concat([buildZip([B], { zip64: true }), Buffer.from('#!/bin/sh\n')]);
  for (const zip64 of [false, true]) {
    const bytes = Buffer.concat([before, buildZip([A, { ...B, descriptor: true }], { zip64 })]);
    const source = new MemorySource(bytes);
    const { entries, start } = await readZip(source);
    t.is(start, before.length);
    t.deepEqual(
      entries.map((entry) => entry.name),
      [A.name, B.name],
    );
    for (const [i, part] of [A, B].entries()) {
      const entry = entries[i];
      if (!entry) return t.fail();
      t.deepEqual(Buffer.from(await readZipEntry(source, entry, 1 << 20)), Buffer.from(part.data));
    }
    const first = await readZip(source, { end: before.length - 10 });
    t.is(first.start, 0);
    t.deepEqual(
      first.entries.map((entry) => entry.name),
      [B.name],
    );
  }
});

test('zip: many small entries take few reads, large ones no more bytes than their headers', async (t) => {
  const small = Array.from({ length: 5000 }, (_, i) => ({
    name: `n${i}`,
    data: new Uint8Array(i % 50),
  }));
  const many = new MeteredSource(buildZip(small));
  await readZip(many);
  t.true(many.reads <= 10 + (2 * many.size) / 65536, `${many.reads} reads of ${many.size} bytes`);
  const large = Array.from({ length: 50 }, (_, i) => ({
    name: `n${i}`,
    data: new Uint8Array(100_000),
  }));
  const few = new MeteredSource(buildZip(large));
  await readZip(few);
  t.true(few.bytesRead < 65536 * 2 + 50 * 1024, `${few.bytesRead} bytes`);
});

test('zip: refuses encrypted entries and archives in parts', async (t) => {
  await refuses(t, buildZip([{ ...A, flags: 1 }]), /encrypted/);
  await refuses(t, buildZip([{ ...A, flags: 0x2000 }]), /encrypted/);
  const bytes = buildZip([A]);
  bytes.writeUInt16LE(1, bytes.length - 22 + 4);
  await refuses(t, bytes, /several/);
});

test('zip: refuses headers that disagree', async (t) => {
  await refuses(t, buildZip([{ ...A, localName: 'b.bin' }]), /different names/);
  await refuses(t, buildZip([{ ...A, localName: 'longer.bin' }]), /different names/);
  await refuses(t, buildZip([{ ...A, deflate: true, localSize: 5 }]), /different sizes/);
  await refuses(t, buildZip([{ ...A, localCrc: 5 }]), /different checksums/);
  await refuses(t, buildZip([{ ...A, centralSize: 5 }]), /two sizes/);
  await refuses(t, buildZip([{ ...A, zip64: true, localSize: 2 ** 40 }]), /different sizes/);
});

test('zip: refuses data that reaches into the directory or beyond 2^53', async (t) => {
  const lying = (size: number) => ({ ...A, centralSize: size, centralCompressedSize: size });
  await refuses(t, buildZip([lying(4000)]), /into the directory/);
  await refuses(t, buildZip([{ ...lying(2 ** 50), zip64: true }]), /into the directory/);
  await refuses(t, buildZip([{ ...lying(2 ** 60), zip64: true }]), /above 2\^53/);
  await refuses(t, buildZip([{ ...A, centralOffset: 2 ** 31 }]), /into the directory/);
});

test('zip: refuses a directory that lies about its place, size or count', async (t) => {
  await refuses(t, buildZip([A], { directoryOffset: 2 ** 31 }), /directory is said/);
  await refuses(t, buildZip([A], { directoryBytes: 1000 }), /directory is said/);
  await refuses(t, buildZip([A], { entryCount: 2 }), /cannot hold/);
  await refuses(t, buildZip([A, B], { entryCount: 1 }), /after its entries/);
  await refuses(t, buildZip([A], { zip64: true, entryCount: 2 ** 40 }), /entries/);
  await refuses(t, buildZip([A], { zip64: true, directoryBytes: 2 ** 62 }), /above 2\^53/);
  await refuses(t, buildZip([A]).subarray(0, -1), /missing/);
  await refuses(t, Buffer.from('PK\x03\x04'), /missing/);
});

test('zip: a bomb is not inflated beyond the bound that the caller gives', async (t) => {
  const bomb = { name: 'bomb', data: new Uint8Array(10 << 20), deflate: true };
  const honest = new MemorySource(buildZip([bomb]));
  const [entry] = (await readZip(honest)).entries;
  if (!entry) return t.fail();
  await t.throwsAsync(readZipEntry(honest, entry, 1 << 20), { instanceOf: LimitError });
  const lying = new MemorySource(buildZip([{ ...bomb, centralSize: 100 }]));
  const [small] = (await readZip(lying)).entries;
  if (!small) return t.fail();
  await t.throwsAsync(readZipEntry(lying, small, 1 << 20), {
    instanceOf: CorruptError,
    message: /does not inflate to 100/,
  });
});

test('zip: content is checked against its checksum, unknown methods are not read', async (t) => {
  for (const part of [
    { ...A, crc: 1 },
    { ...A, crc: 1, deflate: true },
    { ...A, method: 93 },
  ]) {
    const source = new MemorySource(buildZip([part]));
    const [entry] = (await readZip(source)).entries;
    if (!entry) return t.fail();
    await t.throwsAsync(readZipEntry(source, entry, 1 << 20), { instanceOf: CorruptError });
  }
});
