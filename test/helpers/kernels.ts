/** The kernels that this machine can run, and elements that take every path through them. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { load } from '../../lib/base/native/kernel.js';
import type { Kernel, KernelSegment } from '../../lib/base/native/kernel-types.js';
import { splitPlanes } from '../../lib/pure/tensor/planes.js';
import { referenceKernel } from '../oracles/kernel/kernel.js';
import { PROJECT_ROOT } from './paths.js';
import { seededRandom } from './rng.js';

export const HAS_ADDON = existsSync(path.join(PROJECT_ROOT, 'native/build/kernel.node'));

/** Kinds that can be loaded; native and portable share one addon, so each is loaded before its call. */
export const KERNEL_KINDS: readonly string[] = HAS_ADDON
  ? ['native', 'portable', 'wasm', 'reference']
  : ['wasm', 'reference'];

const loaded = new Map<string, Kernel>();

/** The kernel of a kind, ready for one call that is awaited before the next kind is asked for. */
export function kernelOf(kind: string): Kernel {
  // The addon's SIMD is switched for the whole process.
  if (kind === 'reference') return referenceKernel;
  if (HAS_ADDON && kind !== 'wasm') return load(kind).kernel;
  const kernel = loaded.get(kind) ?? load(kind).kernel;
  loaded.set(kind, kernel);
  return kernel;
}

/** Planes of a child and of its base, if it has one. */
export interface Pair {
  width: number;
  child: Uint8Array[];
  base: Uint8Array[] | null;
}

type Random = () => number;

function words(random: Random, count: number, width: number): Uint8Array {
  return new Uint8Array(count * width).map(() => Math.floor(random() * 256));
}

/** Bit patterns at the edges of the float types of a width, as big-endian hex. */
const EDGES: Readonly<Record<number, readonly string[]>> = {
  1: ['00', '80', '7f', 'ff', '78', '01'],
  2: ['0000', '8000', '7c00', 'fc00', '7c01', 'fe7f', '7f80', 'ff81', '0001', '8001', '3c00'],
  4: ['00000000', '80000000', '7f800000', 'ff800000', '7f800001', '7fc0dead', 'ffffffff'].concat([
    '00000001',
    '80000001',
    '007fffff',
    '7f7fffff',
  ]),
  8: ['0000000000000000', '8000000000000000', '7ff0000000000000', 'fff0000000000000'].concat([
    '7ff0000000000001',
    '7ff8deadbeef0001',
    'ffffffffffffffff',
    '0000000000000001',
    '800fffffffffffff',
  ]),
};

/** Makes elements as little-endian bytes. */
const CONTENTS: Readonly<Record<string, (r: Random, count: number, width: number) => Uint8Array>> =
  {
    words,
    zeros: (_, count, width) => new Uint8Array(count * width),
    edges: (random, count, width) => {
      const edges = EDGES[width] as readonly string[];
      const pick = (): Buffer =>
        Buffer.from(edges[Math.floor(random() * edges.length)] as string, 'hex').reverse();
      return Buffer.concat(Array.from({ length: count }, pick));
    },
    levels: (random, count, width) => {
      const levels = Array.from({ length: 1 + Math.floor(random() * 300) }, () =>
        words(random, 1, width),
      );
      const pick = (): Uint8Array =>
        levels[Math.floor(random() * random() * levels.length)] as Uint8Array;
      return Buffer.concat(Array.from({ length: count }, pick));
    },
    floats: (random, count, width) => {
      const values = new Float64Array(count).map(() => (random() + random() - 1) / 8);
      if (width === 8) return new Uint8Array(values.buffer);
      const single = new Uint8Array(Float32Array.from(values).buffer);
      if (width === 4) return single;
      // The leading bytes of fp32 are bf16, or something of one byte like it.
      return single.filter((_, i) => i % 4 >= 4 - width);
    },
    narrow: (random, count, width) => {
      const bytes = new Uint8Array(count * width);
      for (let i = 0; i < count; i++) bytes[i * width] = Math.floor(random() * 50);
      return bytes;
    },
  };

/** Turns elements into later ones. */
const CHANGES: Readonly<
  Record<string, (r: Random, bytes: Uint8Array, width: number) => Uint8Array>
> = {
  none: (_, bytes) => bytes.slice(),
  one: (random, bytes) => {
    const later = bytes.slice();
    const at = Math.floor(random() * later.length);
    later[at] = (later[at] as number) ^ 0x81;
    return later;
  },
  some: (random, bytes, width) => {
    const share = random();
    const later = bytes.slice();
    for (let i = 0; i < later.length; i += width) {
      if (random() < share) later[i] = (later[i] as number) + 1 + Math.floor(random() * 9);
    }
    return later;
  },
  all: (random, bytes, width) =>
    bytes.map((byte, i) => (i % width < 2 ? byte + Math.floor(random() * 7) - 3 : byte)),
  unrelated: (random, bytes) => words(random, bytes.length, 1),
};

/** Copies planes to odd places of larger memory: nothing may count on alignment. */
function misplace(planes: Uint8Array[], shift: number): Uint8Array[] {
  return planes.map((plane, k) => {
    const memory = new Uint8Array(plane.length + 16);
    const view = memory.subarray(shift + k, shift + k + plane.length);
    view.set(plane);
    return view;
  });
}

/** What a pair is made of. */
export interface PairPlan {
  content: string;
  /** null: the child has no base. */
  change: string | null;
  width: number;
  count: number;
  /** Places by which planes are moved in memory. */
  shift: number;
  seed: number;
}

/** Pairs of every width, content and change. @param counts  numbers of elements. */
export function anyPlan(counts: fc.Arbitrary<number>): fc.Arbitrary<PairPlan> {
  return fc.record({
    content: fc.constantFrom(...Object.keys(CONTENTS)),
    change: fc.option(fc.constantFrom(...Object.keys(CHANGES)), { freq: 4, nil: null }),
    width: fc.constantFrom(1, 2, 4, 8),
    count: counts,
    shift: fc.integer({ min: 0, max: 7 }),
    seed: fc.nat(),
  });
}

/** Makes the pair of a plan. */
export function makePair({ content, change, width, count, shift, seed }: PairPlan): Pair {
  const random = seededRandom(seed);
  const make = CONTENTS[content] as (typeof CONTENTS)[string];
  const bytes = make(random, count, width);
  const place = (elements: Uint8Array): Uint8Array[] =>
    misplace(splitPlanes(elements, width), shift);
  if (change === null) return { width, child: place(bytes), base: null };
  const later = (CHANGES[change] as (typeof CHANGES)[string])(random, bytes, width);
  return { width, child: place(later), base: place(bytes) };
}

/** Numbers of elements: mostly small and odd ones, some around the sizes where coding changes. */
export const ANY_COUNT: fc.Arbitrary<number> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(511, 512, 513, 2047, 4095, 4096, 4097, 9999) },
  { weight: 1, arbitrary: fc.constantFrom(16383, 16385, 32767, 32768, 32769, 49153, 65537) },
);

/** Stops of an encoded segment: depths of planes that can be decoded alone. */
export function stopsOf(head: Uint8Array, width: number): number[] {
  const [, transform] = head;
  if (width === 1) return [1];
  if (width === 4 && transform === 4) return [4];
  if (width === 4 && transform === 3) return [2, 4];
  return Array.from({ length: width - 1 }, (_, k) => k + 2);
}

/** What decoding a segment gives: planes, or null if it was refused as damaged. */
export async function decodeOrNull(
  kind: string,
  { head, hi, mid, low }: Pick<KernelSegment, 'head' | 'hi' | 'mid' | 'low'>,
  base: readonly Uint8Array[] | null,
  { count, width, wanted }: { count: number; width: number; wanted: number },
): Promise<Uint8Array[] | null> {
  try {
    return await kernelOf(kind).decode(head, [hi, mid, low], base, count, width, wanted);
  } catch (error) {
    if (typeof (error as { kernel?: unknown }).kernel === 'number') return null;
    throw error;
  }
}
