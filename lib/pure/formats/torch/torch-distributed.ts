/**
 * The `.metadata` file of a PyTorch distributed checkpoint: a pickle that says which piece of which
 * tensor stands where in the `.distcp` files beside it.
 *
 * The file itself is literal; what it gives is the list of files that belong together, and for each of
 * them the names of its archives (torch.ts).
 */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError } from '../../../base/errors.js';
import { METADATA_MEMORY_FACTOR, PICKLE_BYTES_MAX } from '../../../base/limits.js';
import { blobLayout } from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { parsePickle } from './pickle.js';
import { PickleSteps } from './pickle-steps.js';
import { PickleDict, PickleObject, PickleSequence, type PickleValue } from './pickle-value.js';
import { counts, isSameShape } from './torch-tensor.js';

/** The file that names the pieces of all others of its folder. */
export const METADATA_NAME = '.metadata';
const MODULE = 'torch.distributed.checkpoint.metadata';

/** A class of the metadata, and those of its attributes that are read. */
interface KnownClass {
  name: string;
  fields: readonly string[];
}

const ROOT: KnownClass = {
  name: `${MODULE}.Metadata`,
  fields: ['storage_data', 'state_dict_metadata'],
};
const INDEX: KnownClass = { name: `${MODULE}.MetadataIndex`, fields: ['fqn', 'offset'] };
const PLACE: KnownClass = {
  name: 'torch.distributed.checkpoint.filesystem._StorageInfo',
  fields: ['relative_path', 'offset', 'length'],
};
const TENSOR: KnownClass = { name: `${MODULE}.TensorStorageMetadata`, fields: ['size', 'chunks'] };
const CHUNK: KnownClass = {
  name: `${MODULE}.ChunkStorageMetadata`,
  fields: ['offsets', 'sizes'],
};
/** An array of numbers without them; what is known of a tensor without its chunks. */
const ARRAY_BYTES = 32;
const CHUNKS_BYTES = 160;

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
  budget.grant(source.size, METADATA_MEMORY_FACTOR);
  const { value } = parsePickle(await source.read(0, source.size), source.name, budget);
  budget.restrict(source.size);
  const steps = new PickleSteps(source.name, budget);
  const root = fieldsOf(value, ROOT, steps);
  const storage = root?.get('storage_data');
  if (!(storage instanceof PickleDict))
    throw corrupt(source, 'it does not say what is stored where');
  const shapes = chunkShapes(root?.get('state_dict_metadata'), steps);
  const files = new Map<string, StoredItem[]>();
  steps.take(storage.keys.length);
  for (const [i, key] of storage.keys.entries()) {
    const index = fieldsOf(key, INDEX, steps);
    const place = fieldsOf(storage.values[i] ?? null, PLACE, steps);
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
    const name = fqn + sliceOf(index?.get('offset') ?? null, shapes.get(fqn) ?? null, steps);
    budget.charge(CHARGES.entry + 2 * (CHARGES.text + name.length + file.length));
    const items = files.get(file);
    if (items) items.push({ name, offset, length });
    else files.set(file, [{ name, offset, length }]);
  }
  for (const items of files.values()) items.sort((a, b) => a.offset - b.offset);
  return files;
}

/** What is read of an object of this class, by attribute; null for another. The later state counts. */
function fieldsOf(
  value: PickleValue,
  known: KnownClass,
  steps: PickleSteps,
): Map<PickleValue, PickleValue> | null {
  if (!(value instanceof PickleObject) || value.name !== known.name) return null;
  const fields = new Map<PickleValue, PickleValue>();
  steps.take(1 + value.states.length);
  for (const state of value.states) {
    if (!(state instanceof PickleDict)) continue;
    steps.take(state.keys.length);
    for (const [i, key] of state.keys.entries()) {
      if (typeof key !== 'string' || !known.fields.includes(key)) continue;
      fields.set(key, state.values[i] as PickleValue);
    }
  }
  return fields;
}

/** Shapes of pieces by their offsets, joined by commas. */
type Sizes = ReadonlyMap<string, number[]>;

/** What is known of the pieces of one tensor: its whole shape and theirs. */
interface Chunks {
  size: number[];
  sizes: Sizes;
}

/**
 * What is known of the pieces of each tensor, by its name. Names can share a tensor, and tensors a list
 * of chunks: each is read once.
 */
function chunkShapes(state: PickleValue | undefined, steps: PickleSteps): Map<string, Chunks> {
  const known = new Map<string, Chunks>();
  if (!(state instanceof PickleDict)) return known;
  const tensors = new WeakMap<PickleObject, Chunks | null>();
  const lists = new WeakMap<PickleSequence, Sizes>();
  steps.entries(state.keys.length);
  for (const [i, fqn] of state.keys.entries()) {
    const tensor = state.values[i];
    if (typeof fqn !== 'string' || !(tensor instanceof PickleObject)) continue;
    let chunks = tensors.get(tensor);
    if (chunks === undefined) {
      chunks = chunksOf(tensor, lists, steps);
      tensors.set(tensor, chunks);
    }
    if (chunks !== null) known.set(fqn, chunks);
  }
  return known;
}

function chunksOf(
  tensor: PickleObject,
  lists: WeakMap<PickleSequence, Sizes>,
  steps: PickleSteps,
): Chunks | null {
  const fields = fieldsOf(tensor, TENSOR, steps);
  const size = counts(fields?.get('size'));
  const chunks = fields?.get('chunks');
  if (size === null || !(chunks instanceof PickleSequence)) return null;
  steps.charge(CHUNKS_BYTES + ARRAY_BYTES + 8 * size.length);
  const sizes = lists.get(chunks) ?? sizesOf(chunks, steps);
  lists.set(chunks, sizes);
  return { size, sizes };
}

function sizesOf(chunks: PickleSequence, steps: PickleSteps): Sizes {
  const sizes = new Map<string, number[]>();
  steps.take(chunks.items.length);
  for (const chunk of chunks.items) {
    const place = fieldsOf(chunk, CHUNK, steps);
    const offsets = counts(place?.get('offsets'));
    const shape = counts(place?.get('sizes'));
    if (offsets === null || shape === null) continue;
    steps.take(offsets.length + shape.length);
    const key = String(offsets);
    steps.charge(CHARGES.entry + CHARGES.text + key.length + ARRAY_BYTES + 8 * shape.length);
    sizes.set(key, shape);
  }
  return sizes;
}

/** Where a piece is in its tensor, as a slice in Python is written; nothing for the whole. */
function sliceOf(offset: PickleValue, chunks: Chunks | null, steps: PickleSteps): string {
  const start = counts(offset);
  if (start === null || chunks === null) return '';
  steps.take(start.length);
  const shape = chunks.sizes.get(String(start));
  if (shape !== undefined && isSameShape(shape, chunks.size)) return '';
  const ranges = start.map((from, i) => {
    return shape?.[i] === undefined ? `${from}:` : `${from}:${from + shape[i]}`;
  });
  return `[${ranges.join(',')}]`;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}
