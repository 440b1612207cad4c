/**
 * Storages of a PyTorch pickle and the strided views of them that its tensors are; torch-object.ts says
 * which object is which kind of tensor.
 */
import { CorruptError, LimitError } from '../../../base/errors.js';
import { RANK_MAX } from '../../../base/limits.js';
import { type DType, dtypeBytes } from '../../tensor/dtype.js';
import { contiguousStrides, elementCount } from '../../tensor/layout.js';
import {
  NAME_CHARACTERS_MAX,
  PickleGlobal,
  PickleObject,
  PicklePersistent,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';
import { isPacked, type StorageClass, storageClass, torchDType } from './torch-dtype.js';

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
  /** What its elements are that hold several values each. */
  packed?: string;
}

/** A number that is in the pickle itself: a tensor without dimensions. */
export interface TorchNumber {
  storage: null;
  dtype: DType;
  /** Byte offset in the pickle. */
  offset: number;
  byteSwap: boolean;
}

/** An expanded view (stride 0) may have more elements than its storage, up to this many. */
const EXPANDED_ELEMENTS_MAX = 2 ** 32;

/** The storage of a persistent id, or null if it refers to something else. @throws {CorruptError} */
export function readStorage(value: PickleValue, file: string): TorchStorage | null {
  if (!(value instanceof PicklePersistent) || !(value.id instanceof PickleSequence)) return null;
  const [kind, type, key, , count] = value.id.items;
  if (kind !== 'storage' || !(type instanceof PickleGlobal)) return null;
  if (typeof key !== 'string') throw lie(file, 'a storage has no key');
  if (key.length > NAME_CHARACTERS_MAX) {
    throw lie(file, `a storage has a key of ${key.length} characters`);
  }
  if (!isCount(count)) throw lie(file, `storage '${key}' has an impossible size`);
  const className = type.name.slice(0, NAME_CHARACTERS_MAX);
  return { key, className, class: storageClass(type.name), count };
}

/**
 * The view that a call of a `_rebuild_tensor` function describes, or why it cannot be one.
 * @param args       storage, offset, shape, strides and what does not matter here.
 * @param dtypeName  the dtype of a view of an untyped storage, else null: that of the storage.
 * @throws {CorruptError} for a view that leaves its storage or has impossible numbers; {LimitError}.
 */
export function readView(
  args: readonly PickleValue[],
  dtypeName: PickleValue,
  file: string,
): TorchView | { what: string } {
  const storage = readStorage(args[0] ?? null, file);
  if (storage === null) return { what: 'it has no storage' };
  const offset = args[1];
  const where = `a view of storage '${storage.key}'`;
  const rank = itemsOf(args[2])?.length ?? 0;
  if (rank > RANK_MAX) {
    throw new LimitError(`'${file}': ${where} has ${rank} dimensions`, {
      file,
      limit: 'RANK_MAX',
      value: rank,
      max: RANK_MAX,
    });
  }
  const shape = counts(args[2]);
  const strides = counts(args[3]);
  if (!isCount(offset) || shape === null || strides?.length !== shape.length) {
    throw lie(file, `${where} has an impossible offset, shape or stride`);
  }
  let dtype = storage.class?.dtype ?? null;
  if (dtypeName !== null) {
    dtype = dtypeName instanceof PickleGlobal ? torchDType(dtypeName.name) : null;
  }
  if (storage.class === null || dtype === null) {
    const type = dtypeName instanceof PickleGlobal ? dtypeName.name : storage.className;
    return { what: type };
  }
  checkInside({ storage, dtype, shape, strides, offset }, where, file);
  const isContiguous = contiguousStrides(shape).every(
    (stride, i) => (shape[i] as number) <= 1 || stride === strides[i],
  );
  const kept = isContiguous || shape.includes(0) ? null : strides;
  const name = dtypeName instanceof PickleGlobal ? dtypeName.name : '';
  const packed = isPacked(name) ? { packed: name } : {};
  return { storage, dtype, shape, strides: kept, offset, ...packed };
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

/** The numbers of a tuple, of a `torch.Size` or of a list; null for other values and beyond RANK_MAX. */
export function counts(value: PickleValue | undefined): number[] | null {
  const items = itemsOf(value);
  if (items === null || items.length > RANK_MAX || !items.every(isCount)) return null;
  return items.slice() as number[];
}

/** True if two shapes are one. */
export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | null {
  const inner =
    value instanceof PickleObject && value.name === 'torch.Size' ? value.args[0] : value;
  return inner instanceof PickleSequence ? inner.items : null;
}

function lie(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}': ${what}`, { file });
}
