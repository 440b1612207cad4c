/**
 * Makes the operators and tensors of one layer from what is said of it and from what comes in. What is left open
 * follows from that: channels always, units and padding by rules that docs/dql.md states.
 */
import type { RawAttribute } from '../../formats/onnx/onnx-model.js';
import type { Dim, Shape } from '../network.js';
import { buildActivation } from './build-activation.js';
import { buildGroupNorm, buildRmsNorm } from './build-norms.js';
import { buildOther, buildPlainNorm, buildReshape } from './build-plain.js';
import { buildAttention, buildEmbedding, buildRecurrent } from './build-sequence.js';
import { type InitialValues, WEIGHT_TYPES, type WeightType } from './initial-values.js';
import {
  type BuiltLayer,
  type LayerContext,
  type LayerInput,
  LayerProblem,
  type LayerTools,
  type MadeTensor,
  type NodePlace,
  type Scalar,
  type TensorRole,
} from './layer-parts.js';
import type { LayerSpec, OptionValue } from './layer-spec.js';

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

/** Attributes of layers in files of their own that are floats. */
const FLOATS = ['epsilon', 'alpha', 'min', 'max', 'bias', 'lambd', 'value'];

class LayerBuilder {
  readonly #spec: LayerSpec & { name: string };
  readonly #inputs: readonly LayerInput[];
  readonly #context: LayerContext;
  readonly #made: BuiltLayer = { nodes: [], tensors: [], carried: [], output: '' };

  constructor(
    spec: LayerSpec & { name: string },
    inputs: readonly LayerInput[],
    context: LayerContext,
  ) {
    this.#spec = spec;
    this.#inputs = inputs;
    this.#context = context;
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
        buildReshape(type, input, this.#tools());
        break;
      case 'other':
        buildOther(type, input, this.#tools());
        break;
      case 'add':
      case 'mul':
      case 'concat':
        this.#join();
        break;
      case 'rnn':
        buildRecurrent(type, input, this.#tools());
        break;
      case 'attn':
        buildAttention(input, this.#tools());
        break;
      case 'embed':
        buildEmbedding(input, this.#tools());
        break;
      default:
        throw new LayerProblem(`a ${type} cannot be made`);
    }
    return this.#made;
  }

  #tools(): LayerTools {
    const isDrawn = (fan: readonly [number, number]): InitialValues =>
      this.#drawn(fan) ?? { rule: 'glorot', fanIn: fan[0], fanOut: fan[1] };
    const made = (
      role: string,
      { dtype: given }: LayerInput,
      of: Pick<MadeTensor, 'shape' | 'values' | 'fan'>,
    ): string => {
      const dtype = given ?? 'F32';
      if (!(dtype in WEIGHT_TYPES)) {
        throw new LayerProblem(`has weights, and cannot have them as ${dtype}, which flows in`);
      }
      return this.#add(role, { dtype: dtype as WeightType, ...of });
    };
    return {
      opset: this.#context.opset,
      node: (op, inputs, attributes, place) =>
        this.#node(op, inputs, attributes, { floats: FLOATS, ...place }),
      constant: (values, kind) => {
        this.#since('a list of sizes', 12, 0);
        const name = kind === 'floats' ? 'value_floats' : 'value_ints';
        return this.#node('Constant', [], { [name]: values }, { floats: ['value_floats'] });
      },
      list: (name) => {
        const value = this.#option(name);
        return typeof value === 'number' ? [value] : Array.isArray(value) ? [...value] : null;
      },
      word: (name) => {
        const value = this.#option(name);
        return typeof value === 'string' ? value : null;
      },
      since: (what, opset, value) => this.#since(what, opset, value),
      number: (name, otherwise) => this.#number(name, otherwise),
      flag: (name, otherwise) => {
        const value = this.#option(name);
        return typeof value === 'boolean' ? value : otherwise;
      },
      drawn: (role, input, shape, fan) => made(role, input, { shape, values: isDrawn(fan), fan }),
      filled: (role, input, shape, value) =>
        made(role, input, { shape, values: { rule: 'constant', value }, fan: [1, 1] }),
      shape: (input, least) => this.#shape(input, least),
      size: (dim, what, shape) => this.#size(dim, what, shape),
    };
  }

  /** An option: as it is said, else as the former layer had it. */
  #option(name: string): OptionValue | undefined {
    return this.#spec.options.get(name) ?? this.#context.former?.options.get(name);
  }

  #number(name: string, otherwise: number): number {
    const value = this.#option(name);
    return typeof value === 'number' ? value : otherwise;
  }

  /** A name that no node of the network or of this layer has. */
  #nodeName(wanted: string): string {
    const taken = new Set(this.#made.nodes.map(({ name }) => name));
    for (let i = 0; ; i++) {
      const name = this.#context.freshNode(i === 0 ? wanted : `${wanted}_${i}`);
      if (!taken.has(name)) return name;
    }
  }

  #node(
    op: string,
    inputs: string[],
    attributes: Readonly<Record<string, Scalar | undefined>> = {},
    /** `floats`: attributes that are floats. */
    { floats = [], part, before = 0 }: NodePlace & { floats?: readonly string[] } = {},
  ): string {
    const name = part === undefined ? this.#spec.name : `${this.#spec.name}/${part}`;
    const output = this.#context.fresh(`/${name}/${op}_output_${before}`);
    const given = Object.entries(attributes).flatMap(([key, value]): RawAttribute[] => {
      if (value === undefined) return [];
      if (typeof value === 'string') return [{ name: key, kind: 'string', value }];
      const isFloat = floats.includes(key);
      if (typeof value !== 'number')
        return [{ name: key, kind: isFloat ? 'floats' : 'ints', value: [...value] }];
      return [{ name: key, kind: isFloat ? 'float' : 'int', value }];
    });
    this.#made.nodes.push({
      // As PyTorch writes it, so that the layer gets this name.
      name: this.#nodeName(`/${name}/${op}`),
      opType: op,
      domain: '',
      overload: '',
      modules: [],
      inputs,
      outputs: [...new Array<string>(before).fill(''), output],
      attributes: given,
    });
    this.#made.output = output;
    return output;
  }

  /** The name of a weight: that of the former layer where its shape is the same, else of a new tensor. */
  #tensor(
    role: TensorRole,
    input: LayerInput,
    { shape, values, fan }: Pick<MadeTensor, 'shape' | 'values' | 'fan'>,
  ): string {
    const former = this.#context.former?.tensors.get(role);
    if (former !== undefined && String(former.shape) === String(shape)) {
      this.#made.carried.push(former.name);
      return former.name;
    }
    const dtype = input.dtype ?? 'F32';
    if (!(dtype in WEIGHT_TYPES)) {
      throw new LayerProblem(`has weights, and cannot have them as ${dtype}, which flows in`);
    }
    return this.#add(role, { dtype: dtype as WeightType, shape, values, fan });
  }

  #weight(input: LayerInput, shape: readonly number[], fan: readonly [number, number]): string {
    return this.#tensor('weight', input, { shape, values: this.#drawn(fan), fan });
  }

  #filled(role: TensorRole, input: LayerInput, shape: readonly number[], value: number): string {
    return this.#tensor(role, input, { shape, values: { rule: 'constant', value }, fan: [1, 1] });
  }

  #add(role: string, tensor: Omit<MadeTensor, 'name' | 'wanted'>): string {
    const wanted = `${this.#spec.name}.${role}`;
    const name = this.#context.fresh(wanted);
    this.#made.tensors.push({ name, wanted, ...tensor });
    return name;
  }

  #scalar(role: string, dtype: WeightType, value: number): string {
    return this.#add(role, { dtype, shape: [], values: { rule: 'constant', value }, fan: [1, 1] });
  }

  /** How weights are drawn, if it is said. */
  #drawn([fanIn, fanOut]: readonly [number, number]): InitialValues | null {
    const rule = this.#option('init');
    if (rule === 'zero') return { rule: 'constant', value: 0 };
    return rule === 'he' || rule === 'glorot' ? { rule, fanIn, fanOut } : null;
  }

  #shape({ shape }: LayerInput, least: number): Shape {
    if (shape === null) throw new LayerProblem('gets a value whose shape is not known');
    if (shape.length < least) {
      throw new LayerProblem(`wants at least ${least} dimensions and gets [${shape.join(', ')}]`);
    }
    return shape;
  }

  #size(dim: Dim | undefined, what: string, shape: Shape): number {
    if (typeof dim === 'number') return dim;
    throw new LayerProblem(`wants to know the ${what} and gets [${shape.join(', ')}]`);
  }

  /** One number for each spatial dimension. */
  #sizes(name: string, rank: number, otherwise: number): number[] {
    const value = this.#option(name);
    if (value === undefined) return new Array<number>(rank).fill(otherwise);
    if (typeof value === 'number') return new Array<number>(rank).fill(value);
    const list = value as readonly number[];
    if (list.length === rank) return [...list];
    // One number of equal ones stands for any rank.
    if (list.length > 0 && list.every((one) => one === list[0]))
      return new Array<number>(rank).fill(list[0] as number);
    throw new LayerProblem(`has ${list.length} numbers of ${name} for ${rank} dimensions`);
  }

  /** Padding at the beginnings, then at the ends. */
  #pads(window: { kernel: number[]; dilation: number[] }, otherwise: 'same' | 0): number[] {
    const rank = window.kernel.length;
    const value = this.#option('pad') ?? otherwise;
    if (value === 'same') {
      const whole = window.kernel.map((size, i) => (size - 1) * (window.dilation[i] as number));
      return [
        ...whole.map((one) => Math.floor(one / 2)),
        ...whole.map((one) => one - Math.floor(one / 2)),
      ];
    }
    if (Array.isArray(value) && value.length === 2 * rank) return [...(value as number[])];
    const sides = this.#sizes('pad', rank, 0);
    return [...sides, ...sides];
  }

  #convolution(input: LayerInput): void {
    const shape = this.#shape(input, 3);
    const channels = this.#size(shape[1], 'channels', shape);
    const rank = shape.length - 2;
    const isTurned = this.#spec.kind === 'deconv';
    const { isInserted } = this.#context;
    const kernel = this.#sizes('kernel', rank, 3);
    const dilation = this.#sizes('dilation', rank, 1);
    const strides = this.#sizes('stride', rank, 1);
    const pads = this.#pads({ kernel, dilation }, isInserted ? 'same' : 0);
    const group = this.#number('groups', 1);
    const units = this.#number('units', isInserted ? channels : 0);
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
    const weight = this.#weight(input, [rows, columns, ...kernel], fan);
    const inputs = [input.name, weight, ...this.#bias(input, units)];
    this.#node(isTurned ? 'ConvTranspose' : 'Conv', inputs, {
      dilations: dilation,
      group,
      kernel_shape: kernel,
      pads,
      strides,
    });
  }

  #bias(input: LayerInput, units: number): string[] {
    if (this.#option('bias') === false) return [];
    return [this.#filled('bias', input, [units], 0)];
  }

  #full(input: LayerInput): void {
    const shape = this.#shape(input, 2);
    const { former, isInserted } = this.#context;
    const onLast = shape.length === 3;
    const features = onLast ? [shape[2] as Dim] : shape.slice(1);
    const count = features
      .map((dim) => this.#size(dim, 'size of what comes in', shape))
      .reduce((a, b) => a * b, 1);
    const units = this.#number('units', isInserted ? count : 0);
    if (units === 0)
      throw new LayerProblem('wants units: how many numbers it gives', 'write FULL(units = 10)');
    const fan = [count, units] as const;
    if (onLast) {
      const weight = this.#weight(input, [count, units], fan);
      const product = this.#node('MatMul', [input.name, weight]);
      const bias = this.#bias(input, units);
      if (bias.length > 0) this.#node('Add', [product, ...bias]);
      return;
    }
    const flat = shape.length > 2 ? this.#node('Flatten', [input.name], { axis: 1 }) : input.name;
    const isTransposed = former?.isTransposed ?? true;
    const sides = isTransposed ? [units, count] : [count, units];
    const weight = this.#weight(input, sides, fan);
    this.#node('Gemm', [flat, weight, ...this.#bias(input, units)], {
      transB: isTransposed ? 1 : undefined,
    });
  }

  #pool(input: LayerInput): void {
    const { type } = this.#spec;
    const shape = this.#shape(input, 3);
    const p = type.endsWith('LP') ? this.#number('p', 2) : undefined;
    if (type.startsWith('GLOBAL')) {
      this.#node(`Global${POOLS[type.slice('GLOBAL_'.length)]}Pool`, [input.name], { p });
      return;
    }
    const rank = shape.length - 2;
    const kernel = this.#sizes('kernel', rank, 2);
    const isSaid = this.#option('stride') !== undefined;
    const strides = isSaid ? this.#sizes('stride', rank, 1) : kernel;
    const dilation = new Array<number>(rank).fill(1);
    const pads = this.#pads({ kernel, dilation }, 0);
    const ceil = type === 'LP' ? 18 : 10;
    this.#node(`${POOLS[type]}Pool`, [input.name], {
      ceil_mode: this.#option('ceil') === true ? this.#since('ceil', ceil, 1) : undefined,
      kernel_shape: kernel,
      p,
      pads,
      strides,
    });
  }

  /** `value`, where the network's operators have it. @throws {LayerProblem} */
  #since<T>(what: string, opset: number, value: T): T {
    if (this.#context.opset >= opset) return value;
    throw new LayerProblem(
      `wants ${what}, which comes with opset ${opset}: the network is of opset ${this.#context.opset}`,
    );
  }

  #norm(input: LayerInput): void {
    const { type } = this.#spec;
    const epsilon = this.#number('epsilon', 1e-5);
    if (type === 'LRN') {
      this.#shape(input, 3);
      const attributes = {
        alpha: this.#number('alpha', 1e-4),
        beta: this.#number('beta', 0.75),
        bias: this.#number('k', 1),
        size: this.#number('size', 5),
      };
      this.#node('LRN', [input.name], attributes, { floats: ['alpha', 'beta', 'bias'] });
      return;
    }
    if (type === 'RMS') {
      buildRmsNorm(input, epsilon, this.#tools());
      return;
    }
    if (type === 'LP' || type === 'MVN' || type === 'SCALE') {
      buildPlainNorm(type, input, this.#tools());
      return;
    }
    const shape = this.#shape(input, 2);
    const width = this.#size(type === 'LAYER' ? shape.at(-1) : shape[1], 'channels', shape);
    if (type === 'GROUP') {
      buildGroupNorm(input, { width, rank: shape.length, epsilon }, this.#tools());
      return;
    }
    const all = (role: TensorRole, value: number): string =>
      this.#filled(role, input, [width], value);
    const inputs = [input.name, all('weight', 1), all('bias', 0)];
    if (type === 'BATCH') {
      inputs.push(all('running_mean', 0), all('running_var', 1));
      this.#node('BatchNormalization', inputs, { epsilon }, { floats: ['epsilon'] });
    } else if (type === 'LAYER') {
      const op = this.#since('LayerNormalization', 17, 'LayerNormalization');
      this.#node(op, inputs, { axis: -1, epsilon }, { floats: ['epsilon'] });
    } else this.#node('InstanceNormalization', inputs, { epsilon }, { floats: ['epsilon'] });
  }

  #activation(input: LayerInput): void {
    const { type } = this.#spec;
    if (type !== 'PRELU') {
      buildActivation(type, input, this.#tools());
      return;
    }
    const shape = this.#shape(input, 2);
    const width = this.#size(shape[1], 'channels', shape);
    const sides = [width, ...new Array<number>(shape.length - 2).fill(1)];
    const slope = this.#filled('slope', input, sides, 0.25);
    this.#node('PRelu', [input.name, slope]);
  }

  #dropout(input: LayerInput): void {
    const ratio = this.#number('ratio', 0.5);
    if (ratio < 0 || ratio >= 1)
      throw new LayerProblem(`has a ratio of ${ratio}: from 0 to below 1`);
    if (this.#context.opset < 12) {
      this.#node('Dropout', [input.name], { ratio }, { floats: ['ratio'] });
      return;
    }
    this.#node('Dropout', [input.name, this.#scalar('ratio', 'F32', ratio)]);
  }

  #softmax(input: LayerInput): void {
    const shape = this.#shape(input, 1);
    const axis = this.#number('axis', -1);
    const place = axis < 0 ? axis + shape.length : axis;
    if (place < 0 || place >= shape.length) {
      throw new LayerProblem(`has axis ${axis} and gets [${shape.join(', ')}]`);
    }
    // Before opset 13 all axes from this one on are normalized together.
    if (place !== shape.length - 1) this.#since('softmax over an inner axis', 13, 0);
    this.#node(this.#spec.type === 'SOFTMAX' ? 'Softmax' : 'LogSoftmax', [input.name], {
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
      this.#node('Concat', names, { axis: this.#number('axis', 1) });
      return;
    }
    const op = JOINS[type] as string;
    if ((type === 'SUB' || type === 'DIV') && names.length > 2)
      throw new LayerProblem(`joins two values, and ${names.length} are named`);
    let sum = names[0] as string;
    for (const other of names.slice(1)) sum = this.#node(op, [sum, other]);
  }
}
