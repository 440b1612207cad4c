/** Norms that an exporter spelled out: (x − mean) / √(var + ε)·γ + β, and the form without a mean. */
import type { GraphIndex } from './graph-index.js';
import { type Match, madeFor, otherInput, withScalar } from './matching.js';

/** Nodes that end in a product with γ, and a sum with β, behind `end`; as many of them as there are. */
function withAffine(index: GraphIndex, end: number, hasShift: boolean): number[] {
  const nodes: number[] = [];
  let at = end;
  for (const op of hasShift ? ['Mul', 'Add'] : ['Mul']) {
    const [output = ''] = index.node(at).outputs;
    const next = index.onlyUser(output);
    if (next < 0 || index.node(next).op !== op) break;
    const weight = otherInput(index.node(next), output);
    if (weight === undefined || !index.isConstant(weight)) break;
    nodes.push(next);
    at = next;
  }
  return nodes;
}

/** Matched at its Div; γ and β behind it are taken in. */
export function matchLayerNorm(index: GraphIndex, last: number): Match | null {
  const node = index.node(last);
  if (node.op !== 'Div') return null;
  const centred = index.maker(node.inputs[0] ?? '');
  if (centred < 0 || index.node(centred).op !== 'Sub') return null;
  const [x = '', meanName] = index.node(centred).inputs;
  const mean = madeFor(index, meanName, ['ReduceMean'], centred);
  if (mean < 0 || index.node(mean).inputs[0] !== x) return null;
  const spread = spreadOf(index, node.inputs[1], last);
  if (spread === null || !isCentred(index, spread.of, centred, x)) return null;
  const nodes = [mean, centred, ...copies(index, spread.of, centred), ...spread.nodes, last];
  return { kind: 'norm', type: 'LAYER', nodes: [...nodes, ...withAffine(index, last, true)] };
}

/** Some exporters subtract the mean twice. */
function isCentred(index: GraphIndex, name: string, centred: number, x: string): boolean {
  const maker = index.maker(name);
  return (
    maker === centred ||
    (maker >= 0 && index.node(maker).op === 'Sub' && index.node(maker).inputs[0] === x)
  );
}

function copies(index: GraphIndex, name: string, centred: number): number[] {
  const maker = index.maker(name);
  return maker === centred ? [] : [maker];
}

/** √(mean(v²) + ε): its nodes, and v. */
function spreadOf(
  index: GraphIndex,
  name: string | undefined,
  user: number,
): { nodes: number[]; of: string } | null {
  const root = madeFor(index, name, ['Sqrt'], user);
  const sum = root < 0 ? -1 : madeFor(index, index.node(root).inputs[0], ['Add'], root);
  const added = sum < 0 ? null : withScalar(index, index.node(sum));
  const mean = added === null ? -1 : madeFor(index, added.value, ['ReduceMean'], sum);
  const square = mean < 0 ? -1 : madeFor(index, index.node(mean).inputs[0], ['Pow', 'Mul'], mean);
  if (square < 0) return null;
  const { op, inputs } = index.node(square);
  const [of = ''] = inputs;
  const isSquare = op === 'Pow' ? index.scalar(inputs[1]) === 2 : inputs[1] === of;
  return isSquare ? { nodes: [square, mean, sum, root], of } : null;
}

/** Matched at x / rms or x·(1 / rms); γ behind it is taken in. */
export function matchRmsNorm(index: GraphIndex, last: number): Match | null {
  const node = index.node(last);
  const type = { kind: 'norm', type: 'RMS' } as const;
  if (node.op === 'Div') {
    const spread = spreadOf(index, node.inputs[1], last);
    if (spread === null || spread.of !== node.inputs[0]) return null;
    return { ...type, nodes: [...spread.nodes, last, ...withAffine(index, last, false)] };
  }
  if (node.op !== 'Mul') return null;
  for (const [x = '', inverse] of [node.inputs, node.inputs.toReversed()]) {
    const over = madeFor(index, inverse, ['Reciprocal', 'Div'], last);
    if (over < 0) continue;
    const { op, inputs } = index.node(over);
    if (op === 'Div' && index.scalar(inputs[0]) !== 1) continue;
    const spread = spreadOf(index, op === 'Div' ? inputs[1] : inputs[0], over);
    if (spread === null || spread.of !== x) continue;
    return { ...type, nodes: [...spread.nodes, over, last, ...withAffine(index, last, false)] };
  }
  return null;
}

/** Groups of channels as exporters spell them out; matched at its instance norm. γ and β of channels are taken in. */
export function matchGroupNorm(index: GraphIndex, at: number): Match | null {
  const node = index.node(at);
  if (node.op !== 'InstanceNormalization') return null;
  const split = madeFor(index, node.inputs[0], ['Reshape'], at);
  const whole = index.onlyUser(node.outputs[0] ?? '');
  if (split < 0 || whole < 0 || index.node(whole).op !== 'Reshape') return null;
  const nodes = [at, split, whole, ...withAffine(index, whole, true)];
  return { kind: 'norm', type: 'GROUP', nodes };
}
