/**
 * Records of a zip archive of stored entries, for a writer that knows the size of an entry before its data and
 * the checksum after it. Zip64 fields stand only where a number needs them.
 *
 * Times are the first that the format can say, so that equal content gives equal bytes.
 */

/** An entry that is written. */
export interface WrittenEntry {
  /** ASCII. */
  readonly name: string;
  readonly size: number;
  /** Offset of its local header. */
  readonly offset: number;
  crc: number;
}

const FULL_32 = 0xffffffff;
const FULL_16 = 0xffff;
/** Version 2.0 of the format, and 4.5, which knows zip64. */
const PLAIN_VERSION = 20;
const ZIP64_VERSION = 45;
/** 1 January 1980, 0:00. */
const FIRST_DATE = (1 << 5) | 1;
/** Where the checksum stands in a local header. */
const CRC_OFFSET = 14;

class Fields {
  readonly #parts: Buffer[] = [];

  u16(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(2);
      part.writeUInt16LE(value);
      this.#parts.push(part);
    }
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(4);
      part.writeUInt32LE(value);
      this.#parts.push(part);
    }
    return this;
  }
  u64(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(8);
      part.writeBigUInt64LE(BigInt(value));
      this.#parts.push(part);
    }
    return this;
  }
  bytes(...parts: Uint8Array[]): this {
    for (const part of parts) this.#parts.push(Buffer.from(part));
    return this;
  }
  join(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function isLarge(value: number): boolean {
  return value >= FULL_32;
}

/** The field of numbers that need 8 bytes; empty if none does. */
function zip64Field(values: readonly number[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0);
  return new Fields()
    .u16(1, 8 * values.length)
    .u64(...values)
    .join();
}

/** The header before the data of an entry; its checksum is patched in later. */
export function localHeader({ name, size }: Pick<WrittenEntry, 'name' | 'size'>): Buffer {
  const large = isLarge(size);
  // In a local header both sizes stand in the field, or none.
  const extra = zip64Field(large ? [size, size] : []);
  const shown = large ? FULL_32 : size;
  const text = Buffer.from(name, 'latin1');
  return new Fields()
    .u32(0x04034b50)
    .u16(large ? ZIP64_VERSION : PLAIN_VERSION, 0, 0, 0, FIRST_DATE)
    .u32(0, shown, shown)
    .u16(text.length, extra.length)
    .bytes(text, extra)
    .join();
}

/** What makes the local header of an entry whole. */
export function checksumPatch({ offset, crc }: WrittenEntry): { offset: number; bytes: Buffer } {
  return { offset: offset + CRC_OFFSET, bytes: new Fields().u32(crc).join() };
}

/** The entry of the directory. */
export function directoryEntry({ name, size, offset, crc }: WrittenEntry): Buffer {
  const large = isLarge(size);
  const extra = zip64Field([...(large ? [size, size] : []), ...(isLarge(offset) ? [offset] : [])]);
  const version = extra.length > 0 ? ZIP64_VERSION : PLAIN_VERSION;
  const shown = large ? FULL_32 : size;
  const text = Buffer.from(name, 'latin1');
  return new Fields()
    .u32(0x02014b50)
    .u16(version, version, 0, 0, 0, FIRST_DATE)
    .u32(crc, shown, shown)
    .u16(text.length, extra.length, 0, 0, 0)
    .u32(0, isLarge(offset) ? FULL_32 : offset)
    .bytes(text, extra)
    .join();
}

/** The records after the directory. */
export function endRecords(count: number, directoryOffset: number, directoryBytes: number): Buffer {
  const fields = new Fields();
  const isSmall = count < FULL_16 && !isLarge(directoryOffset) && !isLarge(directoryBytes);
  if (!isSmall) {
    fields
      .u32(0x06064b50)
      .u64(44)
      .u16(ZIP64_VERSION, ZIP64_VERSION)
      .u32(0, 0)
      .u64(count, count, directoryBytes, directoryOffset)
      .u32(0x07064b50, 0)
      .u64(directoryOffset + directoryBytes)
      .u32(1);
  }
  const shown = Math.min(count, FULL_16);
  return fields
    .u32(0x06054b50)
    .u16(0, 0, shown, shown)
    .u32(Math.min(directoryBytes, FULL_32), Math.min(directoryOffset, FULL_32))
    .u16(0)
    .join();
}
