/**
 * Attacks on what is not read of a network's weights: a choice inside their intervals that gives another answer shows
 * that no proof can settle this answer from what was read. Networks of Conv, Gemm, Relu, MaxPool, Add,
 * GlobalAveragePool, Flatten; sums are of float64.
 */
import { ReadFile } from '../../lib/base/files/files.js';
import { onnxReader } from '../../lib/pure/formats/onnx/onnx.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import { type GraphNode, numbersOf } from '../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { boundsOf } from '../../lib/pure/tensor/prefix.js';

/** Classes that are tried beside the answer, and steps towards each. */
const TARGETS = 3;
const ROUNDS = 4;
/** A margin below minus this share of the scores is no rounding. */
const CLEAR = 1e-5;

interface Weights {
  shape: readonly number[];
  bytes: Uint8Array;
}

interface Value {
  shape: readonly number[];
  data: Float64Array;
}

/** Weights of one trial: values, and the ends between which they may be chosen; null: they are known. */
interface Chosen {
  data: Float64Array;
  ends: { low: Float32Array; high: Float32Array } | null;
}

/** What one operator gives, and how slopes of its output become those of its inputs and weights. */
interface Step {
  value: Value;
  back(slope: Float64Array, add: (name: string, slope: Float64Array) => void): void;
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

type Rule = (node: GraphNode, inputs: readonly Value[]) => Step;

const conv: Rule = (node, [x, w, b]) => {
  const { shape, data } = x as Value;
  const [, channels = 0, height = 0, width = 0] = shape;
  const [filters = 0, , kh = 0, kw = 0] = (w as Value).shape;
  const weight = (w as Value).data;
  const [stride = 1] = numbersOf(node, 'strides') ?? [];
  const [top = 0, left = 0, bottom = 0, right = 0] = numbersOf(node, 'pads') ?? [];
  const oh = Math.floor((height + top + bottom - kh) / stride) + 1;
  const ow = Math.floor((width + left + right - kw) / stride) + 1;
  const out = new Float64Array(filters * oh * ow);
  /** Calls back for each weight, and each row of the output with the row of the input that it meets. */
  const each = (
    visit: (at: number, out: number, input: number, span: readonly [number, number]) => void,
  ) => {
    for (let f = 0, at = 0; f < filters; f++) {
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++, at++) {
            const span = [
              Math.max(0, Math.ceil((left - j) / stride)),
              Math.min(ow - 1, Math.floor((width - 1 + left - j) / stride)),
            ] as const;
            for (let y = 0; y < oh; y++) {
              const row = y * stride + i - top;
              if (row < 0 || row >= height) continue;
              visit(at, (f * oh + y) * ow, (c * height + row) * width + j - left, span);
            }
          }
        }
      }
    }
  };
  if (b !== undefined)
    for (let i = 0; i < out.length; i++) out[i] = b.data[Math.floor(i / (oh * ow))] as number;
  each((at, o, p, [from, to]) => {
    const one = weight[at] as number;
    for (let k = from; k <= to; k++)
      (out[o + k] as number) += one * (data[p + k * stride] as number);
  });
  return {
    value: { shape: [1, filters, oh, ow], data: out },
    back(slope, add) {
      const [dx, dw] = [new Float64Array(data.length), new Float64Array(weight.length)];
      each((at, o, p, [from, to]) => {
        const one = weight[at] as number;
        let sum = 0;
        for (let k = from; k <= to; k++) {
          const own = slope[o + k] as number;
          (dx[p + k * stride] as number) += one * own;
          sum += own * (data[p + k * stride] as number);
        }
        (dw[at] as number) += sum;
      });
      add(node.inputs[0] as string, dx);
      add(node.inputs[1] as string, dw);
      if (b === undefined) return;
      const db = new Float64Array(filters);
      for (let i = 0; i < slope.length; i++)
        (db[Math.floor(i / (oh * ow))] as number) += slope[i] as number;
      add(node.inputs[2] as string, db);
    },
  };
};

/** x·Wᵀ + b. */
const gemm: Rule = (node, [x, w, b]) => {
  const { data } = x as Value;
  const weight = (w as Value).data;
  const [rows = 0, columns = 0] = (w as Value).shape;
  const out = new Float64Array(rows);
  for (let o = 0; o < rows; o++) {
    let sum = (b?.data[o] as number | undefined) ?? 0;
    for (let i = 0; i < columns; i++)
      sum += (weight[o * columns + i] as number) * (data[i] as number);
    out[o] = sum;
  }
  return {
    value: { shape: [1, rows], data: out },
    back(slope, add) {
      const [dx, dw] = [new Float64Array(columns), new Float64Array(weight.length)];
      for (let o = 0; o < rows; o++) {
        const own = slope[o] as number;
        if (own === 0) continue;
        for (let i = 0; i < columns; i++) {
          (dx[i] as number) += own * (weight[o * columns + i] as number);
          dw[o * columns + i] = own * (data[i] as number);
        }
      }
      add(node.inputs[0] as string, dx);
      add(node.inputs[1] as string, dw);
      if (b !== undefined) add(node.inputs[2] as string, slope.slice());
    },
  };
};

/** An output of which each element is a sum of elements of the input by shares. */
function picked(
  node: GraphNode,
  value: Value,
  size: number,
  from: (i: number) => [number, number][],
): Step {
  return {
    value,
    back(slope, add) {
      const dx = new Float64Array(size);
      for (let i = 0; i < slope.length; i++) {
        for (const [at, share] of from(i)) (dx[at] as number) += share * (slope[i] as number);
      }
      add(node.inputs[0] as string, dx);
    },
  };
}

const RULES: Readonly<Record<string, Rule>> = {
  Conv: conv,
  Gemm: gemm,
  Relu: (node, [x]) => {
    const { shape, data } = x as Value;
    const value = { shape, data: data.map((one) => Math.max(0, one)) };
    return picked(node, value, data.length, (i) => [[i, Number((data[i] as number) > 0)]]);
  },
  Flatten: (node, [x]) => {
    const { data } = x as Value;
    return picked(node, { shape: [1, data.length], data }, data.length, (i) => [[i, 1]]);
  },
  Add: (node, [a, b]) => {
    const [one, two] = [a as Value, b as Value];
    const data = one.data.map((value, i) => value + (two.data[i] as number));
    return {
      value: { shape: one.shape, data },
      back(slope, add) {
        for (const name of node.inputs) add(name, slope.slice());
      },
    };
  },
  GlobalAveragePool: (node, [x]) => {
    const { shape, data } = x as Value;
    const channels = shape[1] ?? 0;
    const places = data.length / channels;
    const sums = new Float64Array(channels);
    for (let i = 0; i < data.length; i++) {
      (sums[Math.floor(i / places)] as number) += (data[i] as number) / places;
    }
    const value = { shape: [1, channels, 1, 1], data: sums };
    return picked(node, value, data.length, (c) =>
      Array.from({ length: places }, (_, k) => [c * places + k, 1 / places]),
    );
  },
  MaxPool: (node, [x]) => {
    const { shape, data } = x as Value;
    const [, channels = 0, height = 0, width = 0] = shape;
    const [kernel = 1] = numbersOf(node, 'kernel_shape') ?? [];
    const [stride = 1] = numbersOf(node, 'strides') ?? [];
    const [oh, ow] = [height, width].map((size) => Math.floor((size - kernel) / stride) + 1) as [
      number,
      number,
    ];
    const at = new Int32Array(channels * oh * ow);
    for (let i = 0; i < at.length; i++) {
      const [c, y, k] = [Math.floor(i / (oh * ow)), Math.floor(i / ow) % oh, i % ow];
      let best = (c * height + y * stride) * width + k * stride;
      const first = best;
      for (let p = 0; p < kernel * kernel; p++) {
        const place = first + Math.floor(p / kernel) * width + (p % kernel);
        if ((data[place] as number) > (data[best] as number)) best = place;
      }
      at[i] = best;
    }
    const value = {
      shape: [1, channels, oh, ow],
      data: Float64Array.from(at, (place) => data[place] as number),
    };
    return picked(node, value, data.length, (i) => [[at[i] as number, 1]]);
  },
};
