/** Types of values as files state them. */
import type { RawValueInfo } from '../../formats/onnx/onnx-model.js';
import { WEIGHT_TYPES } from '../build/initial-values.js';
import type { Shaped } from '../shapes/node-shapes.js';

/** What a file says of a value; null if type or rank is not known. */
export function valueInfo(name: string, { dtype, shape }: Shaped): RawValueInfo | null {
  const dataType = dtype === null ? undefined : DATA_TYPES[dtype];
  if (dataType === undefined || shape === null) return null;
  return { name, kind: 'tensor', dataType, shape: [...shape] };
}

/** TensorProto.DataType of types that flow through networks. */
const DATA_TYPES: Readonly<Record<string, number>> = {
  ...WEIGHT_TYPES,
  ...{ U8: 2, I8: 3, U16: 4, I16: 5, I32: 6, I64: 7, STRING: 8, BOOL: 9, U32: 12, U64: 13 },
};
