/** Builds graphs of standard operators, node by node. */
import {
  type ElementType,
  encodeOnnx,
  type WrittenAttribute,
  type WrittenNode,
  type WrittenTensor,
  type WrittenValue,
} from '../formats/onnx/onnx-writer.js';

/** Version of the operators that graphs are made of. */
const OPSET = 17;

export type Attributes = Readonly<Record<string, WrittenAttribute>>;

/** A graph that is being built. Values are known by their names. */
export class GraphMaker {
  readonly #nodes: WrittenNode[] = [];
  readonly #inputs = new Map<string, WrittenValue>();
  readonly #outputs: WrittenValue[] = [];
  readonly #initializers: WrittenTensor[] = [];
  readonly #constants = new Map<string, string>();
  #count = 0;

  /** Names of the inputs so far. */
  get inputs(): ReadonlySet<string> {
    return new Set(this.#inputs.keys());
  }

  /** A node of one output. */
  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodes(op, inputs, 1, attributes)[0] as string;
  }

  /** A node of several outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Attributes = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => `t${this.#count++}`);
    this.#nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** An input; asking for it again gives the same. @param dims  null: of any shape. */
  input(name: string, dims: WrittenValue['dims'], type: ElementType = 'float32'): string {
    if (!this.#inputs.has(name)) this.#inputs.set(name, { name, type, dims });
    return name;
  }

  output(name: string, value: string, type: ElementType = 'float32'): void {
    this.#nodes.push({ op: 'Identity', inputs: [value], outputs: [name] });
    this.#outputs.push({ name, type, dims: null });
  }

  /** A tensor of floats. */
  floats(values: readonly number[] | Float32Array, dims: readonly number[]): string {
    return this.#constant('float32', Float32Array.from(values), dims);
  }

  scalar(value: number): string {
    return this.floats([value], []);
  }

  /** A tensor of whole numbers: a shape, axes, places. */
  whole(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant('int64', BigInt64Array.from(values, BigInt), dims);
  }

  #constant(
    type: ElementType,
    values: Float32Array | BigInt64Array,
    dims: readonly number[],
  ): string {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = `${type} ${dims.join()} ${bytes.length > 256 ? this.#count : Buffer.from(bytes).toString('base64')}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = `k${this.#count++}`;
    this.#initializers.push({ name, type, dims, bytes });
    this.#constants.set(key, name);
    return name;
  }

  add(a: string, b: string): string {
    return this.node('Add', [a, b]);
  }

  sub(a: string, b: string): string {
    return this.node('Sub', [a, b]);
  }

  mul(a: string, b: string): string {
    return this.node('Mul', [a, b]);
  }

  /** A value times a number. */
  scale(a: string, factor: number): string {
    return factor === 1 ? a : this.mul(a, this.scalar(factor));
  }

  /** A value plus a number. */
  shift(a: string, term: number): string {
    return this.add(a, this.scalar(term));
  }

  max(...values: string[]): string {
    return values.length === 1 ? (values[0] as string) : this.node('Max', values);
  }

  min(...values: string[]): string {
    return values.length === 1 ? (values[0] as string) : this.node('Min', values);
  }

  abs(a: string): string {
    return this.node('Abs', [a]);
  }

  neg(a: string): string {
    return this.node('Neg', [a]);
  }

  reshape(a: string, dims: readonly number[]): string {
    return this.node('Reshape', [a, this.whole(dims)]);
  }

  double(a: string): string {
    return this.node('Cast', [a], { to: { int: 11 } });
  }

  where(condition: string, a: string, b: string): string {
    return this.node('Where', [condition, a, b]);
  }

  /** The bytes of the model. */
  encode(): Uint8Array {
    return encodeOnnx(
      {
        nodes: this.#nodes,
        inputs: [...this.#inputs.values()],
        outputs: this.#outputs,
        initializers: this.#initializers,
      },
      OPSET,
    );
  }
}
