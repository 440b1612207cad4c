/** The pause between two looks at what a command wrote; it ends early when something stirs in a folder. */
import { setTimeout as sleep } from 'node:timers/promises';
import { watchFolder } from '../../../base/files/watch.js';

const TICK_MS = 200;
/** Something changed in a folder: the next look comes after this. */
const STIR_MS = 10;
/** Folders that are watched at once; the others are looked at now and then. */
const FOLDERS_MAX = 200;

export class Wake {
  readonly #watched = new Map<string, () => void>();
  #stir: (() => void) | null = null;

  /** Watches these folders, and no others. */
  watch(folders: ReadonlySet<string>): void {
    for (const [folder, stop] of this.#watched) {
      if (folders.has(folder)) continue;
      stop();
      this.#watched.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watched.has(folder) || this.#watched.size >= FOLDERS_MAX) continue;
      const stop = watchFolder(folder, () => this.stir());
      if (stop !== null) this.#watched.set(folder, stop);
    }
  }

  /** Ends the pause. */
  stir(): void {
    this.#stir?.();
  }

  async pause(): Promise<void> {
    const wake = new AbortController();
    this.#stir = () => {
      this.#stir = null;
      setTimeout(() => wake.abort(), STIR_MS).unref();
    };
    await sleep(TICK_MS, undefined, { signal: wake.signal }).catch(() => {});
    this.#stir = null;
  }

  close(): void {
    for (const stop of this.#watched.values()) stop();
  }
}
