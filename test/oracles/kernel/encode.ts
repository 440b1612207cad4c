/**
 * The reference encoder: native/encode.c in TypeScript. It writes the very bytes of the kernel at each
 * level, so that every choice of the kernel has an oracle. Start at `encodeReference`.
 */
import { SEGMENT_ELEMENTS } from '../../../lib/base/limits.js';
import { ERROR_ARGUMENT, failure } from '../../../lib/base/native/failure.js';
import { classOfPlane } from './decode.js';
import {
  FAST,
  type Level,
  MAX,
  type PlaneToWrite,
  planeCost,
  putPlane,
  sampleFrom,
  type Trial,
} from './encode-plane.js';
import {
  CODEC,
  CODEC_OWN,
  DIFFERENCES_MIN,
  KIND_BASE,
  KIND_NONE,
  KIND_OWN,
  MODE_STORED,
  TRANSFORM_BSUB,
  TRANSFORM_PALETTE,
  TRANSFORM_RAW,
  TRANSFORM_SAME,
  TRANSFORM_SUB16,
  TRANSFORM_SUB32,
} from './head.js';
import { ByteOutput } from './output.js';
import { findPalette } from './palette.js';
import { COST_ONE, orderZeroCost, quotient } from './stats.js';
import { makeDigits } from './transforms.js';

/** Elements that are looked at to choose a transform: blocks spread over the segment, for each level. */
const SAMPLE_BLOCK = 1024;
const SAMPLE_BLOCKS = [8, 16, 32] as const;
/** A mask is thought of if at least 1 of so many elements is unchanged, and taken if all but 1 are. */
const MASK_SHARE = 25;
const MASK_SURE = 100;
/** Level fast takes one from so many of 1,000 unchanged elements on, and tries nothing. */
const MASK_FAST = 125;
const MASK_BLOCK = 64;
const MASK_BLOCKS = 512;
/** Fewer unchanged elements are not worth a mask. */
const MASK_UNCHANGED_MIN = 8;
/** Elements on which coding with and without a mask is tried. */
const TRIAL_BLOCK = 1024;
const TRIAL_BLOCKS = 48;
/** A delta must be cheaper than the planes alone by this, in 1/1000. */
const DELTA_GAIN = 995;
/** Level max tries what the sample says to cost up to this more than the cheapest, in 1/1000. */
const TRIED_FROM = 1015;

/** Planes of one segment, most significant first, all of equal length. */
type Planes = readonly Uint8Array[];

/** Head and class payloads while they are written. */
class Output {
  readonly head: ByteOutput;
  readonly classes = [new ByteOutput(), new ByteOutput(), new ByteOutput()] as const;
  transform = TRANSFORM_RAW;
  usesBase = false;
  /** Of a trial: what the planes would take, in 1/65536 bit. */
  cost = 0;

  constructor(codec = CODEC) {
    this.head = new ByteOutput().u8(codec);
  }

  /** Writes a plane into a class, or in a trial adds up its cost. */
  putPlane(plane: PlaneToWrite, payload: ByteOutput, trial?: Trial): void {
    if (trial) this.cost += planeCost(plane, trial);
    else putPlane(plane, this.head, payload);
  }

  /** Bytes of all. */
  get length(): number {
    return this.classes.reduce((sum, bytes) => sum + bytes.length, this.head.length);
  }
}

/** How a segment is encoded. */
interface Options {
  level: Level;
  noPrefix: boolean;
  trial?: Trial;
  /** What a trial chose. */
  transform?: number;
}

/** What encoding gives: docs/format/codec.md, codec 2. */
export interface ReferenceSegment {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
  usesBase: boolean;
}

/**
 * Encodes one segment.
 * @param child  1 … 8 planes of 1 … 4 Mi bytes each; read, never kept. @param base  as many, or null.
 */
export function encodeReference(
  child: Planes,
  base: Planes | null,
  level: number,
  noPrefix: boolean,
): ReferenceSegment {
  const n = child[0]?.length ?? 0;
  const known = level === 0 || level === 1 || level === 2;
  if (n === 0 || n > SEGMENT_ELEMENTS || !known) throw failure(ERROR_ARGUMENT, 'bad argument');
  return finish(encodeSegment(child, base, { level, noPrefix }));
}

/**
 * Encodes one segment by one of the transforms 0 to 4, whether or not the encoder would choose it, with
 * a mask of the changed elements if `masked`. For tests of decoders.
 */
export function encodeReferenceAs(
  { transform, masked }: { transform: number; masked: boolean },
  child: Planes,
  base: Planes | null,
  level: Level,
): ReferenceSegment {
  const changed = masked && base !== null ? changedElements(child, base) : null;
  return finish(writeBody({ child, base, changed }, transform, { level }));
}

function finish({ head, classes, usesBase }: Output): ReferenceSegment {
  const [hi, mid, low] = classes;
  return {
    head: head.finish(),
    hi: hi.finish(),
    mid: mid.finish(),
    low: low.finish(),
    usesBase,
  };
}

/** Same as the base, or planes, or a palette where that is smaller. */
function encodeSegment(child: Planes, base: Planes | null, options: Options): Output {
  if (
    base !== null &&
    child.every((plane, k) => Buffer.compare(plane, base[k] as Uint8Array) === 0)
  ) {
    const output = new Output();
    output.head.u8(TRANSFORM_SAME).u8(0);
    output.usesBase = true;
    return output;
  }
  const output = encodeDiffering(child, base, options);
  const found = child.length > 1 ? findPalette(child) : null;
  if (found === null) return output;
  const other = new Output();
  other.head
    .u8(TRANSFORM_PALETTE)
    .u8(0)
    .u8((found.planes[0] as Uint8Array).length - 1);
  for (const plane of found.planes) other.head.put(plane);
  other.putPlane(alone(found.indices, options.level), other.classes[0]);
  return other.length < output.length ? other : output;
}

/** As planes, with a mask of changed elements where that pays. */
function encodeDiffering(child: Planes, base: Planes | null, options: Options): Output {
  if (base === null) return encodeBody(child, null, false, options);
  const n = (child[0] as Uint8Array).length;
  const share = unchangedShare(child, base);
  if (share >= 1000 - 1000 / MASK_SURE) return encodeBody(child, base, true, options);
  if (options.level === FAST) return encodeBody(child, base, share >= MASK_FAST, options);
  const mayMask = share >= 1000 / MASK_SHARE;
  if (options.level === MAX) return encodeSmallest(child, base, mayMask, options);
  if (!mayMask) return encodeBody(child, base, false, options);
  const small = n <= TRIAL_BLOCK * TRIAL_BLOCKS;
  const pick = (planes: Planes): Planes => (small ? planes : planes.map(pickTrial));
  const trial = { sampled: small ? n : TRIAL_BLOCK * TRIAL_BLOCKS, whole: n };
  const [without, within] = [false, true].map((masked) =>
    encodeBody(pick(child), pick(base), masked, { ...options, trial }),
  ) as [Output, Output];
  const masked = within.cost < without.cost;
  const { transform } = masked ? within : without;
  return encodeBody(child, base, masked, { ...options, transform });
}

/** Level max: the smallest of each transform that comes near, with a mask and without. */
function encodeSmallest(
  child: Planes,
  base: Planes,
  mayMask: boolean,
  { level, noPrefix }: Options,
): Output {
  const costs = transformCosts(child, base, { level, noPrefix });
  const least = Math.min(...costs.map(({ cost }) => cost));
  let best: Output | null = null;
  for (const { transform, cost } of costs) {
    if (cost > quotient(least, 1000) * TRIED_FROM) continue;
    for (const masked of mayMask ? [false, true] : [false]) {
      const changed = masked ? worthwhileMask(child, base) : null;
      const output = writeBody({ child, base, changed }, transform, { level });
      if (best === null || output.length < best.length) best = output;
    }
  }
  return best as Output;
}

/** The blocks of a plane on which a mask is tried. */
function pickTrial(plane: Uint8Array): Uint8Array {
  const blocks = Array.from({ length: TRIAL_BLOCKS }, (_, b) => {
    const from = sampleFrom(plane.length, TRIAL_BLOCK, TRIAL_BLOCKS, b);
    return plane.subarray(from, from + TRIAL_BLOCK);
  });
  return Buffer.concat(blocks);
}

function differsAt(child: Planes, base: Planes, i: number): boolean {
  return child.some((plane, k) => plane[i] !== (base[k] as Uint8Array)[i]);
}

/** Unchanged elements of 1,000, from a sample. */
function unchangedShare(child: Planes, base: Planes): number {
  const n = (child[0] as Uint8Array).length;
  const all = n <= MASK_BLOCK * MASK_BLOCKS;
  const blocks = all ? Math.ceil(n / MASK_BLOCK) : MASK_BLOCKS;
  let looked = 0;
  let unchanged = 0;
  for (let b = 0; b < blocks; b++) {
    const from = all ? b * MASK_BLOCK : sampleFrom(n, MASK_BLOCK, blocks, b);
    for (let i = from; i < Math.min(from + MASK_BLOCK, n); i++) {
      looked++;
      if (!differsAt(child, base, i)) unchanged++;
    }
  }
  return quotient(unchanged * 1000, looked);
}

/** Writes planes, those of changed elements only if `masked` and worth it, by the cheapest transform. */
function encodeBody(child: Planes, base: Planes | null, masked: boolean, options: Options): Output {
  if (base === null) return writeBody({ child, base, changed: null }, TRANSFORM_RAW, options);
  const changed = masked ? worthwhileMask(child, base) : null;
  const [values, under] = [child, base].map((planes) => pickElements(planes, changed));
  const transform =
    options.transform ?? chooseTransform(values as Planes, under as Planes, options);
  return writeBody({ child, base, changed }, transform, options);
}

/** Elements that differ from the base; null if a mask of them would be all, or leave out too few. */
function worthwhileMask(child: Planes, base: Planes): number[] | null {
  const n = (child[0] as Uint8Array).length;
  const changed = changedElements(child, base);
  return n - changed.length < MASK_UNCHANGED_MIN || changed.length === 0 ? null : changed;
}

/** The elements of planes that are coded: the changed ones, or all. */
function pickElements(planes: Planes, changed: readonly number[] | null): Planes {
  if (changed === null) return planes;
  return planes.map((plane) => Uint8Array.from(changed, (i) => plane[i] as number));
}

/** What is written: all elements, or those numbered by `changed`. */
interface Body {
  child: Planes;
  base: Planes | null;
  changed: readonly number[] | null;
}

/** The first of the deepest planes whose differences would be stored; the width if there is none. */
function firstOwn(planes: readonly PlaneToWrite[]): number {
  let first = planes.length;
  while (first > DIFFERENCES_MIN) {
    const head = new ByteOutput();
    putPlane(planes[first - 1] as PlaneToWrite, head, new ByteOutput());
    if (head.finish()[0] !== MODE_STORED) break;
    first--;
  }
  return first;
}

function writeBody(
  { child, base, changed }: Body,
  transform: number,
  { level, trial }: Pick<Options, 'level' | 'trial'>,
): Output {
  const values = pickElements(child, changed);
  const under = pickElements(base ?? [], changed);
  const digits = makeDigits(transform, values, under);
  const width = child.length;
  const raw = transform === TRANSFORM_RAW;
  const planes = digits.map((bytes, k): PlaneToWrite => {
    const kind = !raw ? KIND_BASE : k > 0 ? KIND_OWN : KIND_NONE;
    return { bytes, level, kind, around: { k, width, base: under, digits }, above: !raw && k > 0 };
  });
  const mayOwn = transform === TRANSFORM_BSUB || transform === TRANSFORM_SUB16;
  const first = mayOwn && changed === null && !trial ? firstOwn(planes) : width;
  const output = new Output(first < width ? CODEC_OWN : CODEC);
  output.transform = transform;
  output.usesBase = changed !== null || !raw;
  output.head.u8(transform).u8(changed === null ? 0 : 1);
  if (first < width) output.head.u8(first);
  if (changed !== null) {
    output.head.varint(changed.length);
    const bytes = new Uint8Array(Math.ceil((child[0] as Uint8Array).length / 8));
    for (const i of changed) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i % 8));
    output.putPlane(alone(bytes, level), output.classes[0], trial);
  }
  for (const [k, plane] of planes.entries()) {
    const payload = output.classes[classOfPlane(width, k)] as ByteOutput;
    const written = k < first ? plane : alone(values[k] as Uint8Array, level);
    output.putPlane(written, payload, trial);
  }
  return output;
}

/** A plane without contexts. */
function alone(bytes: Uint8Array, level: Level): PlaneToWrite {
  const around = { k: 0, width: 1, base: [], digits: [] };
  return { bytes, level, kind: KIND_NONE, around, above: false };
}

/** Elements that differ from the base, ascending. */
function changedElements(child: Planes, base: Planes): number[] {
  const n = (child[0] as Uint8Array).length;
  const changed: number[] = [];
  for (let i = 0; i < n; i++) if (differsAt(child, base, i)) changed.push(i);
  return changed;
}

/** What each transform that may be used costs on a sample, the planes as they are first. */
function transformCosts(
  child: Planes,
  base: Planes,
  { level, noPrefix }: Options,
): { transform: number; cost: number }[] {
  const width = child.length;
  const deltas = width > 1 ? [TRANSFORM_SUB16, TRANSFORM_BSUB] : [TRANSFORM_BSUB];
  if (noPrefix && width === 4) deltas.push(TRANSFORM_SUB32);
  const cost = (transform: number): number => sampleCost(transform, child, base, level);
  const raw = quotient(cost(TRANSFORM_RAW), 1000) * DELTA_GAIN;
  return [
    { transform: TRANSFORM_RAW, cost: raw },
    ...deltas.map((transform) => ({ transform, cost: cost(transform) })),
  ];
}

function chooseTransform(child: Planes, base: Planes, options: Options): number {
  const costs = transformCosts(child, base, options);
  return costs.reduce((best, other) => (other.cost < best.cost ? other : best)).transform;
}

/** Order-0 cost of a transform on a sample: planes that are noise count as stored. */
function sampleCost(transform: number, child: Planes, base: Planes, level: Level): number {
  const n = (child[0] as Uint8Array).length;
  const blocks = n < SAMPLE_BLOCK * SAMPLE_BLOCKS[level] ? 1 : SAMPLE_BLOCKS[level];
  const block = blocks === 1 ? n : SAMPLE_BLOCK;
  const counts = child.map(() => new Uint32Array(256));
  for (let b = 0; b < blocks; b++) {
    const from = sampleFrom(n, block, blocks, b);
    const cut = (planes: Planes): Planes =>
      planes.map((plane) => plane.subarray(from, from + block));
    for (const [k, plane] of makeDigits(transform, cut(child), cut(base)).entries()) {
      const row = counts[k] as Uint32Array;
      for (const digit of plane) row[digit] = (row[digit] as number) + 1;
    }
  }
  const stored = blocks * block * 8 * COST_ONE;
  return counts.reduce((sum, row) => sum + Math.min(orderZeroCost(row), stored), 0);
}
