/**
 * How far onnxruntime's float32 kernels of functions of one number are from the functions, over all finite
 * inputs: the table of lib/pure/bounds/unary-errors.ts. The functions are the runtime's own float64 kernels,
 * whose error is far below what is measured.
 *
 *   npm run bench:unary -- [operator …]
 */
import { createRequire } from 'node:module';
import { GraphMaker } from '../lib/pure/bounds/graph-maker.js';
import { UNIT } from '../lib/pure/bounds/rounding.js';

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

const require = createRequire(import.meta.url);
const runtime = require('onnxruntime-node') as Runtime;
const wanted = process.argv.slice(2);
console.log(`onnxruntime-node ${runtime.env.versions.node}, all finite float32, in units of 2^-24`);
for (const op of wanted.length > 0 ? wanted : Object.keys(EXACT)) {
  const session = await runtime.InferenceSession.create(errorGraph(op), {
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
  });
  const worst = { absolute: 0, relative: 0 };
  const words = new Uint32Array(STEP);
  const values = new Float32Array(words.buffer);
  let count = 0;
  for (const sign of [0, 0x80000000]) {
    // All patterns below that of infinity.
    for (let first = 0; first < 0x7f800000; first += STEP) {
      for (let i = 0; i < STEP; i++) words[i] = (sign + first + i) >>> 0;
      const length = Math.min(STEP, 0x7f800000 - first);
      const x = new runtime.Tensor('float32', values.subarray(0, length), [length]);
      const { absolute, relative } = await session.run({ x });
      worst.absolute = Math.max(worst.absolute, absolute?.data[0] as number);
      worst.relative = Math.max(worst.relative, relative?.data[0] as number);
      count += length;
    }
  }
  const units = (value: number): string => (value / UNIT).toFixed(3);
  console.log(
    `${op}: ${count} inputs, absolute ${units(worst.absolute)}, relative ${units(worst.relative)}`,
  );
}
