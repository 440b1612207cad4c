/**
 * Content that is compressed, inflated from its beginning as far as it is read.
 *
 * A file of some megabytes may unpack to gigabytes: nothing is inflated before it is asked for, what is kept is counted
 * against the room of the data set, and no more memory is taken than the header of the content explains.
 */
import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createInflateRaw } from 'node:zlib';
import { type ByteSource, checkRange } from '../../../base/bytes/byte-source.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { CorruptError, DlvError, LimitError } from '../../../base/errors.js';
import { DATA_BYTES_MAX } from '../../../base/limits.js';
import { ZIP_DEFLATED, ZIP_STORED } from '../../../pure/formats/zip/zip.js';
import type { ZipEntry } from '../../../pure/formats/zip/zip-directory.js';

/** Bytes of the packed file that are read at once. */
const PIECE_BYTES = 1 << 18;
/** Content that a header may need. */
const HEADER_BYTES_MAX = 1 << 21;

/** Bytes of unpacked content that all files of one data set may keep in memory. */
export class DataRoom {
  #left = DATA_BYTES_MAX;

  /** @throws {LimitError} if so many are not left. */
  take(name: string, bytes: number): void {
    if (!(bytes <= this.#left)) throw tooLarge(name, bytes);
    this.#left -= bytes;
  }
}

export function tooLarge(name: string, bytes: number): LimitError {
  return new LimitError(
    `'${name}' has ${bytes} bytes of content; data and labels that are packed may have ${DATA_BYTES_MAX} together`,
    {
      file: name,
      limit: 'DATA_BYTES_MAX',
      value: bytes,
      max: DATA_BYTES_MAX,
      hint: '--limit takes the first examples; a .npy file may be of any size: it is read batch by batch',
    },
  );
}

/** What of the content is kept. */
export interface Kept {
  /** Bytes from its beginning. */
  bytes: number;
  /** True if nothing may follow them. */
  isAll: boolean;
}

/** The content of a packed file. Close it. */
export class PackedSource implements ByteSource {
  readonly name: string;
  /** Bytes of the content; infinite as long as only its beginning is known. */
  size: number;
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #room: DataRoom;
  readonly #crc: number | null;
  #bytes = Buffer.alloc(0);
  #filled = 0;
  #kept: Kept | null = null;
  /** Memory for what is kept is taken. */
  #hasRoom = false;
  /** The end was reached and is as it has to be. */
  #isChecked = false;
  /** Reads wait for each other: all inflate from one stream. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    { name, size, crc }: { name: string; size: number; crc: number | null },
    pieces: AsyncIterable<Uint8Array>,
    room: DataRoom,
  ) {
    this.name = name;
    this.size = size;
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#room = room;
    this.#crc = crc;
  }

  static gzip(file: ByteSource, room: DataRoom): PackedSource {
    const pieces = unpacked(
      file.name,
      piecesOf(file, 0, file.size),
      createGunzip({ chunkSize: PIECE_BYTES }),
    );
    return new PackedSource({ name: file.name, size: Infinity, crc: null }, pieces, room);
  }

  /** The content of an entry of a zip archive. @throws {CorruptError} for an unknown way to pack it. */
  static zip(file: ByteSource, entry: ZipEntry, room: DataRoom): PackedSource {
    const { method, dataOffset, compressedSize, size, crc } = entry;
    const name = `${file.name}#${entry.name.replace(/\.npy$/, '')}`;
    if (method !== ZIP_STORED && method !== ZIP_DEFLATED) {
      throw new CorruptError(`'${name}' is compressed by unknown method ${method}`, {
        file: file.name,
      });
    }
    const raw = piecesOf(file, dataOffset, dataOffset + compressedSize);
    const pieces =
      method === ZIP_STORED
        ? raw
        : unpacked(name, raw, createInflateRaw({ chunkSize: PIECE_BYTES }));
    return new PackedSource({ name, size, crc }, pieces, room);
  }

  /** Says how much is kept, once the header is read; memory for it is taken when the first of it is read. */
  keep(kept: Kept): void {
    this.#kept = kept;
    this.size = kept.bytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const read = this.#last.then(() => this.#fill(offset + length));
    this.#last = read.catch(() => {});
    await read;
    return new Uint8Array(this.#bytes.subarray(offset, offset + length));
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#pieces.return?.();
    this.#bytes = Buffer.alloc(0);
  }

  async #fill(end: number): Promise<void> {
    const kept = this.#kept;
    if (kept === null && end > HEADER_BYTES_MAX) throw this.#damaged('its header is too long');
    if (kept !== null && !this.#hasRoom) this.#takeRoom(kept);
    while (this.#filled < end) {
      const { value, done } = await this.#pieces.next();
      if (done === true) {
        throw this.#damaged(`it ends after ${this.#filled} bytes of content, and needs ${end}`);
      }
      this.#add(value as Uint8Array);
    }
    if (kept?.isAll === true && this.#filled === kept.bytes) await this.#checkEnd(kept.bytes);
  }

  #takeRoom(kept: Kept): void {
    if (kept.isAll && this.#filled > kept.bytes) throw this.#tooMuch(kept.bytes);
    this.#room.take(this.name, kept.bytes);
    this.#resize(kept.bytes);
    this.#hasRoom = true;
  }

  #add(piece: Uint8Array): void {
    const end = this.#filled + piece.length;
    if (!this.#hasRoom && end > this.#bytes.length) this.#resize(end);
    const room = this.#bytes.length - this.#filled;
    if (piece.length > room && this.#kept?.isAll === true) throw this.#tooMuch(this.#kept.bytes);
    this.#bytes.set(piece.length > room ? piece.subarray(0, room) : piece, this.#filled);
    this.#filled = Math.min(end, this.#bytes.length);
  }

  #resize(bytes: number): void {
    const other = Buffer.alloc(bytes);
    this.#filled = Math.min(this.#filled, bytes);
    this.#bytes.copy(other, 0, 0, this.#filled);
    this.#bytes = other;
  }

  async #checkEnd(bytes: number): Promise<void> {
    if (this.#isChecked) return;
    for (;;) {
      const { value, done } = await this.#pieces.next();
      if (done === true) break;
      if ((value as Uint8Array).length > 0) throw this.#tooMuch(bytes);
    }
    if (this.#crc !== null && crc32(this.#bytes) !== this.#crc) {
      throw this.#damaged('it does not match its checksum');
    }
    this.#isChecked = true;
  }

  #tooMuch(bytes: number): CorruptError {
    return this.#damaged(`it goes on after the ${bytes} bytes that its header says`);
  }

  #damaged(what: string): CorruptError {
    return new CorruptError(`'${this.name}' is damaged: ${what}`, { file: this.name });
  }
}

async function* piecesOf(file: ByteSource, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += PIECE_BYTES) {
    yield await file.read(at, Math.min(PIECE_BYTES, to - at));
  }
}

async function* unpacked(
  name: string,
  packed: AsyncIterable<Uint8Array>,
  inflater: Transform,
): AsyncGenerator<Uint8Array> {
  try {
    // Errors of either end are those of the last stream, which is read here.
    pipeline(Readable.from(packed), inflater, () => {});
    for await (const piece of inflater) yield piece as Uint8Array;
  } catch (error) {
    if (error instanceof DlvError) throw error;
    throw new CorruptError(`'${name}' is damaged: ${(error as Error).message}`, { file: name });
  } finally {
    inflater.destroy();
  }
}
