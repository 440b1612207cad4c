/** Files that are read where they lie, as files of a comparison: nothing of them is stored. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { ChangedError } from '../../../base/errors.js';
import { type FileStat, isMissing, ReadFile, sameStat } from '../../../base/files/files.js';
import type { FileLayout } from '../../../pure/tensor/layout.js';
import type { WorkLayouts } from '../../../storage/ingest/work-layouts.js';
import { tensorsOfFile } from '../../../storage/objects/stored/tensors.js';
import type { OpContext } from '../../context.js';
import type { DiffFile } from '../../history/diff/sides.js';
import { definesNetwork, networkFrom } from '../../history/networks/networks.js';
import { hashFile, modeOf } from '../changes.js';
import { isDenied, type Oddity, UNREADABLE, type WorkFile } from '../scan/work-file.js';

/**
 * A file that is opened for each read: hundreds of changed files stay below the limit of open ones.
 * @throws {ChangedError} from `read` if it is not the file that was opened first.
 */
class PlacedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: string;
  readonly stat: FileStat;

  constructor(file: string, name: string, stat: FileStat) {
    this.name = name;
    this.size = stat.size;
    this.#file = file;
    this.stat = stat;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const source = await ReadFile.open(this.#file, this.name);
    try {
      if (!sameStat(source.stat, this.stat)) {
        throw new ChangedError(`'${this.name}' changed while it was compared`, {
          file: this.name,
          hint: 'wait until no other program writes to the file, then run the command again',
        });
      }
      return await source.read(offset, length);
    } finally {
      await source.close();
    }
  }
}

/** Where a file is, and how it is called. */
export interface Placed {
  file: string;
  /** In messages and tables. */
  name: string;
  /** Its path in the folder that is compared; default: its name. */
  path?: string;
}

/** An opened file, of which nothing but its layout has been read. */
export interface InPlace {
  source: PlacedSource;
  layout: FileLayout;
}

/** Finds out how a file is laid out. @throws {IoError} {ChangedError} {AbortedError} */
export async function readInPlace(
  { file, name, path = name }: Placed,
  layouts: WorkLayouts,
): Promise<InPlace> {
  const opened = await ReadFile.open(file, name);
  try {
    const layout = await layouts.of(opened, path, file);
    return { source: new PlacedSource(file, name, opened.stat), layout };
  } finally {
    await opened.close();
  }
}

/** The same with its hash; what it became if it may not be read; null if it is gone by now. */
export async function hashInPlace(
  placed: Placed,
  layouts: WorkLayouts,
  { signal }: OpContext,
): Promise<(InPlace & { sha256: string }) | (WorkFile & { kind: 'odd' }) | null> {
  try {
    const opened = await readInPlace(placed, layouts);
    return { ...opened, sha256: await hashFile(placed.file, signal) };
  } catch (error) {
    if (isDenied(error)) return UNREADABLE;
    if (isMissing(error)) return null;
    throw error;
  }
}

/** A file of a comparison that is read where it lies. */
export function fileInPlace(
  path: string,
  { source, layout, sha256 }: InPlace & { sha256: string },
): DiffFile {
  return {
    path,
    size: source.size,
    sha256,
    mode: modeOf(source.stat),
    became: null,
    tensors: async () => tensorsOfFile(source, layout),
    content: () => source.read(0, source.size),
    network: async (signal) =>
      definesNetwork(layout.format, path) ? networkFrom(source, path, signal) : null,
  };
}

/** What stands for a file that is not a plain one: it equals no other, and has no tensors. */
export function oddFile(path: string, became: Oddity): DiffFile {
  return {
    path,
    size: null,
    sha256: became,
    mode: 0,
    became,
    tensors: async () => [],
    content: async () => new Uint8Array(0),
    network: async () => null,
  };
}
