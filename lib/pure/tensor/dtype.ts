/**
 * Element types: one table with the bits of each, how wide an extent of it is, and how to widen a
 * value to float64 exactly. Names follow safetensors; ONNX, PyTorch and NumPy names map onto them.
 *
 * Sub-byte types, booleans and strings are extents of width 1 over the raw file bytes; a complex
 * number is two elements.
 */

export type DTypeKind = 'float' | 'int' | 'uint' | 'bool' | 'complex' | 'opaque';

interface DTypeInfo {
  /** Bits of one logical element. */
  bits: number;
  kind: DTypeKind;
  /** Bytes of one element of the extent: 1, 2, 4 or 8. */
  width: 1 | 2 | 4 | 8;
}

/** Every dtype that a tensor of a recipe can have. Order is part of no format; names are. */
export const DTYPES = {
  F64: { bits: 64, kind: 'float', width: 8 },
  F32: { bits: 32, kind: 'float', width: 4 },
  F16: { bits: 16, kind: 'float', width: 2 },
  BF16: { bits: 16, kind: 'float', width: 2 },
  F8_E4M3: { bits: 8, kind: 'float', width: 1 },
  F8_E5M2: { bits: 8, kind: 'float', width: 1 },
  F8_E8M0: { bits: 8, kind: 'float', width: 1 },
  F8_E4M3FNUZ: { bits: 8, kind: 'float', width: 1 },
  F8_E5M2FNUZ: { bits: 8, kind: 'float', width: 1 },
  F6_E2M3: { bits: 6, kind: 'opaque', width: 1 },
  F6_E3M2: { bits: 6, kind: 'opaque', width: 1 },
  F4: { bits: 4, kind: 'opaque', width: 1 },
  I64: { bits: 64, kind: 'int', width: 8 },
  I32: { bits: 32, kind: 'int', width: 4 },
  I16: { bits: 16, kind: 'int', width: 2 },
  I8: { bits: 8, kind: 'int', width: 1 },
  I4: { bits: 4, kind: 'opaque', width: 1 },
  I2: { bits: 2, kind: 'opaque', width: 1 },
  U64: { bits: 64, kind: 'uint', width: 8 },
  U32: { bits: 32, kind: 'uint', width: 4 },
  U16: { bits: 16, kind: 'uint', width: 2 },
  U8: { bits: 8, kind: 'uint', width: 1 },
  U4: { bits: 4, kind: 'opaque', width: 1 },
  U2: { bits: 2, kind: 'opaque', width: 1 },
  BOOL: { bits: 8, kind: 'bool', width: 1 },
  C64: { bits: 64, kind: 'complex', width: 4 },
  C128: { bits: 128, kind: 'complex', width: 8 },
  /** Fixed-size records that no type above describes (NumPy strings, structs). `bits` is per byte. */
  BYTES: { bits: 8, kind: 'opaque', width: 1 },
} as const satisfies Record<string, DTypeInfo>;

export type DType = keyof typeof DTYPES;

const DTYPES_BY_NAME = new Map((Object.keys(DTYPES) as DType[]).map((d) => [d as string, d]));

/** The dtype of the table that is called so, or null: the string of the table, which a million
 *  tensors then share. */
export function dtypeNamed(name: string): DType | null {
  return DTYPES_BY_NAME.get(name) ?? null;
}

/** True if `name` is a dtype of the table. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

/**
 * The dtypes of safetensors (0.8.0 of the reference implementation), under the names of the table.
 * The reader accepts these and the writer writes these; what else there is, is written as bytes.
 */
export const SAFETENSORS_DTYPES: ReadonlySet<DType> = new Set<DType>([
  ...(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0'] as const),
  ...(['F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F6_E2M3', 'F6_E3M2', 'F4'] as const),
  ...(['I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL', 'C64'] as const),
]);

/** The dtype that safetensors calls `name`, or null. */
export function safetensorsDType(name: string): DType | null {
  const dtype = dtypeNamed(name);
  return dtype !== null && SAFETENSORS_DTYPES.has(dtype) ? dtype : null;
}

/** Bytes that `count` logical elements take in a file (sub-byte types are packed). */
export function dtypeBytes(dtype: DType, count: number): number {
  const bits = DTYPES[dtype].bits;
  return bits >= 8 ? count * (bits / 8) : Math.ceil((count * bits) / 8);
}

function smallFloatTable(
  exponentBits: number,
  mantissaBits: number,
  bias: number,
  special: SmallFloatSpecial,
): Float64Array {
  const table = new Float64Array(256);
  const exponentMax = 2 ** exponentBits - 1;
  for (let code = 0; code < 256; code++) {
    const sign = code & 0x80 ? -1 : 1;
    const exponent = (code & 0x7f) >> mantissaBits;
    const mantissa = code & (2 ** mantissaBits - 1);
    const fraction = mantissa / 2 ** mantissaBits;
    let value =
      exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
    if (special === 'ieee' && exponent === exponentMax)
      value = mantissa === 0 ? Infinity : Number.NaN;
    if (special === 'nan-only' && (code & 0x7f) === 0x7f) value = Number.NaN;
    table[code] = sign * value;
    if (special === 'fnuz' && code === 0x80) table[code] = Number.NaN;
  }
  return table;
}
type SmallFloatSpecial = 'ieee' | 'nan-only' | 'fnuz';

const SMALL_FLOATS: Partial<Record<DType, Float64Array>> = {
  F8_E4M3: smallFloatTable(4, 3, 7, 'nan-only'),
  F8_E5M2: smallFloatTable(5, 2, 15, 'ieee'),
  F8_E4M3FNUZ: smallFloatTable(4, 3, 8, 'fnuz'),
  F8_E5M2FNUZ: smallFloatTable(5, 2, 16, 'fnuz'),
  F8_E8M0: Float64Array.from({ length: 256 }, (_, code) =>
    code === 255 ? Number.NaN : 2 ** (code - 127),
  ),
};

/** The value of every bit pattern of an 8-bit float; undefined for other types. */
export function smallFloatValues(dtype: DType): Float64Array | undefined {
  return SMALL_FLOATS[dtype];
}

/** Widens an fp16 bit pattern exactly. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let HALF_TABLE: Float64Array | null = null;
function halfTable(): Float64Array {
  HALF_TABLE ??= Float64Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  return HALF_TABLE;
}

/** True for dtypes whose values `widen` can give (numbers, not packed or opaque ones). */
export function isNumeric(dtype: DType): boolean {
  const { kind } = DTYPES[dtype];
  return kind !== 'opaque';
}

/**
 * Widens little-endian element bytes to float64. Exact for all but int64/uint64 beyond 2^53, which
 * round to nearest. A complex tensor gives its components; a boolean 0 or 1 (any non-zero byte is 1).
 *
 * @param bytes  a whole number of elements; read, never kept.
 * @returns      one float64 per component, or null for packed and opaque types.
 */
export function widen(dtype: DType, bytes: Uint8Array): Float64Array | null {
  const table = SMALL_FLOATS[dtype];
  if (table) return Float64Array.from(bytes, (code) => table[code] as number);
  // The typed arrays below need aligned memory; a view into a larger buffer may not be.
  const { width } = DTYPES[dtype];
  const own = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const args = [own.buffer, own.byteOffset, own.byteLength / width] as const;
  switch (dtype) {
    case 'F64':
    case 'C128':
      return new Float64Array(...args);
    case 'F32':
    case 'C64':
      return Float64Array.from(new Float32Array(...args));
    case 'F16': {
      const half = halfTable();
      return Float64Array.from(new Uint16Array(...args), (bits) => half[bits] as number);
    }
    case 'BF16': {
      const source = new Uint16Array(...args);
      const wide = new Uint32Array(source.length);
      for (let i = 0; i < source.length; i++) wide[i] = (source[i] as number) << 16;
      return Float64Array.from(new Float32Array(wide.buffer));
    }
    case 'I64':
      return Float64Array.from(new BigInt64Array(...args), Number);
    case 'U64':
      return Float64Array.from(new BigUint64Array(...args), Number);
    case 'I32':
      return Float64Array.from(new Int32Array(...args));
    case 'U32':
      return Float64Array.from(new Uint32Array(...args));
    case 'I16':
      return Float64Array.from(new Int16Array(...args));
    case 'U16':
      return Float64Array.from(new Uint16Array(...args));
    case 'I8':
      return Float64Array.from(new Int8Array(...args));
    case 'U8':
      return Float64Array.from(own);
    case 'BOOL':
      return Float64Array.from(own, (byte) => (byte === 0 ? 0 : 1));
    default:
      return null;
  }
}
