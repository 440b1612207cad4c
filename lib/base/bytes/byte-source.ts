/** Bytes that are read from any place: a buffer here, an open file in base/files. */
import { TruncatedError } from '../errors.js';

/** Random access to immutable bytes: what format readers and pack readers work on. */
export interface ByteSource {
  /** Name for messages. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes at `offset`, in a buffer the caller owns. @throws {TruncatedError} beyond the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A byte source over a buffer in memory. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = 'memory') {
    this.bytes = bytes;
    this.name = name;
  }

  get size(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    // Not slice(): that of a Buffer is a view.
    return new Uint8Array(this.bytes.subarray(offset, offset + length));
  }
}

/** @throws {TruncatedError} if the range is not inside the source. */
export function checkRange(
  source: Pick<ByteSource, 'name' | 'size'>,
  offset: number,
  length: number,
): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new TruncatedError(
      `'${source.name}' ends early: ${length} bytes wanted at ${offset}, the file has ${source.size}`,
      {
        file: source.name,
        offset,
        neededBytes: length,
        gotBytes: Math.max(0, source.size - offset),
      },
    );
  }
}
