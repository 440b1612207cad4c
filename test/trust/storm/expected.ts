/**
 * What a repository in a storm has to hold: every version that was acknowledged, with its files, and
 * for every ref the contents that it may have. A command that was killed leaves a ref with two.
 */
import type { Id } from '../../../lib/base/bytes/hash.js';
import { readRef } from '../../../lib/storage/repo/refs/refs.js';
import { Repository } from '../../../lib/use/repository.js';
import { type Acknowledged, type FileHashes, rebuildVersion } from '../record.js';

/** Files of a version as text, or 'none' where there is no ref. */
export type Content = string;
export const NONE: Content = 'none';

export function contentOf(files: FileHashes): Content {
  return JSON.stringify(
    Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** What refs become by a command. */
export type Effect = ReadonlyMap<string, Content>;

export class Expected {
  readonly acknowledged: Acknowledged = new Map();
  readonly #refs = new Map<string, Set<Content>>();

  /** What a ref may hold. */
  of(ref: string): ReadonlySet<Content> {
    return this.#refs.get(ref) ?? new Set([NONE]);
  }

  /** Refs that may be there. */
  get refs(): string[] {
    return [...this.#refs.keys()];
  }

  /** A command answered that it has done it. */
  done(effect: Effect): void {
    for (const [ref, content] of effect) this.#refs.set(ref, new Set([content]));
  }

  /** A command was killed: it has done it, or not, or in part. */
  unknown(effect: Effect): void {
    for (const [ref, content] of effect) this.#refs.set(ref, new Set([...this.of(ref), content]));
  }

  /** A command was refused: a ref may hold what it might before. */
  restore(ref: string, contents: ReadonlySet<Content>): void {
    this.#refs.set(ref, new Set(contents));
  }

  /**
   * Reads a ref that no process works on. @returns its content, which is then expected, or what is
   * wrong with it.
   */
  async settle(dir: string, ref: string): Promise<{ content: Content } | { wrong: string }> {
    const content = await readContent(dir, ref);
    if (!this.of(ref).has(content)) {
      return { wrong: `'${ref}' is ${content}, not ${[...this.of(ref)].join(' or ')}` };
    }
    this.#refs.set(ref, new Set([content]));
    return { content };
  }
}

/** Longest time that all others together keep the lock, however busy the machine is. */
const LOCK_MS = 120_000;

/**
 * Content of the version that a ref names. It is read under the lock: before that, the next process may still
 * carry out what one that was killed had begun to move.
 */
async function readContent(dir: string, ref: string): Promise<Content> {
  const repo = await Repository.open(dir, { lockTimeoutMs: LOCK_MS });
  try {
    const id = await repo.locked(() => readRef(repo.layout, ref));
    return id === null ? NONE : contentOf(await rebuildVersion(repo, id));
  } finally {
    await repo.close();
  }
}

/** All versions on a line, the tip first. */
export async function lineOf(dir: string, ref: string): Promise<Id[]> {
  const repo = await Repository.open(dir);
  try {
    const ids: Id[] = [];
    let next: Id | undefined = (await readRef(repo.layout, ref)) ?? undefined;
    while (next !== undefined) {
      ids.push(next);
      next = (await repo.version(next)).parents[0];
    }
    return ids;
  } finally {
    await repo.close();
  }
}
