/** Values of which leading planes are known: the interval holds the value, its middle stands for it. */
import test from 'ava';
import { DTYPES, type DType } from '../../../../lib/pure/tensor/dtype.js';
import { mergePlanes, splitPlanes } from '../../../../lib/pure/tensor/planes.js';
import {
  boundsOf,
  checkPlanes,
  fillPlanes,
  leadingOf,
} from '../../../../lib/pure/tensor/prefix.js';
import { typedValues } from '../../../../lib/pure/tensor/typed-values.js';
import { seededRandom } from '../../../helpers/rng.js';

const FLOATS: DType[] = ['F64', 'F32', 'F16', 'BF16'];
/** Bits of the exponent and of the mantissa. */
const BITS = { F64: [11, 52], F32: [8, 23], F16: [5, 10], BF16: [8, 7] } as Record<
  string,
  number[]
>;

/** Random bits: every kind of value is among them. */
function randomBytes(count: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

/** Elements as a reader of leading planes gives them. */
function shortened(dtype: DType, bytes: Uint8Array, known: number): Uint8Array {
  const { width } = DTYPES[dtype];
  const planes = splitPlanes(bytes, width);
  for (const plane of planes.slice(known)) plane.fill(0xa5);
  fillPlanes(planes, known, dtype);
  const target = new Uint8Array(bytes.length);
  mergePlanes(planes, width, target);
  return target;
}

for (const dtype of FLOATS) {
  const { width } = DTYPES[dtype];
  for (let known = 1; known <= width; known++) {
    test(`${known} of ${width} planes of ${dtype}: bounds hold the value and what stands for it`, (t) => {
      const bytes = randomBytes(4096 * width, known);
      const near = shortened(dtype, bytes, known);
      const exact = typedValues(dtype, bytes.slice()) as Float64Array;
      const middle = typedValues(dtype, near.slice()) as Float64Array;
      const bounds = boundsOf(dtype, near, known);
      const [exponentBits = 0, mantissaBits = 0] = BITS[dtype] as number[];
      const known2 = 8 * known - 1 - exponentBits;
      for (let i = 0; i < exact.length; i++) {
        const [value, mid] = [exact[i] as number, middle[i] as number];
        const [low, high] = [bounds.least[i] as number, bounds.greatest[i] as number];
        if (Number.isNaN(value)) {
          t.true(Number.isNaN(low) || Math.max(Math.abs(low), Math.abs(high)) === Infinity);
          continue;
        }
        t.true(low <= value && value <= high, `${value} in [${low}, ${high}]`);
        t.true(low <= mid && mid <= high, `${mid} in [${low}, ${high}]`);
        if (known === width) t.is(mid, value);
        const isNormal =
          Math.abs(value) > 2 ** (3 - 2 ** (exponentBits - 1)) && Number.isFinite(value);
        if (known2 < 0 || known2 >= mantissaBits || !isNormal) continue;
        t.true(
          Math.abs(mid - value) <= 2 ** -(known2 + 1) * Math.abs(value),
          `${mid} for ${value}`,
        );
      }
    });
  }
}

test('zeros stay zeros, infinities infinite', (t) => {
  const values = new Float32Array([0, -0, Infinity, -Infinity]);
  const near = shortened('F32', new Uint8Array(values.buffer), 2);
  t.deepEqual([...new Float32Array(near.buffer)], [0, -0, Infinity, -Infinity]);
});

test('integers are never shortened, and a number of planes is 1 to 8', (t) => {
  t.is(leadingOf('I64', 2), 8);
  t.is(leadingOf('U8', 1), 1);
  t.is(leadingOf('BF16', 1), 1);
  for (const planes of [0, 9, 1.5, Number.NaN]) {
    t.throws(() => checkPlanes(planes), { message: /not a number of planes/ });
  }
});
