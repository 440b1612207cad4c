/** The staged files of one model, by path. */
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { StagedEntry } from './staged-entry.js';

export class StagedTree {
  /** In path order; null after a change. Never changed itself: it is handed out. */
  #sorted: readonly StagedEntry[] | null;
  /** Made when a file is asked for or changed. */
  #byPath: Map<string, StagedEntry> | null = null;

  /** @param sorted  entries in path order, each path once. */
  constructor(sorted: readonly StagedEntry[] = []) {
    this.#sorted = sorted;
  }

  get #entries(): Map<string, StagedEntry> {
    this.#byPath ??= new Map((this.#sorted ?? []).map((entry) => [entry.path, entry]));
    return this.#byPath;
  }

  get size(): number {
    return this.#byPath?.size ?? this.#sorted?.length ?? 0;
  }

  get(path: string): StagedEntry | undefined {
    return this.#entries.get(path);
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  set(entry: StagedEntry): void {
    this.#entries.set(entry.path, entry);
    this.#sorted = null;
  }

  delete(path: string): void {
    if (this.#entries.delete(path)) this.#sorted = null;
  }

  /** All in path order. */
  sorted(): readonly StagedEntry[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => comparePaths(a.path, b.path));
    return this.#sorted;
  }

  /** The paths of all, in any order. */
  *paths(): Generator<string> {
    for (const { path } of this.#sorted ?? this.#entries.values()) yield path;
  }
}
