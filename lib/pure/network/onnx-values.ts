/** Parameters and attributes of a network, from tensors and attributes of an ONNX file. */
import type { RawAttribute, RawGraph, RawNode } from '../formats/onnx/onnx-model.js';
import { onnxDType, type RawSparseTensor, type RawTensor } from '../formats/onnx/onnx-tensor.js';
import { widen } from '../tensor/dtype.js';
import type { Attribute, Constant, Parameter, ValueType } from './network.js';

const CODE_STRING = 8;
const CODE_FLOAT = 1;

function typeOf(code: number): ValueType {
  return code === CODE_STRING ? 'STRING' : onnxDType(code);
}

/** The elements of a tensor, if the file's reader kept them. */
function elementsOf({ dtype, value }: RawTensor): readonly number[] | null {
  if (value === null || dtype === null) return null;
  const wide = widen(dtype, value);
  return wide === null ? null : [...wide];
}

function parameterOf(raw: RawTensor, name: string, tensor: string): Parameter {
  return { name, dtype: typeOf(raw.dataType), shape: raw.shape, values: elementsOf(raw), tensor };
}

function sparseParameter(raw: RawSparseTensor, name: string, tensor: string): Parameter {
  const dtype = typeOf(raw.values?.dataType ?? 0);
  return { name, dtype, shape: raw.shape, values: null, tensor: `${tensor}.values` };
}

/** Initializers of a graph. @param prefix of the names of its tensors in the layout of the file. */
export function readInitializers(
  raw: RawGraph,
  prefix: string,
  rename: (name: string) => string,
): Parameter[] {
  const dense = raw.initializers.map((tensor, i) => {
    return parameterOf(tensor, rename(tensor.name), prefix + (tensor.name || `initializer#${i}`));
  });
  const sparse = raw.sparseInitializers.map((tensor, i) => {
    const name = tensor.values?.name ?? '';
    return sparseParameter(tensor, rename(name), prefix + (name || `sparse_initializer#${i}`));
  });
  return [...dense, ...sparse];
}

/** What a Constant gives; null if it says nothing. @param label of the node, before names of attributes. */
export function readConstant(
  node: RawNode,
  place: { tensors: string; names: (name: string) => string },
  label: string,
): Parameter | null {
  const output = node.outputs[0] ?? '';
  const name = place.names(output);
  const [attribute] = node.attributes;
  if (name === '' || attribute === undefined) return null;
  const tensor = place.tensors + output;
  const made = (dtype: ValueType, shape: number[], values: number[] | null): Parameter => {
    return { name, dtype, shape, values, tensor: label + attribute.name };
  };
  switch (attribute.kind) {
    case 'tensor':
      return parameterOf(attribute.value, name, tensor);
    case 'sparse':
      return sparseParameter(attribute.value, name, tensor);
    case 'int':
      return made('I64', [], [Number(attribute.value)]);
    case 'float':
      return made('F32', [], [attribute.value]);
    case 'ints':
      return made('I64', [attribute.value?.length ?? 0], attribute.value?.map(Number) ?? null);
    case 'floats':
      return made('F32', [attribute.value?.length ?? 0], attribute.value);
    case 'string':
      return made('STRING', [], null);
    case 'strings':
      return made('STRING', [attribute.value?.length ?? 0], null);
    default:
      return made(null, [], null);
  }
}

/** An attribute of a node; those of graphs are bodies. @param name that the node gives it. */
export function makeAttribute(raw: RawAttribute, name: string): Attribute {
  switch (raw.kind) {
    case 'int':
      return { name, kind: 'int', value: Number(raw.value) };
    case 'float':
      return { name, kind: 'float', value: raw.value };
    case 'string':
      return raw.value === null ? other(name) : { name, kind: 'string', value: raw.value };
    case 'ints':
      return raw.value === null
        ? other(name)
        : { name, kind: 'ints', value: raw.value.map(Number) };
    case 'floats':
      return raw.value === null ? other(name) : { name, kind: 'floats', value: raw.value };
    case 'strings':
      return raw.value === null ? other(name) : { name, kind: 'strings', value: raw.value };
    case 'tensor': {
      const value = constantOf(raw.value);
      return value === null ? other(name) : { name, kind: 'tensor', value };
    }
    default:
      return other(name);
  }
}

function other(name: string): Attribute {
  return { name, kind: 'other', value: null };
}

function constantOf(raw: RawTensor): Constant | null {
  const values = elementsOf(raw);
  const dtype = typeOf(raw.dataType || CODE_FLOAT);
  return values === null ? null : { dtype, shape: raw.shape, values };
}
