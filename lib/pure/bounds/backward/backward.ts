/**
 * Linear bounds of rows of coefficients over a value, carried back to the input, for one example.
 *
 * A·v is followed from a value to what it is made of: A becomes the coefficients of the inputs, and what an
 * operator adds beyond that (weights that are not known, relaxations, rounding of the reference and of this
 * graph) is a number for each element that |A| is multiplied with. Weights thus enter as A·(W + Δ)·a ∈
 * A·W·a ± |A|·R·|a|, and where a convolution uses one weight in many places, as ± R·|Σ A·a| over the places of
 * that weight, whichever is less. Operators without a rule here end the way back with their intervals.
 *
 * @see H. Zhang et al., Efficient Neural Network Robustness Certification (CROWN), NeurIPS 2018, for slopes.
 */
import type { GraphNode } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import type { Ball, ForwardPass, Interval } from '../forward/forward.js';
import type { GraphMaker } from '../graph-maker.js';
import { FEW, TERMS_MAX, TINY, UNIT } from '../rounding.js';

export type BackwardRule = (back: BackwardPass, node: GraphNode, coefficients: string) => boolean;

export class BackwardPass {
  readonly pass: ForwardPass;
  readonly maker: GraphMaker;
  /** False: weights that are used in many places are not followed, which takes memory for each row. */
  readonly sharesWeights: boolean;
  readonly #rules: ReadonlyMap<string, BackwardRule>;
  readonly #coefficients = new Map<string, string>();
  /** [R, 1] of float64 each: what is added, and what may be on either side of it. */
  readonly #centers: string[] = [];
  readonly #radii: string[] = [];

  constructor(pass: ForwardPass, rules: ReadonlyMap<string, BackwardRule>, sharesWeights: boolean) {
    this.pass = pass;
    this.maker = pass.maker;
    this.#rules = rules;
    this.sharesWeights = sharesWeights;
  }

  /** Elements of a value. */
  count(value: string): number {
    const [first, ...rest] = this.pass.shape(value);
    if (first !== 1) throw new NoBounds(`'${value}' holds more than one example`);
    const count = rest.reduce((product, size) => product * size, 1);
    if (count > TERMS_MAX) throw new NoBounds(`'${value}' has more than ${TERMS_MAX} elements`);
    return count;
  }

  /**
   * Carries rows back to the input.
   * @param coefficients  [R, …] over the value.
   * @returns  their least values, [R, 1] of float64.
   */
  run(target: string, coefficients: string): string {
    this.add(target, coefficients);
    const { nodes, given } = this.pass.analysis;
    for (const node of [...nodes].reverse()) {
      const output = node.outputs[0] as string;
      const found = this.#coefficients.get(output);
      if (found === undefined) continue;
      this.#coefficients.delete(output);
      const rule = this.#rules.get(node.op);
      if (rule === undefined || node.domain !== '' || !rule(this, node, found)) {
        this.concretise(output, found);
      }
    }
    for (const name of given) {
      const rest = this.#coefficients.get(name);
      if (rest !== undefined) this.concretise(name, rest);
    }
    const { maker } = this;
    const sum = (parts: readonly string[]): string => parts.reduce((a, b) => maker.add(a, b));
    const zero = maker.double(maker.floats([0], [1, 1]));
    const center = sum([zero, ...this.#centers]);
    // The sums are of float64: what they round is far below this share.
    const slack = maker.mul(
      maker.add(maker.abs(center), sum([zero, ...this.#centers.map((one) => maker.abs(one))])),
      maker.double(maker.scalar(1e-11)),
    );
    const radius = maker.mul(
      maker.add(sum([zero, ...this.#radii]), slack),
      maker.double(maker.scalar(1 + 1e-6)),
    );
    return maker.sub(center, radius);
  }

  /** Adds coefficients of a value that several operators use. */
  add(value: string, coefficients: string): void {
    const before = this.#coefficients.get(value);
    if (before === undefined) {
      this.#coefficients.set(value, coefficients);
      return;
    }
    const sum = this.maker.add(before, coefficients);
    this.charge(sum, value, this.roundOff(value));
    this.#coefficients.set(value, sum);
  }

  /** Carries rows on to a value, or ends them where it is a parameter. */
  carry(value: string, coefficients: string): void {
    if (this.pass.isData(value)) this.add(value, coefficients);
    else this.concretise(value, coefficients);
  }

  /** Rows over all elements: [R, n]. */
  flat(coefficients: string, value: string): string {
    return this.maker.reshape(coefficients, [-1, this.count(value)]);
  }

  /** A tensor in the shape of a value, or that stretches to it, as a column: [n, 1]. */
  column(tensor: string, value: string): string {
    const { maker } = this;
    const shape = maker.whole(this.pass.shape(value));
    return maker.reshape(maker.node('Expand', [tensor, shape]), [this.count(value), 1]);
  }

  /** Adds |A|·radius, where the radius is not negative. */
  charge(coefficients: string, value: string, radius: string): void {
    this.radius(this.weigh(this.maker.abs(this.flat(coefficients, value)), value, radius));
  }

  /** Sums of products that are not negative: [R, 1], from [R, n] and a radius in the shape of a value. */
  weigh(rows: string, value: string, radius: string): string {
    const sum = this.maker.node('MatMul', [rows, this.column(radius, value)]);
    return this.maker.scale(sum, 1 + 1.2 * (this.count(value) + 16) * UNIT);
  }

  /** Adds [R, 1] of float32 to what may be on either side. */
  radius(rows: string): void {
    this.#radii.push(this.maker.double(rows));
  }

  /** Adds [R, 1] of float32 to the center. */
  center(rows: string): void {
    this.#centers.push(this.maker.double(rows));
  }

  /** Adds A·center in float64. */
  dot(coefficients: string, value: string, center: string): void {
    const { maker } = this;
    const rows = maker.double(this.flat(coefficients, value));
    const column = maker.double(this.column(center, value));
    this.#centers.push(maker.node('MatMul', [rows, column]));
    // n·2^-53 of Σ|A||c|, generously.
    this.charge(coefficients, value, maker.scale(maker.abs(center), 1e-9));
  }

  /** Rounding of coefficients where they are added up and multiplied, against the value's magnitude. */
  roundOff(value: string, interval?: Interval): string {
    const size = this.pass.sizeOf(interval ?? this.pass.interval(value));
    return this.maker.shift(this.maker.scale(size, 2 * FEW), TINY);
  }

  /** Ends the way back: A·v by the interval of v. */
  concretise(value: string, coefficients: string): void {
    this.concretiseAs(coefficients, value, this.pass.ball(value));
  }

  /** A·v by center and radius of v, where A and v stretch to the shape of a value. */
  concretiseAs(coefficients: string, value: string, { center, radius, size }: Ball): void {
    const { maker } = this;
    this.dot(coefficients, value, center);
    const round = maker.shift(maker.scale(size, 2 * FEW), TINY);
    this.charge(coefficients, value, radius === null ? round : maker.add(round, radius));
  }
}
