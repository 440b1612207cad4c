/**
 * Operations on a base: what is done to its values before a delta is taken against them, so that an
 * extent of another length, order or dtype can depend on it.
 *
 *     operation := step+                   steps by ascending code, each at most once
 *     permute   := 1 rank:u8 (length:varint axis:u8){rank}
 *     scale     := 2 rows:varint factor:f32{rows}
 *     cast      := 3 cast:u8
 *     shift     := 4 zigzag:varint
 *     quantise, dequantise := 5, 6 quantisation        alone or after a permutation (quantise.ts)
 *
 * They are exact and the same on every machine: bits and IEEE arithmetic of single numbers, NaNs by rule.
 * @see docs/format/codec.md §operations
 */
import { ByteReader } from '../../base/bytes/reader.js';
import { ByteWriter } from '../../base/bytes/writer.js';
import { FormatVersionError } from '../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { contiguousStrides } from '../tensor/layout.js';
import { CASTS, type Cast, castPlanes } from './cast.js';
import { movePlane, PERMUTED_RANK_MAX, type Permutation } from './permute.js';
import {
  dequantisePlanes,
  type Quantisation,
  quantisePlanes,
  readQuantisation,
  writeQuantisation,
} from './quantise.js';

/** What is done to a base, in the order of the fields. At least one is there. */
export interface Operation {
  readonly permute?: Permutation | undefined;
  /** A factor for each row of equal length, as float32; the base is float32. */
  readonly scale?: Float32Array | undefined;
  readonly cast?: Cast | undefined;
  /** Element i of the result is element i + shift of the base's segment, 0 where it has none. */
  readonly shift?: number | undefined;
  /** Float32 to 8-bit integers. Neither this nor its mirror stands beside a scale, a cast or a shift. */
  readonly quantise?: Quantisation | undefined;
  readonly dequantise?: Quantisation | undefined;
}

const STEP_PERMUTE = 1;
const STEP_SCALE = 2;
const STEP_CAST = 3;
const STEP_SHIFT = 4;
const STEP_QUANTISE = 5;
const STEP_DEQUANTISE = 6;
/** Rows that are scaled apart. */
export const SCALED_ROWS_MAX = 1 << 16;

/** The bytes of an operation. */
export function encodeOperation(operation: Operation): Uint8Array {
  const { permute, scale, cast, shift, quantise, dequantise } = operation;
  const writer = new ByteWriter();
  if (permute !== undefined) {
    const { shape, axes } = permute;
    writer.u8(STEP_PERMUTE).u8(shape.length);
    for (const [i, length] of shape.entries()) writer.varint(length).u8(axes[i] as number);
  }
  if (scale !== undefined) {
    writer.u8(STEP_SCALE).varint(scale.length);
    for (const bits of new Uint32Array(scale.buffer, scale.byteOffset, scale.length))
      writer.u32(bits);
  }
  if (cast !== undefined) writer.u8(STEP_CAST).u8(CASTS[cast].code);
  if (shift !== undefined) writer.u8(STEP_SHIFT).varint(shift < 0 ? -2 * shift - 1 : 2 * shift);
  if (quantise !== undefined) writeQuantisation(writer.u8(STEP_QUANTISE), quantise);
  if (dequantise !== undefined) writeQuantisation(writer.u8(STEP_DEQUANTISE), dequantise);
  return writer.finish().slice();
}

/** The mirror of encodeOperation. @throws {CorruptError} {FormatVersionError} on an unknown step. */
export function decodeOperation(bytes: Uint8Array, file: string): Operation {
  const reader = new ByteReader(bytes, file);
  const operation: { -readonly [K in keyof Operation]: Operation[K] } = {};
  let last = 0;
  while (reader.remaining > 0) {
    const step = reader.u8('step');
    if (step <= last) throw reader.corrupt(`step ${step} after ${last}`);
    last = step;
    if (step === STEP_PERMUTE) operation.permute = readPermutation(reader);
    else if (step === STEP_SCALE) operation.scale = readScale(reader);
    else if (step === STEP_CAST) operation.cast = readCast(reader, file);
    else if (step === STEP_SHIFT) {
      const zigzag = reader.varint('shift');
      operation.shift = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    } else if (step === STEP_QUANTISE || step === STEP_DEQUANTISE) {
      const quantisation = readQuantisation(reader);
      if (quantisation === null) throw unknown(file, 'another quantised type', step);
      operation[step === STEP_QUANTISE ? 'quantise' : 'dequantise'] = quantisation;
    } else throw unknown(file, `step ${step}`, step);
  }
  if (last === 0) throw reader.corrupt('an operation of no step');
  if (!standsAlone(operation)) throw reader.corrupt('a quantisation beside other steps');
  return operation;
}

/** True unless a quantisation stands beside a step that it does not go with. */
function standsAlone({ scale, cast, shift, quantise, dequantise }: Operation): boolean {
  const isQuantised = quantise !== undefined || dequantise !== undefined;
  const others = scale ?? cast ?? shift ?? (quantise && dequantise);
  return !isQuantised || others === undefined;
}

function unknown(file: string, what: string, found: number): FormatVersionError {
  return new FormatVersionError(
    `'${file}' has an operation with ${what}, which this dlv does not know`,
    {
      file,
      found,
      hint: 'upgrade dlv; other objects of the repository stay readable',
    },
  );
}

function readPermutation(reader: ByteReader): Permutation {
  const rank = reader.u8('rank');
  if (rank < 2 || rank > PERMUTED_RANK_MAX) throw reader.corrupt(`a permutation of rank ${rank}`);
  const shape: number[] = [];
  const axes: number[] = [];
  let elements = 1;
  for (let i = 0; i < rank; i++) {
    shape.push(reader.varint('length'));
    axes.push(reader.u8('axis'));
    elements *= shape[i] as number;
  }
  const isWhole = axes.every((axis) => axis < rank) && new Set(axes).size === rank;
  if (!isWhole || elements < 1 || elements > SEGMENT_ELEMENTS) {
    throw reader.corrupt('a permutation that is none');
  }
  return { shape, axes };
}

function readScale(reader: ByteReader): Float32Array {
  const rows = reader.varint('rows');
  if (rows < 1 || rows > SCALED_ROWS_MAX || 4 * rows > reader.remaining) {
    throw reader.corrupt(`a scale of ${rows} rows`);
  }
  const bits = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) bits[i] = reader.u32('factor');
  return new Float32Array(bits.buffer);
}

function readCast(reader: ByteReader, file: string): Cast {
  const code = reader.u8('cast');
  for (const [name, cast] of Object.entries(CASTS)) if (cast.code === code) return name as Cast;
  throw unknown(file, `cast ${code}`, code);
}

/** True if leading planes of the result follow from as many of the base: values are only moved. */
export function keepsPlanes({ scale, cast, quantise, dequantise }: Operation): boolean {
  return (scale ?? cast ?? quantise ?? dequantise) === undefined;
}

function isQuantisation({ quantise, dequantise }: Operation): boolean {
  return (quantise ?? dequantise) !== undefined;
}

/** True if a dlv that knows operations up to shifts and casts of 16 bits cannot do it. */
export function isLater(operation: Operation): boolean {
  const { cast } = operation;
  return isQuantisation(operation) || (cast !== undefined && CASTS[cast].code > 4);
}

/** True for a shift by nothing: only lengths differ. */
export function movesNothing(operation: Operation): boolean {
  return keepsPlanes(operation) && operation.permute === undefined && operation.shift === 0;
}

/** Width of the elements that an operation gives for those of `width` bytes; 0 if it takes none such. */
export function resultWidth(operation: Operation, width: number): number {
  const { scale, cast, quantise, dequantise } = operation;
  if (quantise !== undefined) return width === 4 ? 1 : 0;
  if (dequantise !== undefined) return width === 1 ? 4 : 0;
  if (scale !== undefined && width !== 4) return 0;
  if (cast === undefined) return width;
  return CASTS[cast].from === width ? CASTS[cast].to : 0;
}

/** One segment of a base. */
export interface BaseSegment {
  readonly planes: readonly Uint8Array[];
  /** Elements of the whole base, and the place of the segment's first one. */
  readonly count: number;
  readonly first: number;
}

/** True if an operation can be done to a base of such a size for a segment of this many elements. */
export function fitsOperation(
  operation: Operation,
  { planes, count }: BaseSegment,
  result: { readonly width: number; readonly elements: number },
): boolean {
  const { permute, scale, shift } = operation;
  const elements = (planes[0] as Uint8Array).length;
  const product = permute?.shape.reduce((all, length) => all * length, 1);
  return (
    (product === undefined || (product === count && product === elements)) &&
    (scale === undefined || count % scale.length === 0) &&
    (shift !== undefined || elements === result.elements) &&
    (keepsPlanes(operation)
      ? planes.length <= result.width
      : resultWidth(operation, planes.length) === result.width)
  );
}

/**
 * Does an operation to one segment of a base.
 * @param base    all its planes, or, where planes are kept, leading ones; read, never kept. It fits.
 * @param target  the planes wanted, at most as many as there are; overwritten.
 */
export function operate(
  operation: Operation,
  base: BaseSegment,
  target: readonly Uint8Array[],
): void {
  const { permute, scale, cast, shift, quantise, dequantise } = operation;
  let { planes } = base;
  const isLast = (step: 'permute' | 'scale' | 'cast'): boolean => {
    if (shift !== undefined || isQuantisation(operation)) return false;
    return step === 'cast' || (cast === undefined && (step === 'scale' || scale === undefined));
  };
  const room = (step: 'permute' | 'scale' | 'cast', width: number): readonly Uint8Array[] => {
    if (isLast(step) && target.length === width) return target;
    const { length } = planes[0] as Uint8Array;
    return Array.from({ length: width }, () => new Uint8Array(length));
  };
  if (permute !== undefined) {
    const wanted = keepsPlanes(operation) ? target.length : planes.length;
    const moved = room('permute', wanted);
    for (const [k, plane] of moved.entries()) movePlane(planes[k] as Uint8Array, permute, plane);
    planes = moved;
  }
  if (scale !== undefined) {
    const scaled = room('scale', 4);
    scalePlanes({ ...base, planes }, scale, scaled);
    planes = scaled;
  }
  if (cast !== undefined) {
    const made = room('cast', CASTS[cast].to);
    castPlanes(cast, planes, made);
    planes = made;
  }
  if (quantise !== undefined) {
    quantisePlanes(quantise, planes, base.first, target[0] as Uint8Array);
    return;
  }
  if (dequantise !== undefined) {
    const whole = Array.from(
      { length: 4 },
      (_, k) => target[k] ?? new Uint8Array(planes[0]!.length),
    );
    dequantisePlanes(dequantise, planes[0] as Uint8Array, base.first, whole);
    return;
  }
  for (const [k, plane] of target.entries()) {
    const from = planes[k] as Uint8Array;
    if (shift !== undefined) shiftPlane(from, shift, plane);
    else if (from !== plane) plane.set(from);
  }
}

/** Element i of the target is element i + shift of the plane, 0 where it has none. */
function shiftPlane(plane: Uint8Array, shift: number, target: Uint8Array): void {
  const from = Math.min(Math.max(0, -shift), target.length);
  const to = Math.max(from, Math.min(target.length, plane.length - shift));
  target.fill(0, 0, from);
  if (to > from) target.set(plane.subarray(from + shift, to + shift), from);
  target.fill(0, to);
}

/** Products of float32, rounded to nearest; a NaN is 0x7fc00000. */
function scalePlanes(
  { planes, count, first }: BaseSegment,
  factors: Float32Array,
  target: readonly Uint8Array[],
): void {
  const rowElements = count / factors.length;
  const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const [t0, t1, t2, t3] = target as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  for (let i = 0; i < p0.length; i++) {
    bits[0] = (p0[i]! << 24) | (p1[i]! << 16) | (p2[i]! << 8) | p3[i]!;
    const product = Math.fround(value[0]! * factors[Math.floor((first + i) / rowElements)]!);
    if (Number.isNaN(product)) bits[0] = 0x7fc00000;
    else value[0] = product;
    const word = bits[0]!;
    t0[i] = word >>> 24;
    t1[i] = word >>> 16;
    t2[i] = word >>> 8;
    t3[i] = word;
  }
}

/** Where an element of the base comes to be in a result of `length` elements; −1 if nowhere. */
export function placeIn({ permute, shift = 0 }: Operation, source: number, length: number): number {
  let at = source;
  if (permute !== undefined) {
    const { shape, axes } = permute;
    const strides = contiguousStrides(shape);
    at = 0;
    for (const axis of axes) {
      const own = shape[axis] as number;
      at = at * own + (Math.floor(source / (strides[axis] as number)) % own);
    }
  }
  at -= shift;
  return at >= 0 && at < length ? at : -1;
}
