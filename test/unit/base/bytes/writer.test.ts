/** Writer and reader are inverses for every sequence of fields, also where the buffer has to grow. */
import test from 'ava';
import fc from 'fast-check';
import { ByteReader } from '../../../../lib/base/bytes/reader.js';
import { ByteWriter } from '../../../../lib/base/bytes/writer.js';

const field = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('raw' as const), value: fc.uint8Array({ maxLength: 600 }) }),
);

test('writer: what is written with any capacity is read back', (t) => {
  fc.assert(
    fc.property(
      fc.array(field, { maxLength: 40 }),
      fc.integer({ min: 0, max: 64 }),
      (fields, capacity) => {
        const writer = new ByteWriter(capacity);
        for (const { kind, value } of fields) {
          if (kind === 'raw') writer.raw(value);
          else writer[kind](value);
        }
        const reader = new ByteReader(writer.finish(), 'test');
        for (const { kind, value } of fields) {
          if (kind === 'raw') {
            if (Buffer.compare(reader.take(value.length, 'raw'), value) !== 0) return false;
          } else if (reader[kind]('field') !== value) return false;
        }
        return reader.remaining === 0;
      },
    ),
  );
  t.pass();
});
