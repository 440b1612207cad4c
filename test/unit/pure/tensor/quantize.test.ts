/**
 * Goal: tiers keep exactly the values that their definitions say, on every machine.
 * Method: words rounded by NumPy and ml_dtypes (test/fixtures/tier), every bit pattern of 16 bits, and
 * laws: nearest, idempotent, finite stays finite, errors as computed plainly.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { widen } from '../../../../lib/pure/tensor/dtype.js';
import {
  narrow,
  quantizeBytes,
  roundTo,
  TierFit,
  widenFloat,
} from '../../../../lib/pure/tensor/quantize.js';
import {
  appliesTo,
  type FloatDType,
  formatTier,
  parseTier,
  type Tier,
  tierOfText,
} from '../../../../lib/pure/tensor/tier.js';
import { ErrorSum } from '../../../../lib/pure/tensor/tier-errors.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const DTYPES: FloatDType[] = ['F64', 'F32', 'F16', 'BF16'];

/** Values of one extent through a tier, as float64. */
function through(tier: Tier, dtype: FloatDType, values: ArrayLike<number>, key = 1): Float64Array {
  const bytes = narrow(dtype, Float64Array.from(values));
  const exact = widenFloat(dtype, bytes);
  const fit = new TierFit(tier, dtype, exact.length, key);
  fit.add(exact);
  return widenFloat(dtype, quantizeBytes(fit.finish(), dtype, bytes, new ErrorSum()));
}

interface Oracle {
  singles: Float32Array;
  bf16: Uint16Array;
  fp16: Uint16Array;
  doubles: Float64Array;
  fp16OfDoubles: Uint16Array;
  singlesOfDoubles: Float32Array;
  tensor: Float32Array;
  fixed: Map<number, Float32Array>;
}

async function readOracle(): Promise<Oracle> {
  const file = path.join(PROJECT_ROOT, 'test', 'fixtures', 'tier', 'rounding.bin');
  const all = await fs.readFile(file);
  let at = 0;
  const take = (length: number): ArrayBuffer => {
    const own = new Uint8Array(all.subarray(at, at + length));
    at += length;
    return own.buffer;
  };
  const count = (): number => new Uint32Array(take(4))[0] as number;
  const n = count();
  const singles = new Float32Array(take(4 * n));
  const bf16 = new Uint16Array(take(2 * n));
  const fp16 = new Uint16Array(take(2 * n));
  const m = count();
  const doubles = new Float64Array(take(8 * m));
  const fp16OfDoubles = new Uint16Array(take(2 * m));
  const singlesOfDoubles = new Float32Array(take(4 * m));
  const length = count();
  const tensor = new Float32Array(take(4 * length));
  const fixed = new Map<number, Float32Array>();
  while (at < all.length) {
    const bits = count();
    fixed.set(bits, new Float32Array(take(4 * length)));
  }
  return { singles, bf16, fp16, doubles, fp16OfDoubles, singlesOfDoubles, tensor, fixed };
}

/** What the oracle's word becomes here: overflow to infinity is the largest finite number. */
function finite(bits: number, infinity: number): number {
  return (bits & 0x7fff) === infinity ? bits - 1 : bits;
}

function words16(dtype: 'F16' | 'BF16', values: ArrayLike<number>): Uint16Array {
  return new Uint16Array(narrow(dtype, Float64Array.from(values)).buffer);
}

test('quantize: float32 rounds to bfloat16 and half as ml_dtypes and NumPy round', async (t) => {
  const { singles, bf16, fp16 } = await readOracle();
  t.true(singles.length > 20_000);
  t.deepEqual(
    words16('BF16', singles),
    bf16.map((bits) => finite(bits, 0x7f80)),
  );
  t.deepEqual(
    words16('F16', singles),
    fp16.map((bits) => finite(bits, 0x7c00)),
  );
  const kept = Array.from(singles, (x) => roundTo('bf16', x));
  t.deepEqual(words16('BF16', kept), words16('BF16', singles));
});

test('quantize: float64 is rounded once, to half and to float32, as NumPy rounds', async (t) => {
  const { doubles, fp16OfDoubles, singlesOfDoubles } = await readOracle();
  t.deepEqual(
    words16('F16', doubles),
    fp16OfDoubles.map((bits) => finite(bits, 0x7c00)),
  );
  const max = (2 - 2 ** -23) * 2 ** 127;
  const expected = singlesOfDoubles.map((x) => Math.max(-max, Math.min(max, x)));
  t.deepEqual(new Float32Array(narrow('F32', doubles).buffer), expected);
});

test('quantize: every half and every bfloat16 is its own nearest', (t) => {
  const all = new Uint16Array(65536).map((_, bits) => bits);
  for (const dtype of ['F16', 'BF16'] as const) {
    const values = widen(dtype, new Uint8Array(all.slice().buffer)) as Float64Array;
    const nan = dtype === 'F16' ? 0x7e00 : 0x7fc0;
    const expected = all.map((bits) => (Number.isNaN(values[bits]) ? nan : bits));
    t.deepEqual(words16(dtype, values), expected, dtype);
  }
});

test('quantize: fixed point is that of NumPy, and 23 bits are the paper’s normalisation', async (t) => {
  const { tensor, fixed } = await readOracle();
  for (const [bits, expected] of fixed) {
    const kept = through({ scheme: 'fixed', bits }, 'F32', tensor);
    // NumPy rounds to −0, which fixed point has not.
    t.deepEqual(
      Float32Array.from(kept),
      expected.map((x) => x + 0),
      `fixed${bits}`,
    );
  }
  // All values share sign and exponent once 3 · 2^e is added; subtracting it gives what was kept.
  const top = Math.max(...tensor.map(Math.abs));
  const shift = 3 * 2 ** (Math.floor(Math.log2(top)) + 1);
  const normalised = tensor.map((x) => Math.fround(x + shift) - shift);
  t.deepEqual(Float32Array.from(through(parseTier('normalised'), 'F32', tensor)), normalised);
});

test('quantize: fixed point keeps powers of two at the top and is off by half a step at most', (t) => {
  const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
  fc.assert(
    fc.property(
      fc.constantFrom(...DTYPES),
      fc.integer({ min: 2, max: 24 }),
      values,
      (dtype, bits, xs) => {
        const tier: Tier = { scheme: 'fixed', bits };
        const exact = widenFloat(dtype, narrow(dtype, Float64Array.from(xs)));
        const kept = through(tier, dtype, exact);
        const top = exact.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
        const e = Math.max(Math.floor(Math.log2(top)) + 2, -1021);
        kept.forEach((x, i) => {
          t.true(Number.isFinite(x));
          t.true(Math.abs(x - (exact[i] as number)) <= 2 ** (e - bits + 1), `${exact[i]} → ${x}`);
        });
      },
    ),
  );
  t.deepEqual(
    [...through({ scheme: 'fixed', bits: 4 }, 'F32', [1, -1, 0.25, -0])],
    [1, -1, 0.25, 0],
  );
});

test('quantize: a codebook gives at most 2^k values, each the nearest of them', (t) => {
  const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), {
    minLength: 1,
    maxLength: 400,
  });
  const tiers = fc.record({
    scheme: fc.constant('quant' as const),
    bits: fc.integer({ min: 1, max: 7 }),
    codebook: fc.constantFrom('uniform' as const, 'random' as const),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(fc.constantFrom(...DTYPES), tiers, values, (dtype, tier, xs) => {
      const exact = widenFloat(dtype, narrow(dtype, Float64Array.from(xs)));
      const kept = through(tier, dtype, exact);
      const codes = [...new Set(kept)];
      t.true(codes.length <= 2 ** tier.bits);
      kept.forEach((x, i) => {
        const own = exact[i] as number;
        const best = Math.min(...codes.map((code) => Math.abs(code - own)));
        // The middle between neighbouring subnormals is none of the numbers there are.
        t.true(Math.abs(x - own) <= best * (1 + 1e-12) + Number.MIN_VALUE);
      });
      if (tier.codebook === 'random') t.true(codes.every((code) => exact.includes(code)));
      else if (tier.bits > 1) {
        const [low, high] = [Math.min(...exact), Math.max(...exact)];
        t.true(codes.every((code) => code >= low - Math.abs(low) && code <= high + Math.abs(high)));
      }
    }),
  );
});

test('quantize: a random codebook is the same for a seed and another for another', (t) => {
  const values = new Float64Array(5000).map((_, i) => Math.sin(i) * 3);
  const tier = (seed: number): Tier => ({ scheme: 'quant', bits: 4, codebook: 'random', seed });
  t.deepEqual(through(tier(7), 'F32', values), through(tier(7), 'F32', values));
  t.notDeepEqual(through(tier(7), 'F32', values), through(tier(8), 'F32', values));
  t.notDeepEqual(through(tier(7), 'F32', values, 1), through(tier(7), 'F32', values, 2));
  t.is(new Set(through(tier(7), 'F32', values)).size, 16);
});

test('quantize: cut into runs anywhere, an extent gives the same values', (t) => {
  const values = new Float64Array(3000).map((_, i) => Math.cos(i * 1.7) * 2 ** (i % 9));
  for (const text of ['fixed9', 'quant5:uniform', 'quant5:random:3', 'bf16']) {
    const tier = tierOfText(text) as Tier;
    const whole = through(tier, 'F32', values);
    const bytes = narrow('F32', values);
    const fit = new TierFit(tier, 'F32', values.length, 1);
    for (const [from, to] of [
      [0, 1],
      [1, 1700],
      [1700, 3000],
    ] as const) {
      fit.add(widenFloat('F32', bytes.subarray(4 * from, 4 * to)));
    }
    const quantizer = fit.finish();
    const runs = [bytes.subarray(0, 4 * 900), bytes.subarray(4 * 900)];
    const joined = runs.flatMap((run) => [
      ...widenFloat('F32', quantizeBytes(quantizer, 'F32', run, new ErrorSum())),
    ]);
    t.deepEqual(joined, [...whole], text);
  }
});

test('quantize: what is not finite stays, what is finite stays finite, twice changes nothing', (t) => {
  const word = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const texts = ['bf16', 'fp16', 'fixed7', 'fixed24', 'quant3:uniform', 'quant6:random:1'];
  fc.assert(
    fc.property(
      fc.constantFrom(...DTYPES),
      fc.constantFrom(...texts),
      word,
      (dtype, text, bytes) => {
        const tier = tierOfText(text) as Tier;
        const exact = widenFloat(dtype, bytes);
        const kept = through(tier, dtype, exact);
        kept.forEach((x, i) => {
          const own = exact[i] as number;
          if (Number.isFinite(own)) t.true(Number.isFinite(x), `${own} → ${x}`);
          else t.true(Object.is(x, own));
        });
        if (tier.scheme === 'bf16' || tier.scheme === 'fp16') {
          t.deepEqual(through(tier, dtype, kept), kept);
          kept.forEach((x, i) => {
            const own = exact[i] as number;
            if (!Number.isNaN(own)) t.is(x < 0 || Object.is(x, -0), own < 0 || Object.is(own, -0));
          });
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('quantize: errors are those of plain sums, and sums of runs merge', (t) => {
  const exact = Float64Array.from([3, -4, Number.NaN, 0, Number.POSITIVE_INFINITY]);
  const kept = Float64Array.from([2, -4, Number.NaN, 2, Number.POSITIVE_INFINITY]);
  const sum = new ErrorSum();
  sum.add(exact.subarray(0, 2), kept.subarray(0, 2));
  const rest = new ErrorSum();
  rest.add(exact.subarray(2), kept.subarray(2));
  sum.merge(rest);
  t.deepEqual(sum.finish(), {
    elements: 3,
    maxAbs: 2,
    rms: Math.sqrt(5 / 3),
    relative: Math.sqrt(5 / 25),
  });
  t.deepEqual(new ErrorSum().finish(), { elements: 0, maxAbs: 0, rms: 0, relative: null });
  const huge = new ErrorSum();
  huge.add(Float64Array.from([1.7e308]), Float64Array.from([-1.7e308]));
  t.deepEqual(huge.finish(), {
    elements: 1,
    maxAbs: Number.MAX_VALUE,
    rms: Number.MAX_VALUE,
    relative: null,
  });
});

test('tier: names have one canonical text; what is not a tier is refused with what there is', (t) => {
  const names: [string, string | undefined, number | undefined, string][] = [
    ['bf16', undefined, undefined, 'bf16'],
    ['fp16', undefined, undefined, 'fp16'],
    ['fixed2', undefined, undefined, 'fixed2'],
    ['fixed24', undefined, undefined, 'fixed24'],
    ['normalised', undefined, undefined, 'fixed23'],
    ['quant8', undefined, undefined, 'quant8:uniform'],
    ['quant4', 'random', undefined, 'quant4:random:0'],
    ['quant4', 'random', 4294967295, 'quant4:random:4294967295'],
  ];
  for (const [name, codebook, seed, text] of names) {
    const tier = parseTier(name, codebook, seed);
    t.is(formatTier(tier), text);
    t.deepEqual(tierOfText(text), tier);
  }
  const bad: [string, string?, number?][] = [
    ['fp8'],
    ['fixed1'],
    ['fixed25'],
    ['quant0'],
    ['quant9'],
    ['quant4:random:1'],
    ['bf16', 'uniform'],
    ['quant4', 'even'],
    ['quant4', 'uniform', 1],
    ['quant4', 'random', 4294967296],
    ['quant4', 'random', 0.5],
  ];
  for (const args of bad) t.throws(() => parseTier(...args), { code: 'DLV_USAGE' }, args.join());
});

test('tier: applies to floats of more bits than it keeps', (t) => {
  const bf16 = parseTier('bf16');
  t.deepEqual(
    (['F64', 'F32', 'F16', 'BF16', 'I32', 'C64', 'F8_E4M3', 'BOOL'] as const).map((dtype) =>
      appliesTo(bf16, dtype),
    ),
    [true, true, false, false, false, false, false, false],
  );
  t.true(appliesTo(parseTier('fixed12'), 'F16'));
  t.false(appliesTo(parseTier('fixed16'), 'F16'));
  t.true(appliesTo(parseTier('quant8'), 'BF16'));
});

test('quantize: as IEEE 754 has it, half a step beyond the largest number is infinite', (t) => {
  const bits = (dtype: 'F16' | 'BF16', ...values: number[]): number[] => [
    ...new Uint16Array(narrow(dtype, Float64Array.from(values), 'infinity').buffer),
  ];
  t.deepEqual(bits('F16', 65_519.999, 65_520, -65_520, 1e300), [0x7bff, 0x7c00, 0xfc00, 0x7c00]);
  const half = (2 - 2 ** -8) * 2 ** 127;
  t.deepEqual(bits('BF16', half * (1 - 2 ** -50), half, -half), [0x7f7f, 0x7f80, 0xff80]);
});
