/**
 * Numbers of tensors from planes: every build of the kernel gives the same bits, all planes give what a
 * plain loop gives, and leading planes give intervals that hold the truth.
 */
import test from 'ava';
import fc from 'fast-check';
import { ERROR_ARGUMENT } from '../../../../lib/base/native/failure.js';
import { load } from '../../../../lib/base/native/kernel.js';
import type { KernelServices } from '../../../../lib/base/native/kernel-types.js';
import {
  binRange,
  driftKind,
  PairDrift,
  TensorWeights,
  valueError,
} from '../../../../lib/pure/codec/drift.js';
import { DTYPES, type DType, widen } from '../../../../lib/pure/tensor/dtype.js';
import { splitInto } from '../../../../lib/pure/tensor/planes.js';
import { HAS_ADDON } from '../../../helpers/kernels.js';
import { randomBytes, seededRandom } from '../../../helpers/rng.js';

const BUILDS = HAS_ADDON ? ['native', 'portable', 'wasm'] : ['wasm'];

/** Of a build; that of 'portable' is without SIMD until another is asked for. */
function servicesOf(kind: string): KernelServices {
  return load(kind).services;
}

const TYPES: DType[] = ['F32', 'F16', 'BF16', 'F64', 'I8', 'U8', 'I16', 'U16', 'I32', 'U32'];

function planesOf(dtype: DType, bytes: Uint8Array): Uint8Array[] {
  const { width } = DTYPES[dtype];
  const planes = Array.from({ length: width }, () => new Uint8Array(bytes.length / width));
  splitInto(bytes, planes);
  return planes;
}

/** What `drift` of a build makes of two tensors, as numbers. */
function numbersOf(services: KernelServices, dtype: DType, a: Uint8Array[], b: Uint8Array[]) {
  const state = new Float64Array(14);
  const kind = driftKind(dtype) as number;
  services.drift(a, kind, b, kind, new Uint8Array(state.buffer));
  return state;
}

/** Some values of every size, zeros, and now and then what is not finite. */
function someFloats(count: number, seed: number, isOdd: boolean): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, (_, i) => {
    if (i % 97 === 5) return 0;
    if (isOdd && i % 89 === 7) return [Number.NaN, Number.POSITIVE_INFINITY][i % 2] as number;
    return (random() - 0.5) * 2 ** Math.floor(40 * random() - 30);
  });
}

for (const dtype of TYPES) {
  test(`drift: ${dtype} is what a plain loop gives, in every build to the last bit`, (t) => {
    const { width } = DTYPES[dtype];
    const [x, y] = [randomBytes(2500 * width, 3), randomBytes(2500 * width, 4)];
    y.set(x.subarray(0, 300 * width));
    const [a, b] = [widen(dtype, x) as Float64Array, widen(dtype, y) as Float64Array];
    const want = { change: 0, before: 0, after: 0, dot: 0, maxAbs: 0, flips: 0, odd: 0 };
    for (const [i, u] of a.entries()) {
      const v = b[i] as number;
      if (!Number.isFinite(u) || !Number.isFinite(v)) {
        want.odd++;
        continue;
      }
      want.change += (v - u) ** 2;
      want.before += u * u;
      want.after += v * v;
      want.dot += u * v;
      want.maxAbs = Math.max(want.maxAbs, Math.abs(v - u));
      if ((u < 0 && v > 0) || (u > 0 && v < 0)) want.flips++;
    }
    let differ = 0;
    for (let at = 0; at < x.length; at += width) {
      if (Buffer.compare(x.subarray(at, at + width), y.subarray(at, at + width)) !== 0) differ++;
    }
    const pair = new PairDrift([driftKind(dtype) as number, driftKind(dtype) as number]);
    // Cut anywhere at a multiple of 1,024.
    const cut = (bytes: Uint8Array) => [
      planesOf(dtype, bytes.subarray(0, 2048 * width)),
      planesOf(dtype, bytes.subarray(2048 * width)),
    ];
    const [x1, x2] = cut(x) as [Uint8Array[], Uint8Array[]];
    const [y1, y2] = cut(y) as [Uint8Array[], Uint8Array[]];
    pair.add(x1, y1);
    pair.add(x2, y2);
    const found = pair.finish();
    const near = (value: number, wanted: number, what: string): void => {
      if (!Number.isFinite(wanted)) t.false(Number.isFinite(value), what);
      else t.true(Math.abs(value - wanted) <= 1e-9 * Math.abs(wanted) + 1e-300, what);
    };
    for (const key of ['change', 'before', 'after', 'dot', 'maxAbs'] as const) {
      near(found[key], want[key], key);
    }
    t.like(found, { signFlips: want.flips, odd: want.odd, differ });
    const [first, ...others] = BUILDS.map((kind) =>
      numbersOf(servicesOf(kind), dtype, planesOf(dtype, x), planesOf(dtype, y)),
    );
    for (const other of others) t.deepEqual(other, first);
    t.is((first as Float64Array)[12], want.flips);
  });
}

for (const [dtype, known] of [
  ['F32', 2],
  ['F32', 3],
  ['F64', 2],
  ['F64', 5],
] as const) {
  test(`drift: ${known} planes of ${dtype} bound what all of them say`, (t) => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 1e-6, max: 2, noNaN: true }), (seed, scale) => {
        const values = someFloats(1500, seed, false);
        const moved = values.map((value, i) => value * (1 + scale * Math.sin(i)));
        const make = (from: Float32Array): Uint8Array[] => {
          const own = dtype === 'F64' ? Float64Array.from(from) : from;
          return planesOf(dtype, new Uint8Array(own.buffer.slice(0)));
        };
        const kind = driftKind(dtype) as number;
        const [a, b] = [make(values), make(moved)];
        const whole = new PairDrift([kind, kind]);
        whole.add(a, b);
        const part = new PairDrift([kind, kind]);
        part.add(a.slice(0, known), b.slice(0, known));
        const [all, some] = [whole.finish(), part.finish()];
        const error = valueError(dtype, known);
        const norm = Math.sqrt;
        const sizes = norm(some.before) + norm(some.after);
        t.true(Math.abs(norm(all.change) - norm(some.change)) <= error * sizes * (1 + 1e-12));
        t.true(Math.abs(norm(all.before) - norm(some.before)) <= error * norm(some.before));
        t.true(all.maxAbs <= some.maxAbsMost * (1 + 1e-12));
        t.true(all.maxAbs >= some.maxAbsLeast * (1 - 1e-12));
        t.true(some.differ <= all.differ);
        t.is(some.signFlips, all.signFlips);
      }),
      { numRuns: 40 },
    );
  });
}

test('weigh: sums, extremes and what is not finite; two planes give the histogram of four', (t) => {
  const values = someFloats(3000, 11, true);
  const planes = planesOf('F32', new Uint8Array(values.buffer));
  const weights = new TensorWeights(driftKind('F32') as number);
  weights.add(planes.map((plane) => plane.subarray(0, 1024)));
  weights.add(planes.map((plane) => plane.subarray(1024)));
  const found = weights.finish();
  const finite = [...values].filter(Number.isFinite);
  const near = (value: number, wanted: number) => Math.abs(value - wanted) < 1e-9 * wanted;
  t.true(
    near(
      found.square,
      finite.reduce((sum, x) => sum + x * x, 0),
    ),
  );
  t.true(
    near(
      found.absolute,
      finite.reduce((sum, x) => sum + Math.abs(x), 0),
    ),
  );
  t.true(
    near(
      found.fourth,
      finite.reduce((sum, x) => sum + x ** 4, 0),
    ),
  );
  t.like(found, {
    least: Math.min(...finite),
    most: Math.max(...finite),
    zeros: values.filter((x) => x === 0).length,
    nans: values.filter((x) => Number.isNaN(x)).length,
    infinities: values.filter((x) => Math.abs(x) === Number.POSITIVE_INFINITY).length,
  });
  const leading = new TensorWeights(driftKind('F32') as number);
  leading.add(planes.slice(0, 2));
  const isFilled = (bin: number): boolean => Number.isFinite(binRange(bin).to);
  const bins = (counts: Uint32Array) => [...counts].filter((_, bin) => isFilled(bin));
  t.deepEqual(bins(leading.finish().bins), bins(found.bins));
  for (const [bin, count] of found.bins.entries()) {
    if (count === 0 || !isFilled(bin)) continue;
    const { sign, from, to } = binRange(bin);
    const inside = finite.filter((x) => {
      const isOwn = sign < 0 ? x < 0 || Object.is(x, -0) : x > 0 || Object.is(x, 0);
      return isOwn && Math.abs(x) >= from && Math.abs(x) < to;
    });
    t.is(inside.length, count, `${bin}`);
  }
});

test('weigh: NaN of every payload stands in bins without a finite end', (t) => {
  const words = Uint32Array.from(
    [0x7fc00000, 0x7fa00000, 0x7fe00000, 0x7fffffff, 0x7f800001].flatMap((word) => [
      word,
      word + 2 ** 31,
    ]),
  );
  const weights = new TensorWeights(driftKind('F32') as number);
  weights.add(planesOf('F32', new Uint8Array(words.buffer)));
  const { bins, nans } = weights.finish();
  t.is(nans, words.length);
  const filled = [...bins.keys()].filter((bin) => bins[bin] !== 0);
  t.true(filled.length > 1 && filled.every((bin) => !Number.isFinite(binRange(bin).to)));
});

test('drift, weigh: arguments that do not fit are refused in every build, in the same words', (t) => {
  const plane = new Uint8Array(8);
  const state = new Uint8Array(112);
  const bins = new Uint8Array(65536);
  const refused: [(services: KernelServices) => void, RegExp][] = [
    [(s) => s.drift([plane], 0, [new Uint8Array(7)], 0, state), /'b\[0\]' has 7 bytes, not 8/],
    [(s) => s.drift([plane], 4, [plane, plane], 4, state), /'b' has 2 planes/],
    [(s) => s.drift([plane], 10, [plane], 0, state), /'aKind' is not a whole number from 0 to 9/],
    [(s) => s.drift([plane], 0, [plane], 0, new Uint8Array(8)), /'state' has 8 bytes, not 112/],
    [(s) => s.drift([], 0, [plane], 0, state), /'a' is not an array of 1 to 8/],
    [(s) => s.weigh([plane], 0, new Uint8Array(104), state), /'bins' has 112 bytes, not 65536/],
    [(s) => s.weigh([plane, plane], 5, new Uint8Array(104), bins), /'planes' has 2 planes/],
  ];
  for (const kind of BUILDS) {
    for (const [call, message] of refused) {
      const error = t.throws(() => call(servicesOf(kind)), { message });
      t.is((error as { kernel?: number }).kernel, ERROR_ARGUMENT);
    }
    servicesOf(kind).drift([new Uint8Array(0)], 0, [new Uint8Array(0)], 0, state);
  }
  t.deepEqual(state, new Uint8Array(112));
});
