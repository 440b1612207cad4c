/**
 * The structure of a stored file as a source of bytes: literals as they are, zeros for extents.
 *
 * A reader of structure passes over the elements of tensors, so it never looks at what is zero here, and
 * no extent is decoded: the network of a file of many GiB costs a few reads.
 */
import { type ByteSource, checkRange } from '../../../base/bytes/byte-source.js';
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { LITERAL_BLOB_BYTES } from '../../../base/limits.js';
import { dataBlobLengths, type Recipe, type Skeleton } from '../../../pure/tensor/recipe.js';
import type { Readers, StoredFile } from './stored-file.js';

/** Bytes of the file that stand together somewhere. */
interface Stretch {
  start: number;
  length: number;
  /** Its bytes; null for zeros. */
  bytes: (() => Promise<Uint8Array> | Uint8Array) | null;
}

/** The structure of a file that a format reader understood; null for one that is stored as a blob or chunks. */
export function structureSource(
  readers: Pick<Readers, 'blobs'>,
  { ref, recipe, skeleton }: StoredFile,
): ByteSource | null {
  if (recipe === null || skeleton === null) return null;
  return new StructureSource(readers, ref, recipe, skeleton);
}

class StructureSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #stretches: Stretch[];

  constructor(
    readers: Pick<Readers, 'blobs'>,
    ref: StoredFile['ref'],
    recipe: Recipe,
    skeleton: Skeleton,
  ) {
    this.name = ref.path;
    this.size = ref.size;
    this.#stretches = stretchesOf(readers, recipe, skeleton);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const made = new Uint8Array(length);
    for (let i = this.#at(offset); i < this.#stretches.length; i++) {
      const { start, length: own, bytes } = this.#stretches[i] as Stretch;
      if (start >= offset + length) break;
      if (bytes === null) continue;
      const all = await bytes();
      if (all.length !== own) {
        throw new CorruptError(`'${this.name}' has a literal of another length`, {
          file: this.name,
        });
      }
      const from = Math.max(0, offset - start);
      made.set(all.subarray(from, offset + length - start), start + from - offset);
    }
    return made;
  }

  /** The stretch that holds a byte. */
  #at(offset: number): number {
    let [low, high] = [0, this.#stretches.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#stretches[middle] as Stretch).start <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function stretchesOf(
  { blobs }: Pick<Readers, 'blobs'>,
  recipe: Recipe,
  skeleton: Skeleton,
): Stretch[] {
  const stretches: Stretch[] = [];
  const data = new Map<number, DataPlaces>();
  let [at, fixedAt, variableAt, lengthsAt, chunksAt] = [0, 0, 0, 0, 0];
  const add = (length: number, bytes: Stretch['bytes']): void => {
    stretches.push({ start: at, length, bytes });
    at += length;
  };
  const blobPart = (id: Id, from: number, length: number) => async (): Promise<Uint8Array> =>
    (await blobs.readBlob(id, 'blob')).subarray(from, from + length);
  for (const part of skeleton.parts) {
    switch (part.kind) {
      case 'fixed': {
        const bytes = skeleton.fixed.subarray(fixedAt, fixedAt + part.length);
        add(part.length, () => bytes);
        fixedAt += part.length;
        break;
      }
      case 'variable': {
        const length = part.length ?? (recipe.variableLengths[lengthsAt++] as number);
        add(length, blobPart(recipe.variable as Id, variableAt, length));
        variableAt += length;
        break;
      }
      case 'data': {
        const places = data.get(part.width) ?? new DataPlaces(recipe, skeleton, part.width);
        data.set(part.width, places);
        const { id, from } = places.next(part.length);
        add(part.length, blobPart(id, from, part.length));
        break;
      }
      case 'extent':
        add(part.width * part.count, null);
        break;
      case 'chunks':
        for (const { id, length } of recipe.chunks[chunksAt++] ?? [])
          add(length, blobPart(id, 0, length));
        break;
    }
  }
  return stretches;
}

/** Where the parts of the data literal of one width are, in their order. */
class DataPlaces {
  readonly #ids: readonly Id[];
  readonly #cuts: readonly number[];
  #blob = 0;
  #from = 0;

  constructor(recipe: Recipe, skeleton: Skeleton, width: number) {
    this.#ids = recipe.data.find((row) => row.width === width)?.ids ?? [];
    this.#cuts = dataBlobLengths(skeleton.parts, width, LITERAL_BLOB_BYTES);
  }

  /** A part is never cut, so it is in one blob. */
  next(length: number): { id: Id; from: number } {
    if (this.#from >= (this.#cuts[this.#blob] ?? 0)) {
      this.#blob++;
      this.#from = 0;
    }
    const from = this.#from;
    this.#from += length;
    return { id: this.#ids[this.#blob] as Id, from };
  }
}
