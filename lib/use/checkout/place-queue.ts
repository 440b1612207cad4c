/**
 * Moves whole files to their places, several at once.
 *
 * Each file is synced before it is renamed, and a file system can sync many files in one wait: if
 * 10^5 small files are synced one after another, nearly all the time is waiting.
 */
import { type FileStat, removeFile } from '../../base/files/files.js';
import type { UnfinishedFile, WantedFile, WorkFolder } from './work-folder.js';

/** Files on their way at once. Each is open, and exists twice until it is in place. */
const FILES_MAX = 32;
/** Bytes of them: larger files wait for each other. */
const BYTES_MAX = 16 * 1024 * 1024;

/** Takes whole files and tells the state of each once it is in place. */
export class PlaceQueue {
  readonly #folder: WorkFolder;
  readonly #placed: (path: string, stat: FileStat) => void;
  readonly #running = new Set<Promise<void>>();
  #bytes = 0;
  readonly #failures: unknown[] = [];

  /** @param placed  is told of each file. */
  constructor(folder: WorkFolder, placed: (path: string, stat: FileStat) => void) {
    this.#folder = folder;
    this.#placed = placed;
  }

  /** Takes a file over, which is gone if this fails. @throws what an earlier file failed with. */
  async add(file: WantedFile, unfinished: UnfinishedFile): Promise<void> {
    const { size } = file.entry;
    this.#bytes += size;
    const run = this.#place(file, unfinished).finally(() => {
      this.#bytes -= size;
      this.#running.delete(run);
    });
    this.#running.add(run);
    while (this.#running.size >= FILES_MAX || (this.#running.size > 0 && this.#bytes > BYTES_MAX)) {
      await Promise.race(this.#running);
    }
    this.#check();
  }

  async #place(file: WantedFile, unfinished: UnfinishedFile): Promise<void> {
    try {
      this.#placed(file.entry.path, await this.#folder.place(file, unfinished));
    } catch (error) {
      this.#failures.push(error);
      await unfinished.file.close().catch(() => {});
      await removeFile(unfinished.temporary).catch(() => {});
    }
  }

  /** Waits for all files. @throws what the first that cannot be placed failed with. */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
    this.#check();
  }

  #check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}
