/**
 * Receptive field: how much of the input one output depends on, along each spatial dimension.
 * @see Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks".
 */
import type { Graph, GraphNode } from '../network.js';
import { numbersOf } from '../network.js';
import type { NetworkShapes } from '../shapes/infer-shapes.js';

/** Along one dimension: how many inputs, from which on (of the first output), and how far the next is. */
export interface FieldAxis {
  size: number;
  start: number;
  stride: number;
}
/** One for each spatial dimension; 'all': every input counts. */
export type ReceptiveField = readonly FieldAxis[] | 'all';

/** Operators behind which the dimensions are no longer those of space. */
const ENDS = new Set([
  'Flatten',
  'Reshape',
  'Gemm',
  'MatMul',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'LSTM',
  'GRU',
  'RNN',
]);
/** Operators that look at all of a dimension. */
const GLOBAL = /^(Global|Reduce|Softmax|LayerNorm|InstanceNorm|GroupNorm|Attention|MultiHead)/;

/** The receptive field of each value that has one, by name. Values without are left out. */
export function receptiveFields(graph: Graph, shapes: NetworkShapes): Map<string, ReceptiveField> {
  const fields = new Map<string, ReceptiveField>();
  for (const { name } of graph.inputs) {
    const rank = shapes.of(graph, name).shape?.length ?? 0;
    if (rank < 3) continue;
    fields.set(
      name,
      Array.from({ length: rank - 2 }, () => ({ size: 1, start: 0, stride: 1 })),
    );
  }
  for (const node of graph.nodes) {
    const known = node.inputs.map((name) => fields.get(name)).filter((one) => one !== undefined);
    if (known.length === 0 || ENDS.has(node.op) || node.bodies.length > 0) continue;
    const made = through(graph, node, merge(known), shapes);
    if (made !== null) for (const name of node.outputs) if (name !== '') fields.set(name, made);
  }
  return fields;
}

/** What several fields are together; null if their outputs do not lie on one grid. */
function merge(fields: readonly ReceptiveField[]): ReceptiveField | null {
  return fields.reduce((a: ReceptiveField | null, b) => {
    if (a === null || a === 'all' || b === 'all') return a === null ? null : 'all';
    if (a.length !== b.length) return null;
    const joined = a.map((axis, i): FieldAxis | null => {
      const other = b[i] as FieldAxis;
      if (axis.stride !== other.stride) return null;
      return {
        ...axis,
        size: Math.max(axis.size, other.size),
        start: Math.min(axis.start, other.start),
      };
    });
    return joined.every((axis) => axis !== null) ? joined : null;
  }, fields[0] ?? null);
}

function through(
  graph: Graph,
  node: GraphNode,
  field: ReceptiveField | null,
  shapes: NetworkShapes,
): ReceptiveField | null {
  if (field === null || field === 'all') return field;
  if (GLOBAL.test(node.op)) return 'all';
  const isConv = /Conv/.test(node.op) && node.op !== 'ConvTranspose';
  const isPool = /^(Max|Average|Lp)Pool$/.test(node.op);
  // Stretching makes a grid finer than steps of the input tell.
  if (/^(Resize|Upsample|ConvTranspose|DepthToSpace|SpaceToDepth|GridSample)$/.test(node.op))
    return null;
  if (!isConv && !isPool) return field;
  const weight = node.inputs[node.op === 'QLinearConv' ? 3 : 1];
  const kernel = isConv
    ? shapes.of(graph, weight ?? '').shape?.slice(2)
    : numbersOf(node, 'kernel_shape');
  if (kernel?.length !== field.length) return null;
  const [strides, dilations, pads] = ['strides', 'dilations', 'pads'].map((name) =>
    numbersOf(node, name),
  );
  return field.map((axis, i) => {
    const reach = (Number(kernel[i]) - 1) * (dilations?.[i] ?? 1);
    return {
      size: axis.size + reach * axis.stride,
      start: axis.start + (reach / 2 - (pads?.[i] ?? 0)) * axis.stride,
      stride: axis.stride * (strides?.[i] ?? 1),
    };
  });
}
