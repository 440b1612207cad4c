/**
 * One PyTorch archive: its entries, its pickles as data, and what they say of tensors.
 *
 * A file is one archive, or several that are joined (torch.ts). Offsets count from the file's start.
 */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError } from '../../../base/errors.js';
import { PICKLE_BYTES_MAX } from '../../../base/limits.js';
import type { VariableRange } from '../../tensor/layout.js';
import { corrupt } from '../format.js';
import type { MemoryBudget } from '../memory-budget.js';
import { readZip, readZipEntry, ZIP_STORED } from '../zip/zip.js';
import type { ZipEntry } from '../zip/zip-directory.js';
import { type Pickle, parsePickle } from './pickle.js';
import { PickleSteps } from './pickle-steps.js';
import { type Path, type TorchContent, walkTorch } from './torch-walk.js';

/** One pickle of an archive with the folder of its storages. */
export interface Program {
  entry: ZipEntry;
  pickle: Pickle;
  content: TorchContent;
  /** Prefix of the entries of its storages. */
  folder: string;
}

/** An archive whose pickles were read. */
export interface TorchArchive {
  /** The path that the names of its tensors begin with. */
  path: Path;
  entries: ZipEntry[];
  byName: ReadonlyMap<string, ZipEntry>;
  /** What was saved, and the constants of a TorchScript archive behind it; none: not PyTorch's. */
  programs: Program[];
  /** Storages are big-endian. */
  isSwapped: boolean;
  /** Name of the entry with its random id. */
  serializationId: string;
}

export interface TorchArchiveOptions {
  signal: AbortSignal | undefined;
  budget: MemoryBudget;
  /** Where the archive lies in the file. */
  start: number;
  end: number;
  path: Path;
}

/**
 * Reads one archive of a file.
 * @throws {CorruptError} {TruncatedError} {LimitError} for an archive that lies or has no pickle.
 */
export async function readTorchArchive(
  source: ByteSource,
  { signal, budget, start, end, path }: TorchArchiveOptions,
): Promise<TorchArchive> {
  const { entries, start: found } = await readZip(source, { signal, budget, start, end });
  if (found !== start) throw corrupt(source, `an archive begins at byte ${found}, not ${start}`);
  const byName = uniqueNames(source, entries);
  const root = entries[0]?.name.split('/')[0] ?? '';
  const archive: TorchArchive = {
    path,
    entries,
    byName,
    programs: [],
    isSwapped: await readByteOrder(source, byName.get(`${root}/byteorder`)),
    serializationId: `${root}/.data/serialization_id`,
  };
  for (const [name, folder] of [
    ['data.pkl', 'data'],
    ['constants.pkl', 'constants'],
  ]) {
    const entry = byName.get(`${root}/${name}`);
    if (entry !== undefined) {
      archive.programs.push(
        await readProgram(source, entry, { folder: `${root}/${folder}/`, path, budget }),
      );
    } else if (name === 'data.pkl') {
      // Only by the name of its first entry did it look like PyTorch's; other tools use such names too.
      if (!byName.has(`${root}/version`)) return archive;
      throw corrupt(source, `the archive has no entry '${root}/data.pkl'`);
    }
  }
  return archive;
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
  entry: ZipEntry,
  { folder, path, budget }: { folder: string; path: Path; budget: MemoryBudget },
): Promise<Program> {
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
  const steps = new PickleSteps(source.name, budget);
  return { entry, pickle, content: walkTorch(pickle.value, path, steps), folder };
}

/** Checksums and times of an archive, numbers in its pickles, its random id: what checkpoints differ in. */
export function variableRanges({
  entries,
  programs,
  serializationId,
}: TorchArchive): VariableRange[] {
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
