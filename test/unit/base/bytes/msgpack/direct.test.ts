/** The quick way of msgpack and the general one: the same bytes, and the same verdict on every byte string. */
import { decode, encode } from '@msgpack/msgpack';
import test from 'ava';
import fc from 'fast-check';
import {
  type Packed,
  readDirectly,
  writeDirectly,
} from '../../../../../lib/base/bytes/msgpack/direct.js';
import { decodeCanonical, encodeCanonical } from '../../../../../lib/base/bytes/msgpack/msgpack.js';
import { PackedReader } from '../../../../../lib/base/bytes/msgpack/packed-reader.js';

/** Numbers on both sides of each length that they are written in. */
const EDGES = [5, 7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) =>
  [-1, 0, 1].flatMap((step) => [2 ** bits + step, -(2 ** bits) + step]),
);

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  // Halves of surrogate pairs, marks of byte order, lengths on both sides of each header.
  fc.array(fc.nat(0xffff), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('\ufeffmark', `\ufeff${'m'.repeat(300)}`, '', 'é'.repeat(16), 'a'.repeat(31)),
  fc.constantFrom(32, 255, 256, 65_535, 65_536).map((length) => 'x'.repeat(length)),
);

const { value: anyValue } = fc.letrec<{ value: Packed }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Packed>(null, true, false),
    fc.oneof(fc.maxSafeInteger(), fc.constantFrom(...EDGES), fc.double(), fc.integer()),
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
  ),
}));

/** What the general way says: the value of bytes that are its canonical form, else undefined. */
function oracle(bytes: Uint8Array): Packed | undefined {
  try {
    const value = decode(bytes) as Packed;
    return Buffer.compare(encode(value), bytes) === 0 ? value : undefined;
  } catch {
    return undefined;
  }
}

test('direct: a value has the bytes that the general way gives it', (t) => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const expected = encode(value);
      t.deepEqual(writeDirectly(value) ?? expected, expected);
      t.deepEqual(encodeCanonical(value), expected);
    }),
    { numRuns: 2000 },
  );
});

test('direct: what it reads, it reads as the general way does; canonical bytes come back from both', (t) => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = encode(value);
      const expected = oracle(bytes);
      const direct = readDirectly(bytes);
      if (direct !== undefined) t.deepEqual(direct, expected);
      if (expected !== undefined) t.deepEqual(decodeCanonical(bytes, 'x'), expected);
    }),
    { numRuns: 2000 },
  );
});

test('direct: whatever is changed, only canonical bytes are taken', (t) => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(4) });
  fc.assert(
    fc.property(anyValue, fc.array(change, { minLength: 1, maxLength: 3 }), (value, changes) => {
      let bytes = Buffer.from(encode(value));
      for (const { at, byte, cut } of changes) {
        if (cut === 0) bytes = bytes.subarray(0, at % (bytes.length + 1));
        else if (bytes.length > 0) bytes[at % bytes.length] = byte;
      }
      const direct = readDirectly(bytes);
      if (direct !== undefined) t.deepEqual(direct, oracle(bytes));
    }),
    { numRuns: 5000 },
  );
});

test('direct: longer forms of a value, and forms of other types, are left to the general way', (t) => {
  for (const hex of [
    'cc7f', // a number that fits in one byte
    'cd00ff',
    'ce0000ffff',
    'cf00000000ffffffff',
    'cf0020000000000000', // above the integers that are exact
    'd900', // a text that fits in a shorter header
    'da0001ff',
    'c50001ff', // bytes
    'dc0001c0', // an array
    'dd00000001c0',
    'ca3f800000', // a number of four bytes
    '81a161a162', // a map
    'a3eda080', // half of a surrogate pair
    'a2c080', // a zero in two bytes
    'c1',
    '',
  ]) {
    t.is(readDirectly(Buffer.from(hex, 'hex')), undefined, hex);
  }
  t.is(readDirectly(Buffer.from('c0c0', 'hex')), undefined, 'something is left over');
});

test('direct: values of the kinds that blobs hold go the quick way', (t) => {
  const value = ['a/é.bin', 420, 2 ** 40, Buffer.alloc(33, 7), null, true, [-32, ['x'.repeat(70)]]];
  const bytes = writeDirectly(value) as Uint8Array;
  t.deepEqual(bytes, encode(value));
  t.deepEqual(readDirectly(bytes), decode(bytes) as Packed);
  // A value that was written before is not changed by the next one.
  const before = Buffer.from(bytes);
  writeDirectly(['other', 1, 2, 3]);
  t.deepEqual(Buffer.from(bytes), before);
});

test('direct: values are read one after another, whichever way each goes', (t) => {
  const values: Packed[] = ['a', -1000, ['b', 1.5], 'é', ['\ud83d\ude00'], Buffer.from('z')];
  const bytes = encode(values);
  const reader = new PackedReader(bytes, 'x');
  t.is(reader.array('values'), values.length);
  for (const value of values) {
    const found = reader.canonical();
    t.deepEqual(encode(found.value), encode(value));
    t.deepEqual(Buffer.from(found.bytes), Buffer.from(encode(value)));
  }
  reader.end();
  const longer = new PackedReader(Buffer.from('91cc7f', 'hex'), 'x');
  longer.array('values');
  t.throws(() => longer.canonical(), { code: 'DLV_CORRUPT', message: /canonical/ });
});
