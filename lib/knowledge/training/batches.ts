/** Batches of a data set that lies in memory: shuffled anew each time all examples were taken. */
import { LimitError, UsageError } from '../../base/errors.js';
import { TRAINED_DATA_BYTES_MAX } from '../../base/limits.js';
import { Draws } from '../../pure/metrics/statistics.js';
import { openArray } from '../inference/data/array.js';
import type { ArraysPlace } from './job.js';

/** Examples in memory. */
export interface Examples {
  count: number;
  /** Shape of one. */
  example: readonly number[];
  inputs: Float32Array;
  targets: Float64Array;
  /** Numbers that are true of one example. */
  width: number;
  /** True if targets are classes. */
  areClasses: boolean;
}

/** Rows that are read at once. */
const READ_NUMBERS = 1 << 20;

/** Reads the arrays of a job. @throws {IoError} {LimitError} {UsageError} if they are not as many. */
export async function readExamples({ inputs, targets }: ArraysPlace): Promise<Examples> {
  const data = await openArray(inputs, null);
  const truth = await openArray(targets, null);
  try {
    if (data === null || truth === null) {
      throw new UsageError(`'${data === null ? inputs : targets}' is not an array of numbers`);
    }
    const [count = 0, ...example] = data.shape;
    const [others = 0, ...rest] = truth.shape;
    if (count === 0 || count !== others) {
      throw new UsageError(`'${inputs}' has ${count} examples, '${targets}' ${others}`);
    }
    const size = example.reduce((product, one) => product * one, 1);
    const bytes = 4 * count * size;
    if (bytes > TRAINED_DATA_BYTES_MAX) {
      throw new LimitError(`'${inputs}' takes ${bytes} bytes`, {
        limit: 'TRAINED_DATA_BYTES_MAX',
        value: bytes,
        max: TRAINED_DATA_BYTES_MAX,
        hint: 'train on fewer examples: "limit" of the data',
      });
    }
    const numbers = new Float32Array(count * size);
    const step = Math.max(1, Math.floor(READ_NUMBERS / size));
    for (let at = 0; at < count; at += step) {
      numbers.set(await data.rows(at, Math.min(step, count - at)), at * size);
    }
    return {
      count,
      example,
      inputs: numbers,
      targets: await truth.rows(0, count),
      width: rest.reduce((product, one) => product * one, 1),
      areClasses: truth.isWhole,
    };
  } finally {
    await data?.close();
    await truth?.close();
  }
}

/** Seeds of the draws of one job, each for a purpose of its own. */
export function drawsFor(seed: number, purpose: number, index = 0): Draws {
  // Far apart, so that no two jobs and purposes share a sequence.
  const mixed = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b);
  return new Draws((mixed >>> 0) * 16 + purpose);
}

/** Which examples each step takes: a shuffled order of all, then another. The same for one seed, from any step. */
export class Sampler {
  readonly #count: number;
  readonly #batch: number;
  readonly #seed: number;
  #epoch = -1;
  #order: Uint32Array;

  constructor(count: number, batch: number, seed: number) {
    this.#count = count;
    this.#batch = batch;
    this.#seed = seed;
    this.#order = new Uint32Array(count);
  }

  /** Examples of step `done` + 1. */
  *batch(done: number): Generator<number> {
    for (let i = 0; i < this.#batch; i += 1) {
      const at = done * this.#batch + i;
      const epoch = Math.floor(at / this.#count);
      if (epoch !== this.#epoch) this.#shuffle(epoch);
      yield this.#order[at % this.#count] as number;
    }
  }

  #shuffle(epoch: number): void {
    const draws = drawsFor(this.#seed, 1, epoch);
    const order = this.#order;
    for (let i = 0; i < order.length; i += 1) order[i] = i;
    for (let i = order.length - 1; i > 0; i -= 1) {
      const other = draws.next(i + 1);
      [order[i], order[other]] = [order[other] as number, order[i] as number];
    }
    this.#epoch = epoch;
  }
}
