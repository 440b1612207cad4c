/**
 * Bases of another size, order or dtype: stored extents from which a new one follows by an operation
 * (codec/operation.ts), such as a cast, a transposed matrix, a table with more rows.
 *
 * They are found by name, and by sketch: the samples that the base would have are taken from the new
 * extent where its elements would stand. Whatever is found is measured on the samples of its sketch.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import { SEARCHED_EXTENT_BYTES, SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { CASTS, type Cast, castElement } from '../../../pure/codec/cast.js';
import { type Operation, placeIn } from '../../../pure/codec/operation.js';
import { type Permutation, permutation } from '../../../pure/codec/permute.js';
import { sketchDistance, sketchPositions } from '../../../pure/codec/sketch.js';
import type { DType } from '../../../pure/tensor/dtype.js';
import { sampleStraight } from '../../objects/planes/kernel-chains.js';
import { lendWhole, type NamedExtent } from '../../objects/planes/plane-reader.js';
import { segmentElements } from '../../objects/planes/segment-head.js';
import type { PackSession } from '../../objects/session.js';
import type { DerivedExtent, ViewedExtent } from './derived-extent.js';
import { QuantisedBases } from './quantised-bases.js';
import { factorsOf, rowLength, TRIED_ROWS, valuesOf } from './scaled-bases.js';

/** A base that fits by an operation. */
export interface DerivedBase {
  readonly id: Id;
  readonly operation: Operation;
  /** Bits per element of a delta, by the samples. */
  readonly distance: number;
}

/** Samples of a base that have to have a place in the new extent. */
const SAMPLES_MIN = 4;
/** Extents of the same signs that are read. */
const SCALED_MAX = 4;
/** Neighbours of a sketch that are measured. */
const NEIGHBOURS_MAX = 16;

/** Casts that lead to a dtype, with the dtype that they start from and the cast that goes back. */
const CASTS_TO: Partial<Record<DType, readonly { cast: Cast; from: DType; back: Cast }[]>> = {
  F16: [{ cast: 'F32→F16', from: 'F32', back: 'F16→F32' }],
  BF16: [{ cast: 'F32→BF16', from: 'F32', back: 'BF16→F32' }],
  F64: [{ cast: 'F32→F64', from: 'F32', back: 'F64→F32' }],
  F32: [
    { cast: 'F64→F32', from: 'F64', back: 'F32→F64' },
    { cast: 'F16→F32', from: 'F16', back: 'F32→F16' },
    { cast: 'BF16→F32', from: 'BF16', back: 'F32→BF16' },
  ],
};

/** Orders in which frameworks keep the dimensions of one weight, by rank: axes of the base. */
const ORDERS: Record<number, readonly (readonly number[])[]> = {
  2: [[1, 0]],
  3: [
    [0, 2, 1],
    [1, 0, 2],
    [2, 1, 0],
  ],
  // Convolutions: OIHW, OHWI, HWIO and their ways back.
  4: [
    [0, 2, 3, 1],
    [0, 3, 1, 2],
    [2, 3, 1, 0],
    [3, 2, 0, 1],
    [1, 0, 2, 3],
  ],
};

/** Permutations that may give a shape. */
function permutationsTo(shape: readonly number[], count: number): Permutation[] {
  if (count > SEGMENT_ELEMENTS) return [];
  return (ORDERS[shape.length] ?? []).flatMap((axes) => {
    const base: number[] = [];
    for (const [i, axis] of axes.entries()) base[axis] = shape[i] as number;
    return permutation(base, axes) ?? [];
  });
}

/** A way in which an extent may depend on another one. */
interface Way {
  readonly id: Id;
  readonly width: number;
  readonly count: number;
  readonly operation: Operation;
}

export class DerivedBases {
  readonly #session: PackSession;
  readonly #isUsable: (id: Id) => boolean;
  readonly #quantised: QuantisedBases;

  constructor(session: PackSession, isUsable: (id: Id) => boolean) {
    this.#session = session;
    this.#isUsable = isUsable;
    this.#quantised = new QuantisedBases(session, isUsable);
  }

  /** True if all planes of such an extent may be needed to find a base of it. */
  readsPlanes(extent: Pick<DerivedExtent, 'width' | 'count' | 'view'>): Promise<boolean> {
    return this.#quantised.mayFind(extent);
  }

  /**
   * The nearest base by an operation, or null.
   * @param relatives  stored extents of its name, whatever their size.
   * @param isLost     true if nothing of its own size and order is close: then orders are tried.
   */
  async nearest(
    extent: DerivedExtent,
    relatives: readonly ViewedExtent[],
    isLost: boolean,
  ): Promise<DerivedBase | null> {
    let best: DerivedBase | null = null;
    const take = (way: Way, distance: number | null): void => {
      if (distance === null || (best !== null && distance >= best.distance)) return;
      best = { id: way.id, operation: way.operation, distance };
    };
    for (const way of this.#waysByName(extent, relatives)) {
      const sketch = await this.#sketchOf(way.id);
      if (sketch !== null) take(way, await distanceBy(way, sketch, extent));
    }
    for (const { width, operation, back } of operationsTo(extent, isLost)) {
      if (!(await this.#session.sketches.has(width, extent.count))) continue;
      const way = { width, count: extent.count, operation };
      const wanted = await wantedSketch(way, back, extent);
      const { count } = extent;
      for (const { id, sketch } of await this.#session.sketches.nearest(
        wanted,
        width,
        count,
        NEIGHBOURS_MAX,
      )) {
        if (id !== extent.id && this.#isUsable(id)) {
          take({ ...way, id }, await distanceBy({ ...way, id }, sketch, extent));
        }
      }
    }
    return (await this.#computed(extent, best, isLost)) ?? best;
  }

  /** A base whose values are computed with: quantised, or scaled where nothing else is related. */
  async #computed(
    extent: DerivedExtent,
    best: DerivedBase | null,
    isLost: boolean,
  ): Promise<DerivedBase | null> {
    if (best !== null && best.distance < 1) return null;
    const scaled = isLost ? await this.#scaled(extent) : null;
    if (scaled !== null || (!isLost && extent.width !== 1)) return scaled;
    const orders = permutationsTo(extent.view?.shape ?? [], extent.count);
    const found = await this.#quantised.find(extent, orders);
    return found && { ...found, distance: 0 };
  }

  /** A base whose rows were scaled, where that gives nearly all elements; null if there is none. */
  async #scaled(extent: DerivedExtent): Promise<DerivedBase | null> {
    const { id, width, count, view, sketch, kept } = extent;
    const planes = kept.length === 1 ? (kept[0] ?? null) : null;
    const rows = view?.shape[0] ?? 0;
    const isLong = count * width >= SEARCHED_EXTENT_BYTES;
    if (view?.dtype !== 'F32' || view.shape.length < 2 || planes === null || !isLong) return null;
    const length = rowLength(count, rows);
    if (length === null) return null;
    const alike = await this.#session.sketches.sameSigns(sketch, count, SCALED_MAX);
    // Signs say little of values that are never negative: mostly the first rows already are no fold.
    const tried = Math.min(TRIED_ROWS, rows);
    const first = alike.length === 0 ? null : valuesOf(leading(planes, tried * length));
    for (const base of alike) {
      if (base === id || !this.#isUsable(base) || first === null) continue;
      const stored = { id: base, width, count };
      const start = await this.#valuesOf(stored, first.length);
      if (start === null || factorsOf(first, start, tried) === null) continue;
      const all = await this.#valuesOf(stored, count);
      const scale = all && factorsOf(valuesOf(planes), all, rows);
      if (scale) return { id: base, operation: { scale }, distance: 0 };
    }
    return null;
  }

  /** The first values of a stored extent of one segment; null if it cannot be read. */
  async #valuesOf(extent: NamedExtent, values: number): Promise<Float32Array | null> {
    try {
      if (values < extent.count) {
        const sampling = { length: values, step: values, pieces: 1 };
        const how = { sampling, signal: undefined };
        const found = await sampleStraight(this.#session, extent, new Set(), how);
        const start = found?.get(extent.id);
        if (start !== undefined) return valuesOf(start);
      }
      const lease = await lendWhole(this.#session.planes, extent, 0);
      const found = valuesOf(leading(lease.planes, values));
      lease.release();
      return found;
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }

  *#waysByName(extent: DerivedExtent, relatives: readonly ViewedExtent[]): Generator<Way> {
    for (const base of relatives) {
      if (base.id === extent.id || !this.#isUsable(base.id)) continue;
      for (const operation of operationsBetween(base, extent)) yield { ...base, operation };
    }
  }

  /** The sketch of a stored extent; null if it has none or cannot be read. */
  async #sketchOf(id: Id): Promise<Uint8Array | null> {
    try {
      return await this.#session.sketchOf(id);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }
}

/** The first elements of planes. */
function leading(planes: readonly Uint8Array[], count: number): Uint8Array[] {
  return planes.map((plane) => plane.subarray(0, count));
}

/** Operations that may lead from one size and view to another; none where they are the same. */
function* operationsBetween(base: ViewedExtent, extent: DerivedExtent): Generator<Operation> {
  const casts = CASTS_TO[extent.view?.dtype ?? 'U8'] ?? [];
  const cast = casts.find(({ from }) => from === base.view?.dtype)?.cast;
  if (cast === undefined && base.width !== extent.width) return;
  const step = cast === undefined ? {} : { cast };
  if (base.count !== extent.count) {
    yield { ...step, shift: 0 };
    // What was put in front, or taken from there: the ends are alike.
    yield { ...step, shift: base.count - extent.count };
    return;
  }
  if (cast !== undefined) yield { cast };
  for (const permute of permutationsTo(extent.view?.shape ?? [], extent.count)) {
    yield { ...step, permute };
  }
}

/** Operations by which a stranger may lead to an extent, with the cast that goes back. */
function* operationsTo(
  { width, count, view }: DerivedExtent,
  isLost: boolean,
): Generator<{ width: number; operation: Operation; back: Cast | null }> {
  if (view === null || width * count < SEARCHED_EXTENT_BYTES) return;
  const permutations = isLost ? permutationsTo(view.shape, count) : [];
  for (const permute of permutations) yield { width, operation: { permute }, back: null };
  for (const { cast, back } of CASTS_TO[view.dtype] ?? []) {
    const { from } = CASTS[cast];
    yield { width: from, operation: { cast }, back };
    for (const permute of permutations) yield { width: from, operation: { permute, cast }, back };
  }
}

/** Where an element of a base comes to be in the new extent; −1 if nowhere. */
function placeOf({ operation }: Pick<Way, 'operation'>, from: number, count: number): number {
  const { shift } = operation;
  if (shift === undefined) return placeIn(operation, from, count);
  // Each segment is moved by itself: what leaves it has no place.
  const segment = Math.floor(from / SEGMENT_ELEMENTS);
  const first = segment * SEGMENT_ELEMENTS;
  if (first >= count) return -1;
  const place = placeIn(operation, from - first, segmentElements(count, segment));
  return place < 0 ? -1 : first + place;
}

/** The sketch that a base would have from which the new extent follows exactly, or nearly. */
async function wantedSketch(
  way: Omit<Way, 'id'>,
  back: Cast | null,
  extent: DerivedExtent,
): Promise<Uint8Array> {
  const { width, count } = way;
  const positions = sketchPositions(width, count);
  const sketch = new Uint8Array(width * positions.length);
  for (const [i, position] of positions.entries()) {
    const element = await extent.elementAt(placeOf(way, position, extent.count));
    sketch.set(back === null ? element : castElement(back, element), i * width);
  }
  return sketch;
}

/** Bits per element between what an operation makes of a base and the new extent, by samples. */
async function distanceBy(
  way: Way,
  sketch: Uint8Array,
  extent: DerivedExtent,
): Promise<number | null> {
  const { width, count, operation } = way;
  const made: Uint8Array[] = [];
  const found: Uint8Array[] = [];
  for (const [i, position] of sketchPositions(width, count).entries()) {
    const place = placeOf(way, position, extent.count);
    const sample = sketch.subarray(i * width, (i + 1) * width);
    if (place < 0 || sample.length < width) continue;
    made.push(operation.cast === undefined ? sample : castElement(operation.cast, sample));
    found.push(await extent.elementAt(place));
  }
  if (made.length < SAMPLES_MIN) return null;
  return sketchDistance(Buffer.concat(made), Buffer.concat(found), extent.width);
}
