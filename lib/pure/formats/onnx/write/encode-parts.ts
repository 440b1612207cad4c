/**
 * Nodes, attributes, types and the structure of tensors as the bytes of ONNX: what a network gets new. What it
 * keeps is copied from its file and never passes through here.
 *
 * @see onnx.proto3 of ONNX for the field numbers.
 */
import { BugError } from '../../../../base/errors.js';
import type { RawAttribute, RawNode, RawValueInfo } from '../onnx-model.js';
import { floatField, intField, messageField, textField } from './proto-fields.js';

/** AttributeProto.type of what new nodes have. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, floats: 6, ints: 7, strings: 8 } as const;

/** The fields of an AttributeProto. @throws {BugError} for a kind that no new node has. */
function attributeFields(attribute: RawAttribute): Uint8Array[] {
  const { name, kind, value } = attribute;
  const typed = (fields: Uint8Array[]): Uint8Array[] => [
    textField(1, name),
    ...fields,
    intField(20, ATTRIBUTE_TYPES[kind as keyof typeof ATTRIBUTE_TYPES]),
  ];
  switch (kind) {
    case 'float':
      return typed([floatField(2, value)]);
    case 'int':
      return typed([intField(3, value)]);
    case 'string':
      return typed([textField(4, value ?? '')]);
    case 'floats':
      return typed((value ?? []).map((one) => floatField(7, one)));
    case 'ints':
      return typed((value ?? []).map((one) => intField(8, one)));
    case 'strings':
      return typed((value ?? []).map((one) => textField(9, one)));
    default:
      throw new BugError(`an attribute of kind ${kind} is written for '${name}'`);
  }
}

/** The fields of a NodeProto. */
export function nodeFields(node: RawNode): Uint8Array[] {
  return [
    ...linkFields(node),
    ...(node.name === '' ? [] : [textField(3, node.name)]),
    textField(4, node.opType),
    ...node.attributes.map((attribute) => messageField(5, attributeFields(attribute))),
    ...(node.domain === '' ? [] : [textField(7, node.domain)]),
  ];
}

/** The fields of a node that say what it uses and makes. */
export function linkFields({ inputs, outputs }: Pick<RawNode, 'inputs' | 'outputs'>): Uint8Array[] {
  return [
    ...inputs.map((name) => textField(1, name)),
    ...outputs.map((name) => textField(2, name)),
  ];
}

/** The fields of a ValueInfoProto of a tensor. A dimension without a size or a name has neither. */
export function valueFields({ name, dataType, shape }: RawValueInfo): Uint8Array[] {
  const dims = shape?.map((dim) =>
    messageField(
      1,
      dim === null ? [] : [typeof dim === 'number' ? intField(1, dim) : textField(2, dim)],
    ),
  );
  const tensor = [
    ...(dataType === null ? [] : [intField(1, dataType)]),
    ...(dims === undefined ? [] : [messageField(2, dims)]),
  ];
  return [textField(1, name), messageField(2, [messageField(1, tensor)])];
}

/** The fields of a TensorProto before its raw_data. */
export function tensorFields(of: {
  name: string;
  dataType: number;
  shape: readonly number[];
}): Uint8Array[] {
  return [
    ...of.shape.map((dim) => intField(1, dim)),
    intField(2, of.dataType),
    textField(8, of.name),
  ];
}
