/** The flags of `dlv eval` as options of evaluations, whole and progressive. */

import { UsageError } from '../../base/errors.js';
import type { DataOptions, EvalOptions } from '../../use/ops/eval.js';
import type { ProgressiveOptions } from '../../use/ops/eval-progressive.js';
import { parseCount } from '../arguments.js';
import type { HtmlFlag } from '../pages/write-page.js';

export interface EvalFlags {
  progressive?: boolean;
  guarantee?: 'certified' | 'approximate';
  goal?: 'bytes' | 'time';
  margin?: string;
  decide?: string;
  effort?: string;
  check?: boolean;
  data?: string;
  labels?: string;
  module?: string;
  tokenizer?: string;
  maxTokens?: string;
  stride?: string;
  startToken?: string;
  oneText?: boolean;
  resize?: string;
  crop?: string;
  channels?: '1' | '3';
  metric?: string;
  classes?: string;
  scale?: string;
  mean?: string;
  std?: string;
  layout?: 'as-is' | 'hwc';
  preprocess?: string;
  network?: string;
  weights?: string;
  output?: string;
  task?: 'classes' | 'values' | 'tokens';
  scores?: 'logits' | 'probabilities';
  batch: string;
  limit?: string;
  threads: string;
  seed: string;
  record: boolean;
  rerun?: boolean;
  time?: string;
  html?: HtmlFlag;
  acceptTier?: boolean;
}

/** `1/255`, or numbers with commas. @throws {UsageError} */
function parseNumbers(text: string, flag: string): number[] {
  return text.split(',').map((one) => {
    const match = /^\s*([^/]+?)\s*(?:\/\s*([^/]+?)\s*)?$/.exec(one);
    const value = match === null ? Number.NaN : Number(match[1]) / Number(match[2] ?? 1);
    if (Number.isFinite(value)) return value;
    throw new UsageError(`${flag} is '${text}', which is no number`, { option: flag });
  });
}

/** `224`, or `224x320` for height and width. @throws {UsageError} */
function parseSize(text: string, flag: string): number | [number, number] {
  const [height = 0, width] = text.split(/[x×,]/).map((size) => parseCount(size.trim(), flag));
  return width === undefined ? height : [height, width];
}

function list(text: string): string[] {
  return text.split(',').map((one) => one.trim());
}

function parseData(flags: EvalFlags): DataOptions {
  const { scale, mean, std, layout } = flags;
  const [factor, more] = scale === undefined ? [] : parseNumbers(scale, '--scale');
  if (more !== undefined) throw new UsageError('--scale is one number', { option: '--scale' });
  return {
    ...(flags.data === undefined ? {} : { data: flags.data }),
    ...(flags.labels === undefined ? {} : { labels: flags.labels }),
    ...(flags.module === undefined ? {} : { module: flags.module }),
    ...(flags.tokenizer === undefined ? {} : { tokenizer: flags.tokenizer }),
    ...(flags.maxTokens === undefined
      ? {}
      : { maxTokens: parseCount(flags.maxTokens, '--max-tokens') }),
    ...(flags.stride === undefined ? {} : { stride: parseCount(flags.stride, '--stride') }),
    ...(flags.startToken === undefined ? {} : { startToken: flags.startToken }),
    ...(flags.oneText === undefined ? {} : { oneText: flags.oneText }),
    preprocess: {
      ...(factor === undefined ? {} : { scale: factor }),
      ...(mean === undefined ? {} : { mean: parseNumbers(mean, '--mean') }),
      ...(std === undefined ? {} : { std: parseNumbers(std, '--std') }),
      ...(layout === undefined ? {} : { layout }),
      ...(flags.resize === undefined ? {} : { resize: parseSize(flags.resize, '--resize') }),
      ...(flags.crop === undefined ? {} : { crop: parseSize(flags.crop, '--crop') }),
      ...(flags.channels === undefined ? {} : { channels: flags.channels === '1' ? 1 : 3 }),
    },
    ...(flags.classes === undefined ? {} : { classes: list(flags.classes) }),
    ...(flags.preprocess === undefined ? {} : { preprocessFile: flags.preprocess }),
    ...(flags.limit === undefined ? {} : { limit: parseCount(flags.limit, '--limit') }),
  };
}

export function parseOptions(revisions: readonly string[], flags: EvalFlags): EvalOptions {
  const [stray] = PROGRESSIVE_ALONE.filter((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    throw new UsageError(`--${stray} needs --progressive`, { option: `--${stray}` });
  }
  return {
    ...parseData(flags),
    revisions: revisions.length === 0 ? ['HEAD'] : revisions,
    ...(flags.metric === undefined ? {} : { metrics: list(flags.metric) }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
    ...(flags.weights === undefined ? {} : { weights: flags.weights }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.task === undefined ? {} : { task: flags.task }),
    ...(flags.scores === undefined ? {} : { scores: flags.scores }),
    batch: parseCount(flags.batch, '--batch'),
    threads: parseCount(flags.threads, '--threads'),
    seed: parseCount(flags.seed, '--seed'),
    record: flags.record,
    rerun: flags.rerun === true,
    timed:
      flags.time === undefined ? [] : list(flags.time).map((size) => parseCount(size, '--time')),
    acceptTier: flags.acceptTier === true,
  };
}

/** EvalFlags that only progressive evaluation has, and those that it has not. */
const PROGRESSIVE_ALONE = ['guarantee', 'goal', 'margin', 'decide', 'effort', 'check'] as const;
const WHOLE_ALONE = ['metric', 'task', 'scores', 'time', 'rerun', 'weights'] as const;

export function parseProgressive(
  revisions: readonly string[],
  flags: EvalFlags,
): ProgressiveOptions {
  const [revision = 'HEAD', more] = revisions;
  if (more !== undefined) {
    throw new UsageError('--progressive evaluates one version', {
      option: '--progressive',
      hint: `name '${revision}' or '${more}'; without --progressive, versions are compared`,
    });
  }
  const [stray] = WHOLE_ALONE.filter((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    throw new UsageError(`--${stray} does not go with --progressive`, { option: `--${stray}` });
  }
  const number = (name: 'margin' | 'effort'): Record<string, number> => {
    const text = flags[name];
    if (text === undefined) return {};
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return { [name]: value };
    throw new UsageError(`--${name} is '${text}', not a number from 0`, { option: `--${name}` });
  };
  return {
    ...parseData(flags),
    revision,
    ...(flags.network === undefined ? {} : { network: flags.network }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.decide === undefined ? {} : { decide: flags.decide }),
    ...(flags.guarantee === undefined ? {} : { guarantee: flags.guarantee }),
    ...(flags.goal === undefined ? {} : { goal: flags.goal }),
    ...number('margin'),
    ...number('effort'),
    batch: parseCount(flags.batch, '--batch'),
    threads: parseCount(flags.threads, '--threads'),
    check: flags.check === true,
    acceptTier: flags.acceptTier === true,
  };
}
