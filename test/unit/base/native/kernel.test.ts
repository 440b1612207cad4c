/**
 * Every build of the kernel, and the reference, writes the same bytes, gives back every bit pattern,
 * stops where it says, and refuses damaged input without harm.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { isDamage } from '../../../../lib/base/errors.js';
import { kernelError, load } from '../../../../lib/base/native/kernel.js';
import type {
  Kernel,
  KernelSegment,
  NativeKernel,
} from '../../../../lib/base/native/kernel-types.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { seededRandom } from '../../../helpers/rng.js';
import { referenceKernel } from '../../../oracles/kernel/kernel.js';

const hasAddon = existsSync(path.join(PROJECT_ROOT, 'native/build/kernel.node'));

/** The kinds that this machine can run; portable and native share one addon, so they are loaded per call. */
function kinds(): string[] {
  return hasAddon ? ['native', 'portable', 'wasm', 'reference'] : ['wasm', 'reference'];
}

interface Loaded {
  kernel: Kernel;
  native: NativeKernel | null;
}

function loadKind(kind: string): Loaded {
  return kind === 'reference' ? { kernel: referenceKernel, native: null } : load(kind);
}

type Make = (
  random: () => number,
  width: number,
  count: number,
) => { child: Uint8Array[]; base: Uint8Array[] };

const noise = (random: () => number, count: number): Uint8Array =>
  new Uint8Array(count).map(() => Math.floor(random() * 256));

/** Pairs of the shapes that checkpoints have: equal, few changes, near, unrelated, constant. */
const SHAPES: Record<string, Make> = {
  equal: (random, width, count) => {
    const base = Array.from({ length: width }, () => noise(random, count));
    return { base, child: base.map((plane) => plane.slice()) };
  },
  few: (random, width, count) => {
    const base = Array.from({ length: width }, () => noise(random, count));
    return {
      base,
      child: base.map((plane) =>
        plane.map((byte) => (random() < 0.05 ? Math.floor(random() * 256) : byte)),
      ),
    };
  },
  near: (random, width, count) => {
    const top = new Uint8Array(count).map(() => 58 + Math.floor(random() * 5));
    const base = [top, ...Array.from({ length: width - 1 }, () => noise(random, count))];
    return {
      base,
      child: base.map((plane, k) =>
        k < width / 2 ? plane.map((byte) => byte + (random() < 0.3 ? 1 : 0)) : noise(random, count),
      ),
    };
  },
  unrelated: (random, width, count) => ({
    base: Array.from({ length: width }, () => noise(random, count)),
    child: Array.from({ length: width }, () => noise(random, count)),
  }),
  palette: (random, width, count) => {
    const values = Array.from({ length: 1 + Math.floor(random() * 256) }, () =>
      noise(random, width),
    );
    const chosen = Array.from({ length: count }, () =>
      Math.floor(random() * random() * values.length),
    );
    return {
      base: Array.from({ length: width }, () => noise(random, count)),
      child: Array.from({ length: width }, (_, k) =>
        Uint8Array.from(chosen, (v) => values[v]?.[k] as number),
      ),
    };
  },
  constant: (_random, width, count) => ({
    base: Array.from({ length: width }, (_, k) => new Uint8Array(count).fill(k)),
    child: Array.from({ length: width }, (_, k) => new Uint8Array(count).fill(200 + k)),
  }),
};

function decodeWith(
  kernel: Loaded,
  segment: KernelSegment,
  base: Uint8Array[] | null,
  { count, width, wanted = width }: { count: number; width: number; wanted?: number },
): Promise<Uint8Array[]> {
  const { head, hi, mid, low, usesBase } = segment;
  return kernel.kernel.decode(head, [hi, mid, low], usesBase ? base : null, count, width, wanted);
}

const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(4096, 32767, 32768, 65537, 262144, 262145) },
);

test('kernel: all builds write the same bytes and give every value back', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        shape: fc.constantFrom(...Object.keys(SHAPES)),
        width: fc.constantFrom(1, 2, 4, 8),
        count: sizes,
        level: fc.integer({ min: 0, max: 2 }),
        withBase: fc.boolean(),
        noPrefix: fc.boolean(),
        seed: fc.nat(),
      }),
      async ({ shape, width, count, level, withBase, noPrefix, seed }) => {
        const { child, base } = (SHAPES[shape] as Make)(seededRandom(seed), width, count);
        const under = withBase ? base : null;
        let first: KernelSegment | null = null;
        for (const kind of kinds()) {
          const kernel = loadKind(kind);
          const segment = await kernel.kernel.encode(child, under, level, noPrefix);
          first ??= segment;
          for (const part of ['head', 'hi', 'mid', 'low'] as const) {
            t.deepEqual(Buffer.from(segment[part]), Buffer.from(first[part]), `${kind} ${part}`);
          }
          const decoded = await decodeWith(kernel, first, under, { count, width });
          for (const [k, plane] of decoded.entries()) {
            if (Buffer.compare(plane, child[k] as Uint8Array) !== 0) t.fail(`${kind}: plane ${k}`);
          }
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('kernel: payloads are put into memory of the caller, and nothing outside of it', async (t) => {
  const random = seededRandom(12);
  const count = 33_000;
  for (const shape of Object.keys(SHAPES)) {
    const { child, base } = (SHAPES[shape] as Make)(random, 4, count);
    for (const kind of kinds().filter((k) => k !== 'reference')) {
      const { kernel, allocate } = load(kind);
      for (const level of [0, 1, 2]) {
        const own = await kernel.encode(child, base, level, false);
        const memory = allocate(4 * count + 20);
        for (const length of [4 * count, 4 * count + 5, 4 * count - 1, 0]) {
          memory.fill(0xee);
          const room = memory.subarray(7, 7 + length);
          const found = await kernel.encode(child, base, level, false, undefined, room);
          t.deepEqual(found, own, `${kind}, ${shape}`);
          const outside = Buffer.concat([memory.subarray(0, 7), memory.subarray(7 + length)]);
          t.true(outside.every((byte) => byte === 0xee));
          if (shape === 'near' && length >= 4 * count && level < 2) {
            t.true(found.hi.buffer === memory.buffer);
            t.true(found.low.buffer === memory.buffer);
          }
        }
      }
    }
  }
});

test('kernel: a plane that is stored, and all of its class, is the payload itself where that is allowed', async (t) => {
  const random = seededRandom(14);
  // Shorter planes are not of the kernel.
  const count = 70_000;
  for (const kind of kinds().filter((k) => k !== 'reference')) {
    const { kernel, allocate, native } = load(kind);
    const kept = (plane: Uint8Array): Uint8Array => {
      const memory = allocate(count + 4).subarray(4);
      memory.set(plane);
      return memory;
    };
    for (const width of [1, 2, 3, 4, 5, 8]) {
      const { base, child } = (SHAPES.near as Make)(random, width, count);
      for (let k = width === 1 ? 0 : 2; k < width; k++) child[k] = noise(random, count);
      const planes = child.map(kept);
      const alone = (k: number): boolean => k === width - 1 && width % 2 === 1;
      for (const under of [null, base]) {
        for (const level of [0, 1]) {
          const own = await kernel.encode(child, under, level, false);
          for (const room of [undefined, allocate(width * count)]) {
            const shared = await kernel.encode(planes, under, level, false, undefined, room, true);
            t.deepEqual(shared, own, `${kind}, ${width} planes, level ${level}`);
            const payloads = [shared.hi, shared.mid, shared.low];
            const found = planes.map((plane) => native !== null && payloads.includes(plane));
            const wanted = planes.map(
              (_, k) => native !== null && (alone(k) || (width === 4 && k > 1)),
            );
            t.deepEqual(found, wanted, `${kind}, ${width} planes, level ${level}`);
            if (native)
              await native.verify(shared.head, [shared.hi, shared.mid, shared.low], under, planes);
          }
        }
      }
      const copied = await kernel.encode(child, base, 1, false, undefined, undefined, true);
      t.false([copied.hi, copied.mid, copied.low].some((payload) => child.includes(payload)));
    }
  }
});

test('kernel: differences that are noise above planes that are not stay differences', async (t) => {
  const random = seededRandom(15);
  const count = 33_000;
  for (const width of [4, 8]) {
    const { base, child } = (SHAPES.near as Make)(random, width, count);
    for (let k = 2; k < width; k++) {
      base[k] = noise(random, count);
      child[k] = k % 2 === 0 ? noise(random, count) : (base[k] as Uint8Array).slice();
    }
    const expected = await referenceKernel.encode(child, base, 1, false);
    t.true(expected.usesBase);
    for (const kind of kinds()) {
      const loaded = loadKind(kind);
      const found = await loaded.kernel.encode(child, base, 1, false);
      t.deepEqual(found, expected, `${kind}, ${width} planes`);
      t.deepEqual(await decodeWith(loaded, found, base, { count, width }), child);
    }
  }
});

test('kernel: two and three planes alone are exact, and need no class that holds others', async (t) => {
  const random = seededRandom(5);
  for (const [shape, make] of Object.entries(SHAPES)) {
    const { child, base } = make(random, 4, 5000);
    const kernel = loadKind(kinds()[0] as string);
    const segment = await kernel.kernel.encode(child, base, 1, false);
    for (const wanted of [2, 3]) {
      const empty = new Uint8Array(0);
      const part = { ...segment, low: empty, mid: wanted === 3 ? segment.mid : empty };
      const planes = await decodeWith(kernel, part, base.slice(0, wanted), {
        count: 5000,
        width: 4,
        wanted,
      });
      t.is(planes.length, wanted);
      for (const [k, plane] of planes.entries())
        t.deepEqual(plane, child[k], `${shape}, plane ${k}`);
    }
  }
});

test('kernel: sha256 of parts behind a prefix, at every length around a block', async (t) => {
  const random = seededRandom(3);
  const prefix = Buffer.from('dlv:run\0', 'latin1');
  for (const kind of kinds()) {
    const { native } = loadKind(kind);
    for (const length of [0, 1, 46, 47, 48, 55, 56, 57, 63, 64, 119, 120, 1000, 65536]) {
      const parts = Array.from({ length: 3 }, () => noise(random, length));
      const digests = await native?.sha256Many(prefix, parts);
      for (const [k, part] of parts.entries()) {
        const expected = createHash('sha256').update(prefix).update(part).digest();
        if (digests) t.deepEqual(Buffer.from(digests.subarray(32 * k, 32 * k + 32)), expected);
      }
    }
  }
  t.pass();
});

test('kernel: a hundred distinct values cost little more than their indices', async (t) => {
  const random = seededRandom(11);
  const values = Array.from({ length: 100 }, () => noise(random, 4));
  const chosen = Array.from({ length: 50_000 }, () => Math.floor(random() * 100));
  const child = Array.from({ length: 4 }, (_, k) =>
    Uint8Array.from(chosen, (v) => values[v]?.[k] as number),
  );
  const { head, hi, mid, low } = await loadKind(kinds()[0] as string).kernel.encode(
    child,
    null,
    1,
    false,
  );
  const bits = (8 * (head.length + hi.length + mid.length + low.length)) / chosen.length;
  t.true(bits < Math.log2(100) * 1.02 + 0.1, `${bits} bits for each element`);
});

test('kernel: a damaged head or payload is an error or gives other values, and never a crash', async (t) => {
  const random = seededRandom(9);
  let refused = 0;
  let tried = 0;
  for (const [kind, shape] of kinds().flatMap((k) => [
    [k, 'near'] as const,
    [k, 'palette'] as const,
  ])) {
    const { child, base } = (SHAPES[shape] as Make)(random, 4, 3000);
    const kernel = loadKind(kind);
    const segment = await kernel.kernel.encode(child, base, 1, false);
    for (let i = 0; i < 300; i++) {
      const part = (['head', 'head', 'hi', 'mid'] as const)[i % 4] as 'head' | 'hi' | 'mid';
      const bytes = segment[part].slice();
      if (bytes.length === 0) continue;
      const cut = i % 7 === 0 ? Math.floor(random() * bytes.length) : bytes.length;
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      tried++;
      try {
        await decodeWith(kernel, { ...segment, [part]: bytes.subarray(0, cut) }, base, {
          count: 3000,
          width: 4,
        });
      } catch (error) {
        t.true(isDamage(kernelError(error, 'test')), String(error));
        refused++;
      }
    }
  }
  t.true(refused > tried / 4, `${refused} of ${tried} refused`);
});

test('kernel: a delta without its base is refused', async (t) => {
  const { child, base } = (SHAPES.equal as Make)(seededRandom(1), 4, 100);
  for (const kind of kinds()) {
    const kernel = loadKind(kind);
    const segment = await kernel.kernel.encode(child, base, 1, false);
    const error = await t.throwsAsync(decodeWith(kernel, segment, null, { count: 100, width: 4 }));
    t.true(isDamage(kernelError(error, 'test')));
  }
});

test('kernel: the shipped WebAssembly is made of the sources beside it', async (t) => {
  const { sourceHash, wasmOrigin } = (await import(
    path.join(PROJECT_ROOT, 'native/build.mjs')
  )) as { sourceHash(): string; wasmOrigin(): { sources: string } };
  t.is(
    wasmOrigin().sources,
    sourceHash(),
    "run 'node native/build.mjs --wasm' after a change in native/",
  );
});
