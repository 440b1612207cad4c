/** What a network is fed: which array of a data set goes into which input, in batches of the right types. */
import { LimitError, UsageError } from '../../base/errors.js';
import { BATCH_BYTES_MAX } from '../../base/limits.js';
import type { DataArray } from './data/array.js';
import type { DataSet } from './data/data-set.js';
import { channelsOf, fedShape, type Preprocess, preprocess } from './data/preprocess.js';
import type { Fed, FedType, RuntimeValue } from './messages.js';

/** Types that numbers of a data set become. */
type NumberType = Exclude<FedType, 'float16' | 'bool'>;

const FED_TYPES = new Map<string, NumberType>(
  (['float32', 'float64', 'int32', 'int64', 'uint8'] as const).map((type) => [type, type]),
);

/** What feeding needs to know of a run. */
export interface FedRun {
  /** How errors call the network. */
  label: string;
  set: DataSet;
  preprocess: Preprocess;
}

interface Input {
  value: RuntimeValue;
  type: NumberType;
  array: DataArray;
  /** Shape of one example as the network takes it. */
  dims: number[];
  /** Channels that means and deviations are of; null for arrays that go in as they are: ids of tokens. */
  channels: number | null;
}

/** Reads batches of a data set as a network takes them. */
export class Feeder {
  /** Examples of each pass, where the network has that fixed; else null. */
  readonly fixed: number | null;
  readonly #inputs: readonly Input[];
  readonly #run: FedRun;

  /** @throws {UsageError} if the data do not fit the inputs. */
  constructor(inputs: readonly RuntimeValue[], run: FedRun) {
    this.#run = run;
    this.#inputs = inputs.map((value) => inputOf(value, inputs, run));
    const [size] = inputs[0]?.shape ?? [];
    this.fixed = typeof size === 'number' && size > 0 ? size : null;
  }

  /** Examples of a pass if `wanted` are asked for. @throws {LimitError} if that takes too much memory. */
  batch(wanted: number): number {
    const batch = this.fixed ?? wanted;
    const bytes = this.#inputs.reduce(
      (sum, { dims }) => sum + dims.reduce((product, one) => product * one, 8 * batch),
      0,
    );
    if (bytes <= BATCH_BYTES_MAX) return batch;
    throw new LimitError(`a batch of ${bytes} bytes`, {
      limit: 'BATCH_BYTES_MAX',
      value: bytes,
      max: BATCH_BYTES_MAX,
      hint: 'take a smaller --batch',
    });
  }

  /** `count` examples from `first`, repeated until there are `rows`. */
  async read(first: number, count: number, rows: number): Promise<Fed[]> {
    const fed: Fed[] = [];
    for (const { value, type, array, dims, channels } of this.#inputs) {
      const values = await array.rows(first, count);
      const data = array.shape.slice(1);
      const ready =
        channels === null ? values : preprocess(values, { data, channels }, this.#run.preprocess);
      const bytes = repeated(encode(ready, type), rows, count);
      fed.push({ name: value.name, type, dims: [rows, ...dims], bytes });
    }
    return fed;
  }
}

function inputOf(value: RuntimeValue, all: readonly RuntimeValue[], run: FedRun): Input {
  const { name, type: given } = value;
  const type = FED_TYPES.get(given);
  if (type === undefined) {
    throw new UsageError(`input '${name}' of '${run.label}' takes ${given}`, {
      file: run.label,
      hint: `inputs of ${[...FED_TYPES.keys()].join(', ')} can be fed`,
    });
  }
  const { named, data } = run.set;
  if (named === null) {
    if (all.length === 1) {
      const read = data.shape.slice(1);
      const dims = inputShape(value, fedShape(read, run.preprocess), run);
      const channels = channelsOf({ data: read, taken: dims, input: name }, run.preprocess);
      return { value, type, array: data, dims, channels };
    }
    throw new UsageError(`'${run.label}' has ${all.length} inputs, not one`, {
      file: run.label,
      hint: `they are ${all.map((one) => one.name).join(', ')}; a --module can give several`,
    });
  }
  const array = named.get(name) ?? (all.length === 1 ? data : undefined);
  if (array === undefined) {
    throw new UsageError(`nothing of the data goes into the input '${name}' of '${run.label}'`, {
      file: run.label,
      hint: `there are ${[...named.keys()].join(', ')}`,
    });
  }
  const dims = inputShape(value, array.shape.slice(1), run);
  return { value, type, array, dims, channels: null };
}

/** Shape of one example as the network takes it. Axes of 1 may be missing in the data, or too many. */
function inputShape(
  { name, shape }: RuntimeValue,
  given: readonly number[],
  run: FedRun,
): number[] {
  const wanted = shape.slice(1);
  const isOpen = (size: number | string): boolean => typeof size === 'string' || size <= 0;
  const sizes = wanted.filter((size) => size !== 1);
  const rest = given.filter((size) => size !== 1);
  if (
    wanted.length === given.length &&
    wanted.every((size, i) => isOpen(size) || size === given[i])
  ) {
    return [...given];
  }
  if (sizes.length === rest.length && sizes.every((size, i) => isOpen(size) || size === rest[i])) {
    let at = 0;
    return wanted.map((size) => (size === 1 ? 1 : (rest[at++] as number)));
  }
  // Rows of pixels, as tables hold images; or images for a network that takes rows.
  const total = given.reduce((product, one) => product * one, 1);
  const isKnown = wanted.every((size) => !isOpen(size));
  const needed = wanted.reduce<number>((product, one) => product * Number(one), 1);
  const isRow = given.length === 1 || wanted.length === 1;
  if (isKnown && isRow && needed === total) return wanted.map(Number);
  throw new UsageError(
    `examples of shape [${given.join(', ')}] do not fit the input '${name}' of '${run.label}', ` +
      `[${shape.join(', ')}]`,
    {
      file: run.label,
      hint: 'images whose channels come last need --layout hwc; pictures need --resize or --crop',
    },
  );
}

function encode(values: Float64Array, type: NumberType): Uint8Array {
  const typed = {
    float32: () => Float32Array.from(values),
    float64: () => values,
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
    uint8: () => Uint8Array.from(values),
  }[type]();
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** Repeats the examples that are there, so that a pass has as many as it needs. */
function repeated(bytes: Uint8Array, rows: number, count: number): Uint8Array {
  if (rows === count) return bytes;
  const each = bytes.length / count;
  const full = new Uint8Array(each * rows);
  for (let at = 0; at < rows; at += count) {
    const room = Math.min(count, rows - at);
    full.set(bytes.subarray(0, room * each), at * each);
  }
  return full;
}
