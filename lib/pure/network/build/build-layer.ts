/**
 * Makes one layer from what is said of it and from what comes in: which operators and tensors each kind of layer
 * is made of. What is left open follows from that: channels always, units and padding by rules that docs/dql.md
 * states. layer-maker.ts makes the parts.
 */
import type { Dim } from '../network.js';
import { buildActivation } from './build-activation.js';
import { buildGroupNorm, buildRmsNorm } from './build-norms.js';
import { buildOther, buildPlainNorm, buildReshape } from './build-plain.js';
import { buildAttention, buildEmbedding, buildRecurrent } from './build-sequence.js';
import { LayerMaker } from './layer-maker.js';
import {
  type BuiltLayer,
  type LayerContext,
  type LayerInput,
  LayerProblem,
  type TensorRole,
} from './layer-parts.js';
import type { LayerSpec } from './layer-spec.js';

/** Inputs: the first is what flows in; a join has more. @throws {LayerProblem} */
export function buildLayer(
  spec: LayerSpec & { name: string },
  inputs: readonly LayerInput[],
  context: LayerContext,
): BuiltLayer {
  return new LayerBuilder(spec, inputs, context).build();
}

const JOINS: Readonly<Record<string, string>> = { ADD: 'Add', SUB: 'Sub', MUL: 'Mul', DIV: 'Div' };
const POOLS: Readonly<Record<string, string>> = { MAX: 'Max', AVG: 'Average', LP: 'Lp' };

class LayerBuilder {
  readonly #spec: LayerSpec & { name: string };
  readonly #inputs: readonly LayerInput[];
  readonly #context: LayerContext;
  readonly #parts: LayerMaker;

  constructor(
    spec: LayerSpec & { name: string },
    inputs: readonly LayerInput[],
    context: LayerContext,
  ) {
    this.#spec = spec;
    this.#inputs = inputs;
    this.#context = context;
    this.#parts = new LayerMaker(spec, context);
  }

  build(): BuiltLayer {
    const { kind, type } = this.#spec;
    const [input] = this.#inputs as [LayerInput];
    switch (kind) {
      case 'conv':
      case 'deconv':
        this.#convolution(input);
        break;
      case 'full':
        this.#full(input);
        break;
      case 'pool':
        this.#pool(input);
        break;
      case 'norm':
        this.#norm(input);
        break;
      case 'act':
        this.#activation(input);
        break;
      case 'dropout':
        this.#dropout(input);
        break;
      case 'softmax':
        this.#softmax(input);
        break;
      case 'reshape':
        buildReshape(type, input, this.#parts.tools());
        break;
      case 'other':
        buildOther(type, input, this.#parts.tools());
        break;
      case 'add':
      case 'mul':
      case 'concat':
        this.#join();
        break;
      case 'rnn':
        buildRecurrent(type, input, this.#parts.tools());
        break;
      case 'attn':
        buildAttention(input, this.#parts.tools());
        break;
      case 'embed':
        buildEmbedding(input, this.#parts.tools());
        break;
      default:
        throw new LayerProblem(`a ${type} cannot be made`);
    }
    return this.#parts.made;
  }

  #convolution(input: LayerInput): void {
    const shape = this.#parts.shape(input, 3);
    const channels = this.#parts.size(shape[1], 'channels', shape);
    const rank = shape.length - 2;
    const isTurned = this.#spec.kind === 'deconv';
    const { isInserted } = this.#context;
    const kernel = this.#parts.sizes('kernel', rank, 3);
    const dilation = this.#parts.sizes('dilation', rank, 1);
    const strides = this.#parts.sizes('stride', rank, 1);
    const pads = this.#parts.pads({ kernel, dilation }, isInserted ? 'same' : 0);
    const group = this.#parts.number('groups', 1);
    const units = this.#parts.number('units', isInserted ? channels : 0);
    if (units === 0)
      throw new LayerProblem(
        'wants units: how many channels it gives',
        'write CONV(units = 16, kernel = 3)',
      );
    if (channels % group !== 0 || units % group !== 0) {
      throw new LayerProblem(
        `has ${group} groups: its ${channels} channels and ${units} units have to be multiples of that`,
      );
    }
    const area = kernel.reduce((a, b) => a * b, 1);
    const [rows, columns] = isTurned ? [channels, units / group] : [units, channels / group];
    const fan = [(channels / group) * area, (units / group) * area] as const;
    const weight = this.#parts.weight(input, [rows, columns, ...kernel], fan);
    const inputs = [input.name, weight, ...this.#parts.bias(input, units)];
    this.#parts.node(isTurned ? 'ConvTranspose' : 'Conv', inputs, {
      dilations: dilation,
      group,
      kernel_shape: kernel,
      pads,
      strides,
    });
  }

  #full(input: LayerInput): void {
    const shape = this.#parts.shape(input, 2);
    const { former, isInserted } = this.#context;
    const onLast = shape.length === 3;
    const features = onLast ? [shape[2] as Dim] : shape.slice(1);
    const count = features
      .map((dim) => this.#parts.size(dim, 'size of what comes in', shape))
      .reduce((a, b) => a * b, 1);
    const units = this.#parts.number('units', isInserted ? count : 0);
    if (units === 0)
      throw new LayerProblem('wants units: how many numbers it gives', 'write FULL(units = 10)');
    const fan = [count, units] as const;
    if (onLast) {
      const weight = this.#parts.weight(input, [count, units], fan);
      const product = this.#parts.node('MatMul', [input.name, weight]);
      const bias = this.#parts.bias(input, units);
      if (bias.length > 0) this.#parts.node('Add', [product, ...bias]);
      return;
    }
    const flat =
      shape.length > 2 ? this.#parts.node('Flatten', [input.name], { axis: 1 }) : input.name;
    const isTransposed = former?.isTransposed ?? true;
    const sides = isTransposed ? [units, count] : [count, units];
    const weight = this.#parts.weight(input, sides, fan);
    this.#parts.node('Gemm', [flat, weight, ...this.#parts.bias(input, units)], {
      transB: isTransposed ? 1 : undefined,
    });
  }

  #pool(input: LayerInput): void {
    const { type } = this.#spec;
    const shape = this.#parts.shape(input, 3);
    const p = type.endsWith('LP') ? this.#parts.number('p', 2) : undefined;
    if (type.startsWith('GLOBAL')) {
      this.#parts.node(`Global${POOLS[type.slice('GLOBAL_'.length)]}Pool`, [input.name], { p });
      return;
    }
    const rank = shape.length - 2;
    const kernel = this.#parts.sizes('kernel', rank, 2);
    const isSaid = this.#parts.option('stride') !== undefined;
    const strides = isSaid ? this.#parts.sizes('stride', rank, 1) : kernel;
    const dilation = new Array<number>(rank).fill(1);
    const pads = this.#parts.pads({ kernel, dilation }, 0);
    const ceil = type === 'LP' ? 18 : 10;
    this.#parts.node(`${POOLS[type]}Pool`, [input.name], {
      ceil_mode:
        this.#parts.option('ceil') === true ? this.#parts.since('ceil', ceil, 1) : undefined,
      kernel_shape: kernel,
      p,
      pads,
      strides,
    });
  }

  #norm(input: LayerInput): void {
    const { type } = this.#spec;
    const epsilon = this.#parts.number('epsilon', 1e-5);
    if (type === 'LRN') {
      this.#parts.shape(input, 3);
      const attributes = {
        alpha: this.#parts.number('alpha', 1e-4),
        beta: this.#parts.number('beta', 0.75),
        bias: this.#parts.number('k', 1),
        size: this.#parts.number('size', 5),
      };
      this.#parts.node('LRN', [input.name], attributes, { floats: ['alpha', 'beta', 'bias'] });
      return;
    }
    if (type === 'RMS') {
      buildRmsNorm(input, epsilon, this.#parts.tools());
      return;
    }
    if (type === 'LP' || type === 'MVN' || type === 'SCALE') {
      buildPlainNorm(type, input, this.#parts.tools());
      return;
    }
    const shape = this.#parts.shape(input, 2);
    const width = this.#parts.size(type === 'LAYER' ? shape.at(-1) : shape[1], 'channels', shape);
    if (type === 'GROUP') {
      buildGroupNorm(input, { width, rank: shape.length, epsilon }, this.#parts.tools());
      return;
    }
    const all = (role: TensorRole, value: number): string =>
      this.#parts.filled(role, input, [width], value);
    const inputs = [input.name, all('weight', 1), all('bias', 0)];
    if (type === 'BATCH') {
      inputs.push(all('running_mean', 0), all('running_var', 1));
      this.#parts.node('BatchNormalization', inputs, { epsilon }, { floats: ['epsilon'] });
    } else if (type === 'LAYER') {
      const op = this.#parts.since('LayerNormalization', 17, 'LayerNormalization');
      this.#parts.node(op, inputs, { axis: -1, epsilon }, { floats: ['epsilon'] });
    } else this.#parts.node('InstanceNormalization', inputs, { epsilon }, { floats: ['epsilon'] });
  }

  #activation(input: LayerInput): void {
    const { type } = this.#spec;
    if (type !== 'PRELU') {
      buildActivation(type, input, this.#parts.tools());
      return;
    }
    const shape = this.#parts.shape(input, 2);
    const width = this.#parts.size(shape[1], 'channels', shape);
    const sides = [width, ...new Array<number>(shape.length - 2).fill(1)];
    const slope = this.#parts.filled('slope', input, sides, 0.25);
    this.#parts.node('PRelu', [input.name, slope]);
  }

  #dropout(input: LayerInput): void {
    const ratio = this.#parts.number('ratio', 0.5);
    if (ratio < 0 || ratio >= 1)
      throw new LayerProblem(`has a ratio of ${ratio}: from 0 to below 1`);
    if (this.#context.opset < 12) {
      this.#parts.node('Dropout', [input.name], { ratio }, { floats: ['ratio'] });
      return;
    }
    this.#parts.node('Dropout', [input.name, this.#parts.scalar('ratio', 'F32', ratio)]);
  }

  #softmax(input: LayerInput): void {
    const shape = this.#parts.shape(input, 1);
    const axis = this.#parts.number('axis', -1);
    const place = axis < 0 ? axis + shape.length : axis;
    if (place < 0 || place >= shape.length) {
      throw new LayerProblem(`has axis ${axis} and gets [${shape.join(', ')}]`);
    }
    // Before opset 13 all axes from this one on are normalized together.
    if (place !== shape.length - 1) this.#parts.since('softmax over an inner axis', 13, 0);
    this.#parts.node(this.#spec.type === 'SOFTMAX' ? 'Softmax' : 'LogSoftmax', [input.name], {
      axis: place,
    });
  }

  #join(): void {
    const { kind, type } = this.#spec;
    const names = this.#inputs.map(({ name }) => name);
    if (names.length < 2) {
      throw new LayerProblem('joins what comes in with other layers: name them with from = "…"');
    }
    if (kind === 'concat') {
      this.#parts.node('Concat', names, { axis: this.#parts.number('axis', 1) });
      return;
    }
    const op = JOINS[type] as string;
    if ((type === 'SUB' || type === 'DIV') && names.length > 2)
      throw new LayerProblem(`joins two values, and ${names.length} are named`);
    let sum = names[0] as string;
    for (const other of names.slice(1)) sum = this.#parts.node(op, [sum, other]);
  }
}
