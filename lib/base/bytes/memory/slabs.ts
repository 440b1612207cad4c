/**
 * Memory of the kernel in slabs of few sizes, cut from chunks and used again.
 *
 * Memory is allocated in large pieces, and kept: it is as much as was lent at one time.
 */
import { keptMemory, kernelMemory } from './memory.js';

/** What slabs are cut from: the largest slab is a chunk. */
export const SLAB_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Chunks of smaller slabs are smaller: a command of a small file needs few of each size. V8 collects its young
 * objects whenever an ArrayBuffer is made while those that no collection has met yet have 32 MiB, touched or not.
 */
const TINY_CHUNK_BYTES = 256 * 1024;
const SMALL_CHUNK_BYTES = 1024 * 1024;
/** Larger slabs are cut from chunks of this size at first, for the same reason. */
const MIDDLE_CHUNK_BYTES = 4 * 1024 * 1024;
const MIDDLE_CHUNKS_MAX = 4;
/** Large chunks that are allocated at once: memory that nothing has touched yet takes none. */
const CHUNKS_AT_ONCE = 4;
/**
 * So much V8 does not count when it decides to collect: a command of a few small files ends before it would have
 * to. What is more is counted, because payloads that were dropped go only when V8 collects.
 */
const UNCOUNTED_BYTES = 32 * 1024 * 1024;
/** Slabs of up to this size are cut from tiny chunks, and those below LARGE_SLAB_BYTES from small ones. */
const TINY_SLAB_BYTES = 32 * 1024;
const LARGE_SLAB_BYTES = 1024 * 1024;

interface Chunk {
  readonly buffer: ArrayBufferLike;
  /** Where it begins in the buffer. */
  readonly start: number;
  readonly bytes: number;
  /** Slabs that are lent. */
  lent: number;
}

/** Memory of a chunk. */
export interface Slab {
  readonly chunk: Chunk;
  readonly offset: number;
  readonly bytes: number;
}

/** The first `count` bytes of a slab. */
export function bytesOfSlab({ chunk, offset }: Slab, count: number): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.start + offset, count);
}

export class SlabMemory {
  /** Slabs that nobody has, by their size. */
  readonly #free = new Map<number, Slab[]>();
  /** Large chunks of which nothing is lent: slabs of any size can be cut from them. */
  readonly #empty: Chunk[] = [];
  #nextChunks = 1;
  #middleChunks = 0;
  /** True once a chunk was made for a single slab: the room of the one long tensor that a small file may have. */
  #hasFitted = false;
  #uncounted = 0;

  /** A slab of at least `bytes`, SLAB_BYTES_MAX at most, with any content. */
  take(bytes: number): Slab {
    const size = sizeFor(bytes);
    const slab = this.#free.get(size)?.pop() ?? this.#cut(size);
    slab.chunk.lent++;
    return slab;
  }

  /** Takes a slab back: nothing may look at its bytes any more. */
  give(slab: Slab): void {
    const { chunk, bytes } = slab;
    chunk.lent--;
    const free = this.#freeOf(bytes);
    free.push(slab);
    if (chunk.lent > 0 || chunk.bytes < SLAB_BYTES_MAX) return;
    this.#free.set(
      bytes,
      free.filter((other) => other.chunk !== chunk),
    );
    this.#empty.push(chunk);
  }

  #freeOf(size: number): Slab[] {
    const known = this.#free.get(size);
    if (known !== undefined) return known;
    const free: Slab[] = [];
    this.#free.set(size, free);
    return free;
  }

  /** Cuts a chunk into slabs. @returns the first one. */
  #cut(size: number): Slab {
    const chunk = this.#chunkFor(size);
    const free = this.#freeOf(size);
    // The first ones are lent first: a chunk is touched no further than it is used.
    const last = size * (Math.floor(chunk.bytes / size) - 1);
    for (let offset = last; offset > 0; offset -= size) {
      free.push({ chunk, offset, bytes: size });
    }
    return { chunk, offset: 0, bytes: size };
  }

  #chunkFor(size: number): Chunk {
    if (size <= TINY_SLAB_BYTES) return newChunk(this.#memory(TINY_CHUNK_BYTES), 0);
    if (size < LARGE_SLAB_BYTES) return newChunk(this.#memory(SMALL_CHUNK_BYTES), 0);
    const empty = this.#empty.pop();
    if (empty !== undefined) return empty;
    if (size <= MIDDLE_CHUNK_BYTES && this.#middleChunks < MIDDLE_CHUNKS_MAX) {
      this.#middleChunks++;
      return newChunk(this.#memory(MIDDLE_CHUNK_BYTES), 0);
    }
    if (size > MIDDLE_CHUNK_BYTES && !this.#hasFitted) {
      this.#hasFitted = true;
      return newChunk(this.#memory(size), 0);
    }
    this.#allocate();
    return this.#empty.pop() as Chunk;
  }

  #memory(bytes: number): ArrayBufferLike {
    if (this.#uncounted + bytes > UNCOUNTED_BYTES) return kernelMemory(bytes).buffer;
    this.#uncounted += bytes;
    return keptMemory(bytes).buffer;
  }

  /** One chunk the first time, then several at once. */
  #allocate(): void {
    const buffer = this.#memory(this.#nextChunks * SLAB_BYTES_MAX);
    for (let at = buffer.byteLength - SLAB_BYTES_MAX; at >= 0; at -= SLAB_BYTES_MAX) {
      this.#empty.push(newChunk(buffer, at, SLAB_BYTES_MAX));
    }
    this.#nextChunks = CHUNKS_AT_ONCE;
  }
}

/** Size of the slab for so many bytes: powers of two, and three steps between them for large ones. */
function sizeFor(bytes: number): number {
  const power = 2 ** Math.ceil(Math.log2(bytes));
  if (power <= LARGE_SLAB_BYTES) return power;
  const step = power / 8;
  return step * Math.ceil(bytes / step);
}

function newChunk(buffer: ArrayBufferLike, start: number, bytes = buffer.byteLength): Chunk {
  return { buffer, start, bytes, lent: 0 };
}
