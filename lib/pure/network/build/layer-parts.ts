/** What layers are made of: what flows in, what they have, what they become; and what makes their parts. */
import type { RawNode } from '../../formats/onnx/onnx-model.js';
import type { Dim, Shape } from '../network.js';
import type { Shaped } from '../shapes/node-shapes.js';
import type { InitialValues, WeightType } from './initial-values.js';
import type { OptionValue } from './layer-spec.js';

/** A layer that cannot be made; the message says why, without naming the layer. */
export class LayerProblem extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A value that a layer takes. */
export interface LayerInput extends Shaped {
  name: string;
}

/** A tensor of a new layer. */
export interface MadeTensor {
  name: string;
  /** The name that it gets if nothing has it in the end; what is drawn depends on this one. */
  wanted: string;
  dtype: WeightType;
  shape: readonly number[];
  /** null: He if a ReLU or one of its kind follows, else Glorot. */
  values: InitialValues | null;
  /** Of drawn weights: inputs and outputs of one unit. */
  fan: readonly [number, number];
}

/** What the layer has whose place it takes, if it is of the same kind. */
export interface FormerLayer {
  options: ReadonlyMap<string, OptionValue>;
  /** Its weights by what they are for, with their names and shapes. */
  tensors: ReadonlyMap<TensorRole, { name: string; shape: readonly number[] }>;
  /** Weights of a full layer have one row an output. */
  isTransposed: boolean;
}
export type TensorRole =
  | ('weight' | 'bias' | 'running_mean' | 'running_var' | 'slope')
  /** Of recurrent layers: for what was given before. */
  | 'recurrent';

export interface LayerContext {
  /** Version of the standard operators. */
  opset: number;
  /** A name that no value of the network has: this one, or with a number behind it. */
  fresh(name: string): string;
  /** The same for nodes. */
  freshNode(name: string): string;
  /** The layer is put into a network: what is left open keeps the shape of what comes in. */
  isInserted: boolean;
  former: FormerLayer | null;
}

export interface BuiltLayer {
  nodes: RawNode[];
  tensors: MadeTensor[];
  /** Names of weights of the former layer that it goes on using. */
  carried: string[];
  /** What it gives. */
  output: string;
}

/** The value of an attribute. */
export type Scalar = number | string | readonly number[];

/** Where a node of a layer stands. */
export interface NodePlace {
  part?: string;
  before?: number;
}

/** What makes the parts of a layer, for layers in files of their own. */
export interface LayerTools {
  readonly opset: number;
  /** Adds an operator. @returns the name of its output */
  node(
    op: string,
    inputs: string[],
    attributes?: Readonly<Record<string, Scalar | undefined>>,
    place?: NodePlace,
  ): string;
  /** A list of whole numbers as a value; of floats if `kind` says so. */
  constant(values: readonly number[], kind?: 'floats'): string;
  number(name: string, otherwise: number): number;
  flag(name: string, otherwise: boolean): boolean;
  /** A list that an option is, or one number as a list; null if nothing is said. */
  list(name: string): number[] | null;
  word(name: string): string | null;
  /** `value`, where the network's operators have it. @throws {LayerProblem} */
  since<T>(what: string, opset: number, value: T): T;
  /** A weight that is drawn; by Glorot's rule if `init` says nothing else. */
  drawn(
    name: string,
    input: LayerInput,
    shape: readonly number[],
    fan: readonly [number, number],
  ): string;
  filled(name: string, input: LayerInput, shape: readonly number[], value: number): string;
  shape(input: LayerInput, least: number): Shape;
  size(dim: Dim | undefined, what: string, shape: Shape): number;
}
