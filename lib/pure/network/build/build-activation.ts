/** Activations: one operator each, or few where ONNX has none. */
import { type LayerInput, LayerProblem, type LayerTools } from './layer-parts.js';

const ACTIVATIONS: Readonly<Record<string, { op: string; since: number; alpha?: number }>> = {
  RELU: { op: 'Relu', since: 6 },
  LEAKYRELU: { op: 'LeakyRelu', since: 6, alpha: 0.01 },
  ELU: { op: 'Elu', since: 6, alpha: 1 },
  SELU: { op: 'Selu', since: 6 },
  CELU: { op: 'Celu', since: 12, alpha: 1 },
  THRESHOLDEDRELU: { op: 'ThresholdedRelu', since: 10, alpha: 1 },
  SIGMOID: { op: 'Sigmoid', since: 6 },
  TANH: { op: 'Tanh', since: 6 },
  HARDSIGMOID: { op: 'HardSigmoid', since: 6 },
  HARDSWISH: { op: 'HardSwish', since: 14 },
  SOFTPLUS: { op: 'Softplus', since: 6 },
  SOFTSIGN: { op: 'Softsign', since: 6 },
  MISH: { op: 'Mish', since: 18 },
  GELU: { op: 'Gelu', since: 20 },
  ERF: { op: 'Erf', since: 9 },
};

export function buildActivation(type: string, input: LayerInput, tools: LayerTools): void {
  if (type === 'SWISH' || type === 'SILU') {
    const alpha = tools.number('alpha', 1);
    const inner =
      alpha === 1
        ? input.name
        : tools.node('Mul', [input.name, tools.filled('alpha', input, [], alpha)]);
    tools.node('Mul', [input.name, tools.node('Sigmoid', [inner])]);
    return;
  }
  if (type === 'SHRINK') {
    tools.since('Shrink', 9, 0);
    const [bias, lambd] = [tools.number('bias', 0), tools.number('lambda', 0.5)];
    tools.node('Shrink', [input.name], { bias, lambd });
    return;
  }
  if (type === 'CLIP' || type === 'RELU6') {
    buildClip(type, input, tools);
    return;
  }
  const known = ACTIVATIONS[type];
  if (known === undefined) throw new LayerProblem(`a ${type} cannot be made`);
  const { op, since, alpha } = known;
  const given = alpha === undefined ? undefined : tools.number('alpha', alpha);
  tools.node(tools.since(op, since, op), [input.name], { alpha: given });
}

function buildClip(type: 'CLIP' | 'RELU6', input: LayerInput, tools: LayerTools): void {
  const [low, high] = type === 'RELU6' ? [0, 6] : [Number.NaN, Number.NaN];
  const [min, max] = [tools.number('min', low), tools.number('max', high)];
  if (Number.isNaN(min) && Number.isNaN(max)) {
    throw new LayerProblem('wants min, max or both', 'write CLIP(min = -1, max = 1)');
  }
  const given = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value);
  if (tools.opset < 11) {
    tools.node('Clip', [input.name], { min: given(min), max: given(max) });
    return;
  }
  const bound = (name: string, value: number): string =>
    Number.isNaN(value) ? '' : tools.filled(name, input, [], value);
  const bounds = [bound('min', min), bound('max', max)];
  tools.node('Clip', [input.name, ...(bounds[1] === '' ? bounds.slice(0, 1) : bounds)]);
}
