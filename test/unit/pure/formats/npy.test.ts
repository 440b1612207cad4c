/** npy and npz: headers are parsed, never evaluated; lies make a blob, a bad entry a warning. */
import test, { type ExecutionContext } from 'ava';
import { npyReader } from '../../../../lib/pure/formats/npy/npy.js';
import { npzReader } from '../../../../lib/pure/formats/npy/npz.js';
import { parsePyLiteral } from '../../../../lib/pure/formats/npy/py-literal.js';
import type { FileLayout } from '../../../../lib/pure/tensor/layout.js';
import { fuzzReader } from '../../../helpers/fuzz.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { randomBytes } from '../../../helpers/rng.js';
import { buildZip } from '../../../helpers/zip.js';

/** A .npy file with this header and `dataBytes` bytes of data. */
function npy(header: string, dataBytes: number, major = 1): Buffer {
  const text = Buffer.from(header, major === 3 ? 'utf8' : 'latin1');
  const length = Buffer.alloc(major === 1 ? 2 : 4);
  if (major === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, major, 0]);
  return Buffer.concat([magic, length, text, randomBytes(dataBytes, 3)]);
}

function array(descr: string, shape: string, fortran = 'False'): string {
  return `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
}

async function isBlob(t: ExecutionContext, bytes: Uint8Array, reason: RegExp): Promise<void> {
  const layout = await layoutOf(bytes, 'x.npy');
  t.is(layout.format, 'blob');
  t.regex(layout.warnings[0] ?? '', /^looks like npy but is kept as opaque bytes: 'x\.npy'/);
  t.regex(layout.warnings[0] ?? '', reason);
}

test('npy: all three versions, and what old writers spelled otherwise', async (t) => {
  for (const major of [1, 2, 3]) {
    for (const text of [
      array("'<f4'", '(2, 3)'),
      array("u'f4'", '(2L, 3L)'),
      `{"shape":[2,3],"descr":"=f4","fortran_order":False}`,
    ]) {
      const bytes = npy(text, 24, major);
      const layout = await layoutOf(bytes);
      t.deepEqual(layout.extents, [
        { offset: bytes.length - 24, width: 4, count: 6, byteSwap: false },
      ]);
      t.deepEqual(layout.tensors[0]?.shape, [2, 3]);
      t.is(layout.tensors[0]?.dtype, 'F32');
    }
  }
});

test('npy: column-major order is strides, of items for opaque records', async (t) => {
  const strides = async (descr: string, shape: string, bytes: number) =>
    (await layoutOf(npy(array(descr, shape, 'True'), bytes))).tensors[0]?.strides;
  t.deepEqual(await strides("'<f4'", '(2, 3, 4)', 96), [1, 2, 6]);
  t.deepEqual(await strides("'|S5'", '(2, 3)', 30), [5, 10, 1]);
  t.is(await strides("'<f4'", '(6,)', 24), null);
  t.is(await strides("'<f4'", '(1, 6, 1)', 24), null);
  t.is(await strides("'<f4'", '(0, 6)', 0), null);
});

test('npy: bytes after the array stay literal and are reported', async (t) => {
  const layout = await layoutOf(npy(array("'<f4'", '(2,)'), 11));
  t.is(layout.format, 'npy');
  t.regex(layout.warnings[0] ?? '', /^3 bytes after the array/);
});

test('npy: object arrays are pickles and never opened', async (t) => {
  await isBlob(t, npy(array("'|O'", '(1,)'), 30), /pickle/);
  await isBlob(t, npy(array("[('a', '<f4'), ('b', '|O')]", '(1,)'), 30), /pickle/);
});

test('npy: lying shapes, lengths and types make a blob', async (t) => {
  const f4 = "'<f4'";
  await isBlob(t, npy(array(f4, '(2, 3)'), 23), /ends early/);
  await isBlob(t, npy(array(f4, '(9223372036854775808,)'), 8), /out of range/);
  await isBlob(t, npy(array(f4, '(9007199254740991, 9007199254740991)'), 8), /ends early/);
  await isBlob(t, npy(array(f4, `(${'9007199254740991, '.repeat(60)})`), 8), /ends early/);
  await isBlob(t, npy(array(f4, `(${'1, '.repeat(65)})`), 8), /65 dimensions/);
  await isBlob(t, npy(array(f4, '(-1,)'), 8), /whole numbers/);
  await isBlob(t, npy(array(f4, '(2.0,)'), 8), /not whole/);
  await isBlob(t, npy(array(f4, '(2)'), 8), /tuple/);
  await isBlob(t, npy(array(f4, '(2,)', '0'), 8), /fortran_order/);
  await isBlob(t, npy(array("'<f3'", '(2,)'), 8), /unknown dtype/);
  await isBlob(t, npy(array("'<f4[s]'", '(2,)'), 8), /unknown dtype/);
  await isBlob(t, npy(array("'|S9999999999'", '(0,)'), 8), /unknown dtype/);
  await isBlob(t, npy(array("[('a', '|V2147483647', (2147483647,))]", '(1,)'), 8), /items of/);
  await isBlob(t, npy(array('7', '(2,)'), 8), /not understood/);
  const bytes = npy(array(f4, '(2,)'), 8, 2);
  bytes.writeUInt32LE(0xffffffff, 8);
  await isBlob(t, bytes, /header of 4294967295/);
  bytes[6] = 9;
  await isBlob(t, bytes, /version 9\.0/);
  await isBlob(t, bytes.subarray(0, 9), /version|early/);
});

test('npy: a shape of huge numbers with a 0 is an empty array', async (t) => {
  const layout = await layoutOf(npy(array("'<f4'", `(${'9007199254740991, '.repeat(40)}0)`), 0));
  t.is(layout.format, 'npy');
  t.deepEqual(layout.extents, []);
});

test('npy: headers that are not literals make a blob, however deep', async (t) => {
  for (const text of [
    `__import__('os')`,
    `{'descr': '<f4', 'shape': (1,)}`,
    `{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}`,
    `{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}`,
    `{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}`,
    `{'descr': '<f4`,
    '('.repeat(60_000),
    '{1:'.repeat(20_000),
    '',
  ]) {
    await isBlob(t, npy(text, 4), /header/);
  }
  await isBlob(t, npy(array('['.repeat(200) + ']'.repeat(200), '(1,)'), 4), /nested deeper/);
});

test('npy: Python literals have their values', (t) => {
  const parse = (text: string) => parsePyLiteral(text, { name: 'x' });
  t.deepEqual(parse(`('a', "b'", (1,), [2, -3], None, True, (4), ())`), [
    'a',
    "b'",
    [1],
    [2, -3],
    null,
    true,
    4,
    [],
  ]);
  t.is(parse(String.raw`'\x41\u00e9\n\\\'\U0001f600'`), "Aé\n\\'😀");
  for (const bad of [
    '(1 2)',
    '(,)',
    '[1,,2]',
    '{1: 2}',
    "{'a' 1}",
    "'\\xz'",
    '1e5',
    '0x10',
    'Tru',
  ]) {
    t.throws(() => parse(bad), { code: 'DLV_CORRUPT' }, bad);
  }
});

test('npz: stored arrays are extents, compressed ones are reported', async (t) => {
  const data = npy(array("'<f4'", '(2, 3)'), 24);
  const bytes = buildZip([
    { name: 'a.npy', data },
    { name: 'b.npy', data, deflate: true },
    { name: 'ema.c.npy', data, descriptor: true, zip64: true },
    { name: 'readme.txt', data: Buffer.from('text') },
  ]);
  const layout = await layoutOf(bytes);
  t.is(layout.format, 'npz');
  t.deepEqual(
    layout.tensors.map(({ name, role }) => [name, role]),
    [
      ['a', 'weights'],
      ['ema.c', 'ema'],
    ],
  );
  for (const { offset, width, count } of layout.extents) {
    t.deepEqual(bytes.subarray(offset, offset + width * count), data.subarray(-24));
  }
  t.is(layout.warnings.length, 1);
  t.regex(layout.warnings[0] ?? '', /^1 of 3 arrays are compressed .* numpy\.savez/);
  t.is(layout.variable.length, 4 * 2 + 1);
});

test('npz: one bad entry is a warning, a lying archive is a blob', async (t) => {
  const data = npy(array("'<f4'", '(2, 3)'), 24);
  const mixed = await layoutOf(
    buildZip([
      { name: 'good.npy', data },
      { name: 'short.npy', data: data.subarray(0, -1) },
      { name: 'object.npy', data: npy(array("'|O'", '(2,)'), 24) },
    ]),
    'm.npz',
  );
  t.is(mixed.format, 'npz');
  t.deepEqual(
    mixed.tensors.map((tensor) => tensor.name),
    ['good'],
  );
  t.regex(mixed.warnings.join('\n'), /array 'short' .*ends early.*array 'object' .*pickle/s);
  const lying = await layoutOf(buildZip([{ name: 'a.npy', data, centralSize: 5 }]), 'm.npz');
  t.is(lying.format, 'blob');
  t.regex(lying.warnings[0] ?? '', /looks like npz .* two sizes/);
});

test('npz: keys are names, whatever a file system thinks of them', async (t) => {
  const keys = [
    '/updater/model:main/W',
    'W:0',
    '../up',
    'blk\\0\\w',
    'a//b',
    'x'.repeat(60_000),
    '',
  ];
  const layout = await layoutOf(
    buildZip(keys.map((key) => ({ name: `${key}.npy`, data: npy(array("'<f4'", '(2, 3)'), 24) }))),
  );
  t.is(layout.format, 'npz');
  t.deepEqual(layout.warnings, []);
  t.deepEqual(
    layout.tensors.map(({ name }) => name),
    keys,
  );
});

/** An array of one float that is `value`. */
function one(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([npy(array("'<f4'", '()'), 0), data]);
}

/** First float of each tensor, by name. */
function firstFloats(layout: FileLayout, bytes: Buffer): Record<string, number> {
  return Object.fromEntries(
    layout.tensors.map(({ name, offset }) => [name, bytes.readFloatLE(offset)]),
  );
}

test('npz: of entries with one key the last is shown, as NumPy does', async (t) => {
  const bytes = buildZip([
    { name: 'a.npy', data: one(1) },
    { name: 'b.npy', data: one(2) },
    { name: 'a.npy', data: one(3) },
  ]);
  const layout = await layoutOf(bytes);
  t.deepEqual(firstFloats(layout, bytes), { a: 3, b: 2 });
  t.regex(layout.warnings.join(), /^1 entry has a name/);
});

test('npz: of archives joined in one file the last is shown, as NumPy does', async (t) => {
  for (const zip64 of [false, true]) {
    const first = buildZip([{ name: 'w.npy', data: one(1) }], { zip64 });
    const last = buildZip([{ name: 'w.npy', data: one(2) }], { zip64 });
    const bytes = Buffer.concat([first, last]);
    const layout = await layoutOf(bytes);
    t.deepEqual(firstFloats(layout, bytes), { w: 2 });
    t.regex(layout.warnings.join(), new RegExp(`last archive of the file; ${first.length} bytes`));
  }
});

test('npz: archives that were written into one file handle are told of as those that were joined', async (t) => {
  const first = buildZip([{ name: 'w.npy', data: one(1) }]);
  const bytes = Buffer.concat([first, buildZip([{ name: 'w.npy', data: one(2) }])]);
  // As numpy.savez does: offsets count from the beginning of the file.
  const end = bytes.length - 22;
  const directory = end - bytes.readUInt32LE(end + 12);
  bytes.writeUInt32LE(bytes.readUInt32LE(end + 16) + first.length, end + 16);
  bytes.writeUInt32LE(bytes.readUInt32LE(directory + 42) + first.length, directory + 42);
  const layout = await layoutOf(bytes);
  t.deepEqual(firstFloats(layout, bytes), { w: 2 });
  t.regex(layout.warnings.join(), new RegExp(`last archive of the file; ${first.length} bytes`));
});

test('npz: arrays are found behind other entries; a zip without any is a blob', async (t) => {
  const note = { name: 'meta.json', data: Buffer.from('{}') };
  const bytes = buildZip([note, { name: 'w.npy', data: one(1) }]);
  t.deepEqual(firstFloats(await layoutOf(bytes), bytes), { w: 1 });
  for (const zip of [buildZip([note]), buildZip([]), buildZip([{ ...note, flags: 1 }])]) {
    const layout = await layoutOf(zip);
    t.is(layout.format, 'blob');
    t.deepEqual(layout.warnings, []);
  }
});

test('npz: an entry that is called like a key keeps that key', async (t) => {
  const bytes = buildZip([
    { name: 'a', data: Buffer.from('text') },
    { name: 'a.npy', data: one(1) },
  ]);
  t.deepEqual(firstFloats(await layoutOf(bytes), bytes), { 'a.npy': 1 });
});

test.serial('npy: mutated files are accepted or refused, never worse', async (t) => {
  const tally = await fuzzReader(npyReader, {
    corpus: [
      npy(array("'>f4'", '(2, 3)', 'True'), 24),
      npy(array("[('a', '<f4', (2,)), ('b', '|S3')]", '(2,)'), 22, 2),
      npy(array("'<U2'", '(2,)'), 16, 3),
    ],
    dictionary: ["'|O'", "'<c16'", '(0,', '(1, 1)', "'|V0'", 'True', '[', "('a', '<i8')"],
    count: 2000,
    seed: 3,
  });
  t.true(tally.accepted > 50 && tally.refused > 500, JSON.stringify(tally));
});

test.serial('npz: mutated archives are accepted or refused, never worse', async (t) => {
  const data = npy(array("'<f4'", '(2, 3)'), 24);
  const tally = await fuzzReader(npzReader, {
    corpus: [
      buildZip([
        { name: 'a.npy', data },
        { name: 'b.npy', data, deflate: true },
      ]),
      buildZip([{ name: 'a.npy', data, descriptor: true, zip64: true }], { zip64: true }),
    ],
    dictionary: [
      'PK\x03\x04',
      'PK\x01\x02',
      'PK\x05\x06',
      'PK\x06\x06',
      '../a.npy',
      '\x01\x00\x10',
    ],
    count: 2000,
    seed: 4,
  });
  t.true(tally.accepted > 50 && tally.refused > 500, JSON.stringify(tally));
});
