/** Makes the parts of one layer: operators, weights and the values of options, under names that nothing else has. */
import type { RawAttribute } from '../../formats/onnx/onnx-model.js';
import type { Dim, Shape } from '../network.js';
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

/** Attributes of layers in files of their own that are floats. */
const FLOATS = ['epsilon', 'alpha', 'min', 'max', 'bias', 'lambd', 'value'];

export class LayerMaker {
  readonly #spec: LayerSpec & { name: string };
  readonly #context: LayerContext;
  /** What was made so far. */
  readonly made: BuiltLayer = { nodes: [], tensors: [], carried: [], output: '' };

  constructor(spec: LayerSpec & { name: string }, context: LayerContext) {
    this.#spec = spec;
    this.#context = context;
  }

  /** For layers in files of their own. */
  tools(): LayerTools {
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
        this.node(op, inputs, attributes, { floats: FLOATS, ...place }),
      constant: (values, kind) => {
        this.since('a list of sizes', 12, 0);
        const name = kind === 'floats' ? 'value_floats' : 'value_ints';
        return this.node('Constant', [], { [name]: values }, { floats: ['value_floats'] });
      },
      list: (name) => {
        const value = this.option(name);
        return typeof value === 'number' ? [value] : Array.isArray(value) ? [...value] : null;
      },
      word: (name) => {
        const value = this.option(name);
        return typeof value === 'string' ? value : null;
      },
      since: (what, opset, value) => this.since(what, opset, value),
      number: (name, otherwise) => this.number(name, otherwise),
      flag: (name, otherwise) => {
        const value = this.option(name);
        return typeof value === 'boolean' ? value : otherwise;
      },
      drawn: (role, input, shape, fan) => made(role, input, { shape, values: isDrawn(fan), fan }),
      filled: (role, input, shape, value) =>
        made(role, input, { shape, values: { rule: 'constant', value }, fan: [1, 1] }),
      shape: (input, least) => this.shape(input, least),
      size: (dim, what, shape) => this.size(dim, what, shape),
    };
  }

  /** An option: as it is said, else as the former layer had it. */
  option(name: string): OptionValue | undefined {
    return this.#spec.options.get(name) ?? this.#context.former?.options.get(name);
  }

  number(name: string, otherwise: number): number {
    const value = this.option(name);
    return typeof value === 'number' ? value : otherwise;
  }

  /** A name that no node of the network or of this layer has. */
  #nodeName(wanted: string): string {
    const taken = new Set(this.made.nodes.map(({ name }) => name));
    for (let i = 0; ; i++) {
      const name = this.#context.freshNode(i === 0 ? wanted : `${wanted}_${i}`);
      if (!taken.has(name)) return name;
    }
  }

  node(
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
    this.made.nodes.push({
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
    this.made.output = output;
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
      this.made.carried.push(former.name);
      return former.name;
    }
    const dtype = input.dtype ?? 'F32';
    if (!(dtype in WEIGHT_TYPES)) {
      throw new LayerProblem(`has weights, and cannot have them as ${dtype}, which flows in`);
    }
    return this.#add(role, { dtype: dtype as WeightType, shape, values, fan });
  }

  weight(input: LayerInput, shape: readonly number[], fan: readonly [number, number]): string {
    return this.#tensor('weight', input, { shape, values: this.#drawn(fan), fan });
  }

  filled(role: TensorRole, input: LayerInput, shape: readonly number[], value: number): string {
    return this.#tensor(role, input, { shape, values: { rule: 'constant', value }, fan: [1, 1] });
  }

  #add(role: string, tensor: Omit<MadeTensor, 'name' | 'wanted'>): string {
    const wanted = `${this.#spec.name}.${role}`;
    const name = this.#context.fresh(wanted);
    this.made.tensors.push({ name, wanted, ...tensor });
    return name;
  }

  scalar(role: string, dtype: WeightType, value: number): string {
    return this.#add(role, { dtype, shape: [], values: { rule: 'constant', value }, fan: [1, 1] });
  }

  /** How weights are drawn, if it is said. */
  #drawn([fanIn, fanOut]: readonly [number, number]): InitialValues | null {
    const rule = this.option('init');
    if (rule === 'zero') return { rule: 'constant', value: 0 };
    return rule === 'he' || rule === 'glorot' ? { rule, fanIn, fanOut } : null;
  }

  shape({ shape }: LayerInput, least: number): Shape {
    if (shape === null) throw new LayerProblem('gets a value whose shape is not known');
    if (shape.length < least) {
      throw new LayerProblem(`wants at least ${least} dimensions and gets [${shape.join(', ')}]`);
    }
    return shape;
  }

  size(dim: Dim | undefined, what: string, shape: Shape): number {
    if (typeof dim === 'number') return dim;
    throw new LayerProblem(`wants to know the ${what} and gets [${shape.join(', ')}]`);
  }

  /** One number for each spatial dimension. */
  sizes(name: string, rank: number, otherwise: number): number[] {
    const value = this.option(name);
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
  pads(window: { kernel: number[]; dilation: number[] }, otherwise: 'same' | 0): number[] {
    const rank = window.kernel.length;
    const value = this.option('pad') ?? otherwise;
    if (value === 'same') {
      const whole = window.kernel.map((size, i) => (size - 1) * (window.dilation[i] as number));
      return [
        ...whole.map((one) => Math.floor(one / 2)),
        ...whole.map((one) => one - Math.floor(one / 2)),
      ];
    }
    if (Array.isArray(value) && value.length === 2 * rank) return [...(value as number[])];
    const sides = this.sizes('pad', rank, 0);
    return [...sides, ...sides];
  }

  bias(input: LayerInput, units: number): string[] {
    if (this.option('bias') === false) return [];
    return [this.filled('bias', input, [units], 0)];
  }

  /** `value`, where the network's operators have it. @throws {LayerProblem} */
  since<T>(what: string, opset: number, value: T): T {
    if (this.#context.opset >= opset) return value;
    throw new LayerProblem(
      `wants ${what}, which comes with opset ${opset}: the network is of opset ${this.#context.opset}`,
      `export the network with opset ${opset} or a later one (torch.onnx.export takes opset_version = ${opset}), or name another layer`,
    );
  }
}
