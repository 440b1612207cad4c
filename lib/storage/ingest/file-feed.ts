/**
 * A file from its start to its end, in pieces of any size: read in blocks, one ahead of the one in
 * use, so that the disk works while the bytes are hashed and split. Long runs of elements are read, hashed
 * and split by the kernel, past the blocks.
 */
import type { RunningSha256 } from '../../base/bytes/hash.js';
import { assert } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import { readSplit, splitFast } from '../../pure/codec/planes.js';
import { RUN_DOMAIN } from '../../pure/tensor/extent-id.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';

const BLOCK_BYTES = 512 * 1024;

/** What a feed needs to let the kernel read. */
export interface DirectReading {
  /** Where runs begin that are read past the blocks, ascending: no block goes across. */
  readonly starts: readonly number[];
  /** Of the file: the kernel adds what it reads. */
  readonly hash: RunningSha256;
  /** Called with the bytes that the kernel has read. */
  readonly onBytes: (count: number) => void;
}

export class FileFeed {
  readonly #source: ReadFile;
  readonly #onBlock: (bytes: Uint8Array) => void;
  /** The block in use and the one being read take turns. */
  readonly #memory: [PlaneLease, PlaneLease];
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;
  #turn = 0;
  /** Offset of the next block to ask for. */
  #asked = 0;
  #ahead: Promise<Uint8Array> | null = null;
  readonly #direct: DirectReading | null;
  /** Of `starts`, the first that no block has reached. */
  #start = 0;

  /** @param onBlock gets every byte once, in order, as soon as it is there; it must not keep them. */
  constructor(
    source: ReadFile,
    onBlock: (bytes: Uint8Array) => void,
    direct: DirectReading | null = null,
  ) {
    this.#source = source;
    this.#direct = direct;
    this.#onBlock = onBlock;
    const bytes = Math.min(BLOCK_BYTES, source.size);
    const second = Math.min(BLOCK_BYTES, Math.max(0, source.size - bytes));
    this.#memory = [planePool.lend(1, bytes), planePool.lend(1, second)];
  }

  /** Fills `target` with the next bytes. @throws {ChangedError} if the file became shorter; {IoError}. */
  async readInto(target: Uint8Array): Promise<void> {
    let done = 0;
    while (done < target.length) {
      if (this.#used === this.#block.length) await this.#next();
      const count = Math.min(target.length - done, this.#block.length - this.#used);
      target.set(this.#block.subarray(this.#used, this.#used + count), done);
      this.#used += count;
      done += count;
    }
  }

  /**
   * The next bytes where they are: at least one, at most `length`, up to the end of the block in use.
   * They may be changed; they stay until the call after this one.
   * @throws {ChangedError} {IoError}
   */
  async take(length: number): Promise<Uint8Array> {
    if (this.#used === this.#block.length) await this.#next();
    const bytes = this.#block.subarray(this.#used, this.#used + length);
    this.#used += bytes.length;
    return bytes;
  }

  /**
   * Reads the next elements into planes, by the kernel.
   * @param planes  of at most a run (RUN_ELEMENTS), plane 0 first.
   * @returns the run hashes of the planes, or null: they have still to be made. Undefined: nothing was read,
   *   because a part of a block is left or the kernel does not read.
   * @throws {ChangedError} {IoError}
   */
  async readRun(
    planes: readonly Uint8Array[],
    bigEndian: boolean,
  ): Promise<Uint8Array | null | undefined> {
    if (this.#direct === null || this.#ahead !== null || this.#used < this.#block.length) return;
    const { hash, onBytes } = this.#direct;
    const width = planes.length;
    const bytes = width * (planes[0] as Uint8Array).length;
    const run = { planes, bigEndian, offset: this.#asked, prefix: RUN_DOMAIN };
    const { bytes: got, digests } = await this.#source.readBy((fd) => readSplit(fd, run, hash));
    onBytes(got);
    this.#asked += got;
    if (got === bytes) return digests;
    // Whatever kept the kernel from reading on is met and named here.
    const rest = Buffer.allocUnsafeSlow(bytes - got);
    await this.#source.readInto(rest, this.#asked);
    this.#onBlock(rest);
    this.#asked += rest.length;
    if (bigEndian) swapBytes(rest, width);
    const parts = planes.map((plane) => plane.subarray(got / width));
    splitFast(rest, parts);
    return null;
  }

  async #next(): Promise<void> {
    this.#ahead ??= this.#ask();
    const block = await this.#ahead;
    const isDirect = this.#asked === this.#nextStart();
    this.#ahead = this.#asked < this.#source.size && !isDirect ? this.#ask() : null;
    this.#block = block;
    this.#used = 0;
    this.#onBlock(block);
  }

  /** Where the next run begins that is read past the blocks, from what is asked for next on. */
  #nextStart(): number {
    const starts = this.#direct?.starts ?? [];
    while ((starts[this.#start] ?? Number.POSITIVE_INFINITY) < this.#asked) this.#start++;
    return starts[this.#start] ?? Number.POSITIVE_INFINITY;
  }

  #ask(): Promise<Uint8Array> {
    const start = this.#nextStart();
    const end = start > this.#asked ? Math.min(start, this.#source.size) : this.#source.size;
    const length = Math.min(BLOCK_BYTES, end - this.#asked);
    assert(length > 0, 'no more bytes are asked for than the file has');
    const { planes } = this.#memory[this.#turn % 2] as PlaneLease;
    const block = (planes[0] as Uint8Array).subarray(0, length);
    this.#turn++;
    const read = this.#source.readInto(block, this.#asked).then(() => block);
    // It is awaited later: a failure until then is not unhandled.
    read.catch(() => {});
    this.#asked += length;
    return read;
  }

  /** Waits for the read that is under way, and gives the memory back: call it once, before the file is closed. */
  async settle(): Promise<void> {
    await this.#ahead?.catch(() => {});
    for (const lease of this.#memory) lease.release();
  }
}
