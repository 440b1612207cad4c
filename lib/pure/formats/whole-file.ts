/**
 * Whether a file of a format that dlv keeps as opaque bytes can be whole: what its own header says of its
 * length. Nothing is believed but what a file that was cut cannot have.
 */
import type { ByteSource } from '../../base/bytes/byte-source.js';
import { ByteReader } from '../../base/bytes/reader.js';
import { isDamage } from '../../base/errors.js';

const HDF5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
/** Places where HDF5 may begin: behind a block of the user's. */
const HDF5_PLACES = [0, 512, 1024, 2048];
/** The shortest superblock with its root group, version 2. */
const HDF5_BYTES_MIN = 48;

/** True if the file may be HDF5 that ends no earlier than its superblock says. */
export function isWholeHdf5(head: Buffer, { size }: ByteSource): boolean {
  if (!HDF5_PLACES.some((at) => HDF5.equals(head.subarray(at, at + HDF5.length)))) return false;
  if (size < HDF5_BYTES_MIN) return false;
  const end = endPlace(head);
  return end === null || (head.length >= end + 8 && head.readBigUInt64LE(end) <= BigInt(size));
}

/** Where the superblock says how long the file is: behind two addresses of 8 bytes; null if unknown. */
function endPlace(head: Buffer): number | null {
  if (!HDF5.equals(head.subarray(0, HDF5.length))) return null;
  const version = head[8] ?? 255;
  if (version <= 1) return head[13] === 8 ? 24 + 4 * version + 2 * 8 : null;
  return version <= 3 && head[9] === 8 ? 12 + 2 * 8 : null;
}

/** The opcode that ends a pickle. */
const STOP = 0x2e;

/** False for a pickle of protocol 2 or later whose last opcode is missing; files of other kinds may be whole. */
export async function isWholePickle(head: Buffer, source: ByteSource): Promise<boolean> {
  if (head[0] !== 0x80) return true;
  return (await source.read(source.size - 1, 1))[0] === STOP;
}

/** Magic, version, and the counts of tensors and of metadata. */
const GGUF_HEAD_BYTES = 4 + 4 + 8 + 8;
/** The metadata of a large vocabulary is some 10 MB; of a longer header nothing is said. */
const GGUF_HEADER_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of metadata values by type; 8 is a text, 9 a list. */
const GGUF_VALUE_BYTES: readonly (number | null)[] = [
  ...[1, 1, 2, 2, 4, 4, 4, 1],
  ...[null, null],
  ...[8, 8, 8],
];
const [GGUF_TEXT, GGUF_LIST] = [8, 9];
const GGUF_LISTS_MAX = 4;
/** Alignment of tensors unless the metadata says another. */
const GGUF_ALIGNMENT = 32;
/** Elements of one block and its bytes, by type of tensor. Of other types the first byte has to be there. */
const GGUF_BLOCKS: Readonly<Record<number, readonly [elements: number, bytes: number]>> = {
  // F32, F16, I8, I16, I32, I64, F64, BF16.
  ...{
    0: [1, 4],
    1: [1, 2],
    24: [1, 1],
    25: [1, 2],
    26: [1, 4],
    27: [1, 8],
    28: [1, 8],
    30: [1, 2],
  },
  // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.
  ...{ 2: [32, 18], 3: [32, 20], 6: [32, 22], 7: [32, 24], 8: [32, 34] },
  // Q2_K to Q6_K.
  ...{ 10: [256, 84], 11: [256, 110], 12: [256, 144], 13: [256, 176], 14: [256, 210] },
};

/**
 * True if the file may be GGUF that holds all of its tensors.
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function isWholeGguf(head: Buffer, source: ByteSource): Promise<boolean> {
  const magic = head.toString('latin1', 0, 4);
  if (source.size < GGUF_HEAD_BYTES) return false;
  // Numbers of the other byte order are not read.
  if (magic === 'FUGG') return true;
  if (magic !== 'GGUF') return false;
  const version = head.readUInt32LE(4);
  if (version !== 2 && version !== 3) return true;
  const length = Math.min(source.size, GGUF_HEADER_BYTES_MAX);
  try {
    return dataEnd(new ByteReader(await source.read(0, length), source.name)) <= source.size;
  } catch (error) {
    if (!isDamage(error)) throw error;
    // A header of another form says nothing, nor does one that is longer than what was read.
    return error.code !== 'DLV_TRUNCATED' || length < source.size;
  }
}

/** Where the last tensor ends. @throws {TruncatedError} if the header does not end; {CorruptError} */
function dataEnd(reader: ByteReader): number {
  reader.offset = 8;
  const tensors = reader.u64('tensors');
  const values = reader.u64('metadata');
  let alignment = GGUF_ALIGNMENT;
  for (let i = 0; i < values; i++) {
    const key = ggufText(reader);
    const type = reader.u32('type');
    const at = reader.offset;
    skipValue(reader, type);
    if (key === 'general.alignment' && type === 4) {
      const end = reader.offset;
      reader.offset = at;
      alignment = Math.max(1, reader.u32('alignment'));
      reader.offset = end;
    }
  }
  let last = 0;
  for (let i = 0; i < tensors; i++) {
    ggufText(reader);
    const rank = reader.u32('dimensions');
    let elements = 1;
    for (let k = 0; k < rank; k++) elements *= reader.u64('dimension');
    const block = GGUF_BLOCKS[reader.u32('type')];
    const length = block === undefined ? Math.min(1, elements) : (elements / block[0]) * block[1];
    last = Math.max(last, reader.u64('offset') + length);
  }
  return last === 0 ? 0 : Math.ceil(reader.offset / alignment) * alignment + last;
}

function ggufText(reader: ByteReader): string {
  return Buffer.from(reader.take(reader.u64('length'), 'text')).toString('utf8');
}

/** @throws {CorruptError} for a type that is not known, and for lists in lists in lists. */
function skipValue(reader: ByteReader, type: number, depth = 0): void {
  if (type === GGUF_TEXT) {
    ggufText(reader);
    return;
  }
  if (type === GGUF_LIST && depth < GGUF_LISTS_MAX) {
    const of = reader.u32('type');
    const count = reader.u64('count');
    const width = GGUF_VALUE_BYTES[of] ?? null;
    if (width !== null) reader.take(count * width, 'list');
    else for (let i = 0; i < count; i++) skipValue(reader, of, depth + 1);
    return;
  }
  const width = GGUF_VALUE_BYTES[type] ?? null;
  if (width === null) throw reader.corrupt(`a value of type ${type}`);
  reader.take(width, 'value');
}
