/**
 * A graph in fewer kinds of operators, so that bounds need fewer rules: Split becomes Slices, a norm over features
 * (as LayerNormalization, or as the chain of operators that older exporters write) becomes `Standardize`, which is
 * (x − mean) / √(variance + ε) over the axes from `axis` on, then a product and a sum. The runtime's own operators of
 * Gelu become a sum and a Gelu of ONNX. A parameter of a narrow type that is cast to float32 stands for its cast, which
 * loses nothing.
 */
import { type Attribute, type GraphNode, numberOf, numbersOf } from '../network/network.js';

/** What a simplified graph needs to know of values. */
export interface KnownValues {
  /** Shape of a value or parameter for one example. */
  shapeOf(name: string): readonly number[] | undefined;
  /** True for a parameter of floats that float32 holds exactly. */
  isNarrow(name: string): boolean;
  /** Elements that do not depend on the example. */
  elementsOf(name: string): readonly number[] | undefined;
}

/** Nodes in order, and shapes of the values that were made. */
export interface Simplified {
  nodes: GraphNode[];
  shapes: Map<string, readonly number[]>;
}

/** ONNX's code of float32. */
const FLOAT = 1;
/** Domain of the runtime's own operators, and which form of Gelu some of them are. */
const RUNTIME = 'com.microsoft';
const GELUS: ReadonlyMap<string, 'none' | 'tanh'> = new Map([
  ['Gelu', 'none'],
  ['BiasGelu', 'none'],
  ['FastGelu', 'tanh'],
]);

export function simplify(nodes: readonly GraphNode[], known: KnownValues): Simplified {
  const shapes = new Map<string, readonly number[]>();
  const chains = normChains(nodes, known);
  const casts = new Map<string, string>();
  const named = (node: GraphNode): GraphNode =>
    node.inputs.some((name) => casts.has(name))
      ? { ...node, inputs: node.inputs.map((name) => casts.get(name) ?? name) }
      : node;
  const simple = nodes.flatMap((given): GraphNode[] => {
    const node = named(given);
    const [first = ''] = node.inputs;
    if (node.op === 'Cast' && numberOf(node, 'to') === FLOAT && known.isNarrow(first)) {
      casts.set(node.outputs[0] as string, first);
      return [];
    }
    const chain = chains.get(given);
    if (chain !== undefined) return [chain];
    if (node.domain === RUNTIME) return geluParts(node, known, shapes);
    if (node.domain !== '') return [node];
    if (node.op === 'Split') return slices(node, known) ?? [node];
    if (node.op === 'LayerNormalization') return normParts(node, known, shapes);
    return [node];
  });
  return { nodes: simple, shapes };
}

/** A node that stands where another one stood. */
function made(
  like: GraphNode,
  op: string,
  ends: { inputs: readonly string[]; output: string },
  attributes: readonly Attribute[] = [],
): GraphNode {
  const { inputs, output } = ends;
  return { ...like, op, inputs, outputs: [output], attributes, bodies: [] };
}

const ints = (name: string, value: readonly number[]): Attribute => ({ name, kind: 'ints', value });

/** Each part of a Split as a Slice; null if its sizes are not known. */
function slices(node: GraphNode, known: KnownValues): GraphNode[] | null {
  const [data = '', sizes = ''] = node.inputs;
  const shape = known.shapeOf(data);
  if (shape === undefined) return null;
  const given = numberOf(node, 'axis') ?? 0;
  const axis = given < 0 ? given + shape.length : given;
  const whole = shape[axis] ?? 0;
  const count = node.outputs.length;
  const each = Math.ceil(whole / count);
  const listed = sizes === '' ? numbersOf(node, 'split') : known.elementsOf(sizes);
  if (sizes !== '' && listed === undefined) return null;
  const found = listed ?? Array.from({ length: count }, (_, i) => Math.min(each, whole - i * each));
  let from = 0;
  return node.outputs.flatMap((output, i): GraphNode[] => {
    const size = found[i] ?? 0;
    const ends = [ints('starts', [from]), ints('ends', [from + size]), ints('axes', [axis])];
    from += size;
    return output === '' ? [] : [made(node, 'Slice', { inputs: [data], output }, ends)];
  });
}

/** An operator of the runtime that is a Gelu, of a value to which a second one may be added. */
function geluParts(
  node: GraphNode,
  known: KnownValues,
  shapes: Map<string, readonly number[]>,
): GraphNode[] {
  const kind = GELUS.get(node.op);
  const [data = '', bias = ''] = node.inputs;
  const output = node.outputs[0] as string;
  const shape = known.shapeOf(output);
  if (kind === undefined || shape === undefined) return [node];
  const standard = { ...node, domain: '' };
  const form: Attribute = { name: 'approximate', kind: 'string', value: kind };
  if (bias === '') return [made(standard, 'Gelu', { inputs: [data], output }, [form])];
  const sum = `${output}#sum`;
  shapes.set(sum, shape);
  return [
    made(standard, 'Add', { inputs: [data, bias], output: sum }),
    made(standard, 'Gelu', { inputs: [sum], output }, [form]),
  ];
}

/** LayerNormalization as a standardization, a product and a sum; a mean or deviation as output has no rule. */
function normParts(
  node: GraphNode,
  known: KnownValues,
  shapes: Map<string, readonly number[]>,
): GraphNode[] {
  const [data = '', scale = '', bias = ''] = node.inputs;
  const [output = '', ...rest] = node.outputs;
  const shape = known.shapeOf(output);
  if (rest.some((name) => name !== '') || shape === undefined) return [node];
  const steps: [string, string][] = [];
  if (scale !== '') steps.push(['Mul', scale]);
  if (bias !== '') steps.push(['Add', bias]);
  const names = steps.map((_, i) => `${output}#${i}`);
  for (const name of names) shapes.set(name, shape);
  const first = made(
    node,
    'Standardize',
    { inputs: [data], output: names[0] ?? output },
    node.attributes,
  );
  return [
    first,
    ...steps.map(([op, factor], i) =>
      made(node, op, {
        inputs: [names[i] as string, factor],
        output: names[i + 1] ?? output,
      }),
    ),
  ];
}

/** Last nodes of chains that standardize, with what stands for them. */
function normChains(nodes: readonly GraphNode[], known: KnownValues): Map<GraphNode, GraphNode> {
  const makers = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  const maker = (name: string | undefined, op: string): GraphNode | undefined => {
    const node = makers.get(name ?? '');
    return node?.op === op && node.domain === '' ? node : undefined;
  };
  const scalar = (name: string | undefined): number | undefined => {
    const found = known.elementsOf(name ?? '');
    return found?.length === 1 ? found[0] : undefined;
  };
  const chains = new Map<GraphNode, GraphNode>();
  for (const last of nodes) {
    if (last.op !== 'Div' || last.domain !== '') continue;
    const [difference, deviation] = last.inputs as readonly [string, string];
    const sum = maker(maker(deviation, 'Sqrt')?.inputs[0], 'Add');
    if (sum === undefined) continue;
    const [variance, epsilon] =
      scalar(sum.inputs[1]) === undefined
        ? [sum.inputs[1], scalar(sum.inputs[0])]
        : [sum.inputs[0], scalar(sum.inputs[1])];
    const mean = maker(variance, 'ReduceMean');
    const squared = squareOf(mean?.inputs[0], maker, scalar);
    const centered = centeredOf(difference, maker);
    const inner = squared === null ? null : centeredOf(squared, maker);
    const isOne =
      mean !== undefined &&
      epsilon !== undefined &&
      epsilon >= 0 &&
      centered !== null &&
      inner?.data === centered.data;
    if (!isOne) continue;
    const shape = known.shapeOf(centered.data);
    const axes = [mean, centered.mean, inner.mean].map((node) => axesOf(node, shape, known));
    const [first] = axes;
    if (
      shape === undefined ||
      first === undefined ||
      axes.some((one) => one?.join() !== first?.join())
    ) {
      continue;
    }
    const axis = shape.length - first.length;
    if (first.some((one, i) => one !== axis + i)) continue;
    const attributes: Attribute[] = [
      { name: 'axis', kind: 'int', value: axis },
      { name: 'epsilon', kind: 'float', value: epsilon },
    ];
    chains.set(
      last,
      made(
        last,
        'Standardize',
        { inputs: [centered.data], output: last.outputs[0] as string },
        attributes,
      ),
    );
  }
  return chains;
}

type MakerOf = (name: string | undefined, op: string) => GraphNode | undefined;

/** What is squared. */
function squareOf(
  name: string | undefined,
  maker: MakerOf,
  scalar: (name: string | undefined) => number | undefined,
): string | null {
  const power = maker(name, 'Pow');
  if (power !== undefined)
    return scalar(power.inputs[1]) === 2 ? (power.inputs[0] as string) : null;
  const product = maker(name, 'Mul');
  return product !== undefined && product.inputs[0] === product.inputs[1]
    ? (product.inputs[0] as string)
    : null;
}

/** x and its mean, of a value that is their difference. */
function centeredOf(name: string, maker: MakerOf): { data: string; mean: GraphNode } | null {
  const difference = maker(name, 'Sub');
  const mean = maker(difference?.inputs[1], 'ReduceMean');
  const data = difference?.inputs[0];
  return mean !== undefined && data !== undefined && mean.inputs[0] === data
    ? { data, mean }
    : null;
}

/** Axes of a mean that keeps them, counted from the front and in order. */
function axesOf(
  node: GraphNode,
  shape: readonly number[] | undefined,
  known: KnownValues,
): number[] | undefined {
  const input = node.inputs[1] ?? '';
  const given = input === '' ? numbersOf(node, 'axes') : known.elementsOf(input);
  if (shape === undefined || given === undefined || (numberOf(node, 'keepdims') ?? 1) !== 1) {
    return undefined;
  }
  return given.map((axis) => (axis < 0 ? axis + shape.length : axis)).sort((a, b) => a - b);
}
