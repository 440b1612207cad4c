/** The files of a set that is being written, in tmp/: each is made when it gets its first bytes. */
import type { Backend, BackendWriter } from '../backends/backend.js';
import { FILE_CLASSES, type FileClass, PLANE_CLASSES, type SealedSet } from '../types.js';
import { encodeFileHeader } from './pack-format.js';
import type { FileEnds } from './unnamed-records.js';

export class SetFiles {
  readonly #backend: Backend;
  readonly #dir: string;
  readonly #files = new Map<FileClass, BackendWriter>();

  /** @param dir  folder of its own, relative to the backend. */
  constructor(backend: Backend, dir: string) {
    this.#backend = backend;
    this.#dir = dir;
  }

  name(fileClass: FileClass): string {
    return `${this.#dir}/set.${fileClass}`;
  }

  /** The file of a class, with its header. */
  async of(fileClass: FileClass): Promise<BackendWriter> {
    let file = this.#files.get(fileClass);
    if (file === undefined) {
      file = await this.#backend.createWriter(this.name(fileClass));
      this.#files.set(fileClass, file);
      await file.write(encodeFileHeader(fileClass));
    }
    return file;
  }

  /** Appends a payload. @returns its place; 0 for one without bytes. */
  async append(fileClass: FileClass, bytes: Uint8Array): Promise<number> {
    if (bytes.length === 0) return 0;
    const file = await this.of(fileClass);
    const place = file.offset;
    await file.write(bytes);
    return place;
  }

  /** Bytes of a file so far; 0 if there is none. */
  size(fileClass: FileClass): number {
    return this.#files.get(fileClass)?.offset ?? 0;
  }

  /** Those of all files but the index. */
  sizes(): number[] {
    return [...this.#files.keys()].filter((name) => name !== 'idx').map((name) => this.size(name));
  }

  /** Sizes of the files of planes. */
  ends(): FileEnds {
    return { hi: this.size('hi'), mid: this.size('mid'), low: this.size('low') };
  }

  /** Makes the files of planes what they were when they had these sizes: with 0, none. */
  async takeBack(ends: FileEnds): Promise<void> {
    for (const plane of PLANE_CLASSES) {
      const file = this.#files.get(plane);
      if (file === undefined) continue;
      if (ends[plane] > 0) {
        await file.takeBack(ends[plane]);
      } else {
        await file.close();
        await this.#backend.remove(this.name(plane));
        this.#files.delete(plane);
      }
    }
  }

  /** Writes over bytes of a file that has them. */
  async overwrite(fileClass: FileClass, offset: number, bytes: Uint8Array): Promise<void> {
    const file = await this.of(fileClass);
    await file.overwrite(offset, bytes);
  }

  /**
   * Flushes all files to the device, which takes several in one wait, then writes the index and flushes it.
   * @returns their names.
   * @throws what the first one failed with.
   */
  async finish(index: Uint8Array): Promise<SealedSet['files']> {
    const ends = await Promise.allSettled(
      [...this.#files.values()].map((file) => file.syncAndClose()),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    const idx = await this.#backend.createWriter(this.name('idx'));
    this.#files.set('idx', idx);
    await idx.write(index);
    await idx.syncAndClose();
    const names: SealedSet['files'] = {};
    for (const fileClass of FILE_CLASSES) {
      if (this.#files.has(fileClass)) names[fileClass] = this.name(fileClass);
    }
    return names;
  }

  /** Removes them; what was published meanwhile has other names and stays. */
  async remove(): Promise<void> {
    for (const [fileClass, file] of this.#files) {
      await file.close().catch(() => {});
      await this.#backend.remove(this.name(fileClass)).catch(() => {});
    }
  }
}
