/** Text of the command line → values: flags and operands that several commands take. */
import { Option } from 'commander';
import { UsageError } from '../base/errors.js';
import { checkPlanes } from '../pure/tensor/prefix.js';
import { numberOf } from '../use/history/version-content.js';
import type { AddOptions } from '../use/ops/add.js';
import type { CommitOptions } from '../use/ops/commit.js';
import type { TextTest } from '../use/ops/log.js';
import type { LineSettings } from '../use/tracking/line.js';

/** Effort of the encoder. */
export type Level = NonNullable<AddOptions['level']>;
const LEVELS: readonly Level[] = ['fast', 'default', 'max'];

/** The flag `--level`. */
export function levelOption(description: string): Option {
  return new Option('--level <name>', description).choices([...LEVELS]);
}

type Params = Extract<CommitOptions['params'], readonly unknown[]>;
type Metrics = Extract<CommitOptions['metrics'], readonly unknown[]>;

/** Hyperparameters of `--param name=value`. @throws {UsageError} */
export function parseParams(texts: readonly string[]): Params {
  return texts.map((text) => {
    const [name, value] = parsePair(text, 'hyperparameter', '--param lr=0.01');
    return { name, text: value };
  });
}

/** Where a name ends and whether less or more is better begins: 'acc:max'. */
const DIRECTED = /^(.+):(min|max)$/s;

/**
 * Metrics of `--metric name=number` or `name@step=number`; `:min` or `:max` after the number or the name,
 * or a name with it alone, says which is better. @throws {UsageError}
 */
export function parseMetrics(texts: readonly string[], warn: (message: string) => void): Metrics {
  return texts.map((text) => {
    const [, alone, declared] = text.includes('=') ? [] : (DIRECTED.exec(text) ?? []);
    if (alone !== undefined) return { name: alone, direction: declared as 'min' | 'max' };
    const [left, right] = parsePair(text, 'metric', '--metric accuracy=0.91');
    const [, place = left, before] = DIRECTED.exec(left) ?? [];
    const [, number = right, after] = DIRECTED.exec(right) ?? [];
    if (before !== undefined && after !== undefined && before !== after) {
      throw new UsageError(`metric '${place}' is given as ${before} and as ${after}`, {
        name: place,
        hint: `write it once, as in --metric '${place}=${number}:${after}'`,
      });
    }
    const direction = before ?? after;
    return {
      ...placeOfMetric(place, warn),
      value: metricNumber(place, number),
      ...(direction === undefined ? {} : { direction: direction as 'min' | 'max' }),
    };
  });
}

function placeOfMetric(
  place: string,
  warn: (message: string) => void,
): { name: string; step: number | null } {
  const [, name, step] = /^(.+)@(\d{1,15})$/s.exec(place) ?? [];
  if (name !== undefined) return { name, step: Number(step) };
  const [, before] = /^(.+)@[^@]*$/s.exec(place) ?? [];
  if (before !== undefined) {
    warn(
      `'${place}' is the name of the metric: a step is a whole number, as in '${before}@2000=0.3'`,
    );
  }
  return { name: place, step: null };
}

function metricNumber(name: string, text: string): number {
  const value = numberOf(text);
  const refuse = (why: string, hint: string): never => {
    throw new UsageError(`metric '${name}' has the value '${text}', which is ${why}`, {
      name,
      hint,
    });
  };
  if (value === null) {
    return refuse('not a number', "write a number, 'nan', 'inf' or '-inf': --metric loss=nan");
  }
  if (!Number.isFinite(value) && /\d/.test(text)) {
    return refuse('beyond what a number can hold', "'inf' and '-inf' say that it is infinite");
  }
  return value;
}

/** Name → text of `name=text` flags. @throws {UsageError} also if a name is given twice. */
export function parseNamed(
  texts: readonly string[],
  what: string,
  example: string,
): Record<string, string> {
  const named = new Map<string, string>();
  for (const text of texts) {
    const [name, value] = parsePair(text, what, example);
    if (named.has(name)) throw new UsageError(`${what} '${name}' is given twice`, { name });
    named.set(name, value);
  }
  return Object.fromEntries(named);
}

/** `fine-tune` or `fine-tune: what was done`. */
export function parseOperation(text: string): NonNullable<CommitOptions['operation']> {
  const [, kind = '', detail = ''] = /^([^:]*):?(.*)$/s.exec(text) ?? [];
  return { kind, detail: detail.trim() };
}

function parsePair(text: string, what: string, example: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0) {
    throw new UsageError(`${what} '${text}' is not of the form name=value`, {
      hint: `write it as ${example}`,
    });
  }
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A training step. @throws {UsageError} unless it is a whole number of 0 or more. */
export function parseStep(text: string): number {
  return parseCount(text, '--step');
}

/** A whole number of 0 or more. @throws {UsageError} that names the flag. */
export function parseCount(text: string, flag: string): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UsageError(`${flag} is '${text}', not a whole number`, { option: flag });
  }
  return value;
}

/** Flags of commands that speak to a remote. */
export interface LineFlags {
  limitRate?: string;
  jobs?: string;
}

/** Flags of the commands that fetch. */
export interface FetchFlags extends LineFlags {
  prune?: boolean;
  forgotten?: boolean;
  verbose?: boolean;
}

export function pruneOption(): Option {
  return new Option('-p, --prune', 'forget branches that the remote no longer has');
}

export function forgottenOption(): Option {
  return new Option('--forgotten', 'also bring back what was forgotten here');
}

export function movesOption(): Option {
  return new Option('-v, --verbose', 'show branches that did not move, and the traffic');
}

export function limitRateOption(): Option {
  return new Option(
    '--limit-rate <rate>',
    'bytes per second at most, as 500K or 10M (default: transfer.limitRate)',
  );
}

export function jobsOption(): Option {
  return new Option('-j, --jobs <n>', 'requests at once (default: transfer.jobs, 4)');
}

/** What these flags say. @throws {UsageError} */
export function lineSettings({ limitRate, jobs }: LineFlags): LineSettings {
  return {
    ...(limitRate === undefined ? {} : { limitRate }),
    ...(jobs === undefined ? {} : { jobs: parseCount(jobs, '--jobs') }),
  };
}

/** A whole number of 1 or more. @throws {UsageError} that names the flag. */
export function parsePositive(text: string, flag: string): number {
  const value = parseCount(text, flag);
  if (value > 0) return value;
  throw new UsageError(`${flag} is '${text}', not a number of 1 or more`, { option: flag });
}

/** A number of planes. @throws {UsageError} */
export function parsePlanes(text: string): number {
  return checkPlanes(parseCount(text, '--planes'));
}

/** The same, or `all`. @throws {UsageError} */
export function parsePlanesOrAll(text: string): number | 'all' {
  return text === 'all' ? 'all' : parsePlanes(text);
}

/** `<rev>` or `<rev>:<path>`; without a revision before the colon, HEAD is meant. */
export function splitPlace(place: string): { revision: string; path?: string } {
  const at = place.indexOf(':');
  if (at < 0) return { revision: place };
  if (at === place.length - 1) {
    throw new UsageError(`'${place}' has no path after the colon`, {
      hint: `'dlv show ${place.slice(0, at) || 'HEAD'}' lists the files of a version: write <rev>:<path>`,
    });
  }
  return { revision: place.slice(0, at) || 'HEAD', path: place.slice(at + 1) };
}

/** 'Name <email>', or a name alone. @throws {UsageError} */
export function parseAuthor(text: string): { name: string; email: string } {
  const [, name = '', email = ''] = /^([^<>]*?)\s*(?:<([^<>]*)>)?$/.exec(text.trim()) ?? [];
  if (name === '') {
    throw new UsageError(`--author is '${text}', not a name`, {
      option: '--author',
      hint: "write it as 'Ada <ada@example.org>'",
    });
  }
  return { name, email };
}

/**
 * Looks for a regular expression in each line of a text, in time that grows with both lengths whatever they hold.
 * @throws {UsageError}
 */
export async function parsePattern(
  text: string,
  flag: string,
  ignoreCase: boolean,
): Promise<TextTest> {
  const { lineTest } = await import('../use/ops/log.js');
  try {
    return lineTest(text, ignoreCase);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${flag} is '${text}', not a regular expression that dlv reads`, {
      option: flag,
      hint: "write a backslash before a character that is meant as it is, as '\\('",
    });
  }
}

/** A date, as milliseconds since 1970. @param day which end of a day one without a time means. */
export async function parseTime(text: string, day: 'begin' | 'end'): Promise<number> {
  const { parseDate } = await import('../use/history/dates.js');
  return parseDate(text, new Date(), day).time;
}

/** `--branch`, of commands that stage or commit. */
export function branchOption(what: string): Option {
  const elsewhere = 'HEAD and the work tree stay; default: DLV_BRANCH, else where HEAD is';
  return new Option('--branch <model/branch>', `${what} (${elsewhere})`);
}

/** The branch that a flag or the environment names, for the options of an op. */
export function branchOf(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): { branch?: string } {
  const branch = flag ?? (env.DLV_BRANCH || undefined);
  if (branch === undefined) return {};
  if (branch.split('/').includes('')) {
    const source = flag === undefined ? 'DLV_BRANCH' : '--branch';
    throw new UsageError(`${source} is '${branch}', which names no branch`, {
      option: source,
      hint: 'write a branch, or model/branch, such as net/trial-2',
    });
  }
  return { branch };
}

/** Names of a list with commas between; none in parentheses or quotes cuts. @throws {UsageError} */
export function splitNames(text: string, flag: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let quote = '';
  let name = '';
  for (const char of text) {
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '`' || char === '"') quote = char;
    else if (char === '(') depth++;
    else if (char === ')') depth--;
    if (char === ',' && depth === 0 && quote === '') {
      names.push(name.trim());
      name = '';
    } else name += char;
  }
  names.push(name.trim());
  if (names.includes('')) {
    throw new UsageError(`${flag} is '${text}', where a name is empty`, { option: flag });
  }
  return names;
}
