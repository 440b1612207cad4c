/**
 * Which files of a work tree are left alone: .dlvignore, and below it .gitignore, both by git's rules.
 *
 * The file of an inner folder wins over those of the folders above, as a later line wins over an
 * earlier one; what any .dlvignore says wins over every .gitignore. What lies in an ignored folder stays
 * ignored. `.dlv` and `.git` are always ignored.
 */

import { IgnorePatterns } from '../../../pure/paths/ignore-patterns.js';
import { GIT_MARKER, type Layout, REPOSITORY_DIR } from '../layout.js';
import { GitExcludes } from './git-excludes.js';
import { GIT_IGNORE_FILE, IGNORE_FILE, readPatterns } from './pattern-file.js';

/** What files of patterns are called; git's own files of exceptions count as its .gitignore. */
export type PatternFile = typeof IGNORE_FILE | typeof GIT_IGNORE_FILE;

/** Why a path is left alone: it never counts, or a file of patterns says so. */
export type IgnoredBy = 'always' | PatternFile;

/** The rules for what lies directly in one folder. */
interface FolderRules {
  folder: string;
  own: IgnorePatterns;
  git: IgnorePatterns;
  above: FolderRules | null;
  /** Why the folder is ignored itself, and with it all that lies in it; null if it is not. */
  ignoredBy: IgnoredBy | null;
  /** True if what git ignores by rules from above the folder counts all the same: the user named it. */
  isNamed: boolean;
}

/** The ignore rules of one work tree. Files with patterns are read once, when first needed. */
export class IgnoreRules {
  readonly #layout: Layout;
  readonly #warn: (message: string) => void;
  readonly #withGit: boolean;
  readonly #folders = new Map<string, Promise<FolderRules>>();
  #excludes: Promise<GitExcludes> | null = null;

  /**
   * @param warn    is told of files with patterns that cannot be read; their patterns do not count.
   * @param withGit false: what git ignores counts all the same.
   */
  constructor(layout: Layout, warn: (message: string) => void = () => {}, withGit = true) {
    this.#layout = layout;
    this.#warn = warn;
    this.#withGit = withGit;
  }

  #rulesOf(folder: string): Promise<FolderRules> {
    let rules = this.#folders.get(folder);
    if (rules === undefined) {
      rules = this.#load(folder);
      this.#folders.set(folder, rules);
    }
    return rules;
  }

  async #load(folder: string): Promise<FolderRules> {
    const above = folder === '' ? null : await this.#rulesOf(parentOf(folder));
    const ignoredBy = above === null ? null : await this.#decide(above, folder, true);
    const read = async (name: string): Promise<IgnorePatterns> => {
      // Patterns in an ignored folder say nothing, so they are not read.
      const isRead = ignoredBy === null && (this.#withGit || name === IGNORE_FILE);
      if (!isRead) return new IgnorePatterns('');
      const file = folder === '' ? name : `${folder}/${name}`;
      return new IgnorePatterns(await readPatterns(this.#layout.workFile(file), this.#warn));
    };
    const own = await read(IGNORE_FILE);
    const git = await read(GIT_IGNORE_FILE);
    // A folder without patterns of its own need not be asked.
    const isSilent = above?.own.isEmpty && above.git.isEmpty && !above.isNamed;
    return { folder, own, git, above: isSilent ? above.above : above, ignoredBy, isNamed: false };
  }

  /** Takes a folder that the user named: what git ignores from above it does not count in it. */
  async takeNamed(folder: string): Promise<void> {
    const rules = await this.#rulesOf(folder);
    if (rules.ignoredBy !== GIT_IGNORE_FILE) return;
    const file = this.#layout.workFile(`${folder}/${IGNORE_FILE}`);
    const own = new IgnorePatterns(await readPatterns(file, this.#warn));
    const taken = { ...rules, own, ignoredBy: null, isNamed: true };
    this.#folders.set(folder, Promise.resolve(taken));
  }

  /**
   * Why a file or folder that is not tracked is to be left alone; null if it is not.
   * @param path     relative to the work tree, '/' between parts, not ''.
   * @param isFolder patterns that end with '/' match folders only.
   * @param force    asks for nothing but `.dlv` and `.git`, which are ignored always.
   */
  async ignoredBy(path: string, isFolder: boolean, force = false): Promise<IgnoredBy | null> {
    if (path.split('/').some((part) => part === REPOSITORY_DIR || part === GIT_MARKER)) {
      return 'always';
    }
    if (force) return null;
    return this.#decide(await this.#rulesOf(parentOf(path)), path, isFolder);
  }

  async #decide(rules: FolderRules, path: string, isFolder: boolean): Promise<IgnoredBy | null> {
    if (rules.ignoredBy !== null) return rules.ignoredBy;
    for (let at: FolderRules | null = rules; at !== null; at = at.above) {
      const ignored = at.own.decide(inside(at.folder, path), isFolder);
      if (ignored !== null) return ignored ? IGNORE_FILE : null;
    }
    for (let at: FolderRules | null = rules; at !== null; at = at.above) {
      const ignored = at.git.decide(inside(at.folder, path), isFolder);
      if (ignored !== null) return ignored ? GIT_IGNORE_FILE : null;
      if (at.isNamed) return null;
    }
    if (!this.#withGit) return null;
    this.#excludes ??= GitExcludes.read(this.#layout.workTree, this.#warn);
    return (await this.#excludes).decide(path, isFolder) ? GIT_IGNORE_FILE : null;
  }
}

/** A path as the patterns in a folder above it see it. */
function inside(folder: string, path: string): string {
  return folder === '' ? path : path.slice(folder.length + 1);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
