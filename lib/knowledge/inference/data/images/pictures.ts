/** Pictures as examples: decoded, made grey or coloured, resized and cropped as declared. */
import { CorruptError, UsageError } from '../../../../base/errors.js';
import { PICTURE_PIXELS_MAX } from '../../../../base/limits.js';
import { loadOptional } from '../optional.js';
import { checkSize, decodePng, isPng, type Picture } from './png.js';

/** What is done to pictures before they are numbers. */
export interface PictureOptions {
  /** Shorter side, or height and width; null: as they are. */
  resize: number | readonly [height: number, width: number] | null;
  /** Middle part of this height and width. */
  crop: number | readonly [height: number, width: number] | null;
  /** 1: grey, 3: red, green and blue; null: as they are. */
  channels: 1 | 3 | null;
}

/** The part of jpeg-js that is used. */
interface JpegDecoder {
  decode(
    bytes: Uint8Array,
    options: Record<string, unknown>,
  ): { width: number; height: number; data: Uint8Array };
}

export function isPicture(name: string): boolean {
  return /\.(png|jpe?g)$/i.test(name);
}

/** @throws {CorruptError} {LimitError} {UsageError} {InferenceError} if JPEG files cannot be read here. */
export async function decodePicture(bytes: Uint8Array, name: string): Promise<Picture> {
  if (isPng(bytes)) return decodePng(bytes, name);
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) {
    throw new UsageError(`'${name}' is neither a PNG nor a JPEG file`, { file: name });
  }
  const decoder = (await loadOptional('jpeg-js')) as JpegDecoder;
  try {
    const { width, height, data } = decoder.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: PICTURE_PIXELS_MAX / 1e6,
      maxMemoryUsageInMB: 1024,
    });
    checkSize(width, height, name);
    return { width, height, channels: 3, bytes: data };
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw error;
    throw new CorruptError(`'${name}' is a damaged JPEG file: ${(error as Error).message}`, {
      file: name,
    });
  }
}

/** A picture as it is declared. */
export function preparePicture(
  picture: Picture,
  { resize, crop, channels }: PictureOptions,
  name: string,
): Picture {
  let ready = channels === null ? picture : withChannels(picture, channels);
  if (resize !== null) {
    const { width, height } = ready;
    const short = Math.min(width, height);
    // The longer side is rounded down, as torchvision does.
    const [h, w] =
      typeof resize === 'number'
        ? [Math.floor((height * resize) / short), Math.floor((width * resize) / short)]
        : resize;
    ready = resizePicture(ready, h, w);
  }
  if (crop === null) return ready;
  const [h, w] = typeof crop === 'number' ? [crop, crop] : crop;
  if (h > ready.height || w > ready.width) {
    throw new UsageError(
      `'${name}' of ${ready.height} × ${ready.width} pixels is smaller than the crop ${h} × ${w}`,
      { file: name, hint: '--resize makes it larger first' },
    );
  }
  return cropPicture(ready, h, w);
}

/** Grey as ITU-R BT.601 weighs colours, in the integers that Pillow uses. */
function withChannels(picture: Picture, channels: 1 | 3): Picture {
  if (picture.channels === channels) return picture;
  const { width, height, bytes } = picture;
  const out = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    if (channels === 3) out.fill(bytes[i] as number, 3 * i, 3 * i + 3);
    else {
      const [r, g, b] = [bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]] as [
        number,
        number,
        number,
      ];
      out[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    }
  }
  return { width, height, channels, bytes: out };
}

/** Weights of one output: the first input that counts, and how much each does. */
interface Taps {
  first: number;
  weights: Float64Array;
}

/** A triangle as wide as two inputs, or two outputs where the picture shrinks: no input is passed over. */
function tapsOf(from: number, to: number): Taps[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_unused, k) =>
      Math.max(0, 1 - Math.abs((first + k + 0.5 - centre) / reach)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Bilinear with antialiasing, columns first and rounded between, as Pillow's BILINEAR. */
export function resizePicture(picture: Picture, height: number, width: number): Picture {
  const { channels } = picture;
  if (height === picture.height && width === picture.width) return picture;
  const across = tapsOf(picture.width, width);
  const wide = new Uint8Array(picture.height * width * channels);
  for (let y = 0; y < picture.height; y++) {
    for (const [x, { first, weights }] of across.entries()) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) {
          const at = (y * picture.width + first + k) * channels + c;
          sum += (weights[k] as number) * (picture.bytes[at] as number);
        }
        wide[(y * width + x) * channels + c] = Math.round(sum);
      }
    }
  }
  const bytes = new Uint8Array(height * width * channels);
  const row = width * channels;
  for (const [y, { first, weights }] of tapsOf(picture.height, height).entries()) {
    for (let i = 0; i < row; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += (weights[k] as number) * (wide[(first + k) * row + i] as number);
      }
      bytes[y * row + i] = Math.round(sum);
    }
  }
  return { width, height, channels, bytes };
}

function cropPicture(picture: Picture, height: number, width: number): Picture {
  const { channels } = picture;
  const top = evenHalf(picture.height - height);
  const left = evenHalf(picture.width - width);
  const bytes = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * channels;
    bytes.set(picture.bytes.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, bytes };
}

/** Half of a whole number; a half is rounded to an even number, as torchvision's crop has it. */
function evenHalf(value: number): number {
  const half = Math.floor(value / 2);
  return value % 2 === 0 ? half : half + (half % 2);
}
