/**
 * Linear quantisation, element by element on byte planes: float32 to 8-bit integers and back, with a
 * scale and a zero point for each channel, as ONNX QuantizeLinear and DequantizeLinear and PyTorch do.
 *
 *     quantisation := code:u8 channels:varint inner:varint scale:f32{channels} zero:u8{channels}
 *
 * @see docs/format/codec.md §operations
 */
import type { ByteReader } from '../../base/bytes/reader.js';
import type { ByteWriter } from '../../base/bytes/writer.js';

/** Integer types with their number in the format and their range. */
export const QUANTISED = {
  I8: { code: 1, least: -128, most: 127 },
  U8: { code: 2, least: 0, most: 255 },
} as const;

export type QuantisedType = keyof typeof QUANTISED;

/** Which integers stand for which floats. */
export interface Quantisation {
  readonly type: QuantisedType;
  /** Element i is of channel ⌊i / inner⌋ mod channels. */
  readonly inner: number;
  /** Of each channel: what a step of the integer is worth. */
  readonly scales: Float32Array;
  /** Of each channel: the integer that stands for 0, in the range of the type. */
  readonly zeros: Int16Array;
}

/** Channels that have a scale of their own. */
export const CHANNELS_MAX = 1 << 16;
/** Added and subtracted, it rounds a float64 to the nearest integer, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;
/** Beyond every integer; what is larger is cut before it is rounded. */
const FAR = 2 ** 20;

/** The integer of a value. @param ratio  value / scale, as float32. */
function integerOf(ratio: number, zero: number, least: number, most: number): number {
  // A NaN is neither more nor less: it becomes the zero point.
  const near = ratio > FAR ? FAR : ratio < -FAR ? -FAR : ratio;
  const whole = (Number.isNaN(near) ? 0 : near + ROUNDER - ROUNDER) + zero;
  return whole < least ? least : whole > most ? most : whole;
}

/** The scale and zero point of each element in turn. */
class Channels {
  readonly #quantisation: Quantisation;
  #left: number;
  #channel: number;
  scale: number;
  zero: number;

  /** @param first  place of the first element in its extent. */
  constructor(quantisation: Quantisation, first: number) {
    const { inner, scales, zeros } = quantisation;
    this.#quantisation = quantisation;
    this.#channel = Math.floor(first / inner) % scales.length;
    this.#left = inner - (first % inner);
    this.scale = scales[this.#channel]!;
    this.zero = zeros[this.#channel]!;
  }

  next(): void {
    if (--this.#left > 0) return;
    const { inner, scales, zeros } = this.#quantisation;
    this.#left = inner;
    this.#channel = this.#channel + 1 === scales.length ? 0 : this.#channel + 1;
    this.scale = scales[this.#channel]!;
    this.zero = zeros[this.#channel]!;
  }
}

/**
 * Quantises float32: the quotient by the scale as float32, rounded to nearest, ties to even, plus the
 * zero point, cut to the range. A NaN becomes the zero point.
 * @param planes  four planes. @param first  place of their first element in the extent.
 */
export function quantisePlanes(
  quantisation: Quantisation,
  planes: readonly Uint8Array[],
  first: number,
  target: Uint8Array,
): void {
  const { least, most } = QUANTISED[quantisation.type];
  const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  const channel = new Channels(quantisation, first);
  for (let i = 0; i < p0.length; i++) {
    bits[0] = (p0[i]! << 24) | (p1[i]! << 16) | (p2[i]! << 8) | p3[i]!;
    target[i] = integerOf(Math.fround(value[0]! / channel.scale), channel.zero, least, most);
    channel.next();
  }
}

/**
 * The values of quantised integers: the difference from the zero point times the scale, as float32. A NaN,
 * which a scale may be, is 7fc00000.
 * @param target  four planes.
 */
export function dequantisePlanes(
  quantisation: Quantisation,
  plane: Uint8Array,
  first: number,
  target: readonly Uint8Array[],
): void {
  const isSigned = quantisation.type === 'I8';
  const [t0, t1, t2, t3] = target as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  const channel = new Channels(quantisation, first);
  for (let i = 0; i < plane.length; i++) {
    const byte = plane[i]!;
    const integer = isSigned && byte > 127 ? byte - 256 : byte;
    const product = (integer - channel.zero) * channel.scale;
    if (Number.isNaN(product)) bits[0] = 0x7fc00000;
    else value[0] = product;
    const word = bits[0]!;
    t0[i] = word >>> 24;
    t1[i] = word >>> 16;
    t2[i] = word >>> 8;
    t3[i] = word;
    channel.next();
  }
}

export function writeQuantisation(writer: ByteWriter, quantisation: Quantisation): void {
  const { type, inner, scales, zeros } = quantisation;
  writer.u8(QUANTISED[type].code).varint(scales.length).varint(inner);
  for (const bits of new Uint32Array(scales.buffer, scales.byteOffset, scales.length)) {
    writer.u32(bits);
  }
  for (const zero of zeros) writer.u8(zero & 0xff);
}

/** The mirror of writeQuantisation; null for a type that is not known. @throws {CorruptError} */
export function readQuantisation(reader: ByteReader): Quantisation | null {
  const code = reader.u8('quantised type');
  const type = (Object.keys(QUANTISED) as QuantisedType[]).find(
    (name) => QUANTISED[name].code === code,
  );
  if (type === undefined) return null;
  const channels = reader.varint('channels');
  const inner = reader.varint('elements of a channel');
  if (channels < 1 || channels > CHANNELS_MAX || inner < 1 || 5 * channels > reader.remaining) {
    throw reader.corrupt(`a quantisation of ${channels} channels of ${inner}`);
  }
  const bits = new Uint32Array(channels);
  for (let i = 0; i < channels; i++) bits[i] = reader.u32('scale');
  const zeros = new Int16Array(channels);
  for (let i = 0; i < channels; i++) {
    const byte = reader.u8('zero point');
    zeros[i] = type === 'I8' && byte > 127 ? byte - 256 : byte;
  }
  return { type, inner, scales: new Float32Array(bits.buffer), zeros };
}
