/**
 * What is said of a layer that is to be made: its kind and type, its name, and options such as units and kernel.
 * One table says which options each kind has; docs/dql.md explains them.
 */
import type { LayerKind } from '../layers/kinds.js';

/** A number, a list of one number a dimension, a flag or a word. */
export type OptionValue = number | boolean | string | readonly number[];

/** What the value of an option has to be. */
export type OptionForm =
  /** A whole number from 1. */
  | 'count'
  /** A whole number from 1, or one for each spatial dimension. */
  | 'sizes'
  /** A whole number from 0, or one for each spatial dimension, or one for each side, or "same". */
  | 'pads'
  | 'number'
  /** A whole number, counted from behind below 0. */
  | 'axis'
  | 'flag'
  | 'init'
  /** Sizes, one of them −1: what is left. */
  | 'shape'
  /** Axes, counted from behind below 0, or one of them. */
  | 'axes'
  | 'word'
  /** A pattern that names other layers. */
  | 'layers';

export interface LayerSpec {
  kind: LayerKind;
  /** 'CONV', 'MAX', 'RELU', …, as layers of networks have it. */
  type: string;
  /** null: it is named after its place. */
  name: string | null;
  options: ReadonlyMap<string, OptionValue>;
}

const WINDOW = { kernel: 'sizes', stride: 'sizes', pad: 'pads' } as const;
const WEIGHTS = { bias: 'flag', init: 'init' } as const;
const EPSILON = { epsilon: 'number' } as const;
const NONE = {} as const;

type Options = Readonly<Record<string, OptionForm>>;

const CONVOLUTION: Options = {
  units: 'count',
  ...WINDOW,
  dilation: 'sizes',
  groups: 'count',
  ...WEIGHTS,
};

const RECURRENT: Options = {
  units: 'count',
  bidirectional: 'flag',
  last: 'flag',
  ...WEIGHTS,
};

/** Options of every type of layer that can be made, by kind and type. */
const LAYERS: Partial<Record<LayerKind, Readonly<Record<string, Options>>>> = {
  conv: { CONV: CONVOLUTION },
  deconv: { DECONV: CONVOLUTION },
  full: { FULL: { units: 'count', ...WEIGHTS } },
  pool: {
    MAX: { ...WINDOW, ceil: 'flag' },
    AVG: { ...WINDOW, ceil: 'flag' },
    LP: { ...WINDOW, ceil: 'flag', p: 'count' },
    GLOBAL_AVG: NONE,
    GLOBAL_MAX: NONE,
    GLOBAL_LP: { p: 'count' },
  },
  norm: {
    BATCH: EPSILON,
    LAYER: EPSILON,
    INSTANCE: EPSILON,
    GROUP: { groups: 'count', ...EPSILON },
    RMS: EPSILON,
    LRN: { size: 'count', alpha: 'number', beta: 'number', k: 'number' },
    LP: { axis: 'axis', p: 'count' },
    MVN: { axis: 'axes' },
    SCALE: { bias: 'flag' },
  },
  act: {
    ...Object.fromEntries(
      'RELU RELU6 PRELU SELU SIGMOID TANH GELU MISH HARDSIGMOID HARDSWISH SOFTPLUS SOFTSIGN SILU ERF'
        .split(' ')
        .map((type) => [type, NONE]),
    ),
    LEAKYRELU: { alpha: 'number' },
    ELU: { alpha: 'number' },
    CELU: { alpha: 'number' },
    THRESHOLDEDRELU: { alpha: 'number' },
    SWISH: { alpha: 'number' },
    SHRINK: { bias: 'number', lambda: 'number' },
    CLIP: { min: 'number', max: 'number' },
  },
  dropout: { DROPOUT: { ratio: 'number' } },
  softmax: { SOFTMAX: { axis: 'axis' }, LOG_SOFTMAX: { axis: 'axis' } },
  reshape: {
    FLATTEN: NONE,
    IDENTITY: NONE,
    RESHAPE: { shape: 'shape' },
    TRANSPOSE: { order: 'axes' },
    SQUEEZE: { axis: 'axes' },
    UNSQUEEZE: { axis: 'axes' },
    EXPAND: { shape: 'shape' },
    CAST: { to: 'word' },
  },
  rnn: { LSTM: RECURRENT, GRU: RECURRENT, RNN: RECURRENT },
  attn: { ATTENTION: { heads: 'count', units: 'count', ...WEIGHTS } },
  embed: { EMBED: { size: 'count', units: 'count', init: 'init' } },
  add: { ADD: { from: 'layers' }, SUB: { from: 'layers' } },
  mul: { MUL: { from: 'layers' }, DIV: { from: 'layers' } },
  concat: { CONCAT: { from: 'layers', axis: 'axis' } },
  other: {
    ...Object.fromEntries(
      'ABS NEG EXP LOG SQRT RECIPROCAL FLOOR CEIL ROUND SIGN SIN COS TAN'
        .split(' ')
        .map((type) => [type, NONE]),
    ),
    PAD: { pad: 'pads', value: 'number' },
    RESIZE: { scale: 'sizes', mode: 'word' },
    DEPTHTOSPACE: { size: 'count' },
    SPACETODEPTH: { size: 'count' },
    REDUCEMEAN: { axis: 'axes', keep: 'flag' },
    REDUCESUM: { axis: 'axes', keep: 'flag' },
    REDUCEMAX: { axis: 'axes', keep: 'flag' },
    REDUCEMIN: { axis: 'axes', keep: 'flag' },
  },
};

/** What the type of a kind is where nothing is said. */
const DEFAULT_TYPES: Partial<Record<LayerKind, string>> = {
  conv: 'CONV',
  deconv: 'DECONV',
  full: 'FULL',
  dropout: 'DROPOUT',
  softmax: 'SOFTMAX',
  add: 'ADD',
  mul: 'MUL',
  concat: 'CONCAT',
  attn: 'ATTENTION',
  embed: 'EMBED',
  reshape: 'RESHAPE',
};

/** The type meant by a kind alone; null if it has to be said. */
export function defaultType(kind: LayerKind): string | null {
  return DEFAULT_TYPES[kind] ?? null;
}

/** Types of a kind that can be made. */
export function typesOfKind(kind: LayerKind): string[] {
  return Object.keys(LAYERS[kind] ?? {});
}

/** Kinds that can be made. */
export function madeKinds(): LayerKind[] {
  return Object.keys(LAYERS) as LayerKind[];
}

/** The options of a type of layer; null if it cannot be made. */
export function optionsOf(kind: LayerKind, type: string): Options | null {
  return LAYERS[kind]?.[type] ?? null;
}

/** The one option that may be given without its name: DROPOUT(0.5). */
export function firstOption(kind: LayerKind): string | null {
  return kind === 'dropout' ? 'ratio' : null;
}

/** What a value has to be, said to people. */
export const OPTION_FORMS: Readonly<Record<OptionForm, string>> = {
  count: 'a whole number from 1',
  sizes: 'a whole number from 1, or a list of them',
  pads: 'a whole number from 0, a list of them, or "same"',
  number: 'a number',
  axis: 'a whole number',
  flag: 'true or false',
  init: '"he", "glorot" or "zero"',
  layers: 'a text that names layers',
  shape: 'a list of whole numbers from 1, with -1 for what is left',
  axes: 'a whole number, or a list of them',
  word: 'a word in quotes',
};

const SIZE_MAX = 2 ** 31;
const isWhole = (value: unknown, least: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) < SIZE_MAX;

/** True if a value is of a form. */
export function isOfForm(value: OptionValue, form: OptionForm): boolean {
  const each = (least: number): boolean =>
    Array.isArray(value)
      ? value.length > 0 && value.every((one) => isWhole(one, least))
      : isWhole(value, least);
  switch (form) {
    case 'count':
      return isWhole(value, 1);
    case 'sizes':
      return each(1);
    case 'pads':
      return value === 'same' || each(0);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'axis':
      return Number.isInteger(value);
    case 'flag':
      return typeof value === 'boolean';
    case 'init':
      return value === 'he' || value === 'glorot' || value === 'zero';
    case 'layers':
    case 'word':
      return typeof value === 'string' && value !== '';
    case 'shape':
      return (
        Array.isArray(value) &&
        value.length > 0 &&
        value.every((one) => one === -1 || isWhole(one, 1)) &&
        value.filter((one) => one === -1).length < 2
      );
    case 'axes':
      return Array.isArray(value)
        ? value.length > 0 && value.every(Number.isInteger)
        : Number.isInteger(value);
  }
}
