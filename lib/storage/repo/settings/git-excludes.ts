/**
 * What git ignores because of files outside of the work tree of dlv: the .gitignore files of the folders
 * above it, and `info/exclude` of the git repository.
 *
 * A person's own file of patterns (core.excludesFile) is not read: what `dlv add .` takes must not depend
 * on who says it.
 */
import path from 'node:path';
import { readSmallFile, statOrNull } from '../../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import { IgnorePatterns } from '../../../pure/paths/ignore-patterns.js';
import { GIT_IGNORE_FILE, readPatterns } from './pattern-file.js';

/** Patterns of one file, for paths relative to a folder at or above the work tree. */
interface Outer {
  patterns: IgnorePatterns;
  /** From that folder to the work tree, with a '/' at the end; '' if it is the work tree. */
  prefix: string;
}

/** Folders above a work tree in which `.git` is looked for. */
const FOLDERS_ABOVE_MAX = 64;

/** Rules of git from outside of a work tree. */
export class GitExcludes {
  /** The first that says something of a path decides. */
  readonly #rules: readonly Outer[];

  private constructor(rules: readonly Outer[]) {
    this.#rules = rules;
  }

  /** Reads the files. In a folder without git, and where git ignores the whole work tree, there are none. */
  static async read(workTree: string, warn: (message: string) => void): Promise<GitExcludes> {
    const folders = await foldersToGit(workTree);
    const top = folders.at(-1);
    if (top === undefined) return new GitExcludes([]);
    const rules: Outer[] = [];
    const add = async (folder: string, file: string): Promise<void> => {
      const patterns = new IgnorePatterns(await readPatterns(file, warn));
      const way = path.relative(folder, workTree).split(path.sep).join('/');
      if (!patterns.isEmpty) rules.push({ patterns, prefix: way === '' ? '' : `${way}/` });
    };
    for (const folder of folders.slice(1)) await add(folder, path.join(folder, GIT_IGNORE_FILE));
    await add(top, path.join(await gitFolder(top), 'info', 'exclude'));
    const excludes = new GitExcludes(rules);
    return excludes.#ignoresWorkTree() ? new GitExcludes([]) : excludes;
  }

  /** What the rules say of a path of the work tree: ignored, not ignored, or null for nothing. */
  decide(file: string, isFolder: boolean): boolean | null {
    for (const { patterns, prefix } of this.#rules) {
      const ignored = patterns.decide(prefix + file, isFolder);
      if (ignored !== null) return ignored;
    }
    return null;
  }

  /** True if git ignores the work tree or a folder above it: a repository of dlv was made there all the same. */
  #ignoresWorkTree(): boolean {
    const longest = this.#rules.reduce((way, { prefix }) => Math.max(way, prefix.length), 0);
    const way = this.#rules.find(({ prefix }) => prefix.length === longest)?.prefix ?? '';
    for (let at = way.indexOf('/'); at >= 0; at = way.indexOf('/', at + 1)) {
      const above = way.slice(0, at);
      for (const { patterns, prefix } of this.#rules) {
        const cut = way.length - prefix.length;
        if (at <= cut) continue;
        const ignored = patterns.decide(above.slice(cut), true);
        if (ignored === true) return true;
        if (ignored === false) break;
      }
    }
    return false;
  }
}

/** The work tree and the folders above it up to that of the git repository; none if there is none. */
async function foldersToGit(workTree: string): Promise<string[]> {
  const folders: string[] = [];
  let dir = path.resolve(workTree);
  for (let i = 0; i < FOLDERS_ABOVE_MAX; i++) {
    folders.push(dir);
    if (await isGit(dir)) return folders;
    const parent = path.dirname(dir);
    if (parent === dir) return [];
    dir = parent;
  }
  return [];
}

/** The folder that git keeps a work tree's repository in; of linked work trees and submodules another one. */
async function gitFolder(top: string): Promise<string> {
  const dotGit = path.join(top, '.git');
  const own = await lineOf(dotGit);
  const [, linked] = /^gitdir: (.+)$/.exec(own ?? '') ?? [];
  if (linked === undefined) return dotGit;
  const folder = path.resolve(top, linked);
  // What work trees share, 'info' among it, is in the repository that they are linked to.
  const common = await lineOf(path.join(folder, 'commondir'));
  return common === null ? folder : path.resolve(folder, common);
}

/** The line that a small file is; null if it is no file or cannot be read. */
async function lineOf(file: string): Promise<string | null> {
  try {
    if ((await statOrNull(file))?.isFile !== true) return null;
    return Buffer.from(await readSmallFile(file, STATE_FILE_BYTES_MAX))
      .toString()
      .trim();
  } catch {
    return null;
  }
}

/** True for the top folder of a git repository; one that may not be looked into is none. */
async function isGit(dir: string): Promise<boolean> {
  try {
    return (await statOrNull(path.join(dir, '.git'))) !== null;
  } catch {
    return false;
  }
}
