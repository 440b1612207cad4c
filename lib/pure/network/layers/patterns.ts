/**
 * Groups of operators that people call one layer: a convolution with its bias and norm, a product with
 * its bias, activations and norms that an exporter spelled out, the core of attention.
 *
 * A group takes in only values that nothing else uses, so folding never hides a branch.
 */
import { numberOf } from '../network.js';
import type { GraphIndex } from './graph-index.js';
import type { LayerType } from './kinds.js';
import { type Match, madeFor, near, otherInput, withScalar } from './matching.js';
import { matchGroupNorm, matchLayerNorm, matchRmsNorm } from './norm-patterns.js';

/** A pattern, tried at each node as its last one. */
type Pattern = (index: GraphIndex, last: number) => Match | null;

/** In this order, the larger ones first: a node is in one group. */
export const PATTERNS: readonly Pattern[] = [
  matchAttention,
  matchLayerNorm,
  matchRmsNorm,
  matchGroupNorm,
  matchGeluErf,
  matchGeluTanh,
  matchHardSwish,
  matchGated,
];

/** x·sigmoid(x) and x·hardsigmoid(x), x·tanh(softplus(x)). */
function matchGated(index: GraphIndex, last: number): Match | null {
  const node = index.node(last);
  if (node.op !== 'Mul') return null;
  for (const [gate = '', x = ''] of [node.inputs, node.inputs.toReversed()]) {
    const maker = madeFor(index, gate, ['Sigmoid', 'HardSigmoid', 'Tanh'], last);
    if (maker < 0) continue;
    const { op, inputs } = index.node(maker);
    if (op === 'Tanh') {
      const soft = madeFor(index, inputs[0], ['Softplus'], maker);
      if (soft < 0 || index.node(soft).inputs[0] !== x) continue;
      return { kind: 'act', type: 'MISH', nodes: [soft, maker, last] };
    }
    const type = op === 'Sigmoid' ? 'SILU' : 'HARDSWISH';
    if (inputs[0] === x) return { kind: 'act', type, nodes: [maker, last] };
    // Swish with its factor spelled out.
    const scaled = madeFor(index, inputs[0], ['Mul'], maker);
    const given = scaled < 0 ? null : withScalar(index, index.node(scaled));
    if (given?.value !== x) continue;
    return { kind: 'act', type: given.scalar === 1 ? type : 'SWISH', nodes: [scaled, maker, last] };
  }
  return null;
}

/** x·clip(x + 3, 0, 6) / 6, whichever of product and quotient comes first. */
function matchHardSwish(index: GraphIndex, last: number): Match | null {
  const node = index.node(last);
  const sixth = (at: number): string | null => {
    const given = withScalar(index, index.node(at));
    if (given === null) return null;
    const isSixth = index.node(at).op === 'Div' ? near(given.scalar, 6) : near(given.scalar, 1 / 6);
    return isSixth ? given.value : null;
  };
  const clipped = (
    name: string | undefined,
    user: number,
  ): { x: string; nodes: number[] } | null => {
    const clip = madeFor(index, name, ['Clip'], user);
    if (clip < 0) return null;
    const { inputs } = index.node(clip);
    const low = index.scalar(inputs[1]) ?? numberOf(index.node(clip), 'min');
    const high = index.scalar(inputs[2]) ?? numberOf(index.node(clip), 'max');
    const sum = madeFor(index, inputs[0], ['Add'], clip);
    const added = sum < 0 ? null : withScalar(index, index.node(sum));
    if (low !== 0 || high !== 6 || added === null || added.scalar !== 3) return null;
    return { x: added.value, nodes: [sum, clip] };
  };
  const product = (at: number): { nodes: number[] } | null => {
    if (index.node(at).op !== 'Mul') return null;
    const { inputs } = index.node(at);
    for (const [gate, x] of [inputs, inputs.toReversed()]) {
      const direct = clipped(gate, at);
      if (direct !== null && direct.x === x) return { nodes: [...direct.nodes, at] };
      const divided = madeFor(index, gate, ['Div', 'Mul'], at);
      const inner = divided < 0 ? null : sixth(divided);
      const late = inner === null ? null : clipped(inner, divided);
      if (late !== null && late.x === x) return { nodes: [...late.nodes, divided, at] };
    }
    return null;
  };
  const type: LayerType = { kind: 'act', type: 'HARDSWISH' };
  if (node.op === 'Div' || node.op === 'Mul') {
    const value = sixth(last);
    const inner = value === null ? -1 : madeFor(index, value, ['Mul'], last);
    const found = inner < 0 ? null : product(inner);
    if (found !== null && found.nodes.length === 3)
      return { ...type, nodes: [...found.nodes, last] };
  }
  const found = product(last);
  return found !== null && found.nodes.length === 4 ? { ...type, nodes: found.nodes } : null;
}

/** ½·x·(1 + erf(x / √2)), the factors in any order. */
function matchGeluErf(index: GraphIndex, last: number): Match | null {
  return matchGelu(index, last, 'Erf', (inner, user) => {
    const scaled = madeFor(index, inner, ['Div', 'Mul'], user);
    const given = scaled < 0 ? null : withScalar(index, index.node(scaled));
    if (given === null) return null;
    const wanted = index.node(scaled).op === 'Div' ? Math.SQRT2 : Math.SQRT1_2;
    return near(given.scalar, wanted) ? { x: given.value, nodes: [scaled] } : null;
  });
}

/** ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
function matchGeluTanh(index: GraphIndex, last: number): Match | null {
  return matchGelu(index, last, 'Tanh', (inner, user) => {
    const scaled = madeFor(index, inner, ['Mul'], user);
    const given = scaled < 0 ? null : withScalar(index, index.node(scaled));
    if (given === null || !near(given.scalar, Math.sqrt(2 / Math.PI))) return null;
    const sum = madeFor(index, given.value, ['Add'], scaled);
    if (sum < 0) return null;
    const { inputs } = index.node(sum);
    for (const [x = '', cubic] of [inputs, inputs.toReversed()]) {
      const times = madeFor(index, cubic, ['Mul'], sum);
      const factor = times < 0 ? null : withScalar(index, index.node(times));
      if (factor === null || !near(factor.scalar, 0.044715)) continue;
      const cube = madeFor(index, factor.value, ['Pow', 'Mul'], times);
      if (cube < 0) continue;
      const nodes = [times, sum, scaled];
      const { op, inputs: base } = index.node(cube);
      if (op === 'Pow' && base[0] === x && index.scalar(base[1]) === 3)
        return { x, nodes: [cube, ...nodes] };
      const square = base.includes(x)
        ? madeFor(index, otherInput(index.node(cube), x), ['Mul'], cube)
        : -1;
      if (square >= 0 && index.node(square).inputs.every((name) => name === x)) {
        return { x, nodes: [square, cube, ...nodes] };
      }
    }
    return null;
  });
}

/** What stands inside the function, behind the value that it is applied to. */
type Inner = (name: string | undefined, user: number) => { x: string; nodes: number[] } | null;

function matchGelu(index: GraphIndex, last: number, op: string, inner: Inner): Match | null {
  const node = index.node(last);
  if (node.op !== 'Mul') return null;
  const gate = (name: string | undefined, user: number): { x: string; nodes: number[] } | null => {
    const sum = madeFor(index, name, ['Add'], user);
    const added = sum < 0 ? null : withScalar(index, index.node(sum));
    if (added === null || added.scalar !== 1) return null;
    const applied = madeFor(index, added.value, [op], sum);
    const found = applied < 0 ? null : inner(index.node(applied).inputs[0], applied);
    return found === null ? null : { x: found.x, nodes: [...found.nodes, applied, sum] };
  };
  const half = withScalar(index, node);
  if (half !== null && near(half.scalar, 0.5)) {
    const product = madeFor(index, half.value, ['Mul'], last);
    if (product < 0) return null;
    const { inputs } = index.node(product);
    for (const [x, gated] of [inputs, inputs.toReversed()]) {
      const found = gate(gated, product);
      if (found?.x === x)
        return { kind: 'act', type: 'GELU', nodes: [...(found?.nodes ?? []), product, last] };
    }
    return null;
  }
  for (const [side, gated] of [node.inputs, node.inputs.toReversed()]) {
    const found = gate(gated, last);
    if (found === null) continue;
    const halved = madeFor(index, side, ['Mul'], last);
    const given = halved < 0 ? null : withScalar(index, index.node(halved));
    if (given !== null && near(given.scalar, 0.5) && given.value === found.x) {
      return { kind: 'act', type: 'GELU', nodes: [...found.nodes, halved, last] };
    }
  }
  return null;
}

/** softmax(q·kᵀ·scale + mask)·v, with the scale before the product too. */
function matchAttention(index: GraphIndex, last: number): Match | null {
  const node = index.node(last);
  if (node.op !== 'MatMul') return null;
  const nodes = [last];
  let at = last;
  const step = (ops: readonly string[], input = 0): boolean => {
    const before = madeFor(index, index.node(at).inputs[input], ops, at);
    if (before < 0) return false;
    nodes.unshift(before);
    at = before;
    return true;
  };
  step(['Dropout', 'Cast']);
  if (!step(['Softmax'])) return null;
  step(['Cast']);
  for (let more = 0; more < 4; more++) {
    if (step(['MatMul'])) {
      const isData = index.node(at).inputs.every((name) => !index.isConstant(name));
      return isData
        ? { kind: 'attn', type: 'ATTENTION', nodes: [at, ...nodes.filter((one) => one !== at)] }
        : null;
    }
    const { op } = index.node(at);
    const isBetween =
      op === 'Softmax' ||
      op === 'Add' ||
      op === 'Div' ||
      op === 'Mul' ||
      op === 'Where' ||
      op === 'Cast';
    if (!isBetween) return null;
    if (!step(['Add', 'Div', 'Mul']) && !step(['Add', 'Div', 'Mul'], 1) && !step(['Where'])) {
      if (!step(['MatMul'], 1) && !step(['MatMul'], 2)) return null;
      return { kind: 'attn', type: 'ATTENTION', nodes };
    }
  }
  return null;
}
