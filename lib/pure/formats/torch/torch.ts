/**
 * PyTorch checkpoints (`.pt`, `.pth`): a zip archive of one pickle and one stored entry per storage.
 *
 * Each storage is one extent, each tensor a view of it, named by its path through the pickle. The
 * pickle is read as data (pickle.ts) and never run. TorchScript archives have the same parts and more.
 * The two older forms, a stream of pickles and a tar file, are told and kept as blobs.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError } from '../../../base/errors.js';
import { PICKLE_BYTES_MAX } from '../../../base/limits.js';
import { DTYPES } from '../../tensor/dtype.js';
import { blobLayout, type FileLayout, type VariableRange } from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { buildSpans, type SpanClaim } from '../spans.js';
import { footprintBytes } from '../validate.js';
import { firstZipName, readZip, readZipEntry, ZIP_STORED } from '../zip/zip.js';
import type { ZipEntry } from '../zip/zip-directory.js';
import { type Pickle, parsePickle } from './pickle.js';
import { nameTensors, stepOfRoot } from './torch-names.js';
import { storageBytes, type TorchStorage, type TorchView } from './torch-tensor.js';
import { type FoundTensor, type TorchContent, walkTorch } from './torch-walk.js';

/** Names of entries, without the folder of the archive, that a PyTorch archive begins with. */
const FIRST_ENTRY =
  /^[^/]+\/(data\.pkl|constants\.pkl|version|byteorder|(data|code|constants|extra|\.data)\/.*|\.(format_version|storage_alignment))$/;
/** The magic number that begins the stream form of PyTorch 0.1.10 to 1.5: a pickled integer. */
const STREAM_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
const TAR_NAMES = /^(\.\/)?(sys_info|storages|tensors|pickle)\0/;
/** Names shown in one warning. */
const NAMES_SHOWN = 5;

/** Reads `.pt` and `.pth` files. */
export const torchReader: FormatReader = {
  name: 'torch',
  matches: (head) => isArchive(head) || isStream(head) || isTar(head),
  layout: async (source, signal) => {
    const head = await source.read(0, Math.min(source.size, 512));
    if (isStream(head) || isTar(head)) return blobLayout([OLD_FORM]);
    return readArchive(source, signal);
  },
};

const OLD_FORM =
  'is a PyTorch file of the form before version 1.6 and is kept as opaque bytes: ' +
  'save it again with a newer PyTorch to have its tensors versioned';

function isArchive(head: Uint8Array): boolean {
  return FIRST_ENTRY.test(firstZipName(head) ?? '');
}

function isStream(head: Uint8Array): boolean {
  return STREAM_MAGIC.equals(head.subarray(0, STREAM_MAGIC.length));
}

function isTar(head: Uint8Array): boolean {
  const text = (start: number, end: number) =>
    Buffer.from(head.subarray(start, end)).toString('latin1');
  return text(257, 262) === 'ustar' && TAR_NAMES.test(text(0, 100));
}

/** One pickle of the archive with the folder of its storages. */
interface Program {
  entry: ZipEntry;
  pickle: Pickle;
  content: TorchContent;
  /** Prefix of the entries of its storages. */
  folder: string;
}

async function readArchive(source: ByteSource, signal?: AbortSignal): Promise<FileLayout> {
  const budget = new MemoryBudget(source.name);
  const { entries, start } = await readZip(source, { signal, budget });
  if (start > 0) throw corrupt(source, 'it is several archives, one after another');
  const byName = uniqueNames(source, entries);
  const root = entries[0]?.name.split('/')[0] ?? '';
  const isSwapped = await readByteOrder(source, byName.get(`${root}/byteorder`));
  const program = (entry: string, folder: string): Promise<Program | null> =>
    readProgram(source, byName.get(`${root}/${entry}`), `${root}/${folder}/`, budget);
  const data = await program('data.pkl', 'data');
  if (data === null) {
    // Only by the name of its first entry did it look like PyTorch's; other tools use such names too.
    if (!byName.has(`${root}/version`)) return blobLayout();
    throw corrupt(source, `the archive has no entry '${root}/data.pkl'`);
  }
  const constants = await program('constants.pkl', 'constants');
  const programs = constants ? [data, constants] : [data];
  const placed = programs.map((program) => placeStorages(source, program, byName, isSwapped));
  const tensors = programs.flatMap((program, i) => {
    const usable = placed[i]?.usable ?? [];
    return program === data ? usable : usable.map((tensor) => ({ ...tensor, top: 'constants' }));
  });
  const offsets = new Map(placed.flatMap(({ offsets }) => [...offsets]));
  for (const { claims } of placed) budget.charge(claims.length * CHARGES.claim);
  budget.charge(entries.length * CHARGES.extent);
  const warnings = placed.flatMap((one) => one.warnings);
  warnings.push(...programs.flatMap(({ content }) => contentWarnings(content)));
  return budget.layout({
    ...blobLayout(warnings),
    format: 'torch',
    extents: buildSpans(placed.flatMap(({ claims }) => claims)),
    tensors: nameTensors(tensors, budget, (view) => {
      const base = offsets.get(view.storage) ?? 0;
      // An empty view may claim any offset; it has no bytes to point to.
      return view.shape.includes(0) ? base : base + viewOffset(view);
    }),
    variable: variableRanges(entries, programs, `${root}/.data/serialization_id`),
    step: stepOfRoot(data.content.root),
  });
}

/** Entries by name. @throws {CorruptError} if two have one: PyTorch would read either. */
function uniqueNames(source: ByteSource, entries: readonly ZipEntry[]): Map<string, ZipEntry> {
  const byName = new Map<string, ZipEntry>();
  for (const entry of entries) {
    if (byName.has(entry.name)) {
      throw corrupt(source, `two zip entries are named '${entry.name}'`, entry.headerOffset);
    }
    byName.set(entry.name, entry);
  }
  return byName;
}

async function readByteOrder(source: ByteSource, entry?: ZipEntry): Promise<boolean> {
  if (entry === undefined) return false;
  const text = Buffer.from(await readZipEntry(source, entry, 64)).toString('latin1');
  if (text !== 'little' && text !== 'big') {
    throw corrupt(source, `the byte order is ${JSON.stringify(text)}`, entry.dataOffset);
  }
  return text === 'big';
}

async function readProgram(
  source: ByteSource,
  entry: ZipEntry | undefined,
  folder: string,
  budget: MemoryBudget,
): Promise<Program | null> {
  if (entry === undefined) return null;
  let bytes: Uint8Array;
  if (entry.method === ZIP_STORED) {
    if (entry.size > PICKLE_BYTES_MAX) {
      throw new LimitError(`'${source.name}': '${entry.name}' has ${entry.size} bytes`, {
        file: source.name,
        limit: 'PICKLE_BYTES_MAX',
        value: entry.size,
        max: PICKLE_BYTES_MAX,
      });
    }
    // Not compared with its checksum: PyTorch can be told to write none.
    bytes = await source.read(entry.dataOffset, entry.size);
  } else {
    bytes = await readZipEntry(source, entry, PICKLE_BYTES_MAX);
  }
  budget.grant(bytes.length);
  const pickle = parsePickle(bytes, source.name, budget);
  return { entry, pickle, content: walkTorch(pickle.value, source.name, budget), folder };
}

/** The storages of one program in the file. */
interface Placed {
  claims: SpanClaim[];
  /** Byte offset of each storage. */
  offsets: Map<TorchStorage, number>;
  usable: FoundTensor[];
  warnings: string[];
}

function placeStorages(
  source: ByteSource,
  { content, folder }: Program,
  byName: ReadonlyMap<string, ZipEntry>,
  isSwapped: boolean,
): Placed {
  const views = new Map<string, FoundTensor[]>();
  for (const tensor of content.tensors) {
    const { key } = tensor.view.storage;
    const list = views.get(key);
    if (list) list.push(tensor);
    else views.set(key, [tensor]);
  }
  const placed: Placed = { claims: [], offsets: new Map(), usable: [], warnings: [] };
  const refused = new Set<FoundTensor>();
  const compressed: string[] = [];
  const mixed: string[] = [];
  for (const storage of content.storages.values()) {
    const own = views.get(storage.key) ?? [];
    const entry = findStorage(source, storage, byName.get(folder + storage.key), folder);
    for (const { view } of own) placed.offsets.set(view.storage, entry?.dataOffset ?? 0);
    if (entry === null) continue;
    if (entry.method !== ZIP_STORED) {
      compressed.push(entry.name);
      for (const tensor of own) refused.add(tensor);
      continue;
    }
    const claims = claimStorage(storage, entry, own, isSwapped);
    if (claims === null) {
      mixed.push(entry.name);
      for (const tensor of own) refused.add(tensor);
    } else for (const claim of claims) placed.claims.push(claim);
  }
  placed.usable = content.tensors.filter((tensor) => !refused.has(tensor));
  const why = (names: string[], what: string): void => {
    if (names.length > 0) placed.warnings.push(`storages ${what}: ${shorten(names)}`);
  };
  why(compressed, 'that are compressed inside the archive are kept as opaque bytes');
  why(mixed, 'of big-endian data seen under several widths are kept as opaque bytes');
  return placed;
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
  tensors: readonly FoundTensor[],
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

function contentWarnings(content: TorchContent): string[] {
  const warnings: string[] = [];
  if (content.foreign.length > 0) {
    warnings.push(
      `the pickle calls what dlv does not know and never runs: ${shorten(content.foreign)}`,
    );
  }
  if (content.unsupported.length > 0) {
    const kinds = shorten(content.unsupported);
    warnings.push(`tensors of kinds that cannot be viewed are kept as opaque bytes: ${kinds}`);
  }
  if (content.quantised > 0) {
    warnings.push(`${content.quantised} quantised tensors are seen as their integer codes`);
  }
  if (content.sparse > 0) {
    warnings.push(`${content.sparse} sparse tensors are seen as their indices and values`);
  }
  return warnings;
}

function shorten(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).map((name) => `'${name.slice(0, 200)}'`);
  const more = names.length - NAMES_SHOWN;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Checksums and times of the archive, numbers in its pickles, its random id: sorted, disjoint. */
function variableRanges(
  entries: readonly ZipEntry[],
  programs: readonly Program[],
  serializationId: string,
): VariableRange[] {
  const ranges = entries.flatMap((entry) => entry.variable);
  for (const { entry, pickle } of programs) {
    if (entry.method !== ZIP_STORED) continue;
    const whole = { offset: 0, length: entry.size, fixedLength: false };
    for (const range of pickle.numbers ?? [whole]) {
      ranges.push({ ...range, offset: entry.dataOffset + range.offset });
    }
  }
  for (const { name, dataOffset, compressedSize } of entries) {
    if (name !== serializationId || compressedSize === 0) continue;
    ranges.push({ offset: dataOffset, length: compressedSize, fixedLength: true });
  }
  return ranges.sort((a, b) => a.offset - b.offset);
}
