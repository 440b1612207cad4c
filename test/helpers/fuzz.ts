/**
 * A seeded mutation fuzzer for format readers.
 *
 * Each input is a file of a corpus with a few changes: flipped bits, lying lengths, moved, repeated
 * or cut ranges, parts of other files, words of a dictionary. A reader may refuse an input only by an
 * error of damage class; what it accepts must pass `validateLayout`; it may read and allocate no
 * more than the input's size explains.
 */

import { getHeapStatistics } from 'node:v8';
import type { ByteSource } from '../../lib/base/bytes/byte-source.js';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import { isDamage } from '../../lib/base/errors.js';
import { layoutWith, readLayout } from '../../lib/pure/formats/detect.js';
import type { FormatReader } from '../../lib/pure/formats/format.js';
import { seededRandom } from './rng.js';

/** A source in memory that counts what is read from it. */
export class MeteredSource implements ByteSource {
  readonly name: string;
  readonly #inner: MemorySource;
  bytesRead = 0;
  reads = 0;

  constructor(bytes: Uint8Array, name = 'input') {
    this.name = name;
    this.#inner = new MemorySource(bytes, name);
  }

  get size(): number {
    return this.#inner.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#inner.read(offset, length);
    this.bytesRead += length;
    this.reads++;
    return bytes;
  }
}

export interface FuzzOptions {
  /** Valid files to start from. */
  corpus: readonly Uint8Array[];
  /** Inputs to try. */
  count: number;
  seed: number;
  /** Byte sequences that mean something in the format, to be written over and inserted. */
  dictionary?: readonly string[];
}

/** How the inputs ended. */
export interface FuzzTally {
  accepted: number;
  refused: number;
}

/** Bytes that a reader may read or allocate beyond a multiple of the input. */
const ALLOWANCE_BYTES = 1 << 22;

/** Numbers that overflow, wrap or mean something special. */
const NUMBERS = [
  ...[0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0xffffn, 0x10000n, 0x7fffffffn, 0x80000000n],
  ...[0xfffffffen, 0xffffffffn, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 1n],
  ...[1n << 63n, (1n << 64n) - 1n],
];

type Random = () => number;

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T;
}

/** Replaces `length` bytes at `at`. */
function patch(bytes: Buffer, at: number, length: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + length)]);
}

function writeNumber(random: Random, bytes: Buffer): Buffer {
  const size = pick(random, [1, 2, 4, 8]);
  const number = Buffer.alloc(8);
  const near = BigInt(Math.max(0, bytes.length + below(random, 17) - 8));
  number.writeBigUInt64LE(random() < 0.2 ? near : pick(random, NUMBERS));
  const field = number.subarray(0, size);
  if (random() < 0.2) field.reverse();
  return patch(bytes, below(random, Math.max(1, bytes.length - size)), size, field);
}

/** Replaces a run of decimal digits by another number. */
function writeDigits(random: Random, bytes: Buffer): Buffer {
  const start = below(random, bytes.length);
  const run = /\d+/.exec(bytes.toString('latin1', start, start + 512));
  if (run === null) return bytes;
  const by = Buffer.from(String(pick(random, [...NUMBERS, -1n, 10n, 99n])));
  return patch(bytes, start + run.index, run[0].length, by);
}

/** One input: a file of the corpus with one to four changes. */
export function mutate(random: Random, options: FuzzOptions): Buffer {
  let bytes: Buffer = Buffer.from(pick(random, options.corpus));
  const words = options.dictionary ?? [];
  for (let changes = 1 + below(random, 4); changes > 0 && bytes.length > 0; changes--) {
    const at = below(random, bytes.length);
    const length = below(random, Math.min(64, bytes.length - at) + 1);
    const part = bytes.subarray(at, at + length);
    switch (below(random, words.length > 0 ? 10 : 9)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
        break;
      case 1:
        bytes[at] = pick(random, [0, 0x20, 0x22, 0x2c, 0x30, 0x5b, 0x7b, 0x7d, 0x80, 0xff]);
        break;
      case 2:
      case 3:
        bytes = writeNumber(random, bytes);
        break;
      case 4:
        bytes = writeDigits(random, bytes);
        break;
      case 5:
        bytes = patch(bytes, at, length, Buffer.alloc(0));
        break;
      case 6:
        bytes = patch(bytes, below(random, bytes.length), 0, part);
        break;
      case 7: {
        const other = pick(random, options.corpus);
        const from = below(random, other.length);
        bytes = patch(bytes, at, length, other.subarray(from, from + below(random, 256)));
        break;
      }
      case 8:
        bytes = random() < 0.3 ? bytes.subarray(0, at) : bytes;
        break;
      default: {
        const word = Buffer.from(pick(random, words), 'latin1');
        bytes = patch(bytes, at, random() < 0.5 ? word.length : 0, word);
      }
    }
  }
  return Buffer.from(bytes);
}

/**
 * Feeds `options.count` inputs to `reader` and through detection. Call it from `test.serial`: what
 * other tests allocate meanwhile would be counted.
 *
 * @throws an error that names the seed and number of the first input that breaks a promise.
 */
export async function fuzzReader(reader: FormatReader, options: FuzzOptions): Promise<FuzzTally> {
  const random = seededRandom(options.seed);
  const tally: FuzzTally = { accepted: 0, refused: 0 };
  let before = getHeapStatistics().external_memory;
  for (let i = 0; i < options.count; i++) {
    const bytes = mutate(random, options);
    const source = new MeteredSource(bytes);
    try {
      await layoutWith(reader, source);
      tally.accepted++;
    } catch (error) {
      if (!isDamage(error)) throw broken(options, i, bytes, error);
      tally.refused++;
    }
    // Asked once for each input: the last input's second reading counts, too. What `process.memoryUsage` gives is
    // the same for buffers, and asks the system, which takes longer than most inputs.
    const held = getHeapStatistics().external_memory;
    const allocated = held - before;
    before = held;
    const bound = 64 * bytes.length + ALLOWANCE_BYTES;
    if (allocated > bound || source.bytesRead > bound || source.reads > 64 + bytes.length) {
      const spent = `${allocated} bytes allocated, ${source.bytesRead} read in ${source.reads} reads`;
      throw broken(options, i, bytes, new Error(spent));
    }
    try {
      await readLayout(source, undefined, { strict: true });
    } catch (error) {
      throw broken(options, i, bytes, error);
    }
  }
  return tally;
}

function broken(options: FuzzOptions, i: number, bytes: Buffer, cause: unknown): Error {
  const what = cause instanceof Error ? cause.stack : String(cause);
  const input = bytes.length <= 2048 ? `\ninput (base64): ${bytes.toString('base64')}` : '';
  return new Error(`seed ${options.seed}, input ${i}: ${what}${input}`, { cause });
}
