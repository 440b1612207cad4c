/** Networks for tests: those of fixtures/networks, and raw models made by hand. */
import fs from 'node:fs';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import type {
  RawAttribute,
  RawGraph,
  RawModel,
  RawNode,
} from '../../lib/pure/formats/onnx/onnx-model.js';
import type { RawTensor } from '../../lib/pure/formats/onnx/onnx-tensor.js';
import type { Network } from '../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { fixture } from './paths.js';

/** The network of fixtures/networks/<name>.onnx. */
export async function fixtureNetwork(name: string): Promise<Network> {
  const file = `${name}.onnx`;
  const bytes = fs.readFileSync(fixture('networks', file));
  return networkOfOnnx(await readOnnxModel(new MemorySource(bytes, file)), file);
}

export function rawNode(
  opType: string,
  inputs: string[],
  outputs: string[],
  { name = '', attributes = [] }: { name?: string; attributes?: RawAttribute[] } = {},
): RawNode {
  return { name, opType, domain: '', overload: '', modules: [], inputs, outputs, attributes };
}

/** A float tensor, or one of the type of `values`, which are kept. */
export function rawTensor(
  name: string,
  shape: number[],
  values?: Float32Array | BigInt64Array,
): RawTensor {
  const isWhole = values instanceof BigInt64Array;
  return {
    name,
    dataType: isWhole ? 7 : 1,
    dtype: isWhole ? 'I64' : 'F32',
    shape,
    data: { kind: 'inline', offset: 0, length: 0 },
    value: values === undefined ? null : new Uint8Array(values.buffer),
  };
}

export function rawGraph(inputs: string[], outputs: string[], nodes: RawNode[]): RawGraph {
  const value = (name: string) => ({ name, kind: 'tensor' as const, dataType: 1, shape: null });
  return {
    name: 'g',
    nodes,
    inputs: inputs.map(value),
    outputs: outputs.map(value),
    values: [],
    initializers: [],
    sparseInitializers: [],
  };
}

export function rawModel(graph: RawGraph): RawModel {
  return {
    irVersion: 8,
    producerName: 'test',
    producerVersion: '',
    domain: '',
    modelVersion: 0,
    opsets: [{ domain: '', version: 17 }],
    graph,
    functions: [],
    training: [],
    metadata: [],
  };
}

/** The text of a golden fixture; with UPDATE_GOLDEN=1 in the environment, `text` is written there first. */
export function goldenText(name: string, text: string): string {
  if (process.env.UPDATE_GOLDEN === '1') fs.writeFileSync(fixture(name), text);
  return fs.readFileSync(fixture(name), 'utf8');
}
