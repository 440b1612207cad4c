/**
 * Attacks on what is not read of a network's weights: a choice inside their intervals that gives another answer shows
 * that no proof can settle this answer from what was read. Networks of Conv, Gemm, Relu, MaxPool, Add,
 * GlobalAveragePool, Flatten; sums are of float64.
 */
import { ReadFile } from '../../lib/base/files/files.js';
import { onnxReader } from '../../lib/pure/formats/onnx/onnx.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import type { GraphNode } from '../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { boundsOf } from '../../lib/pure/tensor/prefix.js';
import { RULES, type Step, type Value } from './slopes.js';

/** Classes that are tried beside the answer, and steps towards each. */
const TARGETS = 3;
const ROUNDS = 4;
/** A margin below minus this share of the scores is no rounding. */
const CLEAR = 1e-5;

interface Weights {
  shape: readonly number[];
  bytes: Uint8Array;
}

/** Weights of one trial: values, and the ends between which they may be chosen; null: they are known. */
interface Chosen {
  data: Float64Array;
  ends: { low: Float32Array; high: Float32Array } | null;
}

export class AttackedNetwork {
  readonly #nodes: readonly GraphNode[];
  readonly #input: string;
  readonly #output: string;
  readonly #weights: ReadonlyMap<string, Weights>;

  private constructor(
    nodes: readonly GraphNode[],
    ends: { input: string; output: string },
    weights: ReadonlyMap<string, Weights>,
  ) {
    this.#nodes = nodes;
    this.#input = ends.input;
    this.#output = ends.output;
    this.#weights = weights;
  }

  static async read(file: string): Promise<AttackedNetwork> {
    const source = await ReadFile.open(file);
    try {
      const { graph } = networkOfOnnx(await readOnnxModel(source), file);
      const { tensors } = await onnxReader.layout(source);
      const names = new Map(graph.parameters.map(({ name, tensor }) => [tensor, name]));
      const weights = new Map<string, Weights>();
      for (const { name, shape, offset, dtype } of tensors) {
        if (dtype !== 'F32') continue;
        const count = shape.reduce((product, size) => product * size, 1);
        const bytes = await source.read(offset, 4 * count);
        weights.set(names.get(name) ?? name, { shape, bytes: Uint8Array.from(bytes) });
      }
      const input = graph.inputs[0]?.name ?? '';
      const output = graph.outputs[0]?.name ?? '';
      return new AttackedNetwork(graph.nodes, { input, output }, weights);
    } finally {
      await source.close();
    }
  }

  /** The weights in the middle of what some planes say of them. @param depths  parameters that are not whole. */
  #chosen(depths: Readonly<Record<string, number>>): Map<string, Chosen> {
    return new Map(
      [...this.#weights].map(([name, { bytes }]) => {
        const planes = depths[name] ?? 4;
        const { least, greatest } = boundsOf('F32', bytes, planes);
        const [low, high] = [Float32Array.from(least, Number), Float32Array.from(greatest, Number)];
        const data = Float64Array.from(low, (end, i) => (end + (high[i] as number)) / 2);
        return [name, { data, ends: planes >= 4 ? null : { low, high } }];
      }),
    );
  }

  /**
   * Looks for weights inside of what planes say that do not give an answer.
   * @param image  as it is fed.
   * @returns  true if there are some; false says nothing.
   */
  flips(image: Value, answer: number, depths: Readonly<Record<string, number>>): boolean {
    const middle = this.#run(image, this.#chosen(depths));
    const scores = middle.get(this.#output)?.value.data ?? new Float64Array(0);
    const others = [...scores.keys()].filter((c) => c !== answer);
    others.sort((a, b) => (scores[b] as number) - (scores[a] as number));
    return others.slice(0, TARGETS).some((other) => {
      const weights = this.#chosen(depths);
      for (let round = 0; round <= ROUNDS; round++) {
        const steps = this.#run(image, weights);
        const found = steps.get(this.#output)?.value.data ?? scores;
        const [up, down] = [found[answer] as number, found[other] as number];
        if (up - down < -CLEAR * (Math.abs(up) + Math.abs(down))) return true;
        this.#step(steps, weights, { answer, other });
      }
      return false;
    });
  }

  #run(image: Value, weights: ReadonlyMap<string, Chosen>): Map<string, Step> {
    const steps = new Map<string, Step>([[this.#input, { value: image, back: () => {} }]]);
    const valueNamed = (name: string): Value => {
      const step = steps.get(name);
      if (step !== undefined) return step.value;
      const shape = this.#weights.get(name)?.shape ?? [];
      return { shape, data: weights.get(name)?.data ?? new Float64Array(0) };
    };
    for (const node of this.#nodes) {
      const rule = RULES[node.op];
      if (rule === undefined) throw new Error(`no attack through ${node.op}`);
      steps.set(node.outputs[0] as string, rule(node, node.inputs.map(valueNamed)));
    }
    return steps;
  }

  /** Puts each weight at the end of its interval to which the slope of the margin points. */
  #step(
    steps: ReadonlyMap<string, Step>,
    weights: ReadonlyMap<string, Chosen>,
    { answer, other }: { answer: number; other: number },
  ): void {
    const slopes = new Map<string, Float64Array>();
    const add = (name: string, slope: Float64Array): void => {
      const before = slopes.get(name);
      if (before === undefined) slopes.set(name, slope);
      else for (let i = 0; i < slope.length; i++) (before[i] as number) += slope[i] as number;
    };
    const top = new Float64Array(steps.get(this.#output)?.value.data.length ?? 0);
    top[answer] = 1;
    top[other] = -1;
    add(this.#output, top);
    for (const node of [...this.#nodes].reverse()) {
      const output = node.outputs[0] as string;
      const slope = slopes.get(output);
      if (slope !== undefined) steps.get(output)?.back(slope, add);
    }
    for (const [name, { data, ends }] of weights) {
      const slope = slopes.get(name);
      if (ends === null || slope === undefined) continue;
      for (let i = 0; i < data.length; i++) {
        if (slope[i] !== 0)
          data[i] = ((slope[i] as number) > 0 ? ends.low[i] : ends.high[i]) as number;
      }
    }
  }
}
