/**
 * The `.metadata` file of a PyTorch distributed checkpoint: a pickle that says which piece of which
 * tensor stands where in the `.distcp` files beside it.
 *
 * The file itself is literal; what it gives is the list of files that belong together, and for each of
 * them the names of its archives (torch.ts).
 */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError } from '../../../base/errors.js';
import { PICKLE_BYTES_MAX } from '../../../base/limits.js';
import { blobLayout } from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { parsePickle } from './pickle.js';
import { PickleDict, PickleObject, PickleSequence, type PickleValue } from './pickle-value.js';
import { counts } from './torch-tensor.js';

/** The file that names the pieces of all others of its folder. */
export const METADATA_NAME = '.metadata';
const MODULE = 'torch.distributed.checkpoint.metadata';

/** One piece of a checkpoint: an archive of its own in a file. */
export interface StoredItem {
  /** Name of the tensor or object; a piece of a tensor has its place behind it, as in `w[0:4,8:16]`. */
  name: string;
  offset: number;
  length: number;
}

/** The pieces in each file, by the file's name, in the order of the file. */
export type StoredItems = ReadonlyMap<string, readonly StoredItem[]>;

/** Reads `.metadata` files. */
export const distributedReader: FormatReader = {
  name: 'torch-distributed',

  matches(head) {
    // Protocol 2 or later; the class is the first that it names.
    const text = Buffer.from(head.subarray(0, 256)).toString('latin1');
    return head[0] === 0x80 && text.includes(MODULE) && text.includes('Metadata');
  },

  async layout(source) {
    const items = await readMetadata(source);
    const references = [...items.keys()].sort();
    const variable = [{ offset: 0, length: source.size, fixedLength: false }];
    return { ...blobLayout(), variable, format: 'torch-distributed', references };
  },
};

/**
 * Reads a `.metadata` file.
 * @throws {CorruptError} {TruncatedError} {LimitError} if it is none.
 */
export async function readMetadata(source: ByteSource): Promise<StoredItems> {
  if (source.size > PICKLE_BYTES_MAX) {
    throw new LimitError(`'${source.name}': metadata of ${source.size} bytes`, {
      file: source.name,
      limit: 'PICKLE_BYTES_MAX',
      value: source.size,
      max: PICKLE_BYTES_MAX,
    });
  }
  const budget = new MemoryBudget(source.name);
  budget.grant(source.size);
  const { value } = parsePickle(await source.read(0, source.size), source.name, budget);
  const root = fieldsOf(value, `${MODULE}.Metadata`);
  const storage = root?.get('storage_data');
  if (!(storage instanceof PickleDict))
    throw corrupt(source, 'it does not say what is stored where');
  const shapes = chunkShapes(root?.get('state_dict_metadata'));
  const files = new Map<string, StoredItem[]>();
  for (const [i, key] of storage.keys.entries()) {
    const index = fieldsOf(key, `${MODULE}.MetadataIndex`);
    const place = fieldsOf(
      storage.values[i] ?? null,
      'torch.distributed.checkpoint.filesystem._StorageInfo',
    );
    const fqn = index?.get('fqn');
    const file = place?.get('relative_path');
    const [offset, length] = [place?.get('offset'), place?.get('length')];
    if (
      typeof fqn !== 'string' ||
      typeof file !== 'string' ||
      !isCount(offset) ||
      !isCount(length)
    ) {
      throw corrupt(source, 'it names a piece without a place');
    }
    const name = fqn + sliceOf(index?.get('offset') ?? null, shapes.get(fqn) ?? null);
    budget.charge(CHARGES.entry + 2 * (CHARGES.text + name.length + file.length));
    const items = files.get(file);
    if (items) items.push({ name, offset, length });
    else files.set(file, [{ name, offset, length }]);
  }
  for (const items of files.values()) items.sort((a, b) => a.offset - b.offset);
  return files;
}

/** The attributes of an object of this class, or null. */
function fieldsOf(value: PickleValue, className: string): Map<PickleValue, PickleValue> | null {
  if (!(value instanceof PickleObject) || value.name !== className) return null;
  const fields = new Map<PickleValue, PickleValue>();
  for (const state of value.states) {
    if (!(state instanceof PickleDict)) continue;
    for (const [i, key] of state.keys.entries()) fields.set(key, state.values[i] as PickleValue);
  }
  return fields;
}

/** What is known of the pieces of one tensor: its whole shape and, by their offsets, their shapes. */
interface Chunks {
  size: number[];
  sizes: Map<string, number[]>;
}

function chunkShapes(state: PickleValue | undefined): Map<string, Chunks> {
  const known = new Map<string, Chunks>();
  if (!(state instanceof PickleDict)) return known;
  for (const [i, fqn] of state.keys.entries()) {
    const fields = fieldsOf(state.values[i] ?? null, `${MODULE}.TensorStorageMetadata`);
    const size = counts(fields?.get('size'));
    const chunks = fields?.get('chunks');
    if (typeof fqn !== 'string' || size === null || !(chunks instanceof PickleSequence)) continue;
    const sizes = new Map<string, number[]>();
    for (const chunk of chunks.items) {
      const place = fieldsOf(chunk, `${MODULE}.ChunkStorageMetadata`);
      const offsets = counts(place?.get('offsets'));
      const shape = counts(place?.get('sizes'));
      if (offsets !== null && shape !== null) sizes.set(String(offsets), shape);
    }
    known.set(fqn, { size, sizes });
  }
  return known;
}

/** Where a piece stands in its tensor, as a slice in Python is written; nothing for the whole. */
function sliceOf(offset: PickleValue, chunks: Chunks | null): string {
  const start = counts(offset);
  if (start === null || chunks === null) return '';
  const shape = chunks.sizes.get(String(start));
  if (String(shape) === String(chunks.size)) return '';
  const ranges = start.map((from, i) => {
    return shape?.[i] === undefined ? `${from}:` : `${from}:${from + shape[i]}`;
  });
  return `[${ranges.join(',')}]`;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}
