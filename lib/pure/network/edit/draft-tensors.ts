/** Tensors that a changed graph has and its file has not: as the writer takes them, and as readers of networks do. */
import type { RawTensor } from '../../formats/onnx/onnx-tensor.js';
import type { NewTensor } from '../../formats/onnx/write/edited-model.js';
import {
  type InitialValues,
  initialElements,
  tensorByteCount,
  WEIGHT_TYPES,
} from '../build/initial-values.js';
import type { MadeTensor } from '../build/layer-parts.js';

/** A tensor whose elements are known: a shape, an axis. */
export interface ConstantTensor {
  name: string;
  shape: readonly number[];
  values: readonly number[];
}

/** TensorProto.DataType of 64-bit integers. */
const CODE_I64 = 7;
/** Larger tensors say nothing of what a network does. */
const SMALL_BYTES = 64;

/** Weights of a new layer, drawn or copied when they are written. */
export function drawnTensor(
  { name, wanted, dtype, shape, values }: MadeTensor,
  seed: number,
): NewTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const from: InitialValues = values ?? { rule: 'constant', value: 0 };
  return {
    ...{ name, dataType: WEIGHT_TYPES[dtype], shape, bytes: tensorByteCount(dtype, shape) },
    elements: () => initialElements(dtype, count, from, { seed, name: wanted }),
  };
}

export function constantTensor({ name, shape, values }: ConstantTensor): NewTensor {
  const bytes = new Uint8Array(BigInt64Array.from(values, (one) => BigInt(one)).buffer);
  return { name, dataType: CODE_I64, shape, bytes: bytes.length, elements: () => [bytes] };
}

/** A new tensor as if it had been read from a file; elements only of small ones. */
export function rawTensor(
  { name, dataType, shape, bytes, elements }: NewTensor,
  dtype: RawTensor['dtype'],
): RawTensor {
  const isSmall = bytes <= SMALL_BYTES;
  return {
    ...{ name, dataType, dtype, shape: [...shape] },
    data: { kind: 'inline', offset: 0, length: bytes },
    value: isSmall ? Uint8Array.from([...elements()].flatMap((part) => [...part])) : null,
  };
}
