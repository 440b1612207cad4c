/** Weights combined by averages, SLERP, task vectors, TIES and DARE: against the same on whole arrays, by sorting. */
import test from 'ava';
import fc from 'fast-check';
import {
  type Combination,
  combineTensor,
  slerpFactors,
} from '../../../../lib/pure/merge/combine.js';
import { findCut, randomWords, type Source, Trimmer } from '../../../../lib/pure/merge/trim.js';

/** An array in pieces, as it is read. */
function source(values: readonly number[], piece = 7): Source {
  return async function* () {
    for (let at = 0; at < values.length; at += piece) {
      yield Float64Array.from(values.slice(at, at + piece));
    }
  };
}

async function combined(
  combination: Combination,
  inputs: number[][],
  base: number[] | null = null,
): Promise<number[]> {
  const result: number[] = [];
  for await (const piece of combineTensor(combination, {
    name: 'w',
    base: base === null ? null : source(base),
    inputs: inputs.map((values) => source(values)),
  })) {
    result.push(...piece);
  }
  return result;
}

/** TIES as its paper says it, on whole arrays: trim by sorting, elect signs by mass, mean of those that agree. */
function ties(base: number[], children: number[][], density: number, lambda: number): number[] {
  const deltas = children.map((child) => {
    const delta = child.map((value, i) => value - (base[i] as number));
    const keep = Math.max(1, Math.floor(density * delta.length));
    const order = delta.map((_, i) => i);
    order.sort((a, b) => Math.abs(delta[b]!) - Math.abs(delta[a]!) || a - b);
    const kept = new Set(order.slice(0, keep));
    return delta.map((value, i) => (kept.has(i) ? value : 0));
  });
  return base.map((value, i) => {
    const mass = deltas.reduce((sum, delta) => sum + delta[i]!, 0);
    const agreeing = deltas
      .map((delta) => delta[i]!)
      .filter((change) => (mass >= 0 ? change > 0 : change < 0));
    const mean =
      agreeing.length === 0 ? 0 : agreeing.reduce((sum, one) => sum + one, 0) / agreeing.length;
    return value + lambda * mean;
  });
}

// Few values, so that sizes repeat and the cut falls among equal ones.
const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ noNaN: true, min: -4, max: 4 }));
const triple = fc
  .integer({ min: 1, max: 40 })
  .chain((length) =>
    fc.array(fc.tuple(value, value, value), { minLength: length, maxLength: length }),
  );

test('combine: TIES is that of its paper', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      triple,
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      async (rows, density) => {
        const [base, a, b] = [0, 1, 2].map((i) => rows.map((row) => row[i] as number)) as [
          number[],
          number[],
          number[],
        ];
        const got = await combined(
          {
            method: 'deltas',
            weights: [1, 1],
            lambda: 0.5,
            trim: { density, by: 'size' },
            elects: true,
            normalizes: true,
            seed: 0,
          },
          [a, b],
          base,
        );
        const wanted = ties(base, [a, b], density, 0.5);
        return got.every((x, i) => Math.abs(x - (wanted[i] as number)) <= 1e-12);
      },
    ),
    { numRuns: 150 },
  );
  t.pass();
});

test('combine: weighted means, task arithmetic and spherical interpolation', async (t) => {
  t.deepEqual(
    await combined({ method: 'average', weights: [1, 3] }, [
      [0, 4],
      [8, 0],
    ]),
    [6, 1],
  );
  const task: Combination = {
    method: 'deltas',
    weights: [1, -2],
    lambda: 0.5,
    trim: null,
    elects: false,
    normalizes: false,
    seed: 0,
  };
  t.deepEqual(
    await combined(
      task,
      [
        [3, 1],
        [2, 1],
      ],
      [1, 1],
    ),
    [1, 1],
  );
  // A quarter of a right angle, and lengths that stay those of a circle.
  const [x, y] = (await combined({ method: 'slerp', t: 0.25 }, [
    [1, 0],
    [0, 1],
  ])) as [number, number];
  t.true(
    Math.abs(x - Math.cos(Math.PI / 8)) < 1e-15 && Math.abs(y - Math.sin(Math.PI / 8)) < 1e-15,
  );
  t.deepEqual(slerpFactors(0.25, 1), [0.75, 0.25]);
  t.deepEqual(slerpFactors(0.25, Number.NaN), [0.75, 0.25]);
  t.deepEqual(
    await combined({ method: 'slerp', t: 0.5 }, [
      [0, 0],
      [2, 4],
    ]),
    [1, 2],
  );
});

test('combine: what has no weight does not count, infinities included', async (t) => {
  const half = { method: 'average', weights: [0, 2] } as const;
  t.deepEqual(
    await combined(half, [
      [Infinity, 1],
      [3, 5],
    ]),
    [3, 5],
  );
});

test('combine: DARE keeps the share that it says, rescaled, the same for one seed', async (t) => {
  const count = 20_000;
  const base = new Array<number>(count).fill(1);
  const child = new Array<number>(count).fill(3);
  const dare = (seed: number): Combination => ({
    method: 'deltas',
    weights: [1],
    lambda: 1,
    trim: { density: 0.25, by: 'chance' },
    elects: false,
    normalizes: false,
    seed,
  });
  const got = await combined(dare(7), [child], base);
  t.deepEqual([...new Set(got)].sort(), [1, 9]);
  const share = got.filter((x) => x === 9).length / count;
  // Five standard deviations.
  t.true(Math.abs(share - 0.25) < 5 * Math.sqrt((0.25 * 0.75) / count), `${share}`);
  t.deepEqual(await combined(dare(7), [child], base), got);
  t.notDeepEqual(await combined(dare(8), [child], base), got);
});

test('trim: the cut is the size of the k-th largest change, for every float64', async (t) => {
  const number = fc.oneof(
    value,
    fc.double(),
    fc.constantFrom(0, -0, 5e-324, -5e-324, Infinity, Number.NaN),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(number, { minLength: 1, maxLength: 60 }),
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      async (values, density) => {
        const kept = await findCut(source(values), density);
        const trimmer = Trimmer.bySize(kept);
        const trimmed: number[] = [];
        for await (const piece of source(values)()) {
          trimmer.apply(piece);
          trimmed.push(...piece);
        }
        const size = (x: number): number => (Number.isNaN(x) ? Infinity : Math.abs(x));
        const wanted = [...values].map(size).sort((a, b) => b - a);
        const keep = Math.max(1, Math.floor(density * values.length));
        const left = trimmed.filter((x) => x !== 0 || Number.isNaN(x)).map(size);
        const expected = wanted.slice(0, keep).filter((x) => x !== 0);
        // NaN and infinity are both larger than all else, and may stand for one another here.
        return (
          JSON.stringify(left.sort((a, b) => b - a)) === JSON.stringify(expected) ||
          values.some((x) => Number.isNaN(x))
        );
      },
    ),
    { numRuns: 300 },
  );
  t.deepEqual(await findCut(source([1, 2, 3]), 1), { cut: -1, ties: 0 });
});

test('trim: random words are those of their key, for good', (t) => {
  const words = (key: string): number[] => {
    const next = randomWords(key);
    return [next(), next(), next()];
  };
  t.deepEqual(words('0/0/fc.weight'), words('0/0/fc.weight'));
  t.notDeepEqual(words('0/0/fc.weight'), words('0/1/fc.weight'));
  // Versions record a seed: what it draws must not change.
  t.deepEqual(words('0/0/fc.weight'), [375310251, 1667710683, 3498417524]);
});
