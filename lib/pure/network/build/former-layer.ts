/** What a layer of a network has that one of its kind in its place takes over: options and weights. */
import type { RawNode } from '../../formats/onnx/onnx-model.js';
import type { LayerKind } from '../layers/kinds.js';
import type { FormerLayer, TensorRole } from './layer-parts.js';
import type { OptionValue } from './layer-spec.js';

/** Operators that a layer of a kind is mainly. */
const MAIN: Partial<Record<LayerKind, RegExp>> = {
  conv: /^Conv$/,
  deconv: /^ConvTranspose$/,
  full: /^(Gemm|MatMul)$/,
  pool: /Pool$/,
  norm: /Norm|^LRN$/,
  act: /./,
  dropout: /^Dropout$/,
  softmax: /Softmax$/,
  concat: /^Concat$/,
};

/** Names of attributes of ONNX, and of what they are here. */
const OPTIONS: Readonly<Record<string, string>> = {
  kernel_shape: 'kernel',
  strides: 'stride',
  pads: 'pad',
  dilations: 'dilation',
  group: 'groups',
  epsilon: 'epsilon',
  alpha: 'alpha',
  beta: 'beta',
  size: 'size',
  ratio: 'ratio',
  axis: 'axis',
};

/** What the inputs of an operator are for. */
const ROLES: Readonly<Record<string, readonly (TensorRole | null)[]>> = {
  Conv: [null, 'weight', 'bias'],
  ConvTranspose: [null, 'weight', 'bias'],
  Gemm: [null, 'weight', 'bias'],
  MatMul: [null, 'weight'],
  BatchNormalization: [null, 'weight', 'bias', 'running_mean', 'running_var'],
  InstanceNormalization: [null, 'weight', 'bias'],
  LayerNormalization: [null, 'weight', 'bias'],
  PRelu: [null, 'slope'],
};

/** The shape of a tensor of the network by its name; undefined for what is none. */
export type ShapeOf = (name: string) => readonly number[] | undefined;

/** Reads a layer of a kind; null if none of its operators is of that kind. */
export function formerLayer(
  kind: LayerKind,
  nodes: readonly RawNode[],
  shapeOf: ShapeOf,
): FormerLayer | null {
  const main = nodes.find(({ opType }) => MAIN[kind]?.test(opType));
  if (main === undefined) return null;
  const options = new Map<string, OptionValue>();
  for (const attribute of main.attributes) {
    const name = OPTIONS[attribute.name];
    const { value } = attribute;
    if (name !== undefined && (typeof value === 'number' || isNumbers(value)))
      options.set(name, value);
    if (attribute.name === 'ceil_mode') options.set('ceil', value === 1);
    if (attribute.name === 'bias' && typeof value === 'number') options.set('k', value);
    if (attribute.name === 'auto_pad' && String(value).startsWith('SAME'))
      options.set('pad', 'same');
  }
  const tensors = tensorsOf(main, nodes, shapeOf);
  const transB = main.attributes.find(({ name }) => name === 'transB')?.value;
  const isTransposed = transB === 1;
  const weight = tensors.get('weight')?.shape;
  if (weight !== undefined) addSizes(options, kind, weight, isTransposed);
  if (kind === 'conv' || kind === 'deconv' || kind === 'full') {
    options.set('bias', tensors.has('bias') || nodes.some(({ opType }) => opType === 'Add'));
  }
  if (kind === 'pool' && !options.has('stride')) options.set('stride', 1);
  return { options, tensors, isTransposed };
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number');
}

function tensorsOf(
  main: RawNode,
  nodes: readonly RawNode[],
  shapeOf: ShapeOf,
): Map<TensorRole, { name: string; shape: readonly number[] }> {
  const tensors = new Map<TensorRole, { name: string; shape: readonly number[] }>();
  main.inputs.forEach((name, i) => {
    const role = ROLES[main.opType]?.[i];
    const shape = shapeOf(name);
    if (role && shape !== undefined) tensors.set(role, { name, shape });
  });
  // The bias of a product stands in an addition behind it.
  const sum = nodes.find(
    ({ opType, inputs }) => opType === 'Add' && inputs.some((name) => main.outputs.includes(name)),
  );
  for (const name of tensors.has('bias') ? [] : (sum?.inputs ?? [])) {
    const shape = shapeOf(name);
    if (shape !== undefined) tensors.set('bias', { name, shape });
  }
  return tensors;
}

/** Sizes that the weights have and attributes may leave out. */
function addSizes(
  options: Map<string, OptionValue>,
  kind: LayerKind,
  weight: readonly number[],
  isTransposed: boolean,
): void {
  const [rows = 1, columns = 1] = weight;
  if (kind === 'conv') options.set('units', rows);
  if (kind === 'deconv') options.set('units', columns * ((options.get('groups') as number) ?? 1));
  if (kind === 'full') options.set('units', isTransposed ? rows : columns);
  const isWindow = kind === 'conv' || kind === 'deconv';
  if (isWindow && !options.has('kernel')) options.set('kernel', weight.slice(2));
}
