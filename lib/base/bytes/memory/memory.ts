/**
 * Memory for data that the kernel works on.
 *
 * The kernel's threads work directly in memory from `kernelMemory`. Any other memory is copied
 * before a call returns, since JavaScript could detach or shrink it meanwhile
 * (native/addon/blocks.h). So planes and long payloads should be allocated here; otherwise calls
 * are only slower.
 */
import { PAYLOAD_POOL_BYTES } from '../../limits.js';
import { kernelIfLoaded, loadKernel } from '../../native/kernel.js';

/** Memory with any content; loads the kernel. */
export function kernelMemory(bytes: number): Uint8Array {
  return loadKernel().allocate(bytes);
}

/**
 * The same for memory that is used again until the process ends: V8, which counts memory outside of its heap, does not
 * search the heap for garbage because of it.
 */
export function keptMemory(bytes: number): Uint8Array {
  const { allocate, native } = loadKernel();
  const memory = allocate(bytes);
  native?.keep(bytes);
  return memory;
}

/** Shorter payloads are cheap to make, and thousands of them small beside what V8 collects for. */
const POOLED_BYTES_MIN = 4 * 1024;
/** What memory that was given back holds where that is checked, as in every test. */
const POISON = 0xa5;

/**
 * Memory for payloads, used again once its owner gives it back: fresh memory for each would cost page
 * faults, and collections of the whole heap, since V8 counts what is outside of it.
 */
class PayloadPool {
  /** Memory that was taken and is not back. */
  readonly #taken = new WeakSet<ArrayBufferLike>();
  /** Memory that waits, by its size. */
  readonly #free = new Map<number, ArrayBufferLike[]>();
  #freeBytes = 0;

  take(bytes: number): Uint8Array {
    const kernel = kernelIfLoaded();
    if (kernel === null) return Buffer.allocUnsafeSlow(bytes);
    if (bytes < POOLED_BYTES_MIN) return kernel.allocate(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const known = this.#free.get(size)?.pop();
    if (known !== undefined) this.#freeBytes -= size;
    const buffer = known ?? kernel.allocate(size).buffer;
    this.#taken.add(buffer);
    return new Uint8Array(buffer, 0, bytes);
  }

  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!this.#taken.delete(buffer)) return;
    const size = buffer.byteLength;
    if (process.env.DLV_POISON === '1') new Uint8Array(buffer).fill(POISON);
    if (this.#freeBytes + size > PAYLOAD_POOL_BYTES) return;
    const free = this.#free.get(size);
    if (free) free.push(buffer);
    else this.#free.set(size, [buffer]);
    this.#freeBytes += size;
  }
}

const pool = new PayloadPool();

/** Memory with any content for bytes that a kernel may be given. No kernel is loaded for that alone. */
export function payloadMemory(bytes: number): Uint8Array {
  return pool.take(bytes);
}

/**
 * Gives memory of `payloadMemory` back, to be used again: neither these bytes nor any other view of their
 * memory may be looked at afterwards. Only whoever owns them may; who does not drops them. Other
 * memory, and memory that is back already, is left alone.
 */
export function recyclePayload(bytes: Uint8Array): void {
  pool.give(bytes);
}
