/** The graphs that bounds are computed by: made once for a network, whatever is known of its weights. */
import type { GraphNode } from '../network/network.js';
import { type Analysis, ancestorsOf, makersOf } from './analysis.js';
import { BackwardPass } from './backward/backward.js';
import { UNFOLDED_MAX } from './backward/linear.js';
import { BACKWARD } from './backward/rules.js';
import { ForwardPass } from './forward/forward.js';
import { linearParts } from './forward/linear.js';
import { applyLinear, biasOf, type Linear, linearOf } from './forward/linear-operator.js';
import { RULES } from './forward/rules.js';
import { FEW, sumError, TINY } from './rounding.js';
import type { WeightInput } from './weights.js';

/** A graph with what it is fed of weights. */
export interface Program {
  readonly bytes: Uint8Array;
  readonly weights: readonly WeightInput[];
  /** Names of its other inputs. */
  readonly inputs: readonly string[];
}

/** Pairs of rows of the last layer that are compared at once in a scan. */
const PAIR_ELEMENTS_MAX = 1e6;

/**
 * Intervals of the scores of a batch: outputs `low`, `high` [N, …] and `guard`, finite if all is; and
 * where the last layer is a matrix, `margin` [N, C]: how far the class in the input `best` is above each other.
 */
export function scanProgram(analysis: Analysis): Program & { hasMargins: boolean } {
  const pass = new ForwardPass(analysis, RULES);
  const { maker } = pass;
  pass.run(analysis.scores);
  const interval = pass.interval(analysis.scores);
  maker.output('low', interval.low);
  maker.output('high', interval.high);
  const last = makerOf(analysis, analysis.scores);
  const linear = last === undefined ? null : linearOf(pass, last);
  const hasMargins = linear !== null && marginOutput(pass, linear);
  maker.output('guard', pass.guardOutput(), 'float64');
  return { ...programOf(pass), hasMargins };
}

function programOf(pass: ForwardPass): Program {
  const { maker, weights } = pass;
  const fed = new Set(weights.map(({ name }) => name));
  return {
    bytes: maker.encode(),
    weights,
    inputs: [...maker.inputs].filter((name) => !fed.has(name)),
  };
}

function makerOf({ nodes }: Analysis, value: string): GraphNode | undefined {
  return nodes.find((node) => node.outputs[0] === value);
}

/** Margins between one class, the input `best`, and every other one, by differences of rows. */
function marginOutput(pass: ForwardPass, linear: Linear): boolean {
  const { maker, analysis } = pass;
  const shape = pass.shape(analysis.scores);
  const isMatrix = linear.kind === 'rows' || linear.kind === 'columns';
  const classes = shape[1] ?? 0;
  if (!isMatrix || shape.length !== 2 || classes * linear.terms > PAIR_ELEMENTS_MAX) return false;
  const given = pass.weight(linear.weight, 'center');
  const rows =
    linear.kind === 'rows' ? given : maker.node('Transpose', [given], { perm: { ints: [1, 0] } });
  const { radius } = pass.ball(linear.data);
  const parts = linearParts(pass, linear, 2);
  let { middle } = parts;
  // Of weights alone: values that are not known count by differences of rows below.
  const { size } = pass.ball(linear.data);
  let own = maker.add(
    applyLinear(pass, linear, size, 'radius'),
    maker.add(parts.reference, parts.own),
  );
  const bias = biasOf(pass, linear, 'center', 2);
  if (bias !== null) {
    middle = maker.add(middle, bias);
    own = maker.add(own, biasOf(pass, linear, 'radius', 2) as string);
  }
  own = maker.add(own, maker.scale(maker.abs(middle), FEW));
  const best = maker.input('best', ['N', 1], 'int64');
  const atBest = (values: string): string =>
    maker.node('GatherElements', [values, best], { axis: { int: 1 } });
  let around = maker.add(own, atBest(own));
  if (radius !== null) {
    const bestRow = maker.node('Gather', [rows, best], { axis: { int: 0 } }); // [N, 1, K]
    const differences = maker.abs(
      maker.sub(bestRow, maker.node('Unsqueeze', [rows, maker.whole([0])])),
    );
    const spread = maker.node('MatMul', [
      differences,
      maker.node('Unsqueeze', [radius, maker.whole([2])]),
    ]);
    around = maker.add(around, maker.node('Squeeze', [spread, maker.whole([2])]));
  }
  around = maker.shift(maker.scale(around, 1 + 3 * sumError(linear.terms, 32)), TINY);
  const gap = maker.sub(atBest(middle), middle);
  const margin = maker.sub(maker.sub(gap, maker.scale(maker.abs(gap), FEW)), around);
  maker.output('margin', margin);
  return true;
}

/** For graphs of one example. */
function single(analysis: Analysis): Analysis {
  return { ...analysis, isBatched: false };
}

/** Values whose intervals decide how loose the way back is: what bends, and what maxima are taken of. */
export function refinable(analysis: Analysis): string[] {
  const makers = makersOf(analysis.nodes);
  const found: string[] = [];
  for (const node of analysis.nodes) {
    const data = node.inputs[0] as string;
    const before = makers.get(data);
    const bends = node.op === 'Relu' || node.op === 'LeakyRelu';
    const picks = node.op === 'MaxPool' && before?.op !== 'Relu' && before?.op !== 'LeakyRelu';
    if ((bends || picks) && before !== undefined && !found.includes(data)) found.push(data);
  }
  return found;
}

/** How many layers of weights lie between the input and a value, at most. */
export function depthOf(analysis: Analysis, value: string): number {
  const depths = new Map<string, number>();
  for (const node of analysis.nodes) {
    const before = Math.max(0, ...node.inputs.map((name) => depths.get(name) ?? 0));
    const hasWeights = node.inputs.some((name) => analysis.parameters.has(name));
    for (const name of node.outputs) depths.set(name, before + (hasWeights ? 1 : 0));
  }
  return depths.get(value) ?? 0;
}

/** Multiplications of one row of the way back from a value. */
export function workOf(analysis: Analysis, value: string): number {
  let work = 0;
  for (const node of ancestorsOf(value, makersOf(analysis.nodes))) {
    const count = (shape: readonly number[] = []): number =>
      shape.reduce((product, size) => product * size, 1);
    const weight = analysis.parameters.get(node.inputs[1] ?? '')?.shape;
    if (weight === undefined) continue;
    const places =
      node.op === 'Conv' ? count(analysis.shapes.get(node.outputs[0] as string)?.slice(2)) : 1;
    if (node.op !== 'BatchNormalization') work += count(weight) * places;
  }
  return work;
}

/** Elements of a row where it is widest: over a value, or where a convolution's products are written out. */
export function widestRow({ nodes, shapes, parameters }: Analysis): number {
  const count = (shape: readonly number[] = []): number =>
    shape.reduce((product, size) => product * size, 1);
  return Math.max(
    ...nodes.map(({ op, inputs, outputs }) => {
      const after = shapes.get(outputs[0] as string);
      const weight = op === 'Conv' ? parameters.get(inputs[1] ?? '')?.shape : undefined;
      const products = count(weight?.slice(1)) * count(after?.slice(2));
      const isUnfolded = weight !== undefined && products <= UNFOLDED_MAX;
      return Math.max(count(after?.slice(1)), isUnfolded ? products : 0);
    }),
  );
}

/** Names of the outputs of `intervalProgram`. */
export function intervalOutputs(targets: readonly string[]): string[] {
  return targets.flatMap((_, k) => [`low ${k}`, `high ${k}`]);
}

/**
 * Intervals of values for one example: outputs `low 0`, `high 0`, `low 1`, … of the targets, in the order of the
 * graph. @param refined  values with better ends.
 */
export function intervalProgram(
  analysis: Analysis,
  targets: readonly string[],
  refined: readonly string[],
): Program {
  const pass = new ForwardPass(single(analysis), RULES);
  // Not every target leads to the last one.
  pass.run(targets.length === 1 ? (targets[0] as string) : analysis.scores, refined);
  for (const [k, target] of targets.entries()) {
    const { low, high } = pass.interval(target);
    pass.maker.output(`low ${k}`, low);
    pass.maker.output(`high ${k}`, high);
  }
  return programOf(pass);
}

/**
 * Least values of some elements of a value for one example, or of their negatives, by the way back: inputs
 * `places` [R], `signs` [R, 1] of 1 or -1, and those of slopes and exact weights; output `least` [R, 1] of float64.
 */
export function elementProgram(
  analysis: Analysis,
  target: string,
  refined: readonly string[],
): Program {
  const pass = new ForwardPass(single(analysis), RULES);
  const { maker } = pass;
  pass.run(target, refined);
  const back = new BackwardPass(pass, BACKWARD, false);
  const places = maker.input('places', ['R'], 'int64');
  const ones = maker.node('OneHot', [
    places,
    maker.whole([back.count(target)]),
    maker.floats([0, 1], [2]),
  ]);
  const rows = maker.mul(ones, maker.input('signs', ['R', 1]));
  const shape = [-1, ...pass.shape(target).slice(1)];
  maker.output('least', back.run(target, maker.reshape(rows, shape)), 'float64');
  return programOf(pass);
}

/**
 * Least values of rows over the scores of one example: inputs `rows` [R, C], and those of slopes and exact weights; output
 * `least` [R, 1] of float64.
 */
export function rowProgram(analysis: Analysis, refined: readonly string[]): Program {
  const pass = new ForwardPass(single(analysis), RULES);
  const { maker } = pass;
  const target = analysis.scores;
  pass.run(target, refined);
  const back = new BackwardPass(pass, BACKWARD, true);
  const rows = maker.input('rows', ['R', back.count(target)]);
  const shape = [-1, ...pass.shape(target).slice(1)];
  maker.output('least', back.run(target, maker.reshape(rows, shape)), 'float64');
  return programOf(pass);
}
