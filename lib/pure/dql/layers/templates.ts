/**
 * Templates of layers: what POOL("MAX"), RELU, CONV(kernel = 3) or OP("TopK") says of a layer. A word
 * stands for a kind, or for one type of a kind; docs/dql.md lists them.
 */
import { closestNames } from '../../../base/bytes/words/closest.js';
import { LAYER_KINDS, type LayerKind, PASSED_KINDS } from '../../network/layers/kinds.js';
import type { Value } from '../../where/condition.js';
import type { Scalar, Span, Template } from '../ast.js';
import { queryError } from '../parse.js';
import {
  type Captures,
  instantiate,
  type LayerPattern,
  matchLayer,
  PatternProblem,
  parseLayerPattern,
} from './layer-pattern.js';
import {
  LAYER_ATTRIBUTES,
  type LayerAttribute,
  type LayerSet,
  spellings,
  uniform,
} from './layer-set.js';

/** A kind of layer, one type of it, or (null) any layer that runs some ONNX operator. */
export interface Meaning {
  kind: LayerKind | null;
  type: string | null;
}

/** Other words for kinds. */
const KIND_WORDS: Readonly<Record<string, LayerKind>> = {
  CONVOLUTION: 'conv',
  DECONVOLUTION: 'deconv',
  FC: 'full',
  DENSE: 'full',
  LINEAR: 'full',
  IP: 'full',
  POOLING: 'pool',
  NORMALIZATION: 'norm',
  ACTIVATION: 'act',
  EMBEDDING: 'embed',
  ATTENTION: 'attn',
};

const types = (kind: LayerKind, words: Record<string, string>): [string, Meaning][] =>
  Object.entries(words).map(([word, type]) => [word, { kind, type }]);
const same = (kind: LayerKind, words: string): [string, Meaning][] =>
  words.split(' ').map((type) => [type, { kind, type }]);

/** Words for one type of a kind. */
const TYPE_WORDS = new Map<string, Meaning>([
  ...same(
    'act',
    'RELU RELU6 LEAKYRELU PRELU ELU SELU CELU SIGMOID TANH GELU ERF MISH HARDSIGMOID HARDSWISH',
  ),
  ...same('act', 'SOFTPLUS SOFTSIGN THRESHOLDEDRELU SHRINK SWISH SILU CLIP'),
  ...same('rnn', 'LSTM GRU'),
  ...types('pool', {
    MAXPOOL: 'MAX',
    AVGPOOL: 'AVG',
    GLOBALAVGPOOL: 'GLOBAL_AVG',
    GLOBALMAXPOOL: 'GLOBAL_MAX',
    LPPOOL: 'LP',
    GLOBALLPPOOL: 'GLOBAL_LP',
  }),
  ...types('norm', { BATCHNORM: 'BATCH', BN: 'BATCH', LAYERNORM: 'LAYER', GROUPNORM: 'GROUP' }),
  ...types('norm', { INSTANCENORM: 'INSTANCE', RMSNORM: 'RMS', LRN: 'LRN', SCALE: 'SCALE' }),
  ...types('norm', { LPNORM: 'LP', MVN: 'MVN' }),
  ...same('reshape', 'FLATTEN SQUEEZE UNSQUEEZE TRANSPOSE IDENTITY CAST EXPAND'),
  ...types('softmax', { LOGSOFTMAX: 'LOG_SOFTMAX' }),
  ...types('add', { SUB: 'SUB' }),
  ...types('mul', { DIV: 'DIV' }),
]);

/** Kinds whose first argument is their type: POOL("MAX"). That of others is a name: RELU("relu1"). */
const TYPED: ReadonlySet<LayerKind> = new Set<LayerKind>([
  'pool',
  'norm',
  'act',
  'rnn',
  'attn',
  'reshape',
  'other',
]);

/** Every word that a template may begin with. */
export function templateWords(): string[] {
  return [
    ...LAYER_KINDS.map((kind) => kind.toUpperCase()),
    ...Object.keys(KIND_WORDS),
    ...TYPE_WORDS.keys(),
    'OP',
  ];
}

function meaningOf(word: string): Meaning | null {
  const upper = word.toUpperCase().replaceAll('_', '');
  if (upper === 'OP') return { kind: null, type: null };
  const kind = LAYER_KINDS.find((one) => one.toUpperCase() === upper) ?? KIND_WORDS[upper];
  if (kind !== undefined) return { kind, type: null };
  return TYPE_WORDS.get(upper) ?? null;
}

/** What a template wants of a layer, ready to be asked of many. */
export interface LayerTest {
  meaning: Meaning;
  /** Type that an argument names; upper case. */
  type: string | null;
  name: LayerPattern | null;
  op: string | null;
  attributes: readonly { name: LayerAttribute; value: Value }[];
}

/** What the word of a template stands for. @throws {UsageError} with near words */
export function meaningIn(text: string, word: string, span: Span): Meaning {
  const meaning = meaningOf(word);
  if (meaning !== null) return meaning;
  const near = closestNames(word.toUpperCase(), templateWords());
  const hint =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : 'kinds are CONV, FULL, POOL, NORM, ACT and others: dlv help dql. OP("Name") is any ONNX operator';
  throw queryError(text, span, `'${word}' is not a kind of layer`, hint);
}

/** Reads a template. @throws {UsageError} for a word or an argument that there is not. */
export function compileTemplate(
  text: string,
  { name: word, arguments: given, span }: Template,
): LayerTest {
  const meaning = meaningIn(text, word, span);
  const test: LayerTest = { meaning, type: meaning.type, name: null, op: null, attributes: [] };
  const attributes: { name: LayerAttribute; value: Value }[] = [];
  for (const [i, argument] of given.entries()) {
    const key = argument.name ?? positional(meaning, i);
    if (key === null)
      throw queryError(
        text,
        argument.span,
        `${word} takes one argument without a name`,
        'name the others: CONV(kernel = 3, units = 64)',
      );
    const { value } = argument;
    if (key === 'op' && meaning.kind === null) test.op = textOf(text, argument.span, value);
    else if (key === 'type') test.type = textOf(text, argument.span, value).toUpperCase();
    else if (key === 'name')
      test.name = patternOf(text, argument.span, textOf(text, argument.span, value));
    else if ((LAYER_ATTRIBUTES as readonly string[]).includes(key)) {
      attributes.push({ name: key as LayerAttribute, value: plain(value) });
    } else {
      const near = closestNames(key, LAYER_ATTRIBUTES);
      throw queryError(
        text,
        argument.span,
        `a layer has no '${key}'`,
        near.length > 0
          ? `did you mean ${near.join(' or ')}?`
          : `it has ${LAYER_ATTRIBUTES.join(', ')}`,
      );
    }
  }
  if (meaning.kind === null && test.op === null) {
    throw queryError(text, span, 'OP wants the name of an ONNX operator', 'write OP("TopK")');
  }
  return { ...test, attributes };
}

/** What an argument without a name is: the type of kinds that have several, else the name. */
export function positional({ kind, type }: Meaning, place: number): string | null {
  if (place > 0) return null;
  if (kind === null) return 'op';
  return type === null && TYPED.has(kind) ? 'type' : 'name';
}

/** An argument that is a text. @throws {UsageError} */
export function textOf(text: string, span: Span, value: Scalar | Scalar[]): string {
  if (typeof value === 'string') return value;
  throw queryError(text, span, 'this has to be a text in quotes');
}

/** A list of equal numbers stands for that number, as the attributes of layers do. */
function plain(value: Scalar | Scalar[]): Value {
  if (!Array.isArray(value)) return value;
  return value.every((one) => typeof one === 'number') ? uniform(value as number[]) : value;
}

/** Reads a pattern of the query. @throws {UsageError} */
export function patternOf(text: string, { from }: Span, pattern: string): LayerPattern {
  try {
    return parseLayerPattern(pattern);
  } catch (error) {
    if (!(error instanceof PatternProblem)) throw error;
    throw queryError(text, { from: from + 1 + error.at }, error.message);
  }
}

/** True if a layer is as a template says. */
export function fitsTemplate(
  set: LayerSet,
  place: number,
  test: LayerTest,
  captures: Captures,
): boolean {
  const { meaning, type, name, op, attributes } = test;
  const layer = set.layers[place];
  if (layer === undefined) return false;
  if (meaning.kind !== null && layer.kind !== meaning.kind) return false;
  if (type !== null && !isType(layer.type, type)) return false;
  if (op !== null && !set.nodes(place).some((node) => node.op.toLowerCase() === op.toLowerCase()))
    return false;
  if (name !== null) {
    const wanted = instantiate(name, captures);
    if (
      !spellings(layer)
        .flat()
        .some((one) => matchLayer(wanted, one) !== null)
    )
      return false;
  }
  return attributes.every(({ name: key, value }) => {
    const found = set.attribute(place, key);
    return found !== null && JSON.stringify(found) === JSON.stringify(value);
  });
}

/** GLOBAL stands for every global pooling; underscores do not count. */
function isType(found: string, wanted: string): boolean {
  if (wanted === 'GLOBAL') return found.startsWith('GLOBAL_');
  return found.replaceAll('_', '') === wanted.replaceAll('_', '');
}

/** True for what `next` and `prev` pass over, so that they never lead there. */
export function isPassedOver({ meaning }: LayerTest): boolean {
  return meaning.kind !== null && PASSED_KINDS.has(meaning.kind);
}
