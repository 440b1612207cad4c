/** Elements of a tensor as a typed array of JavaScript. */
import { DTYPES, type DType, halfToNumber, smallFloatValues } from './dtype.js';

export type TypedValues =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

let halves: Float32Array | null = null;

/**
 * Elements as a typed array. Floats that JavaScript has no array for (F16, BF16, 8 bits) become
 * float32, which holds each of their values; a complex number is two elements, a boolean a byte that
 * is 0 or not, and packed or unknown types are bytes.
 *
 * @param bytes   little-endian; used as it is where that can be, so it must be the caller's own.
 * @param asBits  the bits of those floats instead, in a Uint16Array or a Uint8Array.
 */
export function typedValues(dtype: DType, bytes: Uint8Array, asBits = false): TypedValues {
  const { kind, width } = DTYPES[dtype];
  // Typed arrays need aligned memory; a view into a larger buffer may not be.
  const own = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const place = [own.buffer, own.byteOffset, own.byteLength / width] as const;
  if (kind === 'opaque' || kind === 'bool') return own;
  if (kind === 'float' && width < 4) return asBits ? bitsOf(width, own) : widened(dtype, own);
  const isWhole = kind === 'int' || kind === 'uint';
  switch (width) {
    case 8:
      if (!isWhole) return new Float64Array(...place);
      return kind === 'int' ? new BigInt64Array(...place) : new BigUint64Array(...place);
    case 4:
      if (!isWhole) return new Float32Array(...place);
      return kind === 'int' ? new Int32Array(...place) : new Uint32Array(...place);
    case 2:
      return kind === 'int' ? new Int16Array(...place) : new Uint16Array(...place);
    default:
      return kind === 'int' ? new Int8Array(...place) : own;
  }
}

function bitsOf(width: number, bytes: Uint8Array): Uint16Array | Uint8Array {
  if (width === 1) return bytes;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

function widened(dtype: DType, bytes: Uint8Array): Float32Array {
  const bits = bitsOf(DTYPES[dtype].width, bytes);
  const values = new Float32Array(bits.length);
  if (dtype === 'BF16') {
    const words = new Uint32Array(values.buffer);
    for (let i = 0; i < words.length; i++) words[i] = (bits[i] as number) << 16;
    return values;
  }
  const table = dtype === 'F16' ? halfValues() : smallFloatValues(dtype);
  for (let i = 0; i < values.length; i++) values[i] = table?.[bits[i] as number] as number;
  return values;
}

function halfValues(): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  return halves;
}
