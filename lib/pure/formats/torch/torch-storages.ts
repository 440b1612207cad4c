/** Where the storages of a PyTorch archive and the numbers in its pickles lie in the file. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { DTYPES } from '../../tensor/dtype.js';
import { corrupt } from '../format.js';
import type { SpanClaim } from '../spans.js';
import { footprintBytes } from '../validate.js';
import { ZIP_STORED } from '../zip/zip.js';
import type { ZipEntry } from '../zip/zip-directory.js';
import type { Program, TorchArchive } from './torch-archive.js';
import {
  storageBytes,
  type TorchNumber,
  type TorchStorage,
  type TorchView,
} from './torch-tensor.js';
import type { FoundTensor } from './torch-walk.js';

/** The tensors of one program in the file. */
export interface Placed {
  claims: SpanClaim[];
  /** Tensors that can be shown, each with the byte offset of its first element. */
  tensors: { tensor: FoundTensor; offset: number }[];
  warnings: string[];
}

type ViewTensor = FoundTensor & { view: TorchView };

/** Finds the storages of one program of an archive. @throws {CorruptError} if one is not as it is said. */
export function placeStorages(
  source: ByteSource,
  { entry: pickle, content, folder }: Program,
  { byName, isSwapped }: Pick<TorchArchive, 'byName' | 'isSwapped'>,
): Placed {
  const views = new Map<string, ViewTensor[]>();
  for (const tensor of content.tensors) {
    if (!isView(tensor)) continue;
    const list = views.get(tensor.view.storage.key);
    if (list) list.push(tensor);
    else views.set(tensor.view.storage.key, [tensor]);
  }
  const claims: SpanClaim[] = [];
  const starts = new Map<string, number>();
  const compressed: string[] = [];
  const mixed: string[] = [];
  for (const storage of content.storages.values()) {
    const entry = findStorage(source, storage, byName.get(folder + storage.key), folder);
    if (entry === null) starts.set(storage.key, 0);
    else if (entry.method !== ZIP_STORED) compressed.push(entry.name);
    else {
      const claimed = claimStorage(storage, entry, views.get(storage.key) ?? [], isSwapped);
      if (claimed === null) mixed.push(entry.name);
      else {
        starts.set(storage.key, entry.dataOffset);
        for (const claim of claimed) claims.push(claim);
      }
    }
  }
  const placed: Placed = { claims, tensors: [], warnings: [] };
  for (const tensor of content.tensors) {
    if (isView(tensor)) {
      const start = starts.get(tensor.view.storage.key);
      if (start === undefined) continue;
      // An empty view may claim any offset; it has no bytes to point to.
      const isEmpty = tensor.view.shape.includes(0);
      placed.tensors.push({ tensor, offset: isEmpty ? start : start + viewOffset(tensor.view) });
    } else if (pickle.method === ZIP_STORED) {
      const claim = claimNumber(tensor.view as TorchNumber, pickle);
      claims.push(claim);
      placed.tensors.push({ tensor, offset: claim.offset });
    }
  }
  const why = (names: string[], what: string): void => {
    if (names.length > 0) placed.warnings.push(`holds storages ${what}: ${quoteSome(names)}`);
  };
  why(compressed, 'that are compressed inside the archive are kept as opaque bytes');
  why(mixed, 'of big-endian data seen under several widths are kept as opaque bytes');
  return placed;
}

function isView(tensor: FoundTensor): tensor is ViewTensor {
  return tensor.view.storage !== null;
}

function claimNumber({ dtype, offset, byteSwap }: TorchNumber, pickle: ZipEntry): SpanClaim {
  const { width } = DTYPES[dtype];
  return { offset: pickle.dataOffset + offset, bytes: width, width, byteSwap };
}

/** The entry of a storage; null for an empty one that has none. @throws {CorruptError} */
function findStorage(
  source: ByteSource,
  storage: TorchStorage,
  entry: ZipEntry | undefined,
  folder: string,
): ZipEntry | null {
  const bytes = storageBytes(storage);
  if (entry === undefined) {
    if (bytes === 0) return null;
    throw corrupt(source, `the archive has no entry '${folder}${storage.key}' for a storage`);
  }
  // A class that is not known says nothing of its size.
  if (storage.class !== null && entry.size !== bytes) {
    throw corrupt(
      source,
      `storage '${entry.name}' has ${entry.size} bytes, its ${storage.count} elements of ` +
        `${storage.className} need ${bytes}`,
      entry.headerOffset,
    );
  }
  return entry;
}

/** Claims of a storage and its views, or null where big-endian views do not agree on a width. */
function claimStorage(
  storage: TorchStorage,
  entry: ZipEntry,
  tensors: readonly ViewTensor[],
  isSwapped: boolean,
): SpanClaim[] | null {
  const offset = entry.dataOffset;
  const dtype = storage.class?.dtype ?? null;
  const widths = new Set(tensors.map(({ view }) => DTYPES[view.dtype].width));
  // An untyped storage has no order of its own: its views say what an element is.
  if (dtype !== null) widths.add(DTYPES[dtype].width);
  const [first = 1] = widths;
  if (isSwapped && widths.size > 1) return null;
  const width = dtype === null && !isSwapped ? 1 : dtype === null ? first : DTYPES[dtype].width;
  const byteSwap = isSwapped && width > 1 && entry.size % width === 0;
  if (isSwapped && width > 1 && !byteSwap) return null;
  const claims: SpanClaim[] = [{ offset, bytes: entry.size, width, byteSwap, storage: true }];
  for (const { view } of tensors) {
    const start = offset + viewOffset(view);
    const bytes = footprintBytes(view.dtype, view.shape, view.strides);
    claims.push({ offset: start, bytes, width: DTYPES[view.dtype].width, byteSwap });
  }
  return claims;
}

/** Bytes from the start of the storage to the first element of a view. */
function viewOffset(view: TorchView): number {
  // The offset counts elements of the view's dtype: a complex one has two of the extent's.
  return view.offset * (DTYPES[view.dtype].bits / 8);
}
