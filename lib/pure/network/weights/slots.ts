/** The weights of a network, each with what its operator does with it. */
import type { LayerKind } from '../layers/kinds.js';
import type { LayerView } from '../layers/layer-view.js';
import { nameOfNode } from '../layers/names.js';
import { type GraphNode, numberOf, type Parameter } from '../network.js';
import type { Part } from './tensor-part.js';

/** A place of a network that takes a tensor. */
export interface Slot {
  parameter: Parameter;
  /** Name of the layer that uses it. */
  layer: string;
  kind: LayerKind;
  /** Which operator of the network uses it first; unique in the view. */
  node: string;
  op: string;
  part: Part | null;
  /** Of a matrix: which of its axes are outputs and inputs. */
  order: MatrixOrder | null;
  /** Of a transposed convolution. */
  groups: number;
  /** Of a batch norm: the weight of the operator in front of it. */
  behind: string | null;
  /** False for what the network may well have of its own: numbers that say how it works, tables of integers. */
  isRequired: boolean;
}

export type MatrixOrder = 'out-in' | 'in-out';

/** What the inputs of an operator are. */
const INPUTS: Record<string, readonly (Part | null)[]> = {
  Conv: [null, 'weight', 'bias'],
  ConvTranspose: [null, 'weight', 'bias'],
  FusedConv: [null, 'weight', 'bias'],
  Gemm: [null, 'weight', 'bias'],
  MatMul: ['weight', 'weight'],
  BatchNormalization: [null, 'weight', 'bias', 'mean', 'variance'],
  LayerNormalization: [null, 'weight', 'bias'],
  SimplifiedLayerNormalization: [null, 'weight'],
  RMSNormalization: [null, 'weight'],
  InstanceNormalization: [null, 'weight', 'bias'],
  GroupNormalization: [null, 'weight', 'bias'],
  GroupNorm: [null, 'weight', 'bias'],
  PRelu: [null, 'weight'],
  Gather: ['weight'],
};
/** What is multiplied and added behind a product or a norm is its scale and its shift. */
const FOLLOWING: Record<string, Part> = { Mul: 'weight', Add: 'bias' };
const WITH_FOLLOWING: ReadonlySet<LayerKind> = new Set<LayerKind>([
  'conv',
  'deconv',
  'full',
  'norm',
]);
/** Integers of networks are tables and positions, not weights. */
const WHOLE: ReadonlySet<string | null> = new Set(['I64', 'I32', 'I16', 'BOOL', 'STRING', null]);

/** Weights of a network in the order in which its layers use them, each once; then those that no layer uses. */
export function slotsOf(view: LayerView): Slot[] {
  const slots: Slot[] = [];
  const seen = new Set<string>();
  for (const { graph, path, layers } of view) {
    const parameters = new Map(graph.parameters.map((one) => [one.name, one]));
    const makers = new Map<string, GraphNode>();
    for (const node of graph.nodes) for (const name of node.outputs) makers.set(name, node);
    for (const { name: layer, kind, nodes } of layers) {
      for (const place of nodes) {
        const node = graph.nodes[place] as GraphNode;
        for (const [input, name] of node.inputs.entries()) {
          const parameter = parameters.get(name);
          if (parameter === undefined || seen.has(name)) continue;
          seen.add(name);
          slots.push({
            parameter,
            ...placeIn(node, { layer, kind }),
            kind,
            node: `${path}${place}`,
            op: node.op,
            part: partOf(node, input, kind),
            order: orderOf(node, input),
            groups: numberOf(node, 'group') ?? 1,
            behind: behind(node, makers),
            isRequired: isWeight(parameter),
          });
        }
      }
    }
    for (const parameter of graph.parameters) {
      if (seen.has(parameter.name)) continue;
      seen.add(parameter.name);
      slots.push({
        parameter,
        layer: '',
        kind: 'other',
        node: `${path}=${parameter.name}`,
        op: '',
        part: null,
        order: null,
        groups: 1,
        behind: null,
        isRequired: isWeight(parameter),
      });
    }
  }
  return slots;
}

function isWeight({ values, dtype }: Parameter): boolean {
  return values === null && !WHOLE.has(dtype);
}

/** A norm that stands behind a convolution, in one layer with it, has a name of its own. */
function placeIn(
  node: GraphNode,
  { layer, kind }: { layer: string; kind: LayerKind },
): { layer: string } {
  if (node.op !== 'BatchNormalization' || kind === 'norm') return { layer };
  return { layer: nameOfNode(node).name ?? '' };
}

function partOf({ op }: GraphNode, input: number, kind: LayerKind): Part | null {
  if (op === 'Gather' && kind !== 'embed') return null;
  const own = INPUTS[op];
  if (own !== undefined) return own[input] ?? null;
  return WITH_FOLLOWING.has(kind) ? (FOLLOWING[op] ?? null) : null;
}

function orderOf(node: GraphNode, input: number): MatrixOrder | null {
  if (node.op === 'MatMul') return input === 1 ? 'in-out' : 'out-in';
  if (node.op === 'Gemm' && input === 1) {
    return (numberOf(node, 'transB') ?? 0) === 1 ? 'out-in' : 'in-out';
  }
  return node.op === 'Gather' || node.op.includes('Conv') ? 'out-in' : null;
}

function behind(node: GraphNode, makers: ReadonlyMap<string, GraphNode>): string | null {
  if (node.op !== 'BatchNormalization') return null;
  return makers.get(node.inputs[0] ?? '')?.inputs[1] ?? null;
}

/** Operators whose operands may be constants of the network: summands, factors, the scale of a norm of groups. */
const WITH_CONSTANTS = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Pow', 'Concat', 'Where', 'Sum'],
  'InstanceNormalization',
]);
/** What exporters call constants that are no weights. */
const CONSTANT = /(^|[/.])Const(ant)?(_\d+)?(_output_\d+)?(:0)?$/;

/** True for what may be a constant of the network if the checkpoint has nothing for it. */
export function isLoose({ part, op, kind, parameter }: Slot): boolean {
  if (kind === 'rnn') return false;
  if (CONSTANT.test(parameter.name)) return true;
  return WITH_CONSTANTS.has(op) && (part === null || op === 'InstanceNormalization');
}
