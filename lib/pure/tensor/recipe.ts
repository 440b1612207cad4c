/**
 * Recipes: how a file is rebuilt from extents and literals, covering it exactly once in file order.
 *
 * A recipe has two parts. The *skeleton* is what all checkpoints of one network share: the order of
 * the parts, the fixed literal bytes, the names, dtypes and shapes of the tensors; it is a blob of
 * its own and stored once. The *recipe* of one file adds what changes: extent ids, literals. Parts
 * consume named streams in order, so no offsets are stored and a changed metadata text moves nothing.
 *
 * @see docs/format/recipe.md
 */
import { ID_BYTES, type Id, idBytes, idFromBytes } from '../../base/bytes/hash.js';
import { Fields } from '../../base/bytes/msgpack/fields.js';
import { decodeCanonical, encodeCanonical, type Packed } from '../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../base/errors.js';
import { TENSORS_PER_FILE_MAX, WIDTH_MAX } from '../../base/limits.js';
import type { DType } from './dtype.js';
import type { Role } from './layout.js';

/** One part of a file; parts are in file order. */
export type Part =
  /** The next `length` bytes of the skeleton's fixed literal. */
  | { kind: 'fixed'; length: number }
  /** The next bytes of the variable literal; `length` null means that the recipe says how many. */
  | { kind: 'variable'; length: number | null }
  /** The next `length` bytes of the data literal of this element width: small tensors. */
  | { kind: 'data'; width: number; length: number; byteSwap: boolean }
  /** The next extent. */
  | { kind: 'extent'; width: number; count: number; byteSwap: boolean }
  /** The next run of content-defined chunks; the recipe lists them. */
  | { kind: 'chunks' };

/** A named view of a part. */
export interface SkeletonTensor {
  name: string;
  dtype: DType;
  shape: number[];
  strides: number[] | null;
  role: Role;
  /** Index into `parts` of a data or extent part; −1 for a tensor without bytes. */
  part: number;
  /** Byte offset of the first element inside the part. */
  byteOffset: number;
}

export interface Skeleton {
  format: string;
  fixed: Uint8Array;
  parts: Part[];
  tensors: SkeletonTensor[];
}

/** One content-defined chunk: a blob and its length in bytes. */
export interface ChunkRef {
  id: Id;
  length: number;
}

export interface Recipe {
  /** null for a file that is one run of chunks. */
  skeleton: Id | null;
  /** Lengths of the variable parts whose length the skeleton leaves open, in order. */
  variableLengths: number[];
  /** Blob with the bytes of all variable parts, or null if there are none. */
  variable: Id | null;
  /** Blobs of the data literal of each width, ascending; cut as `dataBlobLengths` says. */
  data: { width: number; ids: Id[] }[];
  /** Ids of the extents in file order. */
  extents: Id[];
  /** One list of chunks for each chunks part. */
  chunks: ChunkRef[][];
}

export const FORMAT_VERSION = 1;
/** Recipes with more extents keep their ids in blobs of kind 'ids' of this many. */
export const IDS_PER_PAGE = 1024;

/** The next field as the width of an element. @throws {CorruptError} */
export function unpackWidth(fields: Fields): number {
  const width = fields.count('width', WIDTH_MAX);
  if (width !== 1 && width !== 2 && width !== 4 && width !== 8) {
    throw new CorruptError(`'${fields.file}': width ${width}`, { file: fields.file });
  }
  return width;
}

/** An array of at most `maxLength` whole numbers. @throws {CorruptError} */
export function unpackNumbers(
  value: Packed,
  file: string,
  what: string,
  maxLength: number,
): number[] {
  if (!Array.isArray(value) || value.length > maxLength) {
    throw new CorruptError(`'${file}': bad ${what}`, { file });
  }
  for (const item of value) {
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0) {
      throw new CorruptError(`'${file}': bad ${what}`, { file });
    }
  }
  return value as number[];
}

/** Concatenated 33-byte ids. */
export function packIds(ids: readonly Id[]): Uint8Array {
  const bytes = new Uint8Array(ids.length * ID_BYTES);
  for (let i = 0; i < ids.length; i++) bytes.set(idBytes(ids[i] as Id), i * ID_BYTES);
  return bytes;
}

/** The ids of `packIds`. @throws {CorruptError} */
export function unpackIds(bytes: Uint8Array, file: string): Id[] {
  if (bytes.length % ID_BYTES !== 0) throw new CorruptError(`'${file}': bad list of ids`, { file });
  const ids: Id[] = [];
  for (let at = 0; at < bytes.length; at += ID_BYTES) {
    ids.push(idFromBytes(bytes.subarray(at, at + ID_BYTES), file));
  }
  return ids;
}

/** A recipe as it is stored: long id lists replaced by pages. */
export interface StoredRecipe {
  recipe: Uint8Array;
  /** Bytes of the 'ids' blobs that the recipe names, in order; store them before the recipe. */
  pages: Uint8Array[];
}

/** Canonical bytes of a recipe. @param pageId gives the id of a page blob. */
export function encodeRecipe(recipe: Recipe, pageId: (page: Uint8Array) => Id): StoredRecipe {
  const pages: Uint8Array[] = [];
  let extents: Packed;
  if (recipe.extents.length <= IDS_PER_PAGE) extents = packIds(recipe.extents);
  else {
    for (let i = 0; i < recipe.extents.length; i += IDS_PER_PAGE) {
      pages.push(packIds(recipe.extents.slice(i, i + IDS_PER_PAGE)));
    }
    extents = [recipe.extents.length, packIds(pages.map(pageId))];
  }
  const bytes = encodeCanonical([
    FORMAT_VERSION,
    recipe.skeleton === null ? null : idBytes(recipe.skeleton),
    recipe.variableLengths,
    recipe.variable === null ? null : idBytes(recipe.variable),
    recipe.data.map(({ width, ids }) => [width, packIds(ids)]),
    extents,
    recipe.chunks.map((run) => [packIds(run.map((c) => c.id)), run.map((c) => c.length)]),
  ]);
  return { recipe: bytes, pages };
}

/** Decodes and checks a recipe. @param readPage gives the bytes of an 'ids' blob.
 *  @throws {CorruptError} {FormatVersionError} */
export async function decodeRecipe(
  bytes: Uint8Array,
  file: string,
  readPage: (id: Id) => Promise<Uint8Array>,
): Promise<Recipe> {
  const fields = new Fields(decodeCanonical(bytes, file), file);
  fields.form('recipe form', FORMAT_VERSION);
  const optionalId = (value: Packed): Id | null => {
    if (value === null) return null;
    if (!(value instanceof Uint8Array)) throw new CorruptError(`'${file}': bad id`, { file });
    return idFromBytes(value, file);
  };
  const skeleton = optionalId(fields.any('skeleton'));
  const variableLengths = unpackNumbers(fields.any('lengths'), file, 'variable lengths', 2 ** 31);
  const variable = optionalId(fields.any('variable'));
  const data = fields.array('data').map((row) => {
    const f = new Fields(row, file, 2);
    return { width: unpackWidth(f), ids: unpackIds(f.bytes('ids'), file) };
  });
  const raw = fields.any('extents');
  let extents: Id[];
  if (raw instanceof Uint8Array) extents = unpackIds(raw, file);
  else {
    const paged = new Fields(raw, file, 2);
    const total = paged.count('extent count', TENSORS_PER_FILE_MAX * 2);
    extents = [];
    const pages = new Map<Id, Id[]>();
    for (const page of unpackIds(paged.bytes('pages'), file)) {
      // Every page but the last is full: a longer one would be no page of a writer.
      // A page that is named again gives the same strings: what a recipe takes in memory stays in
      // proportion to the bytes that it was read from.
      const ids = pages.get(page) ?? unpackIds(await readPage(page), file);
      pages.set(page, ids);
      if (ids.length !== Math.min(IDS_PER_PAGE, total - extents.length)) {
        throw new CorruptError(`'${file}': a page of ${ids.length} extents`, { file });
      }
      for (const id of ids) extents.push(id);
    }
    if (extents.length !== total)
      throw new CorruptError(`'${file}': ${extents.length} extents of ${total}`, { file });
  }
  const chunks = fields.array('chunks').map((row) => {
    const f = new Fields(row, file, 2);
    const ids = unpackIds(f.bytes('chunk ids'), file);
    const lengths = unpackNumbers(f.any('chunk lengths'), file, 'chunk lengths', ids.length);
    if (lengths.length !== ids.length)
      throw new CorruptError(`'${file}': chunk lists differ`, { file });
    return ids.map((id, i) => ({ id, length: lengths[i] as number }));
  });
  fields.end();
  return { skeleton, variableLengths, variable, data, extents, chunks };
}

/**
 * Lengths of the blobs that one width's data literal is cut into: parts are gathered until `target`
 * bytes are reached; a part is never cut. Depends on the skeleton alone.
 */
export function dataBlobLengths(parts: readonly Part[], width: number, target: number): number[] {
  const lengths: number[] = [];
  let current = 0;
  for (const part of parts) {
    if (part.kind !== 'data' || part.width !== width) continue;
    if (current > 0 && current + part.length > target) {
      lengths.push(current);
      current = 0;
    }
    current += part.length;
  }
  if (current > 0) lengths.push(current);
  return lengths;
}
