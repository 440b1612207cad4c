/** safetensors: what the reference accepts is laid out, what it refuses is a blob that says why. */
import test, { type ExecutionContext } from 'ava';
import type { ByteSource } from '../../../../lib/base/bytes/byte-source.js';
import { TruncatedError } from '../../../../lib/base/errors.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import { safetensorsReader } from '../../../../lib/pure/formats/safetensors/safetensors.js';
import { fuzzReader, MeteredSource } from '../../../helpers/fuzz.js';
import { layoutOf, sharesSkeleton } from '../../../helpers/layouts.js';
import { randomBytes } from '../../../helpers/rng.js';

const A = '"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}';
const B = '"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}';
const META = '"__metadata__":{"format":"pt","step":"250"}';

/** A file with this header text and `dataBytes` bytes of data. */
function file(header: string | Uint8Array, dataBytes = 26, seed = 1): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, randomBytes(dataBytes, seed)]);
}

async function isBlob(t: ExecutionContext, bytes: Uint8Array, reason: RegExp): Promise<void> {
  const layout = await layoutOf(bytes, 'm.safetensors');
  t.is(layout.format, 'blob');
  t.deepEqual(layout.extents, []);
  t.is(layout.warnings.length, 1);
  t.regex(layout.warnings[0] ?? '', reason);
  t.regex(layout.warnings[0] ?? '', /^looks like safetensors but is kept as opaque bytes: .*'/);
}

test('safetensors: tensors, extents, step and variable ranges of a small file', async (t) => {
  const header = `{${META},${A},${B}}  `;
  const data = 8 + header.length;
  t.deepEqual(await layoutOf(file(header)), {
    format: 'safetensors',
    extents: [
      { offset: data, width: 4, count: 6, byteSwap: false },
      { offset: data + 24, width: 2, count: 1, byteSwap: false },
    ],
    tensors: [
      { name: 'a', dtype: 'F32', shape: [2, 3], strides: null, offset: data, role: 'weights' },
      { name: 'b', dtype: 'BF16', shape: [], strides: null, offset: data + 24, role: 'weights' },
    ],
    variable: [
      { offset: 0, length: 8, fixedLength: true },
      { offset: 8, length: 1 + META.length + 1, fixedLength: false },
      { offset: data - 3, length: 3, fixedLength: false },
    ],
    step: 250,
    references: [],
    external: [],
    warnings: [],
  });
});

test('safetensors: files of one network share all fixed bytes, whatever their metadata', async (t) => {
  const texts = [
    `{${META},${A},${B}}`,
    `{${META},${A},${B}}     `,
    `{"__metadata__":{"step":"1000000","loss":"0.5\\"}"} ,${A},${B}}   `,
    `{"__metadata__":null,${A},${B}}`,
    `{${A},${B}}`,
  ];
  const files = await Promise.all(
    texts.map(async (text, i) => {
      const bytes = file(text, 26, i);
      return { bytes, layout: await layoutOf(bytes) };
    }),
  );
  for (const other of files.slice(1)) t.true(sharesSkeleton(files[0]!, other));
  const late = await Promise.all(
    [`{${A},${META},${B}}`, `{${A},"__metadata__":{},${B}} `].map(async (text) => {
      const bytes = file(text);
      return { bytes, layout: await layoutOf(bytes) };
    }),
  );
  t.true(sharesSkeleton(late[0]!, late[1]!));
  t.is(late[0]?.layout.step, 250);
});

test('safetensors: metadata at the end or alone, an empty header', async (t) => {
  const end = await layoutOf(file(`{${A},${B},${META}} `));
  t.is(end.step, 250);
  t.is(end.tensors.length, 2);
  t.is((await layoutOf(file(`{${META}}`, 0))).step, 250);
  const empty = await layoutOf(file('{}', 0));
  t.is(empty.format, 'safetensors');
  t.deepEqual(empty.tensors, []);
});

test('safetensors: the step is read from integer text only', async (t) => {
  const step = async (metadata: object) =>
    (await layoutOf(file(`{"__metadata__":${JSON.stringify(metadata)},${A},${B}}`))).step;
  t.is(await step({ global_step: '12' }), 12);
  t.is(await step({ iteration: '0' }), 0);
  t.is(await step({ step: '1.5' }), null);
  t.is(await step({ step: '-1' }), null);
  t.is(await step({ step: '99999999999999999999' }), null);
});

test('safetensors: tensors without elements may lie anywhere between others', async (t) => {
  const empty = (name: string, at: number) =>
    `"${name}":{"dtype":"I64","shape":[0,7],"data_offsets":[${at},${at}]}`;
  const layout = await layoutOf(file(`{${empty('x', 24)},${A},${B},${empty('y', 26)}}`));
  t.is(layout.extents.length, 2);
  t.deepEqual(layout.tensors.map((tensor) => tensor.name).sort(), ['a', 'b', 'x', 'y']);
});

test('safetensors: sizes above 4 GiB are exact, and no data is read for the layout', async (t) => {
  const size = 3 * 2 ** 33;
  const header = Buffer.from(
    `{"big":{"dtype":"F16","shape":[3,${2 ** 32}],"data_offsets":[0,${size}]},` +
      `"end":{"dtype":"U8","shape":[1],"data_offsets":[${size},${size + 1}]}}`,
  );
  const front = file(header, 0);
  const source: ByteSource = {
    name: 'large',
    size: front.length + size + 1,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(front.subarray(offset, Math.min(front.length, offset + length)));
      if (offset + length > front.length + (1 << 17)) throw new Error('data was read');
      return bytes;
    },
  };
  const layout = await readLayout(source, undefined, { strict: true });
  t.deepEqual(layout.extents, [
    { offset: front.length, width: 2, count: 3 * 2 ** 32, byteSwap: false },
    { offset: front.length + size, width: 1, count: 1, byteSwap: false },
  ]);
});

test('safetensors: a hundred thousand tensors', async (t) => {
  const count = 100_000;
  const members = Array.from(
    { length: count },
    (_, i) =>
      `"layers.${i}.weight":{"dtype":"F32","shape":[1],"data_offsets":[${4 * i},${4 * i + 4}]}`,
  );
  const layout = await layoutOf(file(`{${members.join(',')}}`, 4 * count));
  t.is(layout.tensors.length, count);
  t.is(layout.tensors[count - 1]?.name, `layers.${count - 1}.weight`);
});

test('safetensors: names tell optimizer state and averaged weights', async (t) => {
  const roles = async (...names: string[]) => {
    const members = names.map(
      (name, i) => `"${name}":{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`,
    );
    const layout = await layoutOf(file(`{${members.join(',')}}`, names.length));
    return layout.tensors.map((tensor) => tensor.role);
  };
  t.deepEqual(await roles('fc.weight.exp_avg', 'fc.weight.exp_avg_sq', 'fc.weight.step'), [
    'optimizer',
    'optimizer',
    'optimizer',
  ]);
  t.deepEqual(await roles('fc.weight', 'fc.momentum_buffer'), ['weights', 'weights']);
  t.deepEqual(await roles('state.0.x', 'state.1.y'), ['optimizer', 'optimizer']);
  t.deepEqual(await roles('step'), ['weights']);
  t.deepEqual(await roles('fc.weight', 'ema.fc.weight', 'optimizer.state.0.exp_avg'), [
    'weights',
    'ema',
    'optimizer',
  ]);
});

test('safetensors: holes, overlaps, wrong sizes and uncovered data make a blob', async (t) => {
  const u8 = (name: string, from: number, to: number) =>
    `"${name}":{"dtype":"U8","shape":[${to - from}],"data_offsets":[${from},${to}]}`;
  await isBlob(t, file(`{${u8('x', 0, 4)},${u8('y', 5, 8)}}`, 8), /'y' at 5 to 8 leaves a hole/);
  await isBlob(t, file(`{${u8('x', 0, 4)},${u8('y', 3, 8)}}`, 8), /overlaps/);
  await isBlob(t, file(`{${u8('x', 0, 4)},${u8('y', 0, 4)}}`, 4), /overlaps/);
  await isBlob(t, file(`{${u8('x', 1, 4)}}`, 4), /hole/);
  await isBlob(t, file(`{${u8('x', 0, 4)}}`, 5), /have 4 bytes, the file has 5/);
  await isBlob(t, file(`{${u8('x', 0, 4)}}`, 3), /have 4 bytes, the file has 3/);
  await isBlob(t, file(`{${A},${B}}`.replace('[2,3]', '[2,4]')), /needs 32/);
  await isBlob(t, file(`{${A},${B}}`.replace('[0,24]', '[24,0]')), /'a'|'b'/);
});

test('safetensors: duplicate names and fields make a blob', async (t) => {
  await isBlob(t, file(`{${A},${A},${B}}`), /two tensors are named 'a'/);
  await isBlob(t, file(`{${META},${A},${B},${META}}`), /two tensors are named '__metadata__'/);
  await isBlob(t, file(`{${A},${B}}`.replace('"shape"', '"dtype":"F32","shape"')), /field twice/);
});

test('safetensors: numbers of 2^63, overflow and fractions make a blob', async (t) => {
  const huge = '9223372036854775808';
  await isBlob(t, file(`{${A},${B}}`.replace('26]', `${huge}]`)), /above 2\^53/);
  await isBlob(t, file(`{${A},${B}}`.replace('[2,3]', `[${huge},0]`)), /above 2\^53/);
  await isBlob(
    t,
    file(`{${A},${B}}`.replace('[2,3]', `[${'9007199254740991,'.repeat(40)}3]`)),
    /needs/,
  );
  await isBlob(t, file(`{${A},${B}}`.replace('[2,3]', '[6.0]')), /not a whole number/);
  await isBlob(t, file(`{${A},${B}}`.replace('[2,3]', '[-6]')), /not a whole number/);
  await isBlob(t, file(`{${A},${B}}`.replace('[2,3]', `[${'1,'.repeat(64)}6]`)), /more than 64/);
});

test('safetensors: a header that lies about its length makes a blob and allocates nothing', async (t) => {
  const bytes = file(`{${A},${B}}`);
  for (const length of [1n << 63n, (1n << 64n) - 1n, 100_000_001n, 10_000_000n]) {
    bytes.writeBigUInt64LE(length);
    const source = new MeteredSource(bytes, 'm.safetensors');
    const layout = await readLayout(source, undefined, { strict: true });
    t.is(layout.format, 'blob');
    t.regex(layout.warnings[0] ?? '', /a header of|header is said/);
    t.true(source.bytesRead <= bytes.length + 8);
  }
  bytes.writeBigUInt64LE(3n);
  await isBlob(t, bytes, /string does not end/);
});

test('safetensors: what is not the JSON of a header makes a blob', async (t) => {
  const cases: [string | Uint8Array, RegExp][] = [
    [`{${A},${B}`, /missing/],
    [`{${A},${B},}`, /missing/],
    [`{${A},${B}} x`, /more after/],
    [`{"x":${'['.repeat(100_000)}`, /missing/],
    [`{"a":{"dtype":"U8","other":${'['.repeat(100_000)}`, /nested deeper/],
    [`{"a":{"other":${'{"x":'.repeat(100_000)}`, /nested deeper/],
    [`{"__metadata__":{"a":1},${A},${B}}`, /string is missing/],
    [`{"\\ud800":{}}`, /half a character/],
    [Buffer.from('{"\xff":{}}', 'latin1'), /not valid/],
    ['{"a\nb":{}}', /control character/],
    [`{${A},${B}}`.replace('BF16', 'BF17'), /unknown dtype 'BF17'/],
    [`{${A},${B}}`.replace('BF16', 'C128'), /unknown dtype/],
    [`{${A},${B}}`.replace('"shape":[],', ''), /lacks/],
    [`{${A},${B}}`.replace('[0,24]', '[0]'), /fewer than two/],
    [`{${A},${B}}`.replace('[0,24]', '[0,24,24]'), /more than 2/],
  ];
  for (const [header, reason] of cases) await isBlob(t, file(header), reason);
});

test('safetensors: a truncated file is a blob at every length', async (t) => {
  const bytes = file(`{${META},${A},${B}}`);
  for (let length = 0; length < bytes.length; length++) {
    t.is((await layoutOf(bytes.subarray(0, length))).format, 'blob');
  }
  await t.throwsAsync(safetensorsReader.layout(new MeteredSource(bytes.subarray(0, 60))), {
    instanceOf: TruncatedError,
  });
});

test('safetensors: text that has a brace at byte 8 does not look like it', async (t) => {
  t.deepEqual((await layoutOf(Buffer.from('function{"a": 1}'))).warnings, []);
});

test.serial('safetensors: mutated files are accepted or refused, never worse', async (t) => {
  const tally = await fuzzReader(safetensorsReader, {
    corpus: [
      file(`{${META},${A},${B}}   `),
      file(`{${A},${B},${META}}`),
      file(`{"x":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}}`, 3),
    ],
    dictionary: ['"__metadata__":', '{"a":', '"dtype":"I64"', '"shape":[0]', '[0,0]', '\\ud800'],
    count: 2000,
    seed: 11,
  });
  t.true(tally.accepted > 50 && tally.refused > 500, JSON.stringify(tally));
});
