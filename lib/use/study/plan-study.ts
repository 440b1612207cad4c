/** What an evaluate statement comes to, before anything runs: sources, axes, rules, trials. */
import { sha256Hex } from '../../base/bytes/hash.js';
import { LimitError } from '../../base/errors.js';
import type { Axis, Evaluate, Rule, Value } from '../../pure/dql/ast.js';
import { queryError } from '../../pure/dql/parse.js';
import { directionOf } from '../../pure/logs/direction.js';
import type { Rung } from '../../pure/search/rungs.js';
import {
  type Assignment,
  AUTO_FACTOR,
  AUTO_RANGES,
  CELLS_MAX,
  cellsOf,
  type GridAxis,
  type SampledAxis,
  stepped,
} from '../../pure/search/space.js';
import type { Method } from '../../pure/search/suggest.js';
import { LAYER_KEYS, layerKey, type StudyConfig, settingName } from './study-config.js';

/** Trials of each cell of a grid where axes are sampled, if nobody says. */
const TRIALS = 20;
/** `halving` keeps one in so many at each of its rungs, which lie so many times apart. */
const HALVING = 4;
const HALVING_RUNGS = 2;

/** What is searched, and how. */
export interface SearchPlan {
  grid: readonly GridAxis[];
  sampled: readonly SampledAxis[];
  cells: readonly Assignment[];
  /** Null where nothing is sampled. */
  method: Method | null;
  /** Of each cell and source. */
  trialsOfCell: number;
  rungs: readonly Rung[];
  isAsync: boolean;
  /** Iterations of the trials that every rule keeps. */
  iterations: number;
  seed: number;
}

/** @throws {UsageError} with line and column for an axis or a rule that means nothing. */
export function planSearch(text: string, statement: Evaluate, config: StudyConfig): SearchPlan {
  const grid: GridAxis[] = [];
  const sampled: SampledAxis[] = [];
  const keys = new Set<string>();
  for (const axis of statement.vary) {
    const made = axisOf(text, axis, config);
    if (keys.has(made.key)) throw queryError(text, axis.span, `'${made.key}' is varied twice`);
    keys.add(made.key);
    if (made.kind === 'grid') grid.push(made);
    else sampled.push(made);
  }
  const { using } = statement;
  if (using.method === 'grid' && sampled.length > 0) {
    throw queryError(
      text,
      statement.span,
      `a grid has a value for each axis, and '${sampled[0]?.key}' has a range`,
      'give values in brackets or a step, or search with tpe or random',
    );
  }
  const count = grid.reduce((product, { values }) => product * values.length, 1);
  const trialsOfCell = sampled.length === 0 ? 1 : (using.trials ?? TRIALS);
  if (count * trialsOfCell > CELLS_MAX) {
    throw new LimitError(`the study has ${count * trialsOfCell} trials for each source`, {
      limit: 'CELLS_MAX',
      value: count * trialsOfCell,
      max: CELLS_MAX,
      hint: 'vary less, or in larger steps',
    });
  }
  const rungs = statement.keep.map((rule) => rungOf(text, rule, config));
  for (const [i, rung] of rungs.entries()) {
    if (i === 0 || rung.iterations >= (rungs[i - 1] as Rung).iterations) continue;
    const { span } = statement.keep[i] as Rule;
    throw queryError(text, span, 'this rule looks earlier than the one before it');
  }
  const last = rungs.at(-1)?.iterations ?? 0;
  const iterations = Math.max(last, config.iterations ?? last);
  if (iterations === 0) {
    throw queryError(
      text,
      statement.span,
      'nothing says how many iterations a trial has',
      'say "iterations" in the config, or keep top(5, m["loss"], 100)',
    );
  }
  const isHalving = using.method === 'halving';
  const all = count * trialsOfCell;
  // Without a rule nothing says which trials did well.
  const isTpe = (using.method === null || using.method === 'tpe') && rungs.length > 0;
  return {
    grid,
    sampled,
    cells: cellsOf(grid),
    method: sampled.length === 0 ? null : isTpe ? 'tpe' : 'random',
    trialsOfCell,
    rungs: isHalving ? [...halvingRungs(text, statement, rungs, all), ...rungs] : rungs,
    isAsync: using.isAsync,
    iterations,
    seed: using.seed ?? config.seed,
  };
}

/** Rules in front of the first one that keep a quarter each, after a quarter of the iterations each. */
function halvingRungs(
  text: string,
  statement: Evaluate,
  rungs: readonly Rung[],
  trials: number,
): Rung[] {
  const [first] = rungs;
  if (first?.kind !== 'top') {
    throw queryError(text, statement.span, 'halving needs a rule: keep top(5, m["loss"], 100)');
  }
  return Array.from({ length: HALVING_RUNGS }, (_, i) => {
    const times = HALVING ** (HALVING_RUNGS - i);
    return {
      ...first,
      iterations: Math.max(1, Math.floor(first.iterations / times)),
      count: Math.max(first.count, Math.ceil(trials / HALVING ** (i + 1))),
    };
  });
}

function axisOf(text: string, axis: Axis, config: StudyConfig): GridAxis | SampledAxis {
  const key = keyOf(text, axis, config);
  const { values } = axis;
  if (values.kind === 'list') return { kind: 'grid', key, values: [...new Set(values.values)] };
  const own = key.startsWith('net[')
    ? key.endsWith('.lr')
      ? AUTO_FACTOR
      : undefined
    : AUTO_RANGES[key];
  if (values.kind === 'auto' && values.low === null) {
    if (own !== undefined) return { kind: 'sampled', key, ...own };
    throw queryError(
      text,
      axis.span,
      `nothing says where '${key}' is searched by itself`,
      `give a range: auto from 0.1..1, or auto from 1e-4..1e-1 log; ${Object.keys(AUTO_RANGES).join(', ')} and rates of layers have one`,
    );
  }
  const { low, high, log } = values as { low: number; high: number; log: boolean };
  if (!(low < high) || (log && low <= 0)) {
    throw queryError(
      text,
      axis.span,
      log && low <= 0
        ? 'a range by its logarithm begins above 0'
        : 'a range goes from less to more',
    );
  }
  if (values.kind === 'range' && values.step !== null) {
    if (log) throw queryError(text, axis.span, 'a range has a step, or is by its logarithm');
    if (!(values.step > 0)) throw queryError(text, axis.span, 'a step is above 0');
    return { kind: 'grid', key, values: stepped(low, high, values.step) };
  }
  return { kind: 'sampled', key, low, high, log, choices: null };
}

/** 'base_lr' of config.base_lr, 'net["conv*"].lr' of config.net["conv*"].lr. */
function keyOf(text: string, { path: parts, span }: Axis, config: StudyConfig): string {
  const [first, second, third, ...more] = parts;
  const isLayers = first?.text === 'net' && second?.kind === 'pattern' && third?.kind === 'name';
  if (isLayers && more.length === 0) {
    if (LAYER_KEYS.some((name) => name === third.text)) return layerKey(second.text, third.text);
    throw queryError(
      text,
      span,
      `layers have no setting '${third.text}'`,
      `they have ${LAYER_KEYS.join(', ')}`,
    );
  }
  if (first?.kind !== 'name' || second !== undefined) {
    throw queryError(
      text,
      span,
      'this is no setting',
      'write config.base_lr, or config.net["conv*"].lr',
    );
  }
  const name = settingName(first.text);
  const fixed = ['net', 'trainer', 'iterations', 'output', 'loss', 'report'];
  if (fixed.includes(name)) throw queryError(text, span, `'${name}' is the same for all trials`);
  config.checkName(name);
  return name;
}

function metricOf(text: string, value: Value): string {
  if (value.kind === 'attribute') return value.path.at(-1) as string;
  if (value.kind === 'selector') return value.selector.pattern;
  if (value.kind === 'variable') return value.variable;
  throw queryError(
    text,
    value.span,
    'a rule looks at one metric',
    'such as m["loss"] or m.test_accuracy',
  );
}

function rungOf(text: string, rule: Rule, config: StudyConfig): Rung {
  const metric = metricOf(text, rule.metric);
  if (rule.kind === 'threshold') {
    const { comparison, bound, span } = rule;
    if (comparison === '=' || comparison === '!=') {
      throw queryError(
        text,
        span,
        `a rule keeps what is below or above a number, not '${comparison}'`,
      );
    }
    const after = rule.after || config.iterations || 0;
    if (after === 0)
      throw queryError(
        text,
        span,
        'after how many iterations?',
        'write: keep m["loss"] < 2.3 after 10',
      );
    return { kind: 'threshold', metric, comparison, bound, iterations: after };
  }
  const direction = directionOf(metric);
  if (direction === null) {
    throw queryError(
      text,
      rule.metric.span,
      `nothing says whether less or more of '${metric}' is better`,
      'use a metric whose name says it, such as loss, error, accuracy or f1',
    );
  }
  const iterations = rule.iterations ?? config.iterations;
  if (iterations === null || iterations === 0) {
    throw queryError(
      text,
      rule.span,
      'after how many iterations?',
      'write: keep top(5, m["loss"], 100)',
    );
  }
  if (rule.count === 0)
    throw queryError(text, rule.span, 'keeping none of the trials keeps nothing');
  return { kind: 'top', metric, count: rule.count, isLess: direction === 'min', iterations };
}

/** Parts of a text that is a statement, without where they stand in it. */
function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !/span$/i.test(key));
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutPlaces(one)]));
}

/** Id of a study: of the statement however it is written, its settings, its sources and its data. */
export function studyId(
  statement: Evaluate,
  config: StudyConfig,
  sources: readonly string[],
  data: readonly string[],
): string {
  const said = { ...(withoutPlaces(statement) as Evaluate), config: '', explain: false };
  return sha256Hex(JSON.stringify([1, said, config.settings, sources, data]));
}

/** Id of a trial: of its study, its source, what it is assigned, and its seed. */
export function trialId(study: string, source: string, assignment: string, seed: number): string {
  return sha256Hex(JSON.stringify([study, source, assignment, seed]));
}
