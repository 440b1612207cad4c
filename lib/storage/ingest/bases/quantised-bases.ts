/**
 * Quantised copies: a new tensor of 8-bit integers that follows from stored float32, or float32 that
 * follows from stored 8-bit integers.
 *
 * Sketches find candidates: the samples of one, and the elements at their places in the other, lie about
 * on a line. The fit of the nearest is then verified on a whole segment.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { type Operation, operate, placeIn } from '../../../pure/codec/operation.js';
import type { Permutation } from '../../../pure/codec/permute.js';
import type { Quantisation, QuantisedType } from '../../../pure/codec/quantise.js';
import { sketchPositions } from '../../../pure/codec/sketch.js';
import type { DType } from '../../../pure/tensor/dtype.js';
import { lendWhole } from '../../objects/planes/plane-reader.js';
import type { PackSession } from '../../objects/session.js';
import { segmentCount } from '../../store/types.js';
import type { DerivedExtent } from './derived-extent.js';
import {
  type ChannelPlan,
  channelPlans,
  fitDequantisation,
  fitQuantisation,
  type PairSource,
  type Pairs,
} from './quantised-fit.js';
import { valuesOf } from './scaled-bases.js';

/** Correlation of samples from which a candidate is read. Scales by channel make it less than 1. */
const CORRELATION_MIN = 0.7;
/** Candidates that are read. */
const CANDIDATES_MAX = 2;
/** Elements on which a plan of channels is tried before all are read. */
const TRIED_ELEMENTS = 1 << 16;
/** Share of elements that has to follow exactly. */
const EXACT_SHARE = 0.9;

/** A stored extent that may be a base, after a permutation. */
interface Candidate {
  readonly id: Id;
  readonly permute: Permutation | undefined;
  readonly correlation: number;
}

/** Pearson's coefficient; 0 where one side is constant or not finite. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - ma, b[i]! - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  const r = ab / Math.sqrt(aa * bb);
  return Number.isFinite(r) ? r : 0;
}

/** The number that an element is, its bytes the most significant first. */
function numberOf(element: Uint8Array, isSigned: boolean): number {
  if (element.length === 4) return Buffer.from(element).readFloatBE(0);
  return isSigned ? (element[0]! << 24) >> 24 : element[0]!;
}

/** The integer types that a stored extent of bytes may be of; its dtype is not known here. */
const TYPES: readonly QuantisedType[] = ['I8', 'U8'];

function isQuantised(dtype: DType | undefined): dtype is QuantisedType {
  return dtype === 'I8' || dtype === 'U8';
}

/** Bytes of an element on the other side of a quantisation. */
function otherWidth(width: number): number {
  return width === 1 ? 4 : 1;
}

function integersOf(plane: Uint8Array, type: QuantisedType): Int8Array | Uint8Array {
  if (type === 'U8') return plane;
  return new Int8Array(plane.buffer, plane.byteOffset, plane.length);
}

export class QuantisedBases {
  readonly #session: PackSession;
  readonly #isUsable: (id: Id) => boolean;

  constructor(session: PackSession, isUsable: (id: Id) => boolean) {
    this.#session = session;
    this.#isUsable = isUsable;
  }

  /** True if there are extents of which such a one may be a quantised copy, or the other way round. */
  async mayFind({
    width,
    count,
    view,
  }: Pick<DerivedExtent, 'width' | 'count' | 'view'>): Promise<boolean> {
    if (!isQuantised(view?.dtype) && view?.dtype !== 'F32') return false;
    return this.#session.sketches.has(otherWidth(width), count);
  }

  /**
   * A base from which nine of ten elements of an extent follow, or null.
   * @param permutations  orders of its dimensions that the base may have.
   */
  async find(
    extent: DerivedExtent,
    permutations: readonly Permutation[],
  ): Promise<{ id: Id; operation: Operation } | null> {
    const isKept = extent.kept.every((planes) => planes !== null);
    if (!isKept || !(await this.mayFind(extent))) return null;
    const dtype = extent.view?.dtype;
    for (const type of isQuantised(dtype) ? [dtype] : TYPES) {
      for (const candidate of await this.#candidates(extent, permutations, type)) {
        try {
          const operation = await this.#fit(extent, candidate, type);
          if (operation !== null) return { id: candidate.id, operation };
        } catch (error) {
          if (!isUnreadable(error)) throw error;
        }
      }
    }
    return null;
  }

  /** Stored extents on whose samples the extent lies about on a line, the straightest first. */
  async #candidates(
    extent: DerivedExtent,
    permutations: readonly Permutation[],
    type: QuantisedType,
  ): Promise<Candidate[]> {
    const { count } = extent;
    const width = otherWidth(extent.width);
    const isSigned = type === 'I8';
    const positions = sketchPositions(width, count);
    const found: Candidate[] = [];
    for (const permute of [undefined, ...permutations]) {
      const own: number[] = [];
      for (const position of positions) {
        const place = permute === undefined ? position : placeIn({ permute }, position, count);
        own.push(numberOf(await extent.elementAt(place), isSigned));
      }
      for await (const { id, sketch } of this.#session.sketches.rows(width, count)) {
        if (id === extent.id || !this.#isUsable(id)) continue;
        const theirs = positions.map((_, i) =>
          numberOf(sketch.subarray(i * width, (i + 1) * width), isSigned),
        );
        const r = correlation(own, theirs);
        if (r >= CORRELATION_MIN) found.push({ id, permute, correlation: r });
      }
    }
    found.sort((a, b) => b.correlation - a.correlation);
    return found.slice(0, CANDIDATES_MAX);
  }

  /** The operation that gives nine of ten elements of the first segment, or null. */
  async #fit(
    extent: DerivedExtent,
    candidate: Candidate,
    type: QuantisedType,
  ): Promise<Operation | null> {
    const { permute } = candidate;
    // Symmetric first; then zero points as they seem to be.
    const ways: ((plan: ChannelPlan, read: PairSource) => Promise<Quantisation>)[] =
      extent.width === 1
        ? [true, false].map((symmetric) => (plan, read) => {
            return fitQuantisation(type, plan, read, symmetric);
          })
        : [(plan, read) => fitDequantisation(type, plan, read)];
    const first = await this.#planesOf(extent, candidate, 0);
    const own = extent.kept[0] as readonly Uint8Array[];
    const share = (made: Quantisation, elements: number): number => {
      const operation = extent.width === 1 ? { quantise: made } : { dequantise: made };
      const planes = first.map((plane) => plane.subarray(0, elements));
      const target = own.map(() => new Uint8Array(elements));
      operate(operation, { planes, count: extent.count, first: 0 }, target);
      let equal = 0;
      for (let i = 0; i < elements; i++) {
        if (target.every((plane, k) => plane[i] === own[k]![i])) equal++;
      }
      return equal / elements;
    };
    const start = pairsOf(extent, 0, first, type);
    const tried: Pairs = {
      values: start.values.subarray(0, TRIED_ELEMENTS),
      integers: start.integers.subarray(0, TRIED_ELEMENTS),
      first: 0,
    };
    for (const plan of channelPlans(extent.view?.shape ?? [])) {
      for (const fitted of ways) {
        const some = await fitted(plan, () => [tried]);
        if (share(some, tried.values.length) < EXACT_SHARE) continue;
        const made = await fitted(plan, () => this.#read(extent, candidate, start, type));
        if (share(made, start.values.length) < EXACT_SHARE) continue;
        return { permute, ...(extent.width === 1 ? { quantise: made } : { dequantise: made }) };
      }
    }
    return null;
  }

  /** Floats and integers side by side, one segment at a time. */
  async *#read(
    extent: DerivedExtent,
    candidate: Candidate,
    start: Pairs,
    type: QuantisedType,
  ): AsyncGenerator<Pairs> {
    yield start;
    for (let segment = 1; segment < segmentCount(extent.count); segment++) {
      const planes = await this.#planesOf(extent, candidate, segment);
      yield pairsOf(extent, segment, planes, type);
    }
  }

  /** Planes of a segment of a candidate in the order of the extent. @throws {CorruptError} */
  async #planesOf(
    { width, count }: DerivedExtent,
    { id, permute }: Candidate,
    segment: number,
  ): Promise<Uint8Array[]> {
    const base = { id, width: otherWidth(width), count };
    const lease = await lendWhole(this.#session.planes, base, segment);
    const planes = lease.planes.map((plane) => plane.slice());
    if (permute !== undefined) operate({ permute }, { ...lease, count, first: 0 }, planes);
    lease.release();
    return planes;
  }
}

/** A segment of an extent beside the same one of its base. */
function pairsOf(
  { width, kept }: DerivedExtent,
  segment: number,
  base: readonly Uint8Array[],
  type: QuantisedType,
): Pairs {
  const own = kept[segment] as readonly Uint8Array[];
  const [floats, bytes] = width === 1 ? [base, own] : [own, base];
  const integers = integersOf(bytes[0] as Uint8Array, type);
  return { values: valuesOf(floats), integers, first: segment * SEGMENT_ELEMENTS };
}
