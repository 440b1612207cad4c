/** Files of a version that is being taken, side by side in one folder: a format may read what lies beside a file. */
import path from 'node:path';
import { makeDirectory, removeFile, WriteFile } from '../../base/files/files.js';
import { copyTo, removeFolder } from '../../base/files/temporary.js';
import type { SourceFile } from './source.js';

/** A folder whose files stay from one version to the next while their content does. Remove it. */
export class PlacedFiles {
  /** Content of the files that lie there. */
  readonly #placed = new Map<string, string>();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  remove(): Promise<void> {
    return removeFolder(this.#folder);
  }

  /** Takes files out of the folder that the version does not have. */
  async removeOthers(paths: ReadonlySet<string>): Promise<void> {
    for (const name of [...this.#placed.keys()]) {
      if (paths.has(name)) continue;
      await removeFolder(path.join(this.#folder, name));
      this.#placed.delete(name);
    }
  }

  /** Where the bytes of a file can be read, with the files that belong to it beside it. */
  async place({ path: name, content, bytes }: SourceFile): Promise<string> {
    if ('file' in bytes && bytes.isInPlace) return bytes.file;
    const target = path.join(this.#folder, name);
    if (this.#placed.get(name) === content) return target;
    // What was a file may be a folder now, or the other way round.
    await removeFolder(target);
    await makeDirectory(path.dirname(target));
    this.#placed.set(name, content);
    if ('file' in bytes) {
      await copyTo(bytes.file, target);
      return target;
    }
    const out = await WriteFile.create(target, 0o600, name);
    try {
      for await (const piece of bytes.stream()) await out.write(piece);
    } catch (error) {
      await out.close();
      await removeFile(target);
      throw error;
    }
    await out.close();
    return target;
  }
}
