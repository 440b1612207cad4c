/** What readers of log formats give, whatever the format: series, single numbers, hyperparameters. */
import { LOG_NAMES_MAX, LOG_POINTS_MAX, NAME_BYTES_MAX } from '../../base/limits.js';
import type { Direction } from './direction.js';
import { formatParam, isParamValue, type ParamValue } from './param-value.js';
import { type MetricSeries, SeriesBuilder } from './series.js';

/** One file of a log. */
export interface LogFile {
  /** Name of the file, or its path in the folder that is the log, with '/'. */
  name: string;
  bytes: Uint8Array;
}

/** What a log says. */
export interface LogContent {
  /** 'csv', 'tensorboard', …: the name of the format as people read it. */
  format: string;
  series: MetricSeries[];
  /** Numbers measured once, without a step; by name. */
  finals: Map<string, number>;
  params: Map<string, ParamValue>;
  /** Whether less or more of a metric is better, where the log says so. */
  directions: Map<string, Direction>;
  /** Versions of programs and kinds of machines: never names of people, hosts or folders. */
  environment: Map<string, string>;
  /** Points, names and texts that were left out because a bound was reached, or a name is none. */
  dropped: number;
  /** What was wrong with the file, in words; null if nothing was. */
  problem: string | null;
  /** How far the training was, where the log says that in both counts: a fraction of epochs is so many steps. */
  reached: { step: number; epoch: number } | null;
}

/** Names of nested settings are joined by dots, to this depth. */
const DEPTH_MAX = 16;
/** Longest text of a hyperparameter that is taken from a log: longer ones are prompts and sources. */
const TEXT_MAX = 4096;

/** Collects what one log says, within bounds. */
export class LogCollector {
  readonly #format: string;
  readonly #series = new SeriesBuilder(LOG_POINTS_MAX);
  readonly #finals = new Map<string, number>();
  readonly #params = new Map<string, ParamValue>();
  readonly #environment = new Map<string, string>();
  readonly #directions = new Map<string, Direction>();
  readonly #names = new Set<string>();
  #dropped = 0;
  problem: string | null = null;
  reached: LogContent['reached'] = null;

  constructor(format: string) {
    this.#format = format;
  }

  /** A measured point. @param step  rounded down if it is a fraction; those below 0 are left out. */
  point(name: string, value: number, step: number, time: number | null): void {
    const whole = Math.floor(step);
    if (!Number.isSafeInteger(whole) || whole < 0) this.#dropped++;
    else if (this.#takes(name, this.#names)) {
      this.#series.add(name, { step: whole, value, time });
    }
  }

  /** A number without a step. */
  final(name: string, value: number): void {
    if (this.#takes(name, this.#finals)) this.#finals.set(name, value);
  }

  /** A hyperparameter; of nested objects each leaf, under a dotted name. */
  param(name: string, value: unknown, depth = 0): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (depth >= DEPTH_MAX) this.#dropped++;
      else
        for (const [key, item] of Object.entries(value))
          this.param(joined(name, key), item, depth + 1);
      return;
    }
    const plain = typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
    const fits = isParamValue(plain) && formatParam(plain).length <= TEXT_MAX;
    if (!fits) this.#dropped++;
    else if (this.#takes(name, this.#params)) this.#params.set(name, plain);
  }

  /** A fact about the machine or the programs. */
  environment(name: string, text: string): void {
    if (isName(text) && this.#takes(name, this.#environment)) this.#environment.set(name, text);
  }

  /** Whether less or more of a metric is better. */
  direction(name: string, direction: Direction): void {
    if (this.#takes(name, this.#directions)) this.#directions.set(name, direction);
  }

  #takes(name: string, known: { has(name: string): boolean; size: number }): boolean {
    if (known.has(name)) return true;
    if (isName(name) && known.size < LOG_NAMES_MAX) {
      if (known === this.#names) this.#names.add(name);
      return true;
    }
    this.#dropped++;
    return false;
  }

  finish(): LogContent {
    return {
      format: this.#format,
      series: this.#series.finish(),
      finals: this.#finals,
      params: this.#params,
      directions: this.#directions,
      environment: this.#environment,
      dropped: this.#dropped + this.#series.dropped,
      problem: this.problem,
      reached: this.reached,
    };
  }
}

function joined(name: string, key: string): string {
  return name === '' ? key : `${name}.${key}`;
}

/** True for what a version can hold as the name of a metric. */
export function isName(text: string): boolean {
  return (
    text !== '' &&
    // Neither control characters nor halves of a character, which UTF-8 cannot hold.
    !/[\p{Cc}\p{Cs}]/u.test(text) &&
    Buffer.byteLength(text) <= NAME_BYTES_MAX
  );
}
