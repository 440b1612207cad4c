/**
 * The literals of a file while it is read: fixed and variable bytes, gathered whole, and small tensors,
 * which go into blobs of one element width each as soon as a blob is full.
 */
import type { Id } from '../../base/bytes/hash.js';
import { assert, BugError } from '../../base/errors.js';
import { LITERAL_BLOB_BYTES } from '../../base/limits.js';
import type { FileParts } from '../../pure/tensor/file-parts.js';
import { dataBlobLengths, type Part } from '../../pure/tensor/recipe.js';
import type { PackSession } from '../objects/session.js';
import type { BaseFinder } from './bases/named-bases.js';
import type { FileFeed } from './file-feed.js';
import type { FileStreams } from './store-recipe.js';

interface DataStream {
  ids: Id[];
  /** The blob that is being filled. */
  pending: GatheredBytes;
  /** Length of each blob, from the skeleton's parts. */
  lengths: number[];
}

/** Many short pieces of a file in one piece of memory of a length that is known before. */
class GatheredBytes {
  readonly bytes: Uint8Array;
  #used = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  get isFull(): boolean {
    return this.#used === this.bytes.length;
  }

  /** Memory for the next `length` bytes. */
  next(length: number): Uint8Array {
    this.#used += length;
    assert(this.#used <= this.bytes.length, 'parts give the lengths of their streams');
    return this.bytes.subarray(this.#used - length, this.#used);
  }
}

/** Bytes of all parts of one kind. */
function bytesOfKind(file: FileParts, kind: Part['kind']): number {
  return file.parts.reduce((sum, { part, length }) => sum + (part.kind === kind ? length : 0), 0);
}

/** What literals are read from, and stored with. */
interface LiteralSource {
  readonly session: PackSession;
  readonly feed: FileFeed;
  readonly bases: BaseFinder;
}

export class Literals {
  readonly #from: LiteralSource;
  readonly #fixed: GatheredBytes;
  readonly #variable: GatheredBytes;
  readonly #variableLengths: number[] = [];
  readonly #data = new Map<number, DataStream>();

  constructor(from: LiteralSource, file: FileParts) {
    this.#from = from;
    this.#fixed = new GatheredBytes(bytesOfKind(file, 'fixed'));
    this.#variable = new GatheredBytes(bytesOfKind(file, 'variable'));
    const parts = file.parts.map(({ part }) => part);
    for (const width of [1, 2, 4, 8]) {
      const lengths = dataBlobLengths(parts, width, LITERAL_BLOB_BYTES);
      if (lengths.length === 0) continue;
      const pending = new GatheredBytes(lengths[0] as number);
      this.#data.set(width, { ids: [], pending, lengths });
    }
  }

  /** Reads the bytes of a fixed part. */
  async readFixed(length: number): Promise<void> {
    await this.#from.feed.readInto(this.#fixed.next(length));
  }

  /** Reads the bytes of a variable part. @param isOpen  true if the skeleton leaves its length open. */
  async readVariable(length: number, isOpen: boolean): Promise<void> {
    await this.#from.feed.readInto(this.#variable.next(length));
    if (isOpen) this.#variableLengths.push(length);
  }

  /** Reads the bytes of a small tensor, and stores the blob that they fill. */
  async readData(width: number, length: number): Promise<void> {
    const stream = this.#data.get(width);
    if (!stream) throw new BugError(`no data literal of width ${width}`);
    const { ids, lengths, pending } = stream;
    const { session, feed, bases } = this.#from;
    await feed.readInto(pending.next(length));
    if (!pending.isFull) return;
    const base = bases.dataBlob(width, ids.length, lengths);
    ids.push(await session.putBlob('blob', pending.bytes, width, base));
    stream.pending = new GatheredBytes(lengths[ids.length] ?? 0);
  }

  /** What the recipe needs of them, once all parts are read. */
  streams(): Pick<FileStreams, 'fixed' | 'variable' | 'variableLengths' | 'data'> {
    return {
      fixed: this.#fixed.bytes,
      variable: this.#variable.bytes,
      variableLengths: this.#variableLengths,
      data: [...this.#data].map(([width, { ids }]) => ({ width, ids })),
    };
  }
}
