/**
 * Opens the files of a batch before their turn. Each is flushed when it is opened, and a disk takes many
 * small files in one wait.
 */
import { type FileStat, ReadFile } from '../../base/files/files.js';
import { nowNs } from '../repo/staging/staging.js';

/** Small files that are open at once. */
const FILES_MAX = 32;
/** After a larger file the next ones wait for their turn. */
const SMALL_BYTES = 256 * 1024;

/** A file to store: its path in the version and where it is. */
export interface BatchFile {
  path: string;
  file: string;
  /** What messages call it; default: its path. */
  shown?: string;
}

/** A file that is flushed and open. */
export interface OpenedWork {
  source: ReadFile;
  /** When it was about to be opened: what is written later shows in its times. */
  openedAtNs: string;
}

export async function openWork({ path, file, shown = path }: BatchFile): Promise<OpenedWork> {
  const openedAtNs = nowNs();
  return { source: await ReadFile.openFlushed(file, shown), openedAtNs };
}

/** Gives the files of a list in order, each once. */
export class OpenAhead {
  readonly #files: readonly BatchFile[];
  readonly #opening: Promise<OpenedWork>[] = [];
  #next = 0;
  #wanted = 1;

  constructor(files: readonly BatchFile[]) {
    this.#files = files;
  }

  /** The next file, which the caller closes. @throws {IoError} of that file. */
  async take(): Promise<OpenedWork> {
    this.#fill();
    const opened = await (this.#opening.shift() as Promise<OpenedWork>);
    this.#wanted = isSmall(opened.source.stat) ? Math.min(2 * this.#wanted, FILES_MAX) : 1;
    this.#fill();
    return opened;
  }

  #fill(): void {
    while (this.#opening.length < this.#wanted && this.#next < this.#files.length) {
      const opening = openWork(this.#files[this.#next++] as BatchFile);
      // An error is thrown when it is the file's turn.
      opening.catch(() => {});
      this.#opening.push(opening);
    }
  }

  /** Closes files that were not taken. */
  async close(): Promise<void> {
    for (const opening of this.#opening.splice(0)) {
      const opened = await opening.catch(() => null);
      await opened?.source.close();
    }
  }
}

function isSmall({ size }: FileStat): boolean {
  return size <= SMALL_BYTES;
}
