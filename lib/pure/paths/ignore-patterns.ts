/**
 * The patterns of one .dlvignore file: git's rules for .gitignore, without any file access.
 *
 * The last pattern that matches decides. Reading takes time in proportion to the text, a decision at
 * most in proportion to its wildcard patterns times the length of the path.
 */
import { Glob } from './glob.js';

/** One line of the file. */
interface Pattern {
  /** Place in the file: the highest wins. */
  index: number;
  /** False for a line that begins with '!': what it matches is not ignored. */
  ignores: boolean;
  foldersOnly: boolean;
}

/** The last patterns of one text: for files and folders, and for folders alone. */
interface LastPatterns {
  any: Pattern | null;
  folders: Pattern | null;
}

interface GlobPattern extends Pattern {
  /** What is before the first wildcard of a pattern for paths, and the rest. */
  head: string;
  glob: Glob;
  /** Matches names in any folder, not paths. */
  byName: boolean;
}

/** The patterns of the file in one folder. */
export class IgnorePatterns {
  readonly #globs: GlobPattern[] = [];
  /** Patterns without wildcards, by what they match. */
  readonly #names = new Map<string, LastPatterns>();
  readonly #paths = new Map<string, LastPatterns>();

  /** @param text of the file. */
  constructor(text: string) {
    inBytes(text.replace(/^\ufeff/, ''))
      .split('\n')
      .forEach((line, index) => {
        this.#add(line.replace(/\r$/, ''), index);
      });
    this.#globs.reverse();
  }

  /** True if the file holds no pattern. */
  get isEmpty(): boolean {
    return this.#globs.length + this.#names.size + this.#paths.size === 0;
  }

  #add(line: string, index: number): void {
    if (line.startsWith('#')) return;
    let body = withoutTrailingSpaces(line);
    const ignores = !body.startsWith('!');
    if (!ignores) body = body.slice(1);
    const foldersOnly = body.endsWith('/');
    if (foldersOnly) body = body.slice(0, -1);
    const byName = !body.includes('/');
    if (body.startsWith('/')) body = body.slice(1);
    if (body === '') return;
    const pattern = { index, ignores, foldersOnly };
    const wildcard = body.search(/[*?[\\]/);
    if (wildcard >= 0) {
      // As git, which reads the rest by itself: 'a**/b' is 'a' and then '**/b'.
      const head = byName ? '' : body.slice(0, wildcard);
      const glob = new Glob(body.slice(head.length), { braces: false });
      this.#globs.push({ ...pattern, head, glob, byName });
      return;
    }
    const known = byName ? this.#names : this.#paths;
    const last = known.get(body) ?? { any: null, folders: null };
    last[foldersOnly ? 'folders' : 'any'] = pattern;
    known.set(body, last);
  }

  /**
   * What the patterns say of a path.
   * @param pathOf relative to the folder of the file, '/' between parts.
   * @returns true: ignored; false: not ignored, whatever files above say; null: nothing.
   */
  decide(pathOf: string, isFolder: boolean): boolean | null {
    const path = inBytes(pathOf);
    const name = path.slice(path.lastIndexOf('/') + 1);
    let last: Pattern | null = null;
    for (const found of [this.#names.get(name), this.#paths.get(path)]) {
      for (const pattern of [found?.any, isFolder ? found?.folders : null]) {
        if (pattern && pattern.index > (last?.index ?? -1)) last = pattern;
      }
    }
    for (const pattern of this.#globs) {
      if (last !== null && pattern.index < last.index) break;
      const { head, glob, foldersOnly, byName } = pattern;
      if ((foldersOnly && !isFolder) || !path.startsWith(byName ? '' : head)) continue;
      if (glob.matches(byName ? name : path.slice(head.length))) {
        last = pattern;
        break;
      }
    }
    return last?.ignores ?? null;
  }
}

/** A character for each byte of UTF-8: git compares bytes, so that '?' is no letter with an accent. */
function inBytes(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text).toString('latin1');
}

/** Spaces at the end mean nothing unless a backslash is before them. */
function withoutTrailingSpaces(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === ' ') end--;
  let slashes = 0;
  while (line[end - slashes - 1] === '\\') slashes++;
  // An odd number of backslashes: the last one is for the first of the spaces.
  return line.slice(0, slashes % 2 === 1 && end < line.length ? end + 1 : end);
}
