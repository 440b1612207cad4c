/** The literal bytes of a file, taken in its order from the blobs that its recipe names. */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { LITERAL_BLOB_BYTES } from '../../../base/limits.js';
import { dataBlobLengths, type Recipe, type Skeleton } from '../../../pure/tensor/recipe.js';
import type { Blobs } from '../blobs.js';

/** The literal streams of a recipe, consumed from their start. */
export class LiteralStreams {
  readonly #blobs: Blobs;
  readonly #recipe: Recipe;
  readonly #skeleton: Skeleton | null;
  #fixedAt = 0;
  #variable: Promise<Uint8Array> | null = null;
  #variableAt = 0;
  #nextLength = 0;
  /** The blob in use of each width, so that a large one is not decoded again for each part. */
  readonly #data = new Map<number, { blob: number; at: number; bytes: Uint8Array }>();
  /** Lengths of the blobs of each width, as the skeleton cuts them. */
  readonly #cuts = new Map<number, number[]>();

  constructor(blobs: Blobs, recipe: Recipe, skeleton: Skeleton | null) {
    this.#blobs = blobs;
    this.#recipe = recipe;
    this.#skeleton = skeleton;
  }

  fixed(length: number): Uint8Array {
    const bytes = (this.#skeleton as Skeleton).fixed.subarray(
      this.#fixedAt,
      this.#fixedAt + length,
    );
    this.#fixedAt += length;
    return bytes;
  }

  async variable(length: number | null): Promise<Uint8Array> {
    const wanted = length ?? (this.#recipe.variableLengths[this.#nextLength++] as number);
    this.#variable ??= this.#blobs.readBlob(this.#recipe.variable as Id, 'blob');
    const all = await this.#variable;
    const bytes = all.subarray(this.#variableAt, this.#variableAt + wanted);
    if (bytes.length !== wanted) throw new CorruptError('a variable literal is too short');
    this.#variableAt += wanted;
    return bytes;
  }

  async data(width: number, length: number): Promise<Uint8Array> {
    const ids = this.#recipe.data.find((d) => d.width === width)?.ids ?? [];
    const place = this.#data.get(width) ?? { blob: -1, at: 0, bytes: new Uint8Array(0) };
    this.#data.set(width, place);
    if (place.at >= place.bytes.length) {
      const next = ids[++place.blob];
      if (next === undefined) throw new CorruptError('a data literal is too short');
      place.bytes = await this.#blobs.readBlob(next, 'blob');
      place.at = 0;
      // Tensors are found by the cuts: a blob of another length would give them other bytes.
      if (place.bytes.length !== this.#cutsOf(width)[place.blob]) {
        throw new CorruptError('a data literal has another length than its parts');
      }
    }
    const bytes = place.bytes.subarray(place.at, place.at + length);
    if (bytes.length !== length) throw new CorruptError('a data literal is too short');
    place.at += length;
    return bytes;
  }

  #cutsOf(width: number): number[] {
    const known = this.#cuts.get(width);
    if (known !== undefined) return known;
    const cuts = dataBlobLengths(this.#skeleton?.parts ?? [], width, LITERAL_BLOB_BYTES);
    this.#cuts.set(width, cuts);
    return cuts;
  }

  /** No bytes, once everything was taken. @throws {CorruptError} if some of a literal are left. */
  async end(): Promise<Uint8Array> {
    if (this.#variable !== null && (await this.#variable).length !== this.#variableAt) {
      throw new CorruptError('a variable literal is too long');
    }
    return new Uint8Array(0);
  }
}
