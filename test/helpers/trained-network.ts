/** Networks for tests of training, written node by node; and their programs. */
import { openModelFile, readWeights } from '../../lib/knowledge/training/model-file.js';
import {
  NetworkProgram,
  type ProgramOptions,
} from '../../lib/knowledge/training/network-program.js';
import { bytes, int, tensorProto } from './protobuf.js';
import { seededRandom } from './rng.js';

/** A node: operator, inputs, output, and attributes: whole numbers and lists of them, floats as {f: 0.5}, texts. */
export type NodeText = [
  op: string,
  inputs: string[],
  output: string,
  attributes?: Record<string, number | number[] | string | { f: number }>,
];

function attribute(name: string, value: number | number[] | string | { f: number }): Buffer {
  if (typeof value === 'string') return bytes(5, bytes(1, name), bytes(4, value), int(20, 3));
  if (typeof value === 'number') return bytes(5, bytes(1, name), int(3, value), int(20, 2));
  if (Array.isArray(value)) {
    return bytes(5, bytes(1, name), ...value.map((one) => int(8, one)), int(20, 7));
  }
  const float = Buffer.alloc(5);
  float[0] = 2 * 8 + 5;
  float.writeFloatLE(value.f, 1);
  return bytes(5, bytes(1, name), float, int(20, 1));
}

function valueInfo(name: string, dims: readonly (number | string)[]): Buffer {
  const shape = dims.map((dim) => bytes(1, typeof dim === 'string' ? bytes(2, dim) : int(1, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, int(1, 1), bytes(2, ...shape)))]);
}

/** A network whose input is 'x' and whose output is 'y'; weights are drawn from a seed, 'shape' holds whole numbers. */
export function trainedNetwork(
  nodes: readonly NodeText[],
  example: readonly number[],
  weights: Readonly<Record<string, readonly number[] | { shape: number[] }>>,
): Buffer {
  const random = seededRandom(11);
  const initializers = Object.entries(weights).map(([name, given]) => {
    if ('shape' in given) {
      const raw = new Uint8Array(BigInt64Array.from(given.shape, BigInt).buffer);
      return bytes(5, tensorProto({ name, dims: [given.shape.length], dataType: 7, raw }));
    }
    const dims = given as readonly number[];
    const count = dims.reduce((product, one) => product * one, 1);
    const values = Float32Array.from({ length: count }, () =>
      name.startsWith('var') ? 0.5 + random() : random() - 0.5,
    );
    return bytes(5, tensorProto({ name, dims: [...dims], raw: new Uint8Array(values.buffer) }));
  });
  const graph = [
    ...nodes.map(([op, inputs, output, attributes = {}]) =>
      bytes(
        1,
        ...inputs.map((name) => bytes(1, name)),
        bytes(2, output),
        bytes(3, output),
        bytes(4, op),
        ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      ),
    ),
    bytes(2, 'main'),
    ...initializers,
    bytes(11, valueInfo('x', ['N', ...example])),
    bytes(12, valueInfo('y', ['N', 'M'])),
  ];
  return Buffer.concat([int(1, 8), bytes(7, ...graph), bytes(8, int(2, 17))]);
}

/** The program of a network file, with the weights of the file. */
export async function programOf(
  file: string,
  options: Partial<ProgramOptions> & Pick<ProgramOptions, 'batch' | 'example'>,
): Promise<NetworkProgram> {
  const model = await openModelFile(file);
  const random = seededRandom(5);
  const program = new NetworkProgram(model, {
    loss: 'cross-entropy',
    frozen: new Set(),
    threads: 1,
    keeps: () => 0,
    draw: (below) => Math.floor(random() * below),
    ...options,
  });
  const names = program.weights.map(({ name }) => name);
  const weights = await readWeights(model, names);
  for (const weight of program.weights) program.numbers(weight).set(weights.get(weight.name) ?? []);
  return program;
}
