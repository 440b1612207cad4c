import test from 'ava';
import { encodeCanonical, type Packed } from '../../../../../lib/base/bytes/msgpack/msgpack.js';
import { PackedReader } from '../../../../../lib/base/bytes/msgpack/packed-reader.js';
import { CorruptError } from '../../../../../lib/base/errors.js';

test('packed reader: gives the values of nested arrays one by one', (t) => {
  const many = Array.from({ length: 70_000 }, (_, i) => [i, `name ${i}`]);
  const few = Array.from({ length: 20 }, (_, i) => i);
  const value: Packed = ['first', many, few, [], Uint8Array.of(1, 2)];
  const reader = new PackedReader(encodeCanonical(value), 'f');
  t.is(reader.array('all', 5), 5);
  t.is(reader.value(), 'first');
  t.is(reader.array('many'), many.length);
  for (const item of many) t.deepEqual(reader.value(), item);
  t.is(reader.array('few'), few.length);
  for (const item of few) t.is(reader.value(), item);
  t.is(reader.array('none'), 0);
  t.deepEqual(reader.value(), Uint8Array.of(1, 2));
  reader.end();
});

test('packed reader: what is no array, has another length, ends early or goes on is damage', (t) => {
  const bytes = encodeCanonical([1, [2, 3]]);
  const damaged = (read: (reader: PackedReader) => unknown, message: RegExp) => {
    t.throws(() => read(new PackedReader(bytes, 'f')), { instanceOf: CorruptError, message });
  };
  damaged((reader) => reader.array('pair', 3), /'f' is damaged: pair has 2 values at byte 1/);
  damaged((reader) => [reader.array('pair'), reader.array('one')], /one is not an array/);
  damaged((reader) => reader.end(), /bytes are left over at byte 0/);
  damaged((reader) => [reader.value(), reader.value()], /it ends early/);
  damaged((reader) => [reader.value(), reader.array('more')], /more is not an array/);
});

test('packed reader: counts that the bytes cannot hold are refused before anything is read', (t) => {
  const claims = Uint8Array.of(0xdd, 0x00, 0xff, 0xff, 0xff, 0x01);
  t.throws(() => new PackedReader(claims, 'f'), { instanceOf: CorruptError });
});
