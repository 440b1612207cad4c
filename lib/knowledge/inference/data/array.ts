/** An array of a data set: one row an example, read in ranges of rows. */
import { gunzip } from 'node:zlib';
import { type ByteSource, MemorySource } from '../../../base/bytes/byte-source.js';
import { CorruptError, LimitError, UsageError } from '../../../base/errors.js';
import { ReadFile } from '../../../base/files/files.js';
import { DATA_BYTES_MAX } from '../../../base/limits.js';
import { readNpyArray } from '../../../pure/formats/npy/npy.js';
import { readZip, readZipEntry } from '../../../pure/formats/zip/zip.js';
import { DTYPES, type DType, widen } from '../../../pure/tensor/dtype.js';

/** Rows of numbers. Close it. */
export interface DataArray {
  /** The file, and the name of the array in it. */
  readonly name: string;
  /** True if all its numbers are whole by type. */
  readonly isWhole: boolean;
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

/** An array that lies row by row in a source. */
class StoredArray implements DataArray {
  readonly name: string;
  readonly isWhole: boolean;
  readonly shape: readonly number[];
  readonly #source: ByteSource;
  readonly #place: Place;
  readonly #rowBytes: number;
  readonly #file: ReadFile | null;

  constructor(name: string, source: ByteSource, place: Place, file: ReadFile | null) {
    const { kind, width } = DTYPES[place.dtype];
    this.name = name;
    this.shape = place.shape;
    this.isWhole = kind === 'int' || kind === 'uint' || kind === 'bool';
    this.#source = source;
    this.#place = place;
    this.#rowBytes = place.shape.slice(1).reduce((product, size) => product * size, width);
    this.#file = file;
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
    await this.#file?.close();
  }
}

/**
 * The array of a .npy, .npz or IDX file (gzip or not).
 * @param file  its path. @param part  of a .npz: the name of the array; null if it holds only one.
 * @returns null for another format.
 * @throws {IoError} {CorruptError} {TruncatedError} {LimitError} {UsageError}
 */
export async function openArray(file: string, part: string | null): Promise<DataArray | null> {
  const opened = await ReadFile.open(file);
  try {
    const array = await readArray(opened, part);
    if (array === null) await opened.close();
    return array;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function readArray(file: ReadFile, part: string | null): Promise<DataArray | null> {
  const head = await file.read(0, Math.min(8, file.size));
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const source = new MemorySource(await inflate(file), file.name);
    return idxArray(source, file);
  }
  if (head[0] === 0x93) return npyArray(file, file.name, file);
  if (head[0] === 0x50 && head[1] === 0x4b) return npzArray(file, part);
  if (head[0] === 0 && head[1] === 0) return idxArray(file, file);
  return null;
}

async function inflate(file: ReadFile): Promise<Uint8Array> {
  if (file.size > DATA_BYTES_MAX) throw tooLarge(file.name, file.size);
  const bytes = await file.read(0, file.size);
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: DATA_BYTES_MAX }, (error, content) => {
      if (error === null) resolve(content);
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        reject(tooLarge(file.name, DATA_BYTES_MAX + 1));
      } else {
        reject(
          new CorruptError(`'${file.name}' is damaged: ${error.message}`, { file: file.name }),
        );
      }
    });
  });
}

export function tooLarge(name: string, bytes: number): LimitError {
  return new LimitError(`'${name}' has more than ${DATA_BYTES_MAX} bytes of content`, {
    file: name,
    limit: 'DATA_BYTES_MAX',
    value: bytes,
    max: DATA_BYTES_MAX,
    hint: 'a .npy file may be of any size: it is read batch by batch',
  });
}

async function npyArray(source: ByteSource, name: string, file: ReadFile): Promise<DataArray> {
  const { extent, tensor } = await readNpyArray(source, 0, source.size, name);
  if (tensor.strides !== null) {
    throw new UsageError(`'${name}' lies column by column`, {
      file: name,
      hint: 'save it again from numpy.ascontiguousarray(x)',
    });
  }
  const { dtype, shape, offset } = tensor;
  return new StoredArray(
    name,
    source,
    { dtype, shape, offset, byteSwap: extent?.byteSwap ?? false },
    file,
  );
}

async function npzArray(file: ReadFile, part: string | null): Promise<DataArray> {
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
  const content = await readZipEntry(file, entry, DATA_BYTES_MAX);
  const name = `${file.name}#${entry.name.slice(0, -4)}`;
  return npyArray(new MemorySource(content, name), name, file);
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
async function idxArray(source: ByteSource, file: ReadFile): Promise<DataArray> {
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
  if (bytes !== size - offset) {
    throw damaged(`its sizes ${shape.join(' × ')} need ${bytes} bytes, it has ${size - offset}`);
  }
  return new StoredArray(name, source, { dtype, shape, offset, byteSwap: true }, file);
}
