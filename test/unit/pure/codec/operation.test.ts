/**
 * Operations on bases: casts against the nearest of all values of the narrow type, permutations and
 * shifts against one element at a time; bytes that describe them come back, hostile ones are refused.
 */
import test from 'ava';
import fc from 'fast-check';
import { isDamage } from '../../../../lib/base/errors.js';
import { CASTS, type Cast, castElement, castPlanes } from '../../../../lib/pure/codec/cast.js';
import {
  decodeOperation,
  encodeOperation,
  fitsOperation,
  isLater,
  keepsPlanes,
  type Operation,
  operate,
  placeIn,
  resultWidth,
} from '../../../../lib/pure/codec/operation.js';
import { permutation } from '../../../../lib/pure/codec/permute.js';
import {
  dequantisePlanes,
  type Quantisation,
  quantisePlanes,
} from '../../../../lib/pure/codec/quantise.js';
import { mergePlanes, splitPlanes } from '../../../../lib/pure/tensor/planes.js';
import { randomBytes } from '../../../helpers/rng.js';

const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);

/** The value of the bits of a float32. */
function single(bits: number): number {
  words[0] = bits;
  return floats[0] as number;
}

/** Bits of an element of at most four bytes after a cast to as many. */
function castBits(cast: Cast, bits: number): number {
  const { from } = CASTS[cast];
  const element = new Uint8Array(from).map((_, k) => bits >>> (8 * (from - 1 - k)));
  return castElement(cast, element).reduce((all, byte) => all * 256 + byte, 0);
}

/** The value of a float16, from its definition. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

const brain = (bits: number): number => single(bits << 16);

const NARROW: { cast: Cast; value: (bits: number) => number; infinity: number }[] = [
  { cast: 'F32→F16', value: half, infinity: 0x7c00 },
  { cast: 'F32→BF16', value: brain, infinity: 0x7f80 },
];

const bits32 = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  // Exponents around those of float16, with few bits set below: ties.
  fc
    .tuple(fc.integer({ min: 96, max: 146 }), fc.integer({ min: 0, max: 2047 }), fc.boolean())
    .chain(([exponent, lead, sign]) =>
      fc
        .constantFrom(0, 1, 0xfff, 0x1000, 0x1001)
        .map((rest) => ((sign ? 2 ** 31 : 0) + exponent * 2 ** 23 + lead * 4096 + rest) % 2 ** 32),
    ),
);

for (const { cast, value, infinity } of NARROW) {
  test(`cast: ${cast} gives the nearest value, of two as near the even one`, (t) => {
    fc.assert(
      fc.property(bits32, (bits) => {
        const x = single(bits);
        const made = castBits(cast, bits | 0);
        if (Number.isNaN(x)) return Number.isNaN(value(made));
        const sign = made & 0x8000;
        if (sign !== ((bits >>> 16) & 0x8000)) return false;
        // Infinity stands at the place of the next power of two.
        const size = (at: number): number => {
          const finite = Math.abs(value(at));
          if (Number.isFinite(finite)) return finite;
          return 2 * Math.abs(value(infinity - 1)) - Math.abs(value(infinity - 2));
        };
        const at = made & 0x7fff;
        const away = (other: number) => Math.abs(Math.min(Math.abs(x), 2 ** 140) - size(other));
        if (!Number.isFinite(x)) return at === infinity;
        const near = at === infinity && Math.abs(x) > size(infinity) ? 0 : away(at);
        for (const other of [at - 1, at + 1]) {
          if (other < 0 || other > infinity) continue;
          if (away(other) < near || (away(other) === near && at % 2 === 1)) return false;
        }
        return true;
      }),
      { numRuns: 20_000 },
    );
    t.pass();
  });
}

test('cast: what was widened is narrowed to itself, all values', (t) => {
  for (const [narrow, wide, value] of [
    ['F32→F16', 'F16→F32', half],
    ['F32→BF16', 'BF16→F32', brain],
  ] as const) {
    for (let bits = 0; bits < 65536; bits++) {
      const back = castBits(wide, bits);
      if (Number.isNaN(value(bits))) continue;
      if (!Object.is(single(back), value(bits)) || castBits(narrow, back | 0) !== bits) {
        t.fail(`${wide} of 0x${bits.toString(16)}`);
      }
    }
  }
  t.pass();
});

test('cast: planes are cast as their elements are', (t) => {
  for (const [cast, { from, to }] of Object.entries(CASTS) as [Cast, (typeof CASTS)[Cast]][]) {
    const bytes = Buffer.from(randomBytes(from * 999, 3));
    const target = Array.from({ length: to }, () => new Uint8Array(999));
    castPlanes(cast, splitPlanes(bytes, from), target);
    const made = Buffer.alloc(to * 999);
    mergePlanes(target, to, made);
    for (let i = 0; i < 999; i++) {
      const element = Uint8Array.from(bytes.subarray(from * i, from * (i + 1))).reverse();
      const found = Uint8Array.from(made.subarray(to * i, to * (i + 1))).reverse();
      t.deepEqual(found, castElement(cast, element), cast);
    }
  }
});

test('cast: float64 is what float32 arithmetic makes of it; NaNs keep their leading bits', (t) => {
  const wide = (x: number): Uint8Array => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(x);
    return new Uint8Array(bytes);
  };
  const bits = (element: Uint8Array): string => Buffer.from(element).toString('hex');
  fc.assert(
    fc.property(bits32, fc.double({ noNaN: true }), (word, double) => {
      const narrow = Buffer.alloc(4);
      narrow.writeUInt32BE(word);
      const value = narrow.readFloatBE();
      if (!Number.isNaN(value)) {
        if (bits(castElement('F32→F64', narrow)) !== bits(wide(value))) return false;
        if (bits(castElement('F64→F32', wide(value))) !== bits(narrow)) return false;
      }
      const made = Buffer.from(castElement('F64→F32', wide(double)));
      return Object.is(made.readFloatBE(), Math.fround(double));
    }),
    { numRuns: 5000 },
  );
  const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
  t.is(bits(castElement('F32→F64', hex('ff812345'))), 'fff02468a0000000');
  t.is(bits(castElement('F64→F32', hex('fff02468a0000000'))), 'ffc12345');
  t.is(bits(castElement('F64→F32', hex('7ff0000000000001'))), '7fc00000');
});

test('quantise: the nearest integer, of two the even one, cut to the range, from any place on', (t) => {
  const values = [0, -0, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, 900, -900, Number.NaN];
  values.push(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30, 0.49999997);
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 4 * i);
  const planes = splitPlanes(bytes, 4);
  const made = new Uint8Array(values.length);
  const one = { inner: 100, scales: Float32Array.of(1), zeros: Int16Array.of(0) };
  quantisePlanes({ type: 'I8', ...one }, planes, 0, made);
  const expected = [0, 0, 0, 2, 2, 0, -2, 126, 127, 127, -128, 0, 127, -128, 127, 0];
  t.deepEqual([...new Int8Array(made.buffer)], expected);
  quantisePlanes({ type: 'U8', ...one, zeros: Int16Array.of(3) }, planes, 0, made);
  const above = [3, 3, 3, 5, 5, 3, 1, 129, 131, 255, 0, 3, 255, 0, 255, 3];
  t.deepEqual([...made], above);
  const many = {
    type: 'I8',
    inner: 2,
    scales: Float32Array.of(1, 2, 4),
    zeros: Int16Array.of(0, 1, -1),
  };
  const steps = splitPlanes(new Uint8Array(new Float32Array(9).fill(8).buffer), 4);
  const nine = new Uint8Array(9);
  quantisePlanes(many as Quantisation, steps, 5, nine);
  t.deepEqual([...nine], [1, 8, 8, 5, 5, 1, 1, 8, 8]);
});

test('quantise: the bytes of an operation are those of the documented example', (t) => {
  const one = { inner: 1, scales: Float32Array.of(1 / 64), zeros: Int16Array.of(0) };
  const bytes = encodeOperation({ quantise: { type: 'I8', ...one } });
  t.is(Buffer.from(bytes).toString('hex'), '050101010000803c00');
  const planes = splitPlanes(new Uint8Array(Float32Array.of(0.5, 3).buffer), 4);
  const target = [new Uint8Array(2)];
  const operation = decodeOperation(bytes, 'x');
  operate(operation, { planes, count: 2, first: 0 }, target);
  t.deepEqual([...(target[0] as Uint8Array)], [32, 127]);
});

test('quantise: integers become values and these the same integers', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.constantFrom('I8' as const, 'U8' as const),
      fc.double({ min: 1e-6, max: 10, noNaN: true }),
      fc.integer({ min: 0, max: 120 }),
      (integers, type, scale, zero) => {
        const made: Quantisation = {
          type,
          inner: 7,
          scales: Float32Array.of(scale, scale / 3),
          zeros: Int16Array.of(zero, 120 - zero),
        };
        const planes = Array.from({ length: 4 }, () => new Uint8Array(integers.length));
        dequantisePlanes(made, integers, 3, planes);
        const back = new Uint8Array(integers.length);
        quantisePlanes(made, planes, 3, back);
        return back.every((byte, i) => byte === integers[i]);
      },
    ),
  );
  t.pass();
});

/** Every element of a permuted array, one at a time. */
function permuted(values: readonly number[], shape: readonly number[], axes: readonly number[]) {
  const result: number[] = [];
  const walk = (index: number[]): void => {
    if (index.length < axes.length) {
      for (let i = 0; i < (shape[axes[index.length] as number] as number); i++) walk([...index, i]);
      return;
    }
    const own: number[] = [];
    for (const [i, axis] of axes.entries()) own[axis] = index[i] as number;
    let at = 0;
    for (const [axis, length] of shape.entries()) at = at * length + (own[axis] as number);
    result.push(values[at] as number);
  };
  walk([]);
  return result;
}

const ordered = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
  .chain((shape) =>
    fc
      .shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length })
      .map((axes) => ({ shape, axes })),
  );

test('operation: permutations move each element to its place', (t) => {
  fc.assert(
    fc.property(ordered, ({ shape, axes }) => {
      const count = shape.reduce((all, length) => all * length, 1);
      const values = Array.from({ length: count }, (_, i) => i);
      const expected = permuted(values, shape, axes);
      const permute = permutation(shape, axes);
      if (permute === null) return expected.every((value, i) => value === i);
      const base = { planes: [Uint8Array.from(values)], count, first: 0 };
      const target = new Uint8Array(count);
      operate({ permute }, base, [target]);
      const places = values.map((value) => placeIn({ permute }, value, count));
      return (
        expected.every((value, i) => value === target[i]) &&
        places.every((place, value) => expected[place] === value)
      );
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('operation: a large matrix is transposed like a small one', (t) => {
  const [rows, columns] = [300, 517];
  const bytes = randomBytes(rows * columns, 9);
  const permute = permutation([rows, columns], [1, 0]);
  const target = new Uint8Array(bytes.length);
  operate({ permute: permute ?? undefined }, { planes: [bytes], count: bytes.length, first: 0 }, [
    target,
  ]);
  const differ = target.findIndex(
    (byte, i) => byte !== bytes[(i % rows) * columns + Math.floor(i / rows)],
  );
  t.is(differ, -1);
});

test('operation: a shift cuts, pads with zeros and moves', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.integer({ min: -50, max: 50 }),
      fc.integer({ min: 1, max: 60 }),
      (bytes, shift, length) => {
        const target = new Uint8Array(length).fill(0xa5);
        operate({ shift }, { planes: [bytes], count: bytes.length, first: 0 }, [target]);
        return target.every((byte, i) => byte === (bytes[i + shift] ?? 0));
      },
    ),
  );
  t.pass();
});

test('operation: steps follow one another, and leading planes follow from leading ones', (t) => {
  const bytes = Buffer.alloc(4 * 12);
  for (let i = 0; i < 12; i++) bytes.writeFloatLE(i / 7, 4 * i);
  const planes = splitPlanes(bytes, 4);
  const permute = permutation([3, 4], [1, 0]) ?? undefined;
  const base = { planes, count: 12, first: 0 };
  const target = [new Uint8Array(13), new Uint8Array(13)];
  operate({ permute, scale: Float32Array.of(2), cast: 'F32→F16', shift: -1 }, base, target);
  for (let i = 0; i < 12; i++) {
    const source = (i % 3) * 4 + Math.floor(i / 3);
    const found = half(((target[0]?.[i + 1] ?? 0) << 8) | (target[1]?.[i + 1] ?? 0));
    t.true(Math.abs(found - (2 * source) / 7) < 0.002);
  }
  t.deepEqual([target[0]?.[0], target[1]?.[0]], [0, 0]);
  const leading = [new Uint8Array(12), new Uint8Array(12)];
  const all = Array.from({ length: 4 }, () => new Uint8Array(12));
  operate({ permute }, base, all);
  operate({ permute }, { ...base, planes: planes.slice(0, 2) }, leading);
  t.deepEqual(leading, all.slice(0, 2));
});

test('operation: what does not fit a base is not done to it', (t) => {
  const planes = splitPlanes(new Uint8Array(48), 4);
  const base = { planes, count: 12, first: 0 };
  const fits = (operation: Operation, width: number, elements: number): boolean =>
    fitsOperation(operation, base, { width, elements });
  t.true(fits({ cast: 'F32→F16' }, 2, 12));
  t.false(fits({ cast: 'F32→F16' }, 4, 12));
  t.false(fits({ cast: 'F16→F32' }, 4, 12));
  t.false(fits({ cast: 'F32→F16' }, 2, 11));
  t.true(fits({ cast: 'F32→F16', shift: 0 }, 2, 11));
  t.false(fits({ permute: { shape: [3, 5], axes: [1, 0] } }, 4, 15));
  t.false(
    fitsOperation(
      { permute: { shape: [3, 4], axes: [1, 0] } },
      { ...base, count: 24 },
      { width: 4, elements: 12 },
    ),
  );
  t.false(fits({ scale: new Float32Array(5) }, 4, 12));
  t.true(fits({ scale: new Float32Array(6) }, 4, 12));
});

const quantisation: fc.Arbitrary<Quantisation> = fc
  .tuple(
    fc.constantFrom('I8' as const, 'U8' as const),
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.array(fc.tuple(fc.float({ noNaN: true }), fc.integer({ min: 0, max: 127 })), {
      minLength: 1,
      maxLength: 9,
    }),
  )
  .map(([type, inner, channels]) => ({
    type,
    inner,
    scales: Float32Array.from(channels, ([scale]) => scale),
    zeros: Int16Array.from(channels, ([, zero]) => (type === 'I8' ? -zero - 1 : 2 * zero)),
  }));

const quantised = ({ quantise, dequantise }: Operation): boolean =>
  (quantise ?? dequantise) !== undefined;

const operation: fc.Arbitrary<Operation> = fc
  .record({
    permute: fc.option(
      fc.constantFrom({ shape: [3, 4], axes: [1, 0] }, { shape: [2, 9, 5], axes: [2, 0, 1] }),
      { nil: undefined },
    ),
    scale: fc.option(
      fc
        .array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 9 })
        .map((list) => Float32Array.from(list)),
      { nil: undefined },
    ),
    cast: fc.option(fc.constantFrom(...(Object.keys(CASTS) as Cast[])), { nil: undefined }),
    shift: fc.option(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), { nil: undefined }),
    kind: fc.constantFrom('quantise' as const, 'dequantise' as const, undefined, undefined),
    quantisation,
  })
  .map(({ kind, quantisation: made, ...steps }): Operation => {
    return kind === undefined ? steps : { permute: steps.permute, [kind]: made };
  })
  .filter((steps) => Object.values(steps).some((step) => step !== undefined));

test('operation: bytes come back as the same operation', (t) => {
  fc.assert(
    fc.property(operation, (made) => {
      const back = decodeOperation(encodeOperation(made), 'x');
      const known = Object.fromEntries(
        Object.entries(made).filter(([, step]) => step !== undefined),
      );
      t.deepEqual(back, known as Operation);
      t.is(
        keepsPlanes(back),
        made.scale === undefined && made.cast === undefined && !quantised(made),
      );
      t.true([0, 1, 2, 4, 8].includes(resultWidth(back, 4)));
      t.is(isLater(back), quantised(made) || made.cast?.includes('F64') === true);
    }),
  );
});

test('operation: hostile bytes are damage or of a newer dlv, and take no memory', (t) => {
  const refused = (...bytes: number[]) => {
    return t.throws(() => decodeOperation(Uint8Array.from(bytes), 'x'));
  };
  refused();
  refused(1, 1, 5, 0);
  refused(1, 2, 3, 0, 4, 0);
  refused(1, 2, 0xff, 0xff, 0xff, 0x7f, 0, 0xff, 0xff, 0xff, 0x7f, 1);
  refused(2, 0xff, 0xff, 3);
  refused(4, 2, 3, 1);
  const one = [1, 1, 1, 0, 0, 128, 63, 0];
  refused(5, 1, 0, 1);
  refused(5, 1, 1, 0, 0, 0, 128, 63, 0);
  refused(5, 1, 0xff, 0xff, 3, 1, 0, 0, 128, 63, 0);
  refused(3, 1, 5, ...one);
  refused(4, 0, 6, ...one);
  refused(5, ...one, 6, ...one);
  t.notThrows(() => decodeOperation(Uint8Array.of(5, ...one), 'x'));
  t.like(refused(5, 9, ...one.slice(1)), { code: 'DLV_FORMAT_VERSION' });
  t.like(refused(3, 99), { code: 'DLV_FORMAT_VERSION' });
  t.like(refused(9), { code: 'DLV_FORMAT_VERSION' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      try {
        decodeOperation(bytes, 'x');
        return true;
      } catch (error) {
        return isDamage(error) || (error as { code: string }).code === 'DLV_FORMAT_VERSION';
      }
    }),
    { numRuns: 5000 },
  );
});
