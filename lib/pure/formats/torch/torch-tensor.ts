/**
 * Understands the objects by which PyTorch rebuilds tensors: which storage, which view of it.
 *
 * Structure only. A callable that is not in the tables below stays an object of which dlv knows the
 * name and nothing else.
 */
import { CorruptError, LimitError } from '../../../base/errors.js';
import { RANK_MAX } from '../../../base/limits.js';
import { type DType, dtypeBytes } from '../../tensor/dtype.js';
import { contiguousStrides, elementCount } from '../../tensor/layout.js';
import {
  PickleGlobal,
  PickleObject,
  PicklePersistent,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';
import { type StorageClass, storageClass, torchDType } from './torch-dtype.js';

/** A storage that the pickle refers to: one entry of the archive. */
export interface TorchStorage {
  key: string;
  className: string;
  /** null for a class that is not known. */
  class: StorageClass | null;
  /** Elements of the class; bytes for an untyped storage. */
  count: number;
}

/** A strided view of a storage. Offset and strides in elements of `dtype`. */
export interface TorchView {
  storage: TorchStorage;
  dtype: DType;
  shape: number[];
  /** null for row-major contiguous. */
  strides: number[] | null;
  offset: number;
  quantised: boolean;
}

/** What one object of the pickle is. */
export type TorchObject =
  | { kind: 'view'; view: TorchView }
  /** Another value stands for it. */
  | { kind: 'same'; value: PickleValue }
  /** Tensors under names of their own: the parts of a sparse tensor. */
  | { kind: 'parts'; parts: [string, PickleValue][] }
  /** A tensor that cannot be viewed. */
  | { kind: 'unsupported'; what: string }
  | { kind: 'other' };

/** An expanded view (stride 0) may have more elements than its storage, up to this many. */
const EXPANDED_ELEMENTS_MAX = 2 ** 32;

const OTHER: TorchObject = { kind: 'other' };
const SPARSE_PARTS: Record<string, string[]> = {
  'torch._utils._rebuild_sparse_tensor': ['indices', 'values'],
  'torch._utils._rebuild_sparse_csr_tensor': ['crow_indices', 'col_indices', 'values'],
};

/**
 * Says what `object` rebuilds.
 * @param file named in errors.
 * @throws {CorruptError} for a view that leaves its storage or has impossible numbers; {LimitError}.
 */
export function understandObject(object: PickleObject, file: string): TorchObject {
  return understandCall(object.callable, object.args, file);
}

function understandCall(
  callable: PickleValue,
  args: readonly PickleValue[],
  file: string,
): TorchObject {
  const name = callable instanceof PickleGlobal ? callable.name : '';
  switch (name) {
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return readView(args, null, file);
    case 'torch._utils._rebuild_tensor_v3':
      return readView(args, args[6] ?? null, file);
    case 'torch._utils._rebuild_qtensor':
      return readView(args, null, file);
    case 'torch._utils._rebuild_parameter':
    case 'torch._utils._rebuild_parameter_with_state':
    case 'torch.nn.parameter.Parameter':
    case 'torch.nn.parameter.Buffer':
      return args.length > 0 ? { kind: 'same', value: args[0] as PickleValue } : OTHER;
    case 'torch._tensor._rebuild_from_type':
    case 'torch._tensor._rebuild_from_type_v2': {
      const [inner, , innerArgs] = args;
      // Only one level: a constructor that wraps itself says nothing.
      const wraps = inner instanceof PickleGlobal && inner.name.startsWith('torch._tensor.');
      if (wraps || !(innerArgs instanceof PickleSequence)) return OTHER;
      return understandCall(inner ?? null, innerArgs.items, file);
    }
    case 'torch._utils._rebuild_sparse_tensor':
    case 'torch._utils._rebuild_sparse_csr_tensor': {
      const [, data] = args;
      if (!(data instanceof PickleSequence)) return { kind: 'unsupported', what: 'sparse' };
      const names = SPARSE_PARTS[name] as string[];
      return { kind: 'parts', parts: names.map((part, i) => [part, data.items[i] ?? null]) };
    }
    default: {
      const rebuild = /^torch\.(?:_utils|_tensor)\._rebuild_(\w+)$/.exec(name)?.[1];
      return rebuild === undefined ? OTHER : { kind: 'unsupported', what: rebuild };
    }
  }
}

/** The storage of a persistent id, or null if it refers to something else. @throws {CorruptError} */
export function readStorage(value: PickleValue, file: string): TorchStorage | null {
  if (!(value instanceof PicklePersistent) || !(value.id instanceof PickleSequence)) return null;
  const [kind, type, key, , count] = value.id.items;
  if (kind !== 'storage' || !(type instanceof PickleGlobal)) return null;
  if (typeof key !== 'string') throw lie(file, 'a storage has no key');
  if (!isCount(count)) throw lie(file, `storage '${key}' has an impossible size`);
  return { key, className: type.name, class: storageClass(type.name), count };
}

function readView(args: readonly PickleValue[], dtypeName: PickleValue, file: string): TorchObject {
  const storage = readStorage(args[0] ?? null, file);
  if (storage === null) return { kind: 'unsupported', what: 'tensor without a storage' };
  const offset = args[1];
  const shape = counts(args[2]);
  const strides = counts(args[3]);
  const where = `a view of storage '${storage.key}'`;
  if (!isCount(offset) || shape === null || strides?.length !== shape.length) {
    throw lie(file, `${where} has an impossible offset, shape or stride`);
  }
  if (shape.length > RANK_MAX) {
    throw new LimitError(`'${file}': ${where} has ${shape.length} dimensions`, {
      file,
      limit: 'RANK_MAX',
      value: shape.length,
      max: RANK_MAX,
    });
  }
  let dtype = storage.class?.dtype ?? null;
  if (dtypeName !== null) {
    dtype = dtypeName instanceof PickleGlobal ? torchDType(dtypeName.name) : null;
  }
  if (storage.class === null || dtype === null) {
    const type = dtypeName instanceof PickleGlobal ? dtypeName.name : storage.className;
    return { kind: 'unsupported', what: type };
  }
  checkInside({ storage, dtype, shape, strides, offset }, where, file);
  const isContiguous = contiguousStrides(shape).every(
    (stride, i) => (shape[i] as number) <= 1 || stride === strides[i],
  );
  const view = {
    storage,
    dtype,
    shape,
    strides: isContiguous || shape.includes(0) ? null : strides,
    offset,
    quantised: storage.class.quantised,
  };
  return { kind: 'view', view };
}

function checkInside(
  view: { storage: TorchStorage; dtype: DType; shape: number[]; strides: number[]; offset: number },
  where: string,
  file: string,
): void {
  const { storage, dtype, shape, strides, offset } = view;
  if (shape.includes(0)) return;
  let last = offset;
  for (const [i, size] of shape.entries()) last += (size - 1) * (strides[i] as number);
  const bytes = storageBytes(storage);
  const end = dtypeBytes(dtype, last + 1);
  if (!(end <= bytes)) {
    throw lie(file, `${where} ends at byte ${end}, the storage at ${bytes}`);
  }
  const elements = elementCount(shape);
  if (elements > Math.max(storage.count, EXPANDED_ELEMENTS_MAX)) {
    throw new LimitError(`'${file}': ${where} is expanded to ${elements} elements`, {
      file,
      limit: 'elements of an expanded view',
      value: elements,
      max: EXPANDED_ELEMENTS_MAX,
    });
  }
}

/** Bytes of a storage by its class; its count alone for an untyped or unknown one. */
export function storageBytes(storage: TorchStorage): number {
  const dtype = storage.class?.dtype ?? null;
  return dtype === null ? storage.count : dtypeBytes(dtype, storage.count);
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}

/** The numbers of a tuple, of a `torch.Size` or of a list. */
function counts(value: PickleValue | undefined): number[] | null {
  const inner =
    value instanceof PickleObject && value.name === 'torch.Size' ? value.args[0] : value;
  if (!(inner instanceof PickleSequence) || !inner.items.every(isCount)) return null;
  return inner.items.slice() as number[];
}

function lie(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}': ${what}`, { file });
}
