/** Pictures of PNG files (ISO/IEC 15948), all depths and interlaced ones, as bytes of grey or of red, green and blue. */
import { inflateSync } from 'node:zlib';
import { crc32 } from '../../../../base/bytes/checksum.js';
import { CorruptError, LimitError } from '../../../../base/errors.js';
import { PICTURE_PIXELS_MAX } from '../../../../base/limits.js';

/** A picture: rows from the top, channels of a pixel beside each other. */
export interface Picture {
  width: number;
  height: number;
  channels: 1 | 3;
  bytes: Uint8Array;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Samples of a pixel by colour type: grey, colour, palette, grey and opacity, colour and opacity. */
const SAMPLES = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);
/** First column and row, and steps, of the seven passes of an interlaced picture. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

interface Header {
  width: number;
  height: number;
  depth: number;
  colour: number;
  samples: number;
  isInterlaced: boolean;
}

export function isPng(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && SIGNATURE.equals(bytes.subarray(0, 8));
}

/** Refuses pictures that would take too much memory. @throws {LimitError} {CorruptError} */
export function checkSize(width: number, height: number, name: string): void {
  if (width < 1 || height < 1) {
    throw new CorruptError(`'${name}' is ${width} × ${height} pixels`, { file: name });
  }
  if (width * height <= PICTURE_PIXELS_MAX) return;
  throw new LimitError(`'${name}' is ${width} × ${height} pixels`, {
    file: name,
    limit: 'PICTURE_PIXELS_MAX',
    value: width * height,
    max: PICTURE_PIXELS_MAX,
  });
}

/** Opacity is left out; of 16 bits the upper 8 are taken. @throws {CorruptError} {LimitError} */
export function decodePng(bytes: Uint8Array, name: string): Picture {
  const damaged = (what: string): CorruptError =>
    new CorruptError(`'${name}' is a damaged PNG file: ${what}`, { file: name });
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let header: Header | null = null;
  let palette: Uint8Array | null = null;
  const parts: Uint8Array[] = [];
  let isWhole = false;
  for (let at = 8; at + 12 <= file.length && !isWhole; ) {
    const length = file.readUInt32BE(at);
    const end = at + 12 + length;
    if (end > file.length) throw damaged('it ends early');
    if (crc32(file.subarray(at + 4, end - 4)) !== file.readUInt32BE(end - 4)) {
      throw damaged('a checksum does not fit');
    }
    const kind = file.toString('latin1', at + 4, at + 8);
    const content = file.subarray(at + 8, at + 8 + length);
    if (kind === 'IHDR' && length === 13) header = headerOf(content, name, damaged);
    else if (kind === 'PLTE') palette = content;
    else if (kind === 'IDAT') parts.push(content);
    else if (kind === 'IEND') isWhole = true;
    at = end;
  }
  if (header === null || !isWhole) throw damaged('it ends early');
  if (header.colour === 3 && palette === null) throw damaged('it has no palette');
  const passes = passesOf(header);
  const size = passes.reduce((sum, { rowBytes, height }) => sum + height * (rowBytes + 1), 0);
  let packed: Uint8Array;
  try {
    packed = inflateSync(Buffer.concat(parts), { maxOutputLength: size });
  } catch (error) {
    throw damaged((error as Error).message);
  }
  if (packed.length !== size) throw damaged(`it has ${packed.length} bytes of pixels, not ${size}`);
  return paint(header, passes, packed, palette);
}

function headerOf(content: Buffer, name: string, damaged: (what: string) => CorruptError): Header {
  const [width, height] = [content.readUInt32BE(0), content.readUInt32BE(4)];
  const [depth = 0, colour = 0, method = 0, filter = 0, interlace = 0] = content.subarray(8);
  checkSize(width, height, name);
  const samples = SAMPLES.get(colour);
  const depths = colour === 3 ? [1, 2, 4, 8] : colour === 0 ? [1, 2, 4, 8, 16] : [8, 16];
  if (samples === undefined || !depths.includes(depth) || method + filter !== 0 || interlace > 1) {
    throw damaged('its header says what cannot be');
  }
  return { width, height, depth, colour, samples, isInterlaced: interlace === 1 };
}

interface Pass {
  x: number;
  y: number;
  stepX: number;
  stepY: number;
  width: number;
  height: number;
  rowBytes: number;
}

function passesOf({ width, height, depth, samples, isInterlaced }: Header): Pass[] {
  const all = isInterlaced ? PASSES : ([[0, 0, 1, 1]] as const);
  return all.flatMap(([x, y, stepX, stepY]) => {
    const [w, h] = [Math.ceil((width - x) / stepX), Math.ceil((height - y) / stepY)];
    if (w <= 0 || h <= 0) return [];
    return [
      { x, y, stepX, stepY, width: w, height: h, rowBytes: Math.ceil((w * samples * depth) / 8) },
    ];
  });
}

function paint(
  { width, height, depth, colour, samples }: Header,
  passes: readonly Pass[],
  packed: Uint8Array,
  palette: Uint8Array | null,
): Picture {
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const bytes = new Uint8Array(width * height * channels);
  const back = Math.max(1, (samples * depth) >> 3);
  const most = (1 << Math.min(depth, 8)) - 1;
  let at = 0;
  for (const pass of passes) {
    let above = new Uint8Array(pass.rowBytes);
    for (let row = 0; row < pass.height; row++) {
      const line = packed.slice(at + 1, at + 1 + pass.rowBytes);
      unfilter(packed[at] as number, line, above, back);
      at += 1 + pass.rowBytes;
      above = line;
      const sample = (i: number): number => {
        if (depth === 8) return line[i] as number;
        if (depth === 16) return line[2 * i] as number;
        const bit = i * depth;
        return ((line[bit >> 3] as number) >> (8 - depth - (bit & 7))) & most;
      };
      for (let column = 0; column < pass.width; column++) {
        const x = pass.x + column * pass.stepX;
        const to = ((pass.y + row * pass.stepY) * width + x) * channels;
        if (colour === 3) {
          const index = 3 * sample(column);
          for (let c = 0; c < 3; c++) bytes[to + c] = palette?.[index + c] ?? 0;
        } else {
          const scale = depth < 8 ? 255 / most : 1;
          for (let c = 0; c < channels; c++) {
            bytes[to + c] = Math.round(sample(column * samples + c) * scale);
          }
        }
      }
    }
  }
  return { width, height, channels, bytes };
}

/** Undoes the filter of one row. @param back  bytes from a pixel to the one before it. */
function unfilter(kind: number, line: Uint8Array, above: Uint8Array, back: number): void {
  for (let i = 0; i < line.length; i++) {
    const left = i < back ? 0 : (line[i - back] as number);
    const up = above[i] as number;
    const corner = i < back ? 0 : (above[i - back] as number);
    const guess =
      kind === 1
        ? left
        : kind === 2
          ? up
          : kind === 3
            ? (left + up) >> 1
            : kind === 4
              ? paeth(left, up, corner)
              : 0;
    line[i] = (line[i] as number) + guess;
  }
}

/** The neighbour that is nearest to left + up − corner. */
function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ] as const;
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
