/**
 * How far onnxruntime's float32 kernels of functions of one number are from the functions, over all finite
 * inputs: the table of lib/pure/bounds/unary-errors.ts. The functions are the runtime's own float64 kernels, and
 * for Erf, which has none, a series around points of a grid: their error is far below what is measured. Gelu is made
 * of that series, or of the float64 tanh of this process; its absolute error is of results up to 1, its relative one of
 * greater results. Softmax has an exponential of its own, of numbers that are not above 0: it is measured as the
 * quotient of two results of a row that begins with 0, so that two roundings of products are measured with it.
 *
 *   npm run bench:unary -- [operator …]
 */
import { createRequire } from 'node:module';
import { GraphMaker } from '../lib/pure/bounds/graph-maker.js';
import { UNIT } from '../lib/pure/bounds/rounding.js';
import { encodeOnnx, type WrittenNode } from '../lib/pure/formats/onnx/onnx-writer.js';

interface Runtime {
  env: { versions: { node?: string } };
  InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { data: ArrayLike<number> }>> }>;
  };
  Tensor: new (type: string, data: unknown, dims: number[]) => object;
}

const STEP = 2 ** 21;
/** Below this magnitude a result may be denormal, where only the absolute error says something. */
const NORMAL = 2 ** -100;

/** The function in float64, of a value of float64. */
const EXACT: Record<string, (maker: GraphMaker, x: string) => string> = {
  Sigmoid: (maker, x) => maker.node('Sigmoid', [x]),
  Tanh: (maker, x) => maker.node('Tanh', [x]),
  Exp: (maker, x) => maker.node('Exp', [x]),
  Elu: (maker, x) => {
    const zero = maker.double(maker.scalar(0));
    const below = maker.sub(maker.node('Exp', [maker.min(x, zero)]), maker.double(maker.scalar(1)));
    return maker.add(below, maker.max(x, zero));
  },
};

/** Outputs: the greatest absolute error, and the greatest relative one of results that are not tiny. */
function errorGraph(op: string): Uint8Array {
  const maker = new GraphMaker();
  const x = maker.input('x', ['N']);
  const found = maker.double(maker.node(op, [x]));
  const exact = (EXACT[op] as (maker: GraphMaker, x: string) => string)(maker, maker.double(x));
  const size = maker.abs(exact);
  const limit = maker.double(maker.scalar(3e38));
  const zero = maker.double(maker.scalar(0));
  // Where float32 overflows, an infinite result is right.
  const fits = maker.node('Less', [size, limit]);
  const away = maker.where(fits, maker.abs(maker.sub(found, exact)), zero);
  const isNormal = maker.node('Greater', [size, maker.double(maker.scalar(NORMAL))]);
  const share = maker.where(isNormal, maker.node('Div', [away, size]), zero);
  const most = (value: string): string =>
    maker.node('ReduceMax', [value], { keepdims: { int: 0 } });
  maker.output('absolute', most(away), 'float64');
  maker.output('relative', most(share), 'float64');
  return maker.encode();
}

/** Numbers in a row of a softmax beside its greatest, which is 0: for kernels of many numbers and of the rest. */
const SOFTMAX_ROW = 31;

/** Outputs as `errorGraph`, of rows of numbers that are not above 0. */
function softmaxGraph(): Uint8Array {
  const maker = new GraphMaker();
  const x = maker.reshape(maker.input('x', ['N']), [-1, SOFTMAX_ROW]);
  const zeros = maker.node('Slice', [
    maker.node('Mul', [x, maker.scalar(0)]),
    maker.whole([0]),
    maker.whole([1]),
    maker.whole([1]),
  ]);
  const row = maker.node('Concat', [zeros, x], { axis: { int: 1 } });
  const shares = maker.double(maker.node('Softmax', [row], { axis: { int: 1 } }));
  const [first = '', rest = ''] = maker.nodes('Split', [shares, maker.whole([1, SOFTMAX_ROW])], 2, {
    axis: { int: 1 },
  });
  const exact = maker.node('Exp', [maker.double(x)]);
  const away = maker.abs(maker.sub(maker.node('Div', [rest, first]), exact));
  const zero = maker.double(maker.scalar(0));
  const isNormal = maker.node('Greater', [exact, maker.double(maker.scalar(NORMAL))]);
  const share = maker.where(isNormal, maker.node('Div', [away, exact]), zero);
  const most = (value: string): string =>
    maker.node('ReduceMax', [value], { keepdims: { int: 0 } });
  maker.output('absolute', most(away), 'float64');
  maker.output('relative', most(share), 'float64');
  return maker.encode();
}

/** Distance of the points of the grid of `erf`. */
const GRID = 2 ** -6;
/** Beyond this erf is 1 in float64. */
const ERF_MOST = 6.5;

/** erf(x) = 2/√π · e^(−x²) · Σ 2^n x^(2n+1) / (2n+1)!!, where nothing cancels. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const atGrid = Float64Array.from({ length: ERF_MOST / GRID + 2 }, (_, i) => erfSeries(i * GRID));
const slopes = atGrid.map((_, i) => (2 / Math.sqrt(Math.PI)) * Math.exp(-((i * GRID) ** 2)));

/** erf by its series around the nearest point of the grid: derivatives are Hermite polynomials. */
function erf(value: number): number {
  const x = Math.abs(value);
  if (x >= ERF_MOST) return Math.sign(value);
  const i = Math.round(x / GRID);
  const g = i * GRID;
  const h = x - g;
  let [before, hermite] = [0, 1];
  let power = h;
  let sum = h;
  for (let n = 1; n <= 8; n++) {
    [before, hermite] = [hermite, 2 * g * hermite - 2 * (n - 1) * before];
    power *= -h / (n + 1);
    sum += hermite * power;
  }
  const found = (atGrid[i] as number) + (slopes[i] as number) * sum;
  return value < 0 ? -found : found;
}

/** A function whose results are compared here, as its operator has no float64 kernel. */
interface Compared {
  node: Written;
  /** Operators that have to give the same numbers, with zeros for what else they take. */
  same: readonly Written[];
  exact(x: number): number;
  /** Absolute errors count up to this magnitude of a result, and relative ones above `relativeFrom`. */
  absoluteTo: number;
  relativeFrom: number;
}

interface Written extends Pick<WrittenNode, 'op' | 'domain' | 'attributes'> {
  zeros?: number;
}

function gelu(x: number): number {
  return (x / 2) * (1 + erf(x * Math.SQRT1_2));
}

function geluTanh(x: number): number {
  return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

const MICROSOFT = 'com.microsoft';
const COMPARED: Record<string, Compared> = {
  Erf: { node: { op: 'Erf' }, same: [], exact: erf, absoluteTo: 1, relativeFrom: NORMAL },
  Gelu: {
    node: { op: 'Gelu' },
    same: [
      { op: 'Gelu', domain: MICROSOFT },
      { op: 'BiasGelu', domain: MICROSOFT, zeros: 1 },
    ],
    exact: gelu,
    absoluteTo: 1,
    relativeFrom: 1,
  },
  'Gelu, tanh': {
    node: { op: 'Gelu', attributes: { approximate: { text: 'tanh' } } },
    same: [{ op: 'FastGelu', domain: MICROSOFT }],
    exact: geluTanh,
    absoluteTo: 1,
    relativeFrom: 1,
  },
};

/** Outputs `y`, `same0`, …, of the input `x` as one row. */
function comparedGraph({ node, same }: Compared): Uint8Array {
  const named = [
    { ...node, output: 'y' },
    ...same.map((one, i) => ({ ...one, output: `same${i}` })),
  ];
  const float = { type: 'float32' as const };
  return encodeOnnx(
    {
      nodes: [
        { op: 'Sub', inputs: ['x', 'x'], outputs: ['none'] },
        ...named.map(({ output, zeros = 0, ...one }) => ({
          ...one,
          inputs: ['x', ...new Array<string>(zeros).fill('none')],
          outputs: [output],
        })),
      ],
      inputs: [{ name: 'x', ...float, dims: ['N'] }],
      outputs: named.map(({ output }) => ({ name: output, ...float, dims: null })),
      initializers: [],
    },
    20,
  );
}

/** @throws if two lists of results differ; a zero may have either sign. */
function checkSame(op: string, y: ArrayLike<number>, other: ArrayLike<number>): void {
  for (let i = 0; i < y.length; i++) {
    if (y[i] !== other[i]) throw new Error(`${op} and another form of it give different results`);
  }
}

function worstOf(
  { exact, absoluteTo, relativeFrom }: Compared,
  x: Float32Array,
  y: ArrayLike<number>,
): { absolute: number; relative: number } {
  const worst = { absolute: 0, relative: 0 };
  for (let i = 0; i < x.length; i++) {
    const value = exact(x[i] as number);
    const away = Math.abs((y[i] as number) - value);
    const size = Math.abs(value);
    // A result that is no number counts as well.
    if (size <= absoluteTo && !(away <= worst.absolute)) worst.absolute = away;
    if (size > relativeFrom && !(away <= worst.relative * size)) worst.relative = away / size;
  }
  return worst;
}

const require = createRequire(import.meta.url);
const runtime = require('onnxruntime-node') as Runtime;
const wanted = process.argv.slice(2);
console.log(`onnxruntime-node ${runtime.env.versions.node}, all finite float32, in units of 2^-24`);
const all = [...Object.keys(EXACT), ...Object.keys(COMPARED), 'Softmax'];
for (const op of wanted.length > 0 ? wanted : all) {
  const compared = COMPARED[op];
  const session = await runtime.InferenceSession.create(
    compared ? comparedGraph(compared) : op === 'Softmax' ? softmaxGraph() : errorGraph(op),
    {
      intraOpNumThreads: 1,
      graphOptimizationLevel: 'disabled',
    },
  );
  const worst = { absolute: 0, relative: 0 };
  const words = new Uint32Array(STEP);
  const values = new Float32Array(words.buffer);
  let count = 0;
  // A softmax subtracts the greatest first. Its last row is filled with the number below 0.
  const isSoftmax = op === 'Softmax';
  const step = isSoftmax ? STEP - (STEP % SOFTMAX_ROW) : STEP;
  for (const sign of isSoftmax ? [0x80000000] : [0, 0x80000000]) {
    // All patterns below that of infinity.
    for (let first = 0; first < 0x7f800000; first += step) {
      const left = Math.min(step, 0x7f800000 - first);
      for (let i = 0; i < step; i++) words[i] = (sign + (i < left ? first + i : 1)) >>> 0;
      const length = isSoftmax ? step : left;
      const x = new runtime.Tensor('float32', values.subarray(0, length), [length]);
      const found = await session.run({ x });
      const y = found.y?.data ?? [];
      for (const i of compared?.same.keys() ?? []) checkSame(op, y, found[`same${i}`]?.data ?? []);
      const { absolute, relative } =
        compared === undefined
          ? {
              absolute: found.absolute?.data[0] as number,
              relative: found.relative?.data[0] as number,
            }
          : worstOf(compared, values.subarray(0, length), y);
      worst.absolute = Math.max(worst.absolute, absolute);
      worst.relative = Math.max(worst.relative, relative);
      count += left;
    }
  }
  const units = (value: number): string => (value / UNIT).toFixed(3);
  console.log(
    `${op}: ${count} inputs, absolute ${units(worst.absolute)}, relative ${units(worst.relative)}`,
  );
}
