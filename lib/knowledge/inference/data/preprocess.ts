/**
 * How numbers of a data set become inputs: (x · scale − mean) / std, and the order of their axes. All of
 * it is declared, by flags or in a JSON file beside the data; nothing is guessed from the values.
 */
import { UsageError } from '../../../base/errors.js';
import { PICTURE_SIDE_MAX } from '../../../base/limits.js';

/** What is declared. */
export interface Preprocess {
  /** Factor of every number: 1/255 for bytes. */
  scale: number;
  /** One number, or one a channel: `channelsOf` says what those are. */
  mean: readonly number[];
  std: readonly number[];
  /** How an example of the data lies; 'hwc' becomes 'chw', which networks of ONNX take. */
  layout: 'as-is' | 'hwc';
  /** Of pictures: shorter side, or height and width; middle part; 1 grey, 3 colours. Null: as they are. */
  resize: number | readonly [height: number, width: number] | null;
  crop: number | readonly [height: number, width: number] | null;
  channels: 1 | 3 | null;
}

export const AS_IS: Preprocess = {
  scale: 1,
  mean: [0],
  std: [1],
  layout: 'as-is',
  resize: null,
  crop: null,
  channels: null,
};

/** Reads a declaration. @param name  how errors call it. @throws {UsageError} */
export function parsePreprocess(text: string, name: string): Partial<Preprocess> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`'${name}' is not JSON: ${(error as Error).message}`, { file: name });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(
      `'${name}' is no object with scale, mean, std, layout, resize, crop, channels`,
      { file: name },
    );
  }
  const found: Partial<Preprocess> = {};
  for (const [key, given] of Object.entries(value)) {
    const numbers = (Array.isArray(given) ? given : [given]).map((one) =>
      typeof one === 'string' ? fraction(one) : one,
    );
    const isNumbers = numbers.every((one) => typeof one === 'number' && Number.isFinite(one));
    if (key === 'scale' && isNumbers && numbers.length === 1) found.scale = numbers[0];
    else if ((key === 'mean' || key === 'std') && isNumbers) found[key] = numbers;
    else if ((key === 'resize' || key === 'crop') && isNumbers && numbers.length <= 2) {
      const [first, second] = numbers as [number, number?];
      found[key] = second === undefined ? first : [first, second];
    } else if (key === 'channels' && (given === 1 || given === 3)) found.channels = given;
    else if (key === 'layout' && (given === 'as-is' || given === 'hwc')) found.layout = given;
    else
      throw new UsageError(`'${name}' says nothing that is understood of '${key}'`, { file: name });
  }
  return found;
}

/** What a declaration says besides that numbers go in as they are. */
export function declaredPart(whole: Preprocess): Partial<Preprocess> {
  const isPlain = ([key, value]: [string, unknown]): boolean =>
    JSON.stringify(value) === JSON.stringify(AS_IS[key as keyof Preprocess]);
  return Object.fromEntries(Object.entries(whole).filter((one) => !isPlain(one)));
}

/** '1/255' or '0.5'; NaN for other text. */
export function fraction(text: string): number {
  const [above = '', below = '1', ...more] = text.split('/');
  if (more.length > 0 || above.trim() === '' || below.trim() === '') return Number.NaN;
  return Number(above) / Number(below);
}

/** All of a declaration, checked. @throws {UsageError} */
export function checkPreprocess(given: Partial<Preprocess>): Preprocess {
  const whole = { ...AS_IS, ...given };
  // A program in JavaScript may write it as the file does: '1/255'.
  if (typeof whole.scale === 'string') whole.scale = fraction(whole.scale);
  if (!Number.isFinite(whole.scale)) throw new UsageError('the scale is no number');
  const numbers = [...whole.mean, ...whole.std];
  if (whole.mean.length === 0 || whole.std.length === 0 || !numbers.every(Number.isFinite)) {
    throw new UsageError('mean and std are numbers, one or one a channel');
  }
  for (const key of ['resize', 'crop'] as const) {
    const sizes = [whole[key] ?? 1].flat();
    if (sizes.every((size) => Number.isSafeInteger(size) && size > 0 && size <= PICTURE_SIDE_MAX)) {
      continue;
    }
    throw new UsageError(`${key} is ${sizes.join(' × ')}, not one size or two in pixels`, {
      hint: `write --${key} 224, or --${key} 224x224 for height and width`,
    });
  }
  if (whole.channels !== null && whole.channels !== 1 && whole.channels !== 3) {
    throw new UsageError('pictures have 1 channel or 3');
  }
  if (whole.scale === 0) throw new UsageError('a scale of 0 makes every number the same');
  if (whole.std.includes(0)) throw new UsageError('a std of 0 divides by nothing');
  return whole;
}

/** The shape of one example as it is fed. @throws {UsageError} if a layout does not fit. */
export function fedShape(data: readonly number[], { layout }: Preprocess): number[] {
  if (layout === 'as-is') return [...data];
  if (data.length !== 3) {
    throw new UsageError(`examples of shape [${data.join(', ')}] have no layout hwc`, {
      hint: 'hwc is for height, width and channels',
    });
  }
  const [height = 0, width = 0, channels = 0] = data;
  return [channels, height, width];
}

/**
 * How many channels an example has: the first axis of what the network takes. Where it takes rows, the
 * axis of the data that is first as it is fed; of pictures of one colour, which have none, that is 1. Tables
 * have one for each column as well.
 * @param data  shape of an example as it is read.
 * @param taken  as the network takes it.
 * @throws {UsageError} if there are neither one mean and std nor as many as channels.
 */
export function channelsOf(
  { data, taken, input }: { data: readonly number[]; taken: readonly number[]; input: string },
  declared: Preprocess,
): number {
  const fed = fedShape(data, declared);
  const flat = fed.length === 2 ? 1 : (fed[0] ?? 1);
  const channels = taken.length > 1 ? (taken[0] ?? 1) : flat;
  const columns = fed.length === 1 ? (fed[0] ?? 1) : channels;
  const { mean, std } = declared;
  const counts = new Set([mean.length, std.length].filter((count) => count !== 1));
  const [count = channels, ...others] = counts;
  if (others.length === 0 && (count === channels || count === columns)) return count;
  const given = mean.length === count ? 'mean' : 'std';
  throw new UsageError(
    others.length > 0
      ? `mean has ${mean.length} numbers and std ${std.length}`
      : `${given} has ${count} numbers, and '${input}' takes [${taken.join(', ')}], which has ` +
          `${channels === 1 ? '1 channel' : `${channels} channels`}`,
    { hint: 'give one number, or one for each channel' },
  );
}

/**
 * Examples as they are fed. Means and deviations are per channel, of which each has the same share of the
 * numbers.
 * @param values  row-major, as read; changed.
 */
export function preprocess(
  values: Float64Array,
  { data, channels }: { data: readonly number[]; channels: number },
  { scale, mean, std, layout }: Preprocess,
): Float64Array {
  const size = data.reduce((product, one) => product * one, 1);
  const inner = size / channels;
  const out = layout === 'hwc' ? new Float64Array(values.length) : values;
  const depth = layout === 'hwc' ? (data[2] ?? 1) : 1;
  const plane = size / depth;
  for (let start = 0; start < values.length; start += size) {
    for (let channel = 0; channel < channels; channel += 1) {
      const shift = mean[mean.length === 1 ? 0 : channel] as number;
      const spread = std[std.length === 1 ? 0 : channel] as number;
      for (let i = channel * inner; i < (channel + 1) * inner; i += 1) {
        const from = layout === 'hwc' ? (i % plane) * depth + Math.floor(i / plane) : i;
        out[start + i] = ((values[start + from] as number) * scale - shift) / spread;
      }
    }
  }
  return out;
}
