/** A small ONNX network for tests that run one: scores = x · W + b. */
import { createRequire } from 'node:module';
import { bytes, int, tensorProto } from './protobuf.js';

/** True if the optional package that runs networks is installed. */
export function hasRuntime(): boolean {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
}

const FLOATS = 1;

function valueInfo(name: string, dims: readonly (number | string)[], type = FLOATS): Buffer {
  const shape = dims.map((dim) => bytes(1, typeof dim === 'string' ? bytes(2, dim) : int(1, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, int(1, type), bytes(2, ...shape)))]);
}

export interface LinearNetwork {
  /** One row an input. */
  weights: readonly (readonly number[])[];
  bias: readonly number[];
  /** First dimension of the input; default open. */
  batch?: number | string;
  /** Shape of an example before it is flattened; default that of a row. */
  example?: readonly number[];
  /** Name of the operator in the middle; default 'Gemm'. */
  op?: string;
  /** Makes it one convolution over an example of one channel and this height and width. */
  convolved?: readonly [height: number, width: number];
}

function floats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A network of two inputs: scores = a + b, one number an example. */
export function sumNetwork(): Buffer {
  const node = bytes(1, bytes(1, 'a'), bytes(1, 'b'), bytes(2, 'scores'), bytes(4, 'Add'));
  const inputs = ['a', 'b'].map((name) => bytes(11, valueInfo(name, ['N', 1])));
  const graph = [node, bytes(2, 'sum'), ...inputs, bytes(12, valueInfo('scores', ['N', 1]))];
  return Buffer.concat([int(1, 8), bytes(7, ...graph), bytes(8, int(2, 17))]);
}

/** The bytes of the file. Its input is `x`, its output `scores`. */
export function linearNetwork(network: LinearNetwork): Buffer {
  const { weights, bias, batch = 'N', op = 'Gemm' } = network;
  const rows = weights.length;
  const outputs = bias.length;
  const { convolved } = network;
  const node = (type: string, inputs: string[], output: string): Buffer =>
    bytes(1, ...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, type));
  const nodes =
    convolved === undefined
      ? [node('Flatten', ['x'], 'flat'), node(op, ['flat', 'w', 'b'], 'scores')]
      : [node('Conv', ['x', 'w', 'b'], 'maps'), node('Flatten', ['maps'], 'scores')];
  const turned = bias.flatMap((_, c) => weights.map((row) => row[c] as number));
  const w =
    convolved === undefined
      ? { dims: [rows, outputs], raw: floats(weights.flat()) }
      : { dims: [outputs, 1, ...convolved], raw: floats(turned) };
  const graph = [
    ...nodes,
    bytes(2, 'linear'),
    bytes(5, tensorProto({ name: 'w', ...w })),
    bytes(5, tensorProto({ name: 'b', dims: [outputs], raw: floats(bias) })),
    bytes(
      11,
      valueInfo('x', [batch, ...(convolved ? [1, ...convolved] : (network.example ?? [rows]))]),
    ),
    bytes(12, valueInfo('scores', [batch, bias.length])),
  ];
  return Buffer.concat([int(1, 8), bytes(7, ...graph), bytes(8, int(2, 17))]);
}
