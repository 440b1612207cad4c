/**
 * Goal: native, portable, WebAssembly and the TypeScript reference are one codec: the same bytes from
 * every encoder, the same planes or the same refusal from every decoder, at every stop, for every bit
 * pattern.
 * Method: elements of every kind (helpers/kernels.ts) and each level; then their heads and payloads
 * damaged. What one of them does is compared with what each of the others does.
 */
import test from 'ava';
import fc from 'fast-check';
import type { KernelSegment } from '../../../../lib/base/native/kernel-types.js';
import {
  ANY_COUNT,
  anyPlan,
  decodeOrNull,
  KERNEL_KINDS,
  kernelOf,
  makePair,
  type Pair,
  stopsOf,
} from '../../../helpers/kernels.js';
import { seededRandom } from '../../../helpers/rng.js';
import { runsOf } from '../../../helpers/runs.js';

const PARTS = ['head', 'hi', 'mid', 'low'] as const;
const LEVELS = fc.constantFrom(0, 1, 2);
const REFERENCE = 'reference';

/** Encodes with every kernel; throws at the first difference. */
async function encodeAll(pair: Pair, level: number, noPrefix: boolean): Promise<KernelSegment> {
  const { child, base } = pair;
  const expected = await kernelOf(REFERENCE).encode(child, base, level, noPrefix);
  for (const kind of KERNEL_KINDS.filter((other) => other !== REFERENCE)) {
    const found = await kernelOf(kind).encode(child, base, level, noPrefix);
    for (const part of PARTS) {
      if (Buffer.compare(found[part], expected[part]) !== 0) {
        throw new Error(`${part} of ${kind} at level ${level} differs`);
      }
    }
    if (found.usesBase !== expected.usesBase) throw new Error(`usesBase of ${kind}`);
  }
  return expected;
}

/** Decodes every stop with every kernel, from the classes that it needs alone. */
async function decodeAll(pair: Pair, segment: KernelSegment): Promise<void> {
  const { child, width } = pair;
  const base = segment.usesBase ? pair.base : null;
  const nothing = new Uint8Array(0);
  for (const stop of stopsOf(segment.head, width)) {
    const needed = {
      ...segment,
      mid: stop > 2 ? segment.mid : nothing,
      low: stop > (width === 4 ? 3 : 4) ? segment.low : nothing,
    };
    for (const kind of KERNEL_KINDS) {
      const under = base?.slice(0, stop) ?? null;
      const count = (child[0] as Uint8Array).length;
      const found = await decodeOrNull(kind, needed, under, { count, width, wanted: stop });
      for (let k = 0; k < stop; k++) {
        const plane = found?.[k];
        if (!plane || Buffer.compare(plane, child[k] as Uint8Array) !== 0) {
          throw new Error(`plane ${k} of ${stop} by ${kind}`);
        }
      }
    }
  }
}

test('codec: every kernel writes the same bytes and gives every element back at every stop', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyPlan(ANY_COUNT), LEVELS, fc.boolean(), async (plan, level, noPrefix) => {
      const pair = makePair(plan);
      await decodeAll(pair, await encodeAll(pair, level, noPrefix));
    }),
    { numRuns: runsOf(150), includeErrorInReport: true },
  );
  t.pass();
});

test('codec: level fast around the size of its sample, and where the sample is not fair', async (t) => {
  const counts = fc.constantFrom(32_767, 32_768, 32_769, 70_001);
  await fc.assert(
    fc.asyncProperty(anyPlan(counts), async (plan) => {
      const pair = makePair(plan);
      await decodeAll(pair, await encodeAll(pair, 0, false));
    }),
    { numRuns: runsOf(6), includeErrorInReport: true },
  );
  // What the encoder looks at is nearly constant, all else is noise: coding would take more than storing.
  const count = 400_000;
  const random = seededRandom(4);
  const plane = new Uint8Array(count).map(() => Math.floor(random() * 256));
  for (let block = 0; block < 32; block++) {
    const from = Math.floor(((count - 1024) * block) / 31);
    plane.fill(7, from, from + 1024);
    plane[from] = 9;
  }
  const pair = { child: [plane], base: null, width: 1 };
  const coded = await encodeAll(pair, 0, false);
  await decodeAll(pair, coded);
  t.is(coded.hi.length, count);
});

test('codec: planes that are nearly all zeros, with other symbols in one part, in all, and at their ends', async (t) => {
  const shares = fc.constantFrom(0, 0.0003, 0.003, 0.02, 0.3);
  const parts = fc.array(shares, { minLength: 1, maxLength: 6 });
  const counts = fc.integer({ min: 32_000, max: 80_000 });
  await fc.assert(
    fc.asyncProperty(parts, counts, fc.nat(), LEVELS, async (plan, count, seed, level) => {
      const random = seededRandom(seed);
      const byte = (): number => Math.floor(random() * 256);
      // Exponents of few values, so that planes have contexts, and of some a difference has no other digit than 0.
      const base = [0, 1, 2, 3].map((k) =>
        new Uint8Array(count).map(() => (k === 0 ? 0x38 + Math.floor(4 * random() ** 4) : byte())),
      );
      const [high, ...others] = base as [Uint8Array, ...Uint8Array[]];
      const child = [high.slice(), ...others.map((plane) => plane.slice())];
      for (let i = 0; i < count; i++) {
        const share = plan[Math.floor((i * plan.length) / count)] as number;
        const isOther = random() < share && (high[i] as number) !== 0x38;
        if (isOther || (i === count - 1 && seed % 2 === 1)) (child[0] as Uint8Array)[i] = byte();
      }
      const pair = { child, base, width: 4 };
      await decodeAll(pair, await encodeAll(pair, level, false));
    }),
    { numRuns: runsOf(16), includeErrorInReport: true },
  );
  t.pass();
});

test('codec: around the bound of 256 Ki elements', async (t) => {
  const counts = fc.constantFrom(262_143, 262_144, 262_145);
  await fc.assert(
    fc.asyncProperty(anyPlan(counts), LEVELS, async (plan, level) => {
      const pair = makePair(plan);
      await decodeAll(pair, await encodeAll(pair, level, false));
    }),
    { numRuns: runsOf(4), includeErrorInReport: true },
  );
  t.pass();
});

test('codec: no elements, or more than a segment has, are refused by all', async (t) => {
  for (const kind of KERNEL_KINDS) {
    for (const count of [0, (1 << 22) + 1]) {
      const planes = [new Uint8Array(count)];
      // The addon looks at its arguments before there is a promise.
      await t.throwsAsync(
        async () => kernelOf(kind).encode(planes, null, 1, false),
        undefined,
        kind,
      );
      const head = Uint8Array.of(2, 0, 0, 0, 7);
      const none = new Uint8Array(0);
      await t.throwsAsync(
        async () => kernelOf(kind).decode(head, [none, none, none], null, count, 1, 1),
        undefined,
        kind,
      );
    }
  }
});

test('codec: a length of 2^53 or more is refused by all, also of a plane that is not read', async (t) => {
  // Two stored planes, then one as a stream with a flat table that would have that many bytes.
  const start = [2, 0, 0, 1, 1, 2, 0, 0x01];
  const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  const more = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
  for (const [length, isTaken] of [
    [most, true],
    [more, false],
  ] as const) {
    const head = Uint8Array.from([...start, ...length, 0, 7]);
    const empty = new Uint8Array(0);
    const segment = { head, hi: Uint8Array.of(1, 2, 3, 4), mid: empty, low: empty };
    for (const kind of KERNEL_KINDS) {
      const found = await decodeOrNull(kind, segment, null, { count: 2, width: 4, wanted: 2 });
      t.is(found !== null, isTaken, kind);
    }
  }
});

/** One way to damage bytes. */
const DAMAGES: ((random: () => number, bytes: Uint8Array) => Uint8Array)[] = [
  (random, bytes) => {
    const damaged = bytes.slice();
    damaged[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    return damaged;
  },
  (random, bytes) => {
    const damaged = bytes.slice();
    const at = Math.floor(random() * bytes.length);
    damaged[at] = (damaged[at] as number) ^ (1 << Math.floor(random() * 8));
    return damaged;
  },
  (random, bytes) => bytes.slice(0, Math.floor(random() * bytes.length)),
  (random, bytes) =>
    Buffer.concat([bytes, new Uint8Array(1 + random() * 9).map(() => random() * 256)]),
  (random, bytes) => {
    const at = Math.floor(random() * bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  },
];

test('codec: damaged heads and payloads are refused by all, or give all the same planes', async (t) => {
  let refused = 0;
  let accepted = 0;
  const counts = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 1, max: 300 }) },
    { weight: 1, arbitrary: fc.constantFrom(4097, 33_000) },
  );
  await fc.assert(
    fc.asyncProperty(anyPlan(counts), LEVELS, fc.nat(), async (plan, level, seed) => {
      const { child, base, width } = makePair(plan);
      const count = (child[0] as Uint8Array).length;
      const segment = await kernelOf('wasm').encode(child, base, level, seed % 5 === 0);
      const random = seededRandom(seed);
      for (let i = 0; i < 12; i++) {
        const part = random() < 0.6 ? 'head' : (PARTS[1 + Math.floor(random() * 3)] ?? 'hi');
        if (segment[part].length === 0) continue;
        const damage = DAMAGES[i % DAMAGES.length] as (typeof DAMAGES)[number];
        const damaged = { ...segment, [part]: damage(random, segment[part]) };
        const stops = stopsOf(damaged.head, width);
        const wanted = stops[Math.floor(random() * stops.length)] as number;
        const under = random() < 0.9 ? (base?.slice(0, wanted) ?? null) : null;
        const expected = await decodeOrNull(REFERENCE, damaged, under, { count, width, wanted });
        for (const kind of KERNEL_KINDS) {
          const found = await decodeOrNull(kind, damaged, under, { count, width, wanted });
          const same =
            found === null || expected === null
              ? found === expected
              : found.every((plane, k) => Buffer.compare(plane, expected[k] as Uint8Array) === 0);
          if (!same) {
            const what = `${kind} ${found === null ? 'refuses' : 'takes'}`;
            const bytes = Buffer.from(damaged.head).toString('hex').slice(0, 2000);
            throw new Error(`${what} what the reference does not: ${part}, ${bytes}`);
          }
        }
        if (expected === null) refused++;
        else accepted++;
      }
    }),
    { numRuns: runsOf(80), includeErrorInReport: true },
  );
  t.true(refused > accepted && accepted > 0, `${refused} refused, ${accepted} accepted`);
});
