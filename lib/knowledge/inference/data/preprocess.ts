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
  /** One number, or one a channel. */
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

/** '1/255' or '0.5'; NaN for other text. */
export function fraction(text: string): number {
  const [above = '', below = '1', ...more] = text.split('/');
  if (more.length > 0 || above.trim() === '' || below.trim() === '') return Number.NaN;
  return Number(above) / Number(below);
}

/** All of a declaration, checked. @throws {UsageError} */
export function checkPreprocess(given: Partial<Preprocess>): Preprocess {
  const whole = { ...AS_IS, ...given };
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
 * Examples as they are fed. Means and deviations are per channel: the first axis of what is fed, or of
 * tables the only one.
 * @param values  row-major, as read; changed. @throws {UsageError} if there are not as many as channels.
 */
export function preprocess(
  values: Float64Array,
  data: readonly number[],
  declared: Preprocess,
): Float64Array {
  const { scale, mean, std, layout } = declared;
  const size = data.reduce((product, one) => product * one, 1);
  const [channels = 1, ...rest] = fedShape(data, declared);
  const inner = rest.reduce((product, one) => product * one, 1);
  for (const list of [mean, std]) {
    if (list.length !== 1 && list.length !== channels) {
      throw new UsageError(
        `${list.length} numbers of mean or std are given for ${channels} channels`,
      );
    }
  }
  const out = layout === 'hwc' ? new Float64Array(values.length) : values;
  for (let start = 0; start < values.length; start += size) {
    for (let channel = 0; channel < channels; channel += 1) {
      const shift = mean[mean.length === 1 ? 0 : channel] as number;
      const spread = std[std.length === 1 ? 0 : channel] as number;
      for (let i = 0; i < inner; i += 1) {
        const to = start + channel * inner + i;
        const from = layout === 'hwc' ? start + i * channels + channel : to;
        out[to] = ((values[from] as number) * scale - shift) / spread;
      }
    }
  }
  return out;
}
