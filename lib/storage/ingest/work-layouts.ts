/**
 * How a work file is laid out: what it says of itself, and what the files beside it say of it.
 *
 * A PyTorch shard has its names in the `.metadata` file beside it; a file of external data is laid out
 * by the ONNX models of its folder and of the folders above. Files beside it that are gone, unreadable
 * or damaged say nothing, nor do symbolic links unless they shall be followed.
 */
import path from 'node:path';
import type { ByteSource } from '../../base/bytes/byte-source.js';
import { BugError, DlvError, isDamage } from '../../base/errors.js';
import { listDirectory, ReadFile, statOrNull } from '../../base/files/files.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import { readLayout } from '../../pure/formats/detect.js';
import type { Neighbours } from '../../pure/formats/format.js';
import { layoutOfData, mayNameData, type SaidOfData } from '../../pure/formats/onnx/onnx-data.js';
import { validateLayout } from '../../pure/formats/validate.js';
import type { FileLayout } from '../../pure/tensor/layout.js';

/** ONNX files of one folder that are asked what they say of others. */
const MODELS_PER_FOLDER_MAX = 64;

const FILE_ERRORS = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ELOOP',
  'ENXIO',
  'ESPIPE',
]);

/** True for errors of one work file, called `name`; a full disk and the like concern all of them. */
export function isOfFile(error: unknown, name: string): boolean {
  if (isChanged(error)) return true;
  const { file, errno } = error instanceof DlvError ? error.data : {};
  return file === name && FILE_ERRORS.has(errno as string);
}

/** True if a file changed while it was read. */
export function isChanged(error: unknown): boolean {
  return error instanceof DlvError && error.code === 'DLV_CHANGED';
}

/** How the files beside a file are read. */
export interface ReadingBeside {
  signal?: AbortSignal;
  /** Reads through symbolic links. */
  follow?: boolean;
}

/** Layouts of many files; what a folder says is read once while files below it are asked for. */
export class WorkLayouts {
  readonly #how: ReadingBeside;
  /** By folder on disk: the last one asked for and those above it. */
  #folders = new Map<string, Folder>();

  constructor(how: ReadingBeside = {}) {
    this.#how = how;
  }

  /**
   * The layout of an open file, checked against its size.
   * @param name  its path in the version, which says how many folders above it belong to the work tree.
   * @param file  where it is.
   * @throws {IoError} {ChangedError} {AbortedError} as `readLayout`.
   */
  async of(source: ByteSource, name: string, file: string): Promise<FileLayout> {
    const folders = this.#foldersOf(name, file);
    const neighbours = folders[0] as Folder;
    const own = await readLayout(source, this.#how.signal, { neighbours });
    if (own.format !== 'blob') return own;
    const said: SaidOfData[] = [];
    for (const folder of folders) {
      said.push(
        ...(await folder.saidOf(path.relative(folder.dir, file).split(path.sep).join('/'))),
      );
    }
    return said.length === 0 ? own : joined(own, source, said);
  }

  /** The folder of a file and those above it in the work tree, the nearest first. */
  #foldersOf(name: string, file: string): Folder[] {
    const kept = new Map<string, Folder>();
    let dir = path.dirname(file);
    for (let depth = name.split('/').length; depth > 0; depth--) {
      kept.set(dir, this.#folders.get(dir) ?? new Folder(dir, this.#how));
      dir = path.dirname(dir);
    }
    this.#folders = kept;
    return [...kept.values()];
  }
}

/** A blob as its models lay it out; as it was where they are wrong. */
function joined(own: FileLayout, source: ByteSource, said: readonly SaidOfData[]): FileLayout {
  try {
    const layout = layoutOfData(source, said);
    validateLayout(layout, source.size);
    // What the file looks like alone does not matter if its tensors are known.
    return layout.format === 'blob' && layout.warnings.length === 0 ? own : layout;
  } catch (error) {
    // The model is wrong or was written at another time than its data; the reader made no mistake.
    if (!isDamage(error) && !(error instanceof BugError)) throw error;
    const why = `is laid out by its model in a way that does not fit: ${(error as DlvError).message}`;
    return { ...own, warnings: [...own.warnings, why] };
  }
}

/** What the files of one folder say of others. */
class Folder implements Neighbours {
  readonly dir: string;
  readonly #how: ReadingBeside;
  readonly #parsed = new Map<string, Promise<unknown>>();
  #models: Promise<Map<string, SaidOfData[]>> | null = null;

  constructor(dir: string, how: ReadingBeside) {
    this.dir = dir;
    this.#how = how;
  }

  parsed<T>(name: string, parse: (source: ByteSource) => Promise<T>): Promise<T | null> {
    const known = this.#parsed.get(name) ?? this.#open(name, parse);
    this.#parsed.set(name, known);
    return known as Promise<T | null>;
  }

  /** What the ONNX models of this folder say of a file, which they call `reference`. */
  async saidOf(reference: string): Promise<readonly SaidOfData[]> {
    this.#models ??= this.#readModels();
    return (await this.#models).get(reference) ?? [];
  }

  async #readModels(): Promise<Map<string, SaidOfData[]>> {
    const said = new Map<string, SaidOfData[]>();
    let names: string[];
    try {
      names = await listDirectory(this.dir);
    } catch (error) {
      if (isOfFile(error, this.dir)) return said;
      throw error;
    }
    const models = names.filter((name) => /\.onnx$/i.test(name)).sort();
    for (const model of models.slice(0, MODELS_PER_FOLDER_MAX)) {
      const read = async (source: ByteSource): Promise<FileLayout | null> =>
        (await mayNameData(source)) ? readLayout(source, this.#how.signal) : null;
      for (const { path: target, layout } of (await this.#open(model, read))?.external ?? []) {
        const list = said.get(target) ?? [];
        said.set(target, list);
        list.push({ model, layout });
      }
    }
    return said;
  }

  /** What `parse` makes of a file; null where that says nothing. */
  async #open<T>(name: string, parse: (source: ByteSource) => Promise<T>): Promise<T | null> {
    const file = path.join(this.dir, name);
    try {
      const isFile = this.#how.follow
        ? (await statThrough(file)).kind === 'file'
        : (await statOrNull(file))?.isFile === true;
      if (!isFile) return null;
      const source = await ReadFile.open(file, name);
      try {
        return await parse(source);
      } finally {
        await source.close();
      }
    } catch (error) {
      if (isDamage(error) || isOfFile(error, name) || isOfFile(error, file)) return null;
      throw error;
    }
  }
}
