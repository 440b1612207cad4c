/** What versions that were taken lack: files that others need, and weights. */
import { quoteSome } from '../../base/bytes/words/wording.js';
import type { NewFile } from '../history/commit/make-version.js';

/** Looks at versions one after another. */
export class Lacks {
  /** Files, and what they need that is not there: told once. */
  readonly #told = new Set<string>();
  /** Versions in whose files no weights were found. */
  readonly #weightless: string[] = [];

  /**
   * Problems of a version: files that need others which are not there.
   * @param there  paths of all files there, also of those that are not taken.
   */
  of(title: string, files: readonly NewFile[], there: Iterable<string>): string[] {
    const problems: string[] = [];
    const paths = new Set(there);
    for (const { path, hint } of files) {
      const missing = hint.references.filter((reference) => !paths.has(reference));
      const key = JSON.stringify([path, missing]);
      if (missing.length === 0 || this.#told.has(key)) continue;
      this.#told.add(key);
      const are = missing.length === 1 ? 'is' : 'are';
      problems.push(`'${path}' of ${title} needs ${quoteSome(missing)}, which ${are} not there`);
    }
    if (!files.some(({ hint }) => hint.roles.includes('weights'))) this.#weightless.push(title);
    return problems;
  }

  /** For versions that are expected to have weights. */
  weights(): string[] {
    if (this.#weightless.length === 0) return [];
    return [`no weights were found in ${quoteSome(this.#weightless)}`];
  }
}
