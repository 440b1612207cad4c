/**
 * Golden segments: what test/fixtures/codec is made of, by a seed. Each is small and takes
 * one path through the codec; together they take all.
 */

import { splitPlanes } from '../../lib/pure/tensor/planes.js';
import { encodeReference, encodeReferenceAs } from '../oracles/kernel/encode.js';
import type { Level } from '../oracles/kernel/encode-plane.js';
import { stopsOf } from './kernels.js';
import { seededRandom } from './rng.js';

/** One golden segment; bytes as hex. */
export interface GoldenSegment {
  name: string;
  width: number;
  count: number;
  /** Encoder effort that wrote it: of no interest to a reader. */
  level: number;
  /** Planes of the base, or null. */
  base: string[] | null;
  head: string;
  hi: string;
  mid: string;
  low: string;
  /** Depths that can be decoded alone. */
  stops: number[];
  planes: string[];
}

const TRANSFORM_NAMES = ['raw', 'bsub', 'sub16', 'sub16-twice', 'sub32'] as const;
const WIDTHS: readonly (readonly number[])[] = [[1, 2, 4, 8], [1, 2, 4, 8], [2, 4, 8], [4], [4]];

type Planes = Uint8Array[];

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Float-like elements of a few exponents, and later ones: a part unchanged, the others by steps that
 *  grow with the exponent. */
function makeElements(width: number, count: number, seed: number): { child: Planes; base: Planes } {
  const random = seededRandom(seed);
  const element = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    if (width === 8) bytes.writeDoubleBE(value);
    else bytes.writeFloatBE(value);
    return bytes.subarray(0, width).reverse();
  };
  const values = Array.from(
    { length: count },
    () => (random() < 0.5 ? -1 : 1) * (1 + random()) * 2 ** -Math.floor(6 * random() ** 2),
  );
  const later = values.map((value) => {
    if (random() < 0.4) return value;
    const step = Math.abs(value) < 0.3 ? 0.02 : Math.abs(value) < 0.9 ? 0.001 : 0.2;
    return value * (1 + step * (random() - 0.5));
  });
  const planesOf = (all: number[]): Planes => splitPlanes(Buffer.concat(all.map(element)), width);
  return { child: planesOf(later), base: planesOf(values) };
}

type Encoded = ReturnType<typeof encodeReference>;

function golden(
  name: string,
  level: number,
  { child, base }: { child: Planes; base: Planes | null },
  { head, hi, mid, low, usesBase }: Encoded,
): GoldenSegment {
  const width = child.length;
  return {
    name,
    width,
    count: (child[0] as Uint8Array).length,
    level,
    base: usesBase && base ? base.map(hex) : null,
    head: hex(head),
    hi: hex(hi),
    mid: hex(mid),
    low: hex(low),
    stops: stopsOf(head, width),
    planes: child.map(hex),
  };
}

/** Every transform, with and without a mask, at each level. */
function transformSegments(transform: number): GoldenSegment[] {
  const all: GoldenSegment[] = [];
  for (const width of WIDTHS[transform] as readonly number[]) {
    for (const masked of [false, true]) {
      for (const level of [0, 1, 2] as const) {
        const pair = makeElements(width, 200 - width, 100 * transform + 10 * width + level);
        const coded = encodeReferenceAs({ transform, masked }, pair.child, pair.base, level);
        const name = `width ${width}, level ${level}${masked ? ', mask' : ''}`;
        all.push(golden(name, level, pair, coded));
      }
    }
  }
  return all;
}

/** What the encoder itself chooses. */
function chosenSegment(
  name: string,
  level: Level,
  child: Planes,
  base: Planes | null,
): GoldenSegment {
  return golden(name, level, { child, base }, encodeReference(child, base, level, false));
}

function paletteSegments(): GoldenSegment[] {
  const all: GoldenSegment[] = [];
  for (const width of [2, 4, 8]) {
    for (const level of [0, 1, 2] as const) {
      const random = seededRandom(10 * width + level);
      const levels = Array.from({ length: 9 }, () =>
        new Uint8Array(width).map(() => Math.floor(random() * 256)),
      );
      const pick = (): Uint8Array => levels[Math.floor(9 * random() ** 3)] as Uint8Array;
      const child = splitPlanes(Buffer.concat(Array.from({ length: 600 }, pick)), width);
      all.push(chosenSegment(`width ${width}, level ${level}`, level, child, null));
    }
  }
  return all;
}

function sameSegments(): GoldenSegment[] {
  return [1, 2, 4, 8].map((width) => {
    const { base } = makeElements(width, 31, width);
    return chosenSegment(`width ${width}`, 1, base, base);
  });
}

/** Planes of one value, and planes that are stored; counts of one element and of part of a byte of mask. */
function plainSegments(): GoldenSegment[] {
  const random = seededRandom(77);
  const noise = (count: number): Uint8Array =>
    new Uint8Array(count).map(() => Math.floor(random() * 256));
  return [
    chosenSegment(
      'constant planes',
      1,
      [63, 128, 0, 0].map((v) => new Uint8Array(9).fill(v)),
      null,
    ),
    chosenSegment('stored planes', 1, [noise(33), noise(33), noise(33), noise(33)], null),
    chosenSegment('one element', 1, [noise(1), noise(1), noise(1), noise(1)], null),
    chosenSegment('one byte', 1, [noise(1)], null),
  ];
}

/** Planes of which the first two have something to say and the others are the base's. */
function contextSegments(): GoldenSegment[] {
  const random = seededRandom(13);
  const below = (bound: number): number => Math.floor(bound * random());
  const fill = (count: number, make: (i: number) => number): Uint8Array =>
    new Uint8Array(count).map((_, i) => make(i));
  const all: GoldenSegment[] = [];
  for (const width of [1, 2, 4, 8]) {
    const count = 1500;
    const rest = Array.from({ length: Math.max(0, width - 2) }, () => new Uint8Array(count));
    const high = fill(count, () => 56 + below(8));
    const low = fill(count, () => below(256));
    const base = width === 1 ? [high] : [high, low, ...rest];
    // Base: elements of great exponents change far, others hardly.
    const later = high.map((byte) => byte + (byte > 59 ? below(60) : below(12) === 0 ? 1 : 0));
    const child = [later, ...base.slice(1)];
    all.push(
      golden(
        `base, width ${width}`,
        1,
        { child, base },
        encodeReferenceAs({ transform: 1, masked: false }, child, base, 1),
      ),
    );
    if (width === 1) continue;
    // Own: the second byte depends on the first one.
    const own = [high, high.map((byte) => (byte > 59 ? below(200) : below(3))), ...rest];
    all.push(chosenSegment(`own, width ${width}`, 1, own, null));
  }
  for (const width of [2, 4]) {
    const count = 4200;
    const rest = Array.from({ length: width - 2 }, () => new Uint8Array(count));
    const base = [fill(count, () => 60 + below(4)), fill(count, () => below(256)), ...rest];
    const steps = fill(count, () => [0, 0, 1, 255, 7][below(5)] as number);
    // Above: the second digit is of another kind after each first one.
    const spread: Readonly<Record<number, number>> = { 0: 4, 1: 50, 255: 120 };
    const child = [
      fill(count, (i) => (base[0]?.[i] as number) + (steps[i] as number)),
      fill(count, (i) => (base[1]?.[i] as number) + below(spread[steps[i] as number] ?? 250)),
      ...rest,
    ];
    const coded = encodeReferenceAs({ transform: 1, masked: false }, child, base, 2);
    all.push(golden(`above, width ${width}`, 2, { child, base }, coded));
  }
  return all;
}

/** Streams of 8 and of 64 lanes. */
function laneSegments(): GoldenSegment[] {
  const random = seededRandom(5);
  const plane = (count: number): Uint8Array =>
    new Uint8Array(count).map(() => Math.floor(3 * random() ** 8));
  return [32_767, 32_833].map((count) =>
    chosenSegment(`${count} symbols`, 1, [plane(count)], null),
  );
}

/** Deltas whose deepest planes have noise for differences: stored, of one value, or coded. */
function ownSegments(): GoldenSegment[] {
  const all: GoldenSegment[] = [];
  for (const width of [4, 8]) {
    for (const transform of [1, 2]) {
      for (const level of [0, 1, 2] as const) {
        for (const last of ['noise', 'one value', 'coded'] as const) {
          const random = seededRandom(1000 * width + 100 * transform + 10 * level + last.length);
          const below = (bound: number): number => Math.floor(bound * random());
          const plane = (make: (i: number) => number): Uint8Array =>
            new Uint8Array(300).map((_, i) => make(i));
          const base = Array.from({ length: width }, (_, k) =>
            plane(() => (k === 0 ? 56 + below(6) : below(256))),
          );
          const child = base.map((bytes, k) => {
            if (k === width - 1 && last !== 'noise')
              return plane(() => (last === 'coded' ? below(4) : 7));
            return plane((i) => (k < 2 ? (bytes[i] as number) + below(2) : below(256)));
          });
          const coded = encodeReferenceAs({ transform, masked: false }, child, base, level);
          const name = `width ${width}, transform ${transform}, level ${level}, ${last}`;
          all.push(golden(name, level, { child, base }, coded));
        }
      }
    }
  }
  return all;
}

/** All golden segments by the name of their file. */
export function makeGoldenSegments(): Record<string, GoldenSegment[]> {
  return {
    ...Object.fromEntries(
      TRANSFORM_NAMES.map((name, transform) => [name, transformSegments(transform)]),
    ),
    same: sameSegments(),
    palette: paletteSegments(),
    plain: plainSegments(),
    contexts: contextSegments(),
    lanes: laneSegments(),
    own: ownSegments(),
  };
}
