/** Operators that onnxruntime ran (fixtures/networks/ops.py), as networks of one node. */
import fs from 'node:fs';
import type { Attribute, Network, Parameter, ValueType } from '../../lib/pure/network/network.js';
import { fixture } from './paths.js';

/** One input: a tensor of a shape, or the elements that say how the operator works. */
interface OpInput {
  shape: number[];
  dtype: string;
  values?: number[];
}

export interface OpCase {
  op: string;
  opset: number;
  attributes: Record<string, number | string | number[]>;
  inputs: (OpInput | null)[];
  outputs: number[][];
}

export function opCases(): OpCase[] {
  return JSON.parse(fs.readFileSync(fixture('networks', 'ops.json'), 'utf8')) as OpCase[];
}

/** Attributes that are real numbers in ONNX, also where their value is whole. */
function attribute([name, value]: [string, number | string | number[]]): Attribute {
  if (typeof value === 'string') return { name, kind: 'string', value };
  if (typeof value === 'number') return { name, kind: 'int', value };
  return { name, kind: 'ints', value };
}

/** The network of one case. @param open names dimension 0 of inputs instead of fixing it. */
export function opNetwork({ op, opset, attributes, inputs, outputs }: OpCase): Network {
  const parameters: Parameter[] = [];
  const values = inputs.flatMap((input, i) => {
    const name = `i${i}`;
    if (input === null) return [];
    const dtype = input.dtype as ValueType;
    if (input.values === undefined) return [{ name, dtype, shape: input.shape }];
    parameters.push({ name, dtype, shape: input.shape, values: input.values, tensor: name });
    return [];
  });
  const made = outputs.map((_, i) => `o${i}`);
  const node = {
    name: op,
    op,
    domain: '',
    inputs: inputs.map((input, i) => (input === null ? '' : `i${i}`)),
    outputs: made,
    attributes: Object.entries(attributes).map(attribute),
    bodies: [],
    scopes: [],
  };
  const graph = {
    name: 'case',
    inputs: values,
    outputs: made.map((name) => ({ name, dtype: null, shape: null })),
    parameters,
    nodes: [node],
    stated: [],
  };
  return { producer: '', opsets: new Map([['', opset]]), graph };
}
