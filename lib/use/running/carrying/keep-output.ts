/** What a command printed, of a long output its beginning and its end. */

const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 192 * 1024;

export class KeptOutput {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #dropped = 0;
  /** True if something came since the output was taken last. */
  hasNew = false;

  /** @param before  what was kept of an earlier stretch of the run. */
  constructor(before: Uint8Array = new Uint8Array(0)) {
    if (before.length > 0) this.add(Buffer.from(before));
    this.hasNew = false;
  }

  add(chunk: Buffer): void {
    this.hasNew = true;
    const room = HEAD_BYTES - this.#headBytes;
    const first = chunk.subarray(0, Math.max(0, room));
    if (first.length > 0) {
      this.#head.push(Buffer.from(first));
      this.#headBytes += first.length;
    }
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(Buffer.from(rest.subarray(-TAIL_BYTES)));
    this.#dropped += Math.max(0, rest.length - TAIL_BYTES);
    this.#tailBytes += Math.min(rest.length, TAIL_BYTES);
    while (this.#tailBytes - (this.#tail[0]?.length ?? 0) >= TAIL_BYTES) {
      const gone = this.#tail.shift() as Buffer;
      this.#tailBytes -= gone.length;
      this.#dropped += gone.length;
    }
  }

  /** What is kept, with a line that says how much is not. */
  bytes(): Buffer {
    this.hasNew = false;
    const gap = this.#dropped > 0 ? [Buffer.from(`\n… ${this.#dropped} bytes left out …\n`)] : [];
    return Buffer.concat([...this.#head, ...gap, ...this.#tail]);
  }
}
