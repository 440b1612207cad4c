/**
 * A file from its start to its end, in pieces of any size: read in blocks, one ahead of the one in
 * use, so that the disk works while the bytes are hashed and split.
 */

import { assert } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';

const BLOCK_BYTES = 4 * 1024 * 1024;

export class FileFeed {
  readonly #source: ReadFile;
  readonly #onBlock: (bytes: Uint8Array) => void;
  /** The block in use and the one being read take turns. */
  readonly #memory: [Uint8Array, Uint8Array];
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;
  #turn = 0;
  /** Offset of the next block to ask for. */
  #asked = 0;
  #ahead: Promise<Uint8Array> | null = null;

  /** @param onBlock gets every byte once, in order, as soon as it is there; it must not keep them. */
  constructor(source: ReadFile, onBlock: (bytes: Uint8Array) => void) {
    this.#source = source;
    this.#onBlock = onBlock;
    const bytes = Math.min(BLOCK_BYTES, source.size);
    const second = Math.min(BLOCK_BYTES, Math.max(0, source.size - bytes));
    this.#memory = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(second)];
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

  async #next(): Promise<void> {
    this.#ahead ??= this.#ask();
    const block = await this.#ahead;
    this.#ahead = this.#asked < this.#source.size ? this.#ask() : null;
    this.#block = block;
    this.#used = 0;
    this.#onBlock(block);
  }

  #ask(): Promise<Uint8Array> {
    const length = Math.min(BLOCK_BYTES, this.#source.size - this.#asked);
    assert(length > 0, 'no more bytes are asked for than the file has');
    const memory = this.#memory[this.#turn % 2] as Uint8Array;
    const block = memory.subarray(0, length);
    this.#turn++;
    const read = this.#source.readInto(block, this.#asked).then(() => block);
    // It is awaited later: a failure until then is not unhandled.
    read.catch(() => {});
    this.#asked += length;
    return read;
  }

  /** Waits for the read that is under way: call it before the file is closed. */
  async settle(): Promise<void> {
    await this.#ahead?.catch(() => {});
  }
}
