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
}

function floats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** The bytes of the file. Its input is `x`, its output `scores`. */
export function linearNetwork(network: LinearNetwork): Buffer {
  const { weights, bias, batch = 'N', op = 'Gemm' } = network;
  const rows = weights.length;
  const graph = [
    bytes(1, bytes(1, 'x'), bytes(2, 'flat'), bytes(4, 'Flatten')),
    bytes(1, ...['flat', 'w', 'b'].map((name) => bytes(1, name)), bytes(2, 'scores'), bytes(4, op)),
    bytes(2, 'linear'),
    bytes(5, tensorProto({ name: 'w', dims: [rows, bias.length], raw: floats(weights.flat()) })),
    bytes(5, tensorProto({ name: 'b', dims: [bias.length], raw: floats(bias) })),
    bytes(11, valueInfo('x', [batch, ...(network.example ?? [rows])])),
    bytes(12, valueInfo('scores', [batch, bias.length])),
  ];
  return Buffer.concat([int(1, 8), bytes(7, ...graph), bytes(8, int(2, 17))]);
}
