/** Small networks for tests of bounds: with their weights inside, or as inputs that a test feeds. */
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import type { Fed } from '../../lib/knowledge/inference/messages.js';
import type { BoundsOf } from '../../lib/pure/bounds/weights.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import { encodeOnnx, type WrittenNode } from '../../lib/pure/formats/onnx/onnx-writer.js';
import type { Network } from '../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import type { Rng } from './rng.js';

export interface Weight {
  dims: number[];
  values: Float32Array;
}

export interface BoundedNetwork {
  title: string;
  /** Shape of an example. */
  example: number[];
  nodes: WrittenNode[];
  weights: Record<string, Weight>;
  /** Whole numbers that say how operators work. */
  settings?: Record<string, number[]>;
  /** The same, one number each without axes. */
  scalars?: Record<string, number>;
  /** Floats that are no weights: they are known. */
  constants?: Record<string, number>;
  /** Lists of floats that say how operators work. */
  lists?: Record<string, number[]>;
  opset?: number;
}

function settingsOf({ settings = {}, scalars = {}, constants = {}, lists = {} }: BoundedNetwork) {
  const whole = (name: string, values: number[], dims: number[]) => ({
    name,
    type: 'int64' as const,
    dims,
    bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  });
  return [
    ...Object.entries(settings).map(([name, values]) => whole(name, values, [values.length])),
    ...Object.entries(scalars).map(([name, value]) => whole(name, [value], [])),
    ...Object.entries(lists).map(([name, values]) => ({
      name,
      type: 'float32' as const,
      dims: [values.length],
      bytes: new Uint8Array(Float32Array.from(values).buffer),
    })),
    ...Object.entries(constants).map(([name, value]) => ({
      name,
      type: 'float32' as const,
      dims: [],
      bytes: new Uint8Array(Float32Array.of(value).buffer),
    })),
  ];
}

/** The file; without `isOpen` its weights are in it, else they are inputs. */
export function modelOf(network: BoundedNetwork, isOpen = false): Uint8Array {
  const { nodes, weights, example, opset = 13 } = network;
  const listed = Object.entries(weights);
  const inputs = [
    { name: 'x', type: 'float32' as const, dims: ['N', ...example] },
    ...(isOpen ? listed.map(([name, { dims }]) => ({ name, type: 'float32' as const, dims })) : []),
  ];
  const initializers = isOpen
    ? []
    : listed.map(([name, { dims, values }]) => ({
        name,
        type: 'float32' as const,
        dims,
        bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      }));
  return encodeOnnx(
    {
      nodes,
      inputs,
      outputs: [{ name: 'y', type: 'float32', dims: null }],
      initializers: [...initializers, ...settingsOf(network)],
    },
    opset,
  );
}

export async function networkOf(network: BoundedNetwork): Promise<Network> {
  const bytes = Buffer.from(modelOf(network));
  return networkOfOnnx(await readOnnxModel(new MemorySource(bytes, 'net')), 'net');
}

/** Intervals around all weights, of a relative width. */
export function intervalsOf({ weights, constants = {} }: BoundedNetwork, width: number): BoundsOf {
  return (name) => {
    const known = constants[name];
    if (known !== undefined) return { low: Float32Array.of(known), high: Float32Array.of(known) };
    const { values } = weights[name] as Weight;
    return {
      low: values.map((value) => value - Math.abs(value) * width),
      high: values.map((value) => value + Math.abs(value) * width),
    };
  };
}

/** Weights in their intervals: anywhere, or at the ends. */
export function sampleWeights(network: BoundedNetwork, boundsOf: BoundsOf, rng: Rng): Fed[] {
  const atEnds = rng() < 0.5;
  return Object.entries(network.weights).map(([name, { dims }]) => {
    const { low, high } = boundsOf(name);
    const values = low.map((end, i) => {
      const share = atEnds ? Math.round(rng()) : rng();
      const value = Math.fround(end + share * ((high[i] as number) - end));
      return Math.min(Math.max(value, end), high[i] as number);
    });
    return fed(name, values, dims);
  });
}

export function fed(name: string, values: Float32Array, dims: number[]): Fed {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type: 'float32', dims, bytes };
}

/** Random weights, normal enough. */
export function randomWeight(rng: Rng, dims: number[], scale = 1): Weight {
  const count = dims.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, () => {
    return scale * (rng() + rng() + rng() + rng() - 2);
  });
  return { dims, values };
}

/** A node. */
export function node(
  op: string,
  inputs: string[],
  output: string | string[],
  attributes: WrittenNode['attributes'] = {},
): WrittenNode {
  return { op, inputs, outputs: [output].flat(), attributes };
}

/** A node of one of the runtime's own operators. */
export function runtimeNode(op: string, inputs: string[], output: string): WrittenNode {
  return { ...node(op, inputs, output), domain: 'com.microsoft' };
}

/**
 * Weights inside their intervals that make one score small against another one, in a dense network of ReLUs: ends
 * by the sign of the gradient, again and again from the weights before.
 */
export function attackDense(
  network: BoundedNetwork,
  boundsOf: BoundsOf,
  { x, up, down, rounds }: { x: Float32Array; up: number; down: number; rounds: number },
): Fed[] {
  const names = Object.keys(network.weights);
  const layers = names.length / 2;
  const at = new Map(
    names.map((name) => [name, Float64Array.from((network.weights[name] as Weight).values)]),
  );
  for (let round = 0; round < rounds; round++) {
    const values: Float64Array[] = [Float64Array.from(x)];
    const before: Float64Array[] = [];
    for (let l = 0; l < layers; l++) {
      const [weight, bias] = [at.get(`w${l}`), at.get(`b${l}`)] as [Float64Array, Float64Array];
      const input = values[l] as Float64Array;
      const sums = bias.map((start, o) => {
        return input.reduce(
          (sum, value, i) => sum + value * (weight[o * input.length + i] as number),
          start,
        );
      });
      before.push(sums);
      values.push(sums.map((sum) => (l + 1 < layers ? Math.max(0, sum) : sum)));
    }
    let slope = (values[layers] as Float64Array).map(
      (_, c) => Number(c === up) - Number(c === down),
    );
    for (let l = layers - 1; l >= 0; l--) {
      const input = values[l] as Float64Array;
      const weight = at.get(`w${l}`) as Float64Array;
      const back = new Float64Array(input.length);
      const end = (name: string, i: number, gradient: number): number => {
        const { low, high } = boundsOf(name);
        return (gradient > 0 ? low[i] : high[i]) as number;
      };
      const next = weight.slice();
      for (const [o, own] of slope.entries()) {
        for (const [i, value] of input.entries()) {
          const place = o * input.length + i;
          (back[i] as number) += own * (weight[place] as number);
          if (own * value !== 0) next[place] = end(`w${l}`, place, own * value);
        }
        if (own !== 0) (at.get(`b${l}`) as Float64Array)[o] = end(`b${l}`, o, own);
      }
      at.set(`w${l}`, next);
      slope = back.map((own, i) => (l > 0 && (before[l - 1]?.[i] as number) <= 0 ? 0 : own));
    }
  }
  return names.map((name) =>
    fed(
      name,
      Float32Array.from(at.get(name) as Float64Array),
      (network.weights[name] as Weight).dims,
    ),
  );
}
