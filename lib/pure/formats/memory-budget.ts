/**
 * What a reader may hold in memory for one file: in proportion to the structure that it has read, so
 * that no file of a few megabytes takes gigabytes, and never more than a fixed bound.
 *
 * Readers charge for an object when they make it, by what V8 takes for it, and release what they drop
 * at once. When they are done, `layout` asks whether the file can be stored in the same memory.
 */
import { LimitError } from '../../base/errors.js';
import {
  LAYOUT_MEMORY_BASE_BYTES,
  LAYOUT_MEMORY_BYTES_MAX,
  LAYOUT_MEMORY_FACTOR,
} from '../../base/limits.js';
import type { FileLayout } from '../tensor/layout.js';

/** Bytes of memory for things that several readers make. */
export const CHARGES = {
  /** A text without its characters: one byte each, or two. */
  text: 24,
  /** An entry of a Set or Map. */
  entry: 40,
  /** A tensor of a layout without its name; each dimension takes 8 more. */
  tensor: 150,
  /** An extent of a layout. */
  extent: 72,
  /** A variable range of a layout. */
  range: 56,
  /** A range that a storage or a view claims, while extents are made of them. */
  claim: 104,
} as const;

/**
 * The same while the file is stored: as parts with the gaps between them, rows of the skeleton, and the
 * copies of both while they are coded and compared. As measured: the resident memory of `dlv add` grows by
 * so much for each tensor of a safetensors file, and for each range of an npz file besides.
 */
const STORED = { tensor: 790, extent: 150, range: 840 } as const;

/** What a process takes before it reads anything, and while V8 moves objects. */
const PROCESS_BYTES = 16 * 1024 * 1024;

export class MemoryBudget {
  readonly #file: string;
  #allowed = LAYOUT_MEMORY_BASE_BYTES - PROCESS_BYTES;
  #charged = 0;

  /** @param file named in errors. */
  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Allows what `bytes` more of structure explain: a header, a directory, a program.
   * @param factor  bytes of memory for each of them.
   */
  grant(bytes: number, factor = LAYOUT_MEMORY_FACTOR): void {
    this.#allowed = Math.min(this.#allowed + factor * bytes, LAYOUT_MEMORY_BYTES_MAX);
  }

  /** From here on allows no more than what `bytes` of structure explain in other files. */
  restrict(bytes: number): void {
    const more = LAYOUT_MEMORY_BASE_BYTES - PROCESS_BYTES + LAYOUT_MEMORY_FACTOR * bytes;
    this.#allowed = Math.min(this.#allowed, this.#charged + more);
  }

  /** Counts `bytes` of memory. @throws {LimitError} DLV_LIMIT beyond what is allowed. */
  charge(bytes: number): void {
    this.#charged += bytes;
    this.#check(this.#charged);
  }

  /** Gives `layout` back if its file can be stored in the memory allowed. @throws {LimitError} */
  layout(layout: FileLayout): FileLayout {
    const { tensors, extents, variable } = layout;
    let bytes = extents.length * STORED.extent + variable.length * STORED.range;
    for (const { name, shape, strides } of tensors) {
      bytes += STORED.tensor + name.length + 8 * (shape.length + (strides?.length ?? 0));
    }
    this.#check(bytes);
    return layout;
  }

  #check(bytes: number): void {
    if (bytes <= this.#allowed) return;
    throw new LimitError(
      `'${this.#file}': to describe its content takes more than ${this.#allowed >> 20} MiB of memory`,
      {
        file: this.#file,
        limit: 'LAYOUT_MEMORY_BYTES_MAX',
        value: bytes,
        max: this.#allowed,
      },
    );
  }

  /** What is charged so far, for `release`. */
  get charged(): number {
    return this.#charged;
  }

  /** Forgets what was charged since `charged` had this value: it was dropped. */
  release(charged: number): void {
    this.#charged = charged;
  }

  /** Counts a tensor of a layout with its name. @throws {LimitError} */
  chargeTensor(name: string, rank: number): void {
    this.charge(CHARGES.tensor + 8 * rank + name.length);
  }
}
