/** Typed arrays of every dtype hold the values that `widen` gives. */
import test from 'ava';
import { DTYPES, type DType, isNumeric, widen } from '../../../../lib/pure/tensor/dtype.js';
import { typedValues } from '../../../../lib/pure/tensor/typed-values.js';
import { seededRandom } from '../../../helpers/rng.js';

const ALL = Object.keys(DTYPES) as DType[];

test('values: of every bit pattern of 16 bits those of widen, for every dtype', (t) => {
  const bytes = new Uint8Array(new Uint16Array(65536).map((_, i) => i).buffer);
  for (const dtype of ALL.filter(isNumeric)) {
    const wide = widen(dtype, bytes) as Float64Array;
    const values = typedValues(dtype, bytes.slice());
    if (dtype === 'BOOL') continue;
    t.is(values.length, wide.length, dtype);
    t.true(
      wide.every((value, i) => Object.is(value, Number(values[i]))),
      dtype,
    );
  }
});

test('values: int64 beyond 2^53 stay exact, and bits are the bits', (t) => {
  const random = seededRandom(3);
  const bytes = new Uint8Array(64).map(() => 256 * random());
  const data = new DataView(bytes.buffer);
  t.is(typedValues('I64', bytes.slice())[1], data.getBigInt64(8, true));
  t.is(typedValues('U64', bytes.slice())[7], data.getBigUint64(56, true));
  for (const dtype of ['F16', 'BF16'] as const) {
    const bits = typedValues(dtype, bytes.slice(), true);
    t.true(bits instanceof Uint16Array);
    t.is(bits[3], data.getUint16(6, true));
  }
  t.deepEqual(typedValues('F8_E4M3', bytes.slice(), true), bytes);
});

test('values: bytes that do not begin at a multiple of the width, and none', (t) => {
  const odd = new Uint8Array(new Uint8Array(17).fill(1).buffer, 1, 16);
  for (const dtype of ALL) t.notThrows(() => typedValues(dtype, odd), dtype);
  t.is(typedValues('F64', odd)[0], new Float64Array(new Uint8Array(8).fill(1).buffer)[0]);
  for (const dtype of ALL) t.is(typedValues(dtype, new Uint8Array(0)).length, 0, dtype);
});
