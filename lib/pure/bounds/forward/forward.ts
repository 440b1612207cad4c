/**
 * Intervals of all values of a network, as a graph: from an exact input, for every weight in its interval and
 * every rounding of the reference run. Each rule of an operator takes the ends of its inputs and gives the
 * ends of its output, widened by the rounding of the reference and of the graph itself.
 */
import type { GraphNode } from '../../network/network.js';
import { type Analysis, ancestorsOf, makersOf, NoBounds } from '../analysis.js';
import { GraphMaker } from '../graph-maker.js';
import { FEW, HALF_TINY, HALF_UNIT, TINY } from '../rounding.js';
import { doubleInput, type WeightForm, type WeightInput, weightInput } from '../weights.js';

/** A value between two ends; names of values of the graph. */
export interface Interval {
  readonly low: string;
  readonly high: string;
  /** True if both ends are the exact input. */
  readonly isExact?: boolean;
}

/** An interval as center and radius; `size` is at least the magnitude of all in it. */
export interface Ball {
  readonly center: string;
  /** null: 0. */
  readonly radius: string | null;
  readonly size: string;
}

export type ForwardRule = (pass: ForwardPass, node: GraphNode) => Interval;

/** Name of the input of a graph that a value which is known is fed by. */
export function givenName(value: string): string {
  return `in:${value}`;
}

/** Values whose intervals are met with better ones that are fed: names of the inputs for the ends. */
export function refinedNames(value: string): { low: string; high: string } {
  return { low: `low<${value}`, high: `high<${value}` };
}

/** Intervals that are being built. */
export class ForwardPass {
  readonly maker: GraphMaker;
  readonly analysis: Analysis;
  readonly #rules: ReadonlyMap<string, ForwardRule>;
  readonly #intervals = new Map<string, Interval>();
  readonly #balls = new Map<string, Ball>();
  readonly #weights = new Map<string, WeightInput>();
  readonly #made = new Map<string, unknown>();
  /** Sums that are not finite if any bound is not. */
  readonly #guards: string[] = [];

  constructor(
    analysis: Analysis,
    rules: ReadonlyMap<string, ForwardRule>,
    maker = new GraphMaker(),
  ) {
    this.analysis = analysis;
    this.#rules = rules;
    this.maker = maker;
    // One whose shape is not known has no rule that could use it.
    for (const name of analysis.given) if (analysis.shapes.has(name)) this.#give(name);
  }

  /** What several rules need, built once. @param key  what it is, and of which value. */
  once<T>(key: string, make: () => T): T {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as T;
  }

  /** Inputs of the graph that are made of weights. */
  get weights(): WeightInput[] {
    return [...this.#weights.values()];
  }

  /** A value that is fed. */
  #give(name: string): void {
    const shape = this.shape(name);
    const dims = this.analysis.isBatched ? ['N', ...shape.slice(1)] : shape;
    const x = this.maker.input(givenName(name), dims);
    this.#intervals.set(name, { low: x, high: x, isExact: true });
  }

  /** Nodes up to a value that have no rule, as if the values that they give were known; each with the reason. */
  unknown(upTo: string): { node: GraphNode; why: string }[] {
    const kept = ancestorsOf(upTo, makersOf(this.analysis.nodes));
    const found: { node: GraphNode; why: string }[] = [];
    checkConstants(this.analysis);
    for (const node of this.analysis.nodes) {
      if (!kept.has(node)) continue;
      try {
        this.#apply(node, []);
      } catch (error) {
        if (!(error instanceof NoBounds)) throw error;
        found.push({ node, why: error.message });
        for (const name of node.outputs) {
          if (name !== '' && this.analysis.shapes.has(name)) this.#give(name);
        }
      }
    }
    return found;
  }

  /** Builds intervals up to a value. @param refined  values that better ends are fed of. */
  run(upTo: string, refined: readonly string[] = []): void {
    const kept = ancestorsOf(upTo, makersOf(this.analysis.nodes));
    checkConstants(this.analysis);
    for (const node of this.analysis.nodes) {
      if (kept.has(node)) this.#apply(node, refined);
    }
  }

  #apply(node: GraphNode, refined: readonly string[]): void {
    const isPlain = node.domain === '' && node.bodies.length === 0;
    const rule = isPlain ? this.#rules.get(node.op) : undefined;
    if (rule === undefined) {
      throw new NoBounds(`no bounds of the operator ${node.op} are known`, node.op);
    }
    const { given, floats, halves } = this.analysis;
    const odd = node.inputs.find(
      (name) => given.includes(name) && !floats.has(name) && !halves.has(name),
    );
    if (odd !== undefined) throw new NoBounds(`'${odd}' does not hold floats`, node.op);
    const output = node.outputs[0] as string;
    this.#intervals.set(
      output,
      this.#met(output, this.#rounded(output, rule(this, node)), refined),
    );
  }

  /** Ends of float16 values are widened by its rounding. */
  #rounded(output: string, interval: Interval): Interval {
    if (!this.analysis.halves.has(output)) return interval;
    return this.widen(interval, HALF_UNIT * 1.01, HALF_TINY);
  }

  #met(output: string, interval: Interval, refined: readonly string[]): Interval {
    if (!refined.includes(output)) return interval;
    const names = refinedNames(output);
    const dims = this.shape(output).map((_, i) => `${output}.${i}`);
    return {
      low: this.maker.max(interval.low, this.maker.input(names.low, dims)),
      high: this.maker.min(interval.high, this.maker.input(names.high, dims)),
    };
  }

  /** Shape of a value for one example. */
  shape(name: string): readonly number[] {
    const found = this.analysis.shapes.get(name) ?? this.analysis.parameters.get(name)?.shape;
    if (found === undefined) throw new NoBounds(`the shape of '${name}' is not known`);
    return found;
  }

  /** Target of a Reshape to the shape of a value. */
  batchShape(name: string): number[] {
    const shape = this.shape(name);
    return this.analysis.isBatched ? [-1, ...shape.slice(1)] : [...shape];
  }

  /** True if a value depends on the example. */
  isData(name: string): boolean {
    return this.#intervals.has(name);
  }

  isParameter(name: string): boolean {
    return this.analysis.parameters.has(name);
  }

  /** Whole numbers that a network computes of shapes and constants. @throws {NoBounds} */
  whole(name: string | undefined, op: string): readonly number[] {
    const found =
      name === undefined
        ? undefined
        : (this.analysis.elements.get(name) ?? this.analysis.parameters.get(name)?.values);
    if (found) return found;
    throw new NoBounds(`an input of ${op} is not a constant`, op);
  }

  /** The interval of a value, be it of the example or a parameter. */
  interval(name: string): Interval {
    const known = this.#intervals.get(name);
    if (known !== undefined) return known;
    if (!this.isParameter(name)) throw new NoBounds(`the value '${name}' is not known`);
    const low = this.weight(name, 'low');
    const high = this.weight(name, 'high');
    return { low, high };
  }

  /** The input of a form of a parameter. */
  weight(name: string, form: WeightForm): string {
    const parameter = this.analysis.parameters.get(name);
    if (parameter === undefined) throw new NoBounds(`'${name}' is not a parameter`);
    // A third of what is sent, for a pass over the weights that is short beside a product.
    if (form === 'size') {
      return this.once(`size ${name}`, () => this.maker.abs(this.weight(name, 'center')));
    }
    return this.feed(weightInput(name, form, parameter.shape));
  }

  /** The input of a parameter's center as a matrix of float64, or of its columns as rows. */
  doubleWeight(name: string, isTurned = false): string {
    return this.feed(doubleInput(name, this.shape(name), isTurned));
  }

  /** An input made of weights. */
  feed(input: WeightInput): string {
    this.#weights.set(input.name, input);
    return this.maker.input(input.name, input.dims, input.type);
  }

  /** Center, radius and size of a value. */
  ball(name: string): Ball {
    const known = this.#balls.get(name);
    if (known !== undefined) return known;
    const interval = this.interval(name);
    const ball = this.ballOf(interval);
    this.#balls.set(name, ball);
    return ball;
  }

  ballOf({ low, high, isExact }: Interval): Ball {
    const { maker } = this;
    if (isExact === true) return { center: low, radius: null, size: maker.abs(low) };
    const center = maker.scale(maker.add(low, high), 0.5);
    const widest = maker.max(maker.sub(high, center), maker.sub(center, low));
    // Subtraction rounds, and a center beyond an end would give a negative distance.
    const radius = maker.shift(maker.scale(maker.max(widest, maker.scalar(0)), 1 + FEW), TINY);
    return { center, radius, size: this.sizeOf({ low, high }) };
  }

  /** The greatest magnitude in an interval. */
  sizeOf({ low, high }: Interval): string {
    return this.maker.max(this.maker.abs(low), this.maker.abs(high));
  }

  /** Moves both ends outward by a share of the greatest magnitude, and a constant. */
  widen({ low, high }: Interval, share = FEW, more = TINY): Interval {
    const { maker } = this;
    const by = maker.shift(maker.scale(this.sizeOf({ low, high }), share), more);
    return { low: maker.sub(low, by), high: maker.add(high, by) };
  }

  /** Remembers a value that is not finite if bounds are not. */
  guard(value: string): void {
    this.#guards.push(value);
  }

  /** One number that is finite if all bounds are. */
  guardOutput(): string {
    const { maker } = this;
    const sums = this.#guards.map((value) =>
      maker.node('ReduceSum', [maker.double(value)], { keepdims: { int: 0 } }),
    );
    return sums.length === 0
      ? maker.double(maker.scalar(0))
      : sums.reduce((total, sum) => maker.add(total, sum));
  }
}

/** Constants of functions that the runtime computes at once where it finds their parts. */
const FUSED = [
  0.5,
  3,
  Math.SQRT2,
  Math.SQRT1_2,
  0.7978845608028654,
  0.044715,
  0.035677408136300125,
];

/**
 * The runtime takes a constant that is near one of these for it, where it puts an operator for several: then the
 * reference computes with another number than the network says.
 * @throws {NoBounds}
 */
function checkConstants({ nodes, parameters }: Analysis): void {
  const fuses = nodes.filter(({ op }) => op === 'Erf' || op === 'Tanh' || op === 'Sigmoid');
  if (fuses.length === 0) return;
  for (const { inputs } of nodes) {
    for (const name of inputs) {
      const [value, more] = parameters.get(name)?.values ?? [];
      if (value === undefined || more !== undefined) continue;
      const near = FUSED.find((one) => Math.abs(value / one - 1) < 1e-4);
      if (near !== undefined && Math.fround(near) !== Math.fround(value)) {
        throw new NoBounds(`the constant ${value} may be taken for ${near}`);
      }
    }
  }
}
