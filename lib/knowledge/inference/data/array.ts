/** An array of a data set: one row an example, read in ranges of rows. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { CorruptError, UsageError } from '../../../base/errors.js';
import { ReadFile } from '../../../base/files/files.js';
import { type NpyArray, readNpyArray } from '../../../pure/formats/npy/npy.js';
import { readZip } from '../../../pure/formats/zip/zip.js';
import { DTYPES, type DType, widen } from '../../../pure/tensor/dtype.js';
import { DataRoom, PackedSource } from './packed-source.js';

/** Rows of numbers. Close it. */
export interface DataArray {
  /** The file, and the name of the array in it. */
  readonly name: string;
  /** True if all its numbers are whole by type. */
  readonly isWhole: boolean;
  /** True if they are bytes by type, 0 to 255. */
  readonly isBytes?: boolean;
  /** Rows, then the shape of one row. */
  readonly shape: readonly number[];
  /** Row-major numbers of `count` rows from `first`. @throws {IoError} {CorruptError} */
  rows(first: number, count: number): Promise<Float64Array>;
  close(): Promise<void>;
}

interface Place {
  dtype: DType;
  shape: readonly number[];
  offset: number;
  byteSwap: boolean;
}

/** What of an array is read. */
export interface Wanted {
  /** Rows that are read at most, the first ones; default: all. */
  rows?: number | undefined;
  /** Memory for packed content; default: a room of its own. */
  room?: DataRoom | undefined;
}

/** An array that lies row by row in a source. */
class StoredArray implements DataArray {
  readonly name: string;
  readonly isWhole: boolean;
  readonly isBytes: boolean;
  readonly shape: readonly number[];
  readonly #source: ByteSource;
  readonly #place: Place;
  readonly #rowBytes: number;
  readonly #file: ReadFile | null;

  constructor(source: ByteSource, place: Place, file: ReadFile | null, rows: number) {
    const { kind, width } = DTYPES[place.dtype];
    this.name = source.name;
    this.shape = place.shape;
    this.isBytes = place.dtype === 'U8';
    this.isWhole = kind === 'int' || kind === 'uint' || kind === 'bool';
    this.#source = source;
    this.#place = place;
    this.#rowBytes = place.shape.slice(1).reduce((product, size) => product * size, width);
    this.#file = file;
    if (!(source instanceof PackedSource)) return;
    const [count = 0] = place.shape;
    const bytes = place.offset + Math.min(rows, count) * this.#rowBytes;
    const isAll = rows >= count;
    // Of a zip archive the entry says how long the content is, of which the checksum is.
    const isSized = Number.isFinite(source.size);
    source.keep({ bytes: isAll && isSized ? source.size : bytes, isAll });
  }

  async rows(first: number, count: number): Promise<Float64Array> {
    const { dtype, offset, byteSwap } = this.#place;
    const bytes = Buffer.from(
      await this.#source.read(offset + first * this.#rowBytes, count * this.#rowBytes),
    );
    if (byteSwap) {
      const { width } = DTYPES[dtype];
      if (width === 2) bytes.swap16();
      if (width === 4) bytes.swap32();
      if (width === 8) bytes.swap64();
    }
    const values = widen(dtype, bytes);
    if (values === null)
      throw new UsageError(`'${this.name}' holds ${dtype}, which are no numbers`);
    return values;
  }

  async close(): Promise<void> {
    if (this.#source instanceof PackedSource) await this.#source.close();
    await this.#file?.close();
  }
}

/**
 * The array of a .npy, .npz or IDX file (gzip or not).
 * @param file  its path. @param part  of a .npz: the name of the array; null if it holds only one.
 * @param wanted  how much of it is read, and what memory that may take.
 * @returns null for another format.
 * @throws {IoError} {CorruptError} {TruncatedError} {LimitError}; {UsageError} for what holds no real numbers. What is
 * packed is unpacked when rows are read, which may throw the same.
 */
export async function openArray(
  file: string,
  part: string | null,
  wanted: Wanted = {},
): Promise<DataArray | null> {
  const opened = await ReadFile.open(file);
  try {
    const array = await readArray(opened, part, wanted);
    if (array === null) await opened.close();
    return array;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function readArray(
  file: ReadFile,
  part: string | null,
  { rows = Infinity, room = new DataRoom() }: Wanted,
): Promise<DataArray | null> {
  const head = await file.read(0, Math.min(8, file.size));
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const source = PackedSource.gzip(file, room);
    return closedUnlessOpen(source, () => idxArray(source, file, rows));
  }
  if (head[0] === 0x93) return npyArray(file, file, rows);
  if (head[0] === 0x50 && head[1] === 0x4b) {
    const source = await npzEntry(file, part, room);
    return closedUnlessOpen(source, () => npyArray(source, file, rows));
  }
  if (head[0] === 0 && head[1] === 0) return idxArray(file, file, rows);
  return null;
}

async function closedUnlessOpen<T>(source: PackedSource, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function npyArray(source: ByteSource, file: ReadFile, rows: number): Promise<DataArray> {
  const { name } = source;
  const array = await readNpyArray(source, 0, source.size, name);
  checkNumbers(name, array);
  const { extent, tensor } = array;
  if (tensor.strides !== null) {
    throw new UsageError(`'${name}' lies column by column`, {
      file: name,
      hint: 'save it again from numpy.ascontiguousarray(x)',
    });
  }
  const { dtype, shape, offset } = tensor;
  const place = { dtype, shape, offset, byteSwap: extent?.byteSwap ?? false };
  return new StoredArray(source, place, file, rows);
}

/** What arrays hold that are no real numbers, by the kind of NumPy; and what makes numbers of them. */
const NO_NUMBERS: Record<string, [what: string, remedy: string]> = {
  c: ['complex numbers', 'save their real part, x.real, or their size, abs(x)'],
  M: ['dates', "save numbers: x.astype('int64')"],
  m: ['spans of time', "save numbers: x.astype('int64')"],
  U: ['texts', 'save numbers; a CSV file may hold names of classes, with --classes'],
  S: ['texts', 'save numbers; a CSV file may hold names of classes, with --classes'],
  a: ['texts', 'save numbers; a CSV file may hold names of classes, with --classes'],
  f: ['floats of a width that is not read', "save x.astype('float32')"],
  V: ['raw records', "save x.astype('float32'), where they are bfloat16, or one field of them"],
};

/** @throws {UsageError} unless the array holds real numbers. */
function checkNumbers(name: string, { descr, tensor }: NpyArray): void {
  const letter = /[a-zA-Z]/.exec(descr ?? '')?.[0] ?? '';
  const isTime = letter === 'M' || letter === 'm';
  const { kind } = DTYPES[tensor.dtype];
  if (kind !== 'complex' && kind !== 'opaque' && !isTime) return;
  const [what, hint] = NO_NUMBERS[letter] ?? ['records of several fields', 'save one field'];
  const called = descr === null ? 'a structured dtype' : `dtype ${descr}`;
  throw new UsageError(`'${name}' holds ${what} (${called}), which no network takes`, {
    file: name,
    hint,
  });
}

async function npzEntry(
  file: ReadFile,
  part: string | null,
  room: DataRoom,
): Promise<PackedSource> {
  const { entries } = await readZip(file);
  const arrays = entries.filter(({ name }) => name.endsWith('.npy'));
  const names = arrays.map(({ name }) => name.slice(0, -4));
  const entry =
    part === null && arrays.length === 1 ? arrays[0] : arrays[names.indexOf(part ?? '')];
  if (entry === undefined) {
    const asked = part === null ? 'several arrays' : `no array '${part}'`;
    throw new UsageError(`'${file.name}' has ${asked}`, {
      file: file.name,
      hint: `name one behind #: ${names.slice(0, 8).join(', ')}`,
    });
  }
  return PackedSource.zip(file, entry, room);
}

/** Type codes of IDX, as at yann.lecun.com/exdb/mnist: big-endian. */
const IDX_TYPES = new Map<number, DType>([
  [0x08, 'U8'],
  [0x09, 'I8'],
  [0x0b, 'I16'],
  [0x0c, 'I32'],
  [0x0d, 'F32'],
  [0x0e, 'F64'],
]);

/** IDX: two zeros, a type, a rank, sizes, values. */
async function idxArray(source: ByteSource, file: ReadFile, rows: number): Promise<DataArray> {
  const { name, size } = source;
  const damaged = (what: string): CorruptError =>
    new CorruptError(`'${name}' is no IDX file: ${what}`, { file: name });
  if (size < 4) throw damaged(`it has ${size} bytes`);
  const [zero, again, code = 0, rank = 0] = await source.read(0, 4);
  const dtype = IDX_TYPES.get(code);
  if (zero !== 0 || again !== 0 || dtype === undefined) throw damaged('its type is not known');
  const offset = 4 + 4 * rank;
  if (rank === 0 || rank > 16 || size < offset) throw damaged(`its rank is ${rank}`);
  const sizes = Buffer.from(await source.read(4, 4 * rank));
  const shape = Array.from({ length: rank }, (_, i) => sizes.readUInt32BE(4 * i));
  const bytes = shape.reduce((product, one) => product * one, DTYPES[dtype].width);
  if (Number.isFinite(size) && bytes !== size - offset) {
    throw damaged(`its sizes ${shape.join(' × ')} need ${bytes} bytes, it has ${size - offset}`);
  }
  return new StoredArray(source, { dtype, shape, offset, byteSwap: true }, file, rows);
}
