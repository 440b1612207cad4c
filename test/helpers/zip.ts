/** Builds zip archives by hand, each field of which a test can falsify. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../lib/base/bytes/checksum.js';

/** One entry; fields that start with `local` or `central` replace what one of the headers says. */
export interface ZipPart {
  name: string;
  data: Uint8Array;
  /** Deflate the data. */
  deflate?: boolean;
  /** Sizes and checksum follow the data. */
  descriptor?: boolean | 'bare';
  /** Sizes and offset stand in zip64 fields. */
  zip64?: boolean;
  flags?: number;
  method?: number;
  /** Padding of the local header. */
  extra?: Uint8Array;
  localName?: string;
  localSize?: number;
  localCrc?: number;
  centralSize?: number;
  centralCompressedSize?: number;
  centralOffset?: number;
  crc?: number;
}

export interface ZipOptions {
  comment?: string;
  /** Write a zip64 end record. */
  zip64?: boolean;
  /** Order of the entries in the directory, by index. */
  directoryOrder?: number[];
  entryCount?: number;
  directoryOffset?: number;
  directoryBytes?: number;
}

function fields(...items: [value: number | bigint, bytes: number][]): Buffer {
  return Buffer.concat(
    items.map(([value, bytes]) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64LE(BigInt(value));
      return buffer.subarray(0, bytes);
    }),
  );
}

/** The bytes of an archive with these entries. */
export function buildZip(parts: readonly ZipPart[], options: ZipOptions = {}): Buffer {
  const chunks: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const part of parts) {
    const { local, directory } = buildEntry(part, offset);
    chunks.push(local);
    central.push(directory);
    offset += local.length;
  }
  const order = options.directoryOrder ?? central.map((_, i) => i);
  const directory = Buffer.concat(order.map((i) => central[i] as Buffer));
  const count = options.entryCount ?? order.length;
  const size = options.directoryBytes ?? directory.length;
  const at = options.directoryOffset ?? offset;
  chunks.push(directory);
  if (options.zip64) {
    const end64 = offset + directory.length;
    chunks.push(
      fields([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4]),
      fields([count, 8], [count, 8], [size, 8], [at, 8]),
      fields([0x07064b50, 4], [0, 4], [end64, 8], [1, 4]),
    );
  }
  const end = options.zip64
    ? fields([0xffff, 2], [0xffff, 2], [0xffffffff, 4], [0xffffffff, 4])
    : fields([count, 2], [count, 2], [size, 4], [at, 4]);
  const comment = Buffer.from(options.comment ?? '');
  chunks.push(fields([0x06054b50, 4], [0, 2], [0, 2]), end, fields([comment.length, 2]), comment);
  return Buffer.concat(chunks);
}

function buildEntry(part: ZipPart, offset: number): { local: Buffer; directory: Buffer } {
  const name = Buffer.from(part.name);
  const localName = Buffer.from(part.localName ?? part.name);
  const data = part.deflate ? deflateRawSync(part.data) : Buffer.from(part.data);
  const crc = part.crc ?? crc32(part.data);
  const method = part.method ?? (part.deflate ? 8 : 0);
  const flags = (part.flags ?? 0x800) | (part.descriptor ? 8 : 0);
  const size = part.centralSize ?? part.data.length;
  const localSize = part.descriptor ? 0 : (part.localSize ?? size);
  const compressed = part.centralCompressedSize ?? data.length;
  const localCompressed = part.descriptor ? 0 : compressed;
  const localCrc = part.descriptor ? 0 : (part.localCrc ?? crc);
  const big = 0xffffffff;
  const localExtra = Buffer.concat([
    part.zip64 ? fields([1, 2], [16, 2], [localSize, 8], [localCompressed, 8]) : Buffer.alloc(0),
    part.extra ?? Buffer.alloc(0),
  ]);
  const at = part.centralOffset ?? offset;
  const centralExtra = part.zip64
    ? fields([1, 2], [24, 2], [size, 8], [compressed, 8], [at, 8])
    : Buffer.alloc(0);
  const descriptor = part.descriptor
    ? Buffer.concat([
        part.descriptor === 'bare' ? Buffer.alloc(0) : fields([0x08074b50, 4]),
        fields([crc, 4], [compressed, part.zip64 ? 8 : 4], [size, part.zip64 ? 8 : 4]),
      ])
    : Buffer.alloc(0);
  const local = Buffer.concat([
    fields([0x04034b50, 4], [20, 2], [flags, 2], [method, 2], [0x12345678, 4], [localCrc, 4]),
    fields([part.zip64 ? big : localCompressed, 4], [part.zip64 ? big : localSize, 4]),
    fields([localName.length, 2], [localExtra.length, 2]),
    localName,
    localExtra,
    data,
    descriptor,
  ]);
  const directory = Buffer.concat([
    fields([0x02014b50, 4], [20, 2], [20, 2], [flags, 2], [method, 2], [0x12345678, 4], [crc, 4]),
    fields([part.zip64 ? big : compressed, 4], [part.zip64 ? big : size, 4]),
    fields([name.length, 2], [centralExtra.length, 2], [0, 2], [0, 2], [0, 2], [0, 4]),
    fields([part.zip64 ? big : at, 4]),
    name,
    centralExtra,
  ]);
  return { local, directory };
}
