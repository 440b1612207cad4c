/** Norms that ONNX has no operator for in every opset, spelled out as exporters do. */
import { type LayerInput, LayerProblem, type LayerTools } from './layer-parts.js';

/**
 * Groups of channels: an instance norm over each, then a factor and a shift for each channel. The shape that comes back is
 * that of the input, whatever it is then.
 */
export function buildGroupNorm(
  input: LayerInput,
  { width, rank, epsilon }: { width: number; rank: number; epsilon: number },
  tools: LayerTools,
): void {
  const groups = tools.number('groups', 1);
  if (rank < 3) throw new LayerProblem('wants at least 3 dimensions');
  if (width % groups !== 0) {
    throw new LayerProblem(
      `has ${groups} groups: its ${width} channels have to be a multiple of that`,
    );
  }
  const split = tools.node('Reshape', [input.name, tools.constant([0, groups, -1])]);
  const [one, none] = [
    tools.filled('group_scale', input, [groups], 1),
    tools.filled('group_shift', input, [groups], 0),
  ];
  const even = tools.node('InstanceNormalization', [split, one, none], { epsilon });
  const whole = tools.node('Reshape', [even, tools.node('Shape', [input.name])]);
  const sides = [width, ...new Array<number>(rank - 2).fill(1)];
  const scaled = tools.node('Mul', [whole, tools.filled('weight', input, sides, 1)]);
  tools.node('Add', [scaled, tools.filled('bias', input, sides, 0)]);
}

/** x / √(mean(x²) + ε) · γ over the last dimension. */
export function buildRmsNorm(input: LayerInput, epsilon: number, tools: LayerTools): void {
  const shape = tools.shape(input, 2);
  const width = tools.size(shape.at(-1), 'last dimension', shape);
  const square = tools.node('Mul', [input.name, input.name]);
  // The axes became an input with opset 18.
  const mean =
    tools.opset >= 18
      ? tools.node('ReduceMean', [square, tools.constant([-1])], { keepdims: 1 })
      : tools.node('ReduceMean', [square], { axes: [-1], keepdims: 1 });
  const sum = tools.node('Add', [mean, tools.filled('epsilon', input, [], epsilon)]);
  const even = tools.node('Div', [input.name, tools.node('Sqrt', [sum])]);
  tools.node('Mul', [even, tools.filled('weight', input, [width], 1)]);
}
