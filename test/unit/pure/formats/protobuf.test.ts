/**
 * The wire format scanner: fields by offset, nothing read that is skipped, no number trusted.
 */
import test from 'ava';
import fc from 'fast-check';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { type ProtoField, ProtoScanner, WIRE } from '../../../../lib/pure/formats/onnx/protobuf.js';
import { HoleSource } from '../../../helpers/hole-source.js';
import { bytes, int, varint } from '../../../helpers/protobuf.js';

const scanner = (content: Uint8Array, budget = 1 << 20) =>
  new ProtoScanner(new MemorySource(content, 'file'), budget);

async function scan(content: Uint8Array): Promise<ProtoField[]> {
  const found: ProtoField[] = [];
  await scanner(content).fields(0, content.length, (field) => void found.push(field));
  return found;
}

test('protobuf: every wire type has its range', async (t) => {
  const content = Buffer.concat([
    int(1, 300),
    Buffer.from([0x11, 1, 2, 3, 4, 5, 6, 7, 8]),
    bytes(3, 'abc'),
    Buffer.from([0x25, 1, 2, 3, 4]),
    bytes(2000, ''),
  ]);
  t.deepEqual(
    (await scan(content)).map((f) => [f.number, f.wire, f.keyStart, f.start, f.end]),
    [
      [1, WIRE.varint, 0, 1, 3],
      [2, WIRE.fixed64, 3, 4, 12],
      [3, WIRE.bytes, 12, 14, 17],
      [4, WIRE.fixed32, 17, 18, 22],
      [2000, WIRE.bytes, 22, 25, 25],
    ],
  );
});

test('protobuf: signed 64-bit values of any size come back', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (value) => {
      const content = Buffer.concat([int(1, value), bytes(2, varint(value), varint(-value - 1n))]);
      const reader = scanner(content);
      const found: bigint[] = [];
      await reader.fields(0, content.length, (field) => {
        if (field.number === 1) found.push(reader.int64(field, 'value'));
        else return reader.appendInts(found, field, 10, 'values');
      });
      t.deepEqual(found, [value, value, BigInt.asIntN(64, -value - 1n)]);
    }),
  );
});

const refused: Record<string, [code: string, content: Buffer]> = {
  'a varint of 11 bytes': ['DLV_CORRUPT', Buffer.from([0x08, ...new Array(10).fill(0x80), 1])],
  'a key of 11 bytes': ['DLV_CORRUPT', Buffer.from([...new Array(10).fill(0x88), 1, 0, 0])],
  'a varint that does not end': ['DLV_TRUNCATED', Buffer.from([0x08, 0x80])],
  'a length beyond the end': ['DLV_TRUNCATED', Buffer.from([0x0a, 5, 1, 2])],
  'a length of 2^63': ['DLV_TRUNCATED', Buffer.from([0x0a, ...varint(2n ** 63n)])],
  'eight bytes beyond the end': ['DLV_TRUNCATED', Buffer.from([0x09, 1, 2])],
  'four bytes beyond the end': ['DLV_TRUNCATED', Buffer.from([0x0d, 1, 2])],
  'the start of a group': ['DLV_CORRUPT', Buffer.from([0x0b, 0x0c])],
  'the end of a group': ['DLV_CORRUPT', Buffer.from([0x0c])],
  'wire type 7': ['DLV_CORRUPT', Buffer.from([0x0f])],
  'field number 0': ['DLV_CORRUPT', Buffer.from([0x02, 0])],
  'field number 2^29': ['DLV_CORRUPT', Buffer.from([...varint(2 ** 32), 0])],
};
for (const [what, [code, content]] of Object.entries(refused)) {
  test(`protobuf: refuses ${what}`, async (t) => {
    const error = await t.throwsAsync(scan(content), { code });
    t.regex(error?.message ?? '', /'file'/);
  });
}

test('protobuf: a budget bounds the structure that is read', async (t) => {
  const content = Buffer.concat(Array.from({ length: 1000 }, () => int(1, 1)));
  await t.throwsAsync(
    scanner(content, 500).fields(0, content.length, () => {}),
    { code: 'DLV_LIMIT' },
  );
  const long = bytes(1, 'x'.repeat(400));
  const reader = scanner(long);
  await t.throwsAsync(
    reader.fields(0, long.length, async (field) => void (await reader.text(field, 399, 'name'))),
    { code: 'DLV_LIMIT' },
  );
});

test('protobuf: a value is read by its own wire type only', async (t) => {
  const content = bytes(1, 'ab');
  const reader = scanner(content);
  await t.throwsAsync(
    reader.fields(0, content.length, (field) => void reader.count(field, 'count')),
    { code: 'DLV_CORRUPT' },
  );
  const negative = int(1, -1);
  const other = scanner(negative);
  await t.throwsAsync(
    other.fields(0, negative.length, (field) => void other.count(field, 'count')),
    { code: 'DLV_CORRUPT' },
  );
});

test('protobuf: what is skipped is not read', async (t) => {
  const size = 5 * 2 ** 30;
  const key = Buffer.concat([varint(9 * 8 + 2), varint(size)]);
  const source = new HoleSource([int(1, 1), key, size, int(2, 2)]);
  const found: number[] = [];
  await new ProtoScanner(source, 1000).fields(0, source.size, (f) => void found.push(f.number));
  t.deepEqual(found, [1, 9, 2]);
  t.true(source.bytesRead < 2 ** 17);
});
