/** Operators with their slopes: what each gives, and how slopes of its output become those of its inputs and weights. */
import { type GraphNode, numbersOf } from '../../lib/pure/network/network.js';

export interface Value {
  shape: readonly number[];
  data: Float64Array;
}

/** What one operator gives, and how slopes of its output become those of its inputs and weights. */
export interface Step {
  value: Value;
  back(slope: Float64Array, add: (name: string, slope: Float64Array) => void): void;
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

export const RULES: Readonly<Record<string, Rule>> = {
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
