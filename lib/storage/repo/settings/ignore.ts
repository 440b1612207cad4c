/**
 * .dlvignore: git's rules for .gitignore, one file in any folder.
 *
 * The file of an inner folder wins over those of the folders above, as a later line wins over an
 * earlier one. What lies in an ignored folder stays ignored. `.dlv` and `.git` are always ignored.
 */

import { DlvError } from '../../../base/errors.js';
import { isMissing, readSmallFile, statOrNull } from '../../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../../base/limits.js';
import { IgnorePatterns } from '../../../pure/paths/ignore-patterns.js';
import type { Layout } from '../layout.js';

/** Name of the file with patterns. */
export const IGNORE_FILE = '.dlvignore';

/** The text of a file with patterns; empty, with a warning, if it is odd: it must not stop all work. */
async function readText(file: string, warn: (message: string) => void): Promise<string> {
  const leftOut = (why: string): string => {
    warn(`the patterns of '${file}' are left out: ${why}`);
    return '';
  };
  try {
    const there = await statOrNull(file);
    if (there === null) return '';
    if (there.isSymlink) return leftOut('it is a symbolic link');
    if (!there.isFile) return leftOut('it is not a regular file');
    return Buffer.from(await readSmallFile(file, USER_TEXT_BYTES_MAX)).toString();
  } catch (error) {
    if (isMissing(error)) return '';
    if (error instanceof DlvError && /^DLV_(IO|LIMIT)$/.test(error.code)) {
      return leftOut(error.message);
    }
    throw error;
  }
}

/** The rules for what lies directly in one folder. */
interface FolderRules {
  folder: string;
  patterns: IgnorePatterns;
  above: FolderRules | null;
  /** True if the folder is ignored itself, and with it all that lies in it. */
  ignored: boolean;
}

/** The ignore rules of one work tree. Files with patterns are read once, when first needed. */
export class IgnoreRules {
  readonly #layout: Layout;
  readonly #warn: (message: string) => void;
  readonly #folders = new Map<string, Promise<FolderRules>>();

  /** @param warn is told of files with patterns that cannot be read; their patterns do not count. */
  constructor(layout: Layout, warn: (message: string) => void = () => {}) {
    this.#layout = layout;
    this.#warn = warn;
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
    const ignored = above !== null && decide(above, folder, true);
    // Patterns in an ignored folder say nothing, so they are not read.
    const file = this.#layout.workFile(folder === '' ? IGNORE_FILE : `${folder}/${IGNORE_FILE}`);
    const patterns = new IgnorePatterns(ignored ? '' : await readText(file, this.#warn));
    // A folder without patterns of its own need not be asked.
    const next = above?.patterns.isEmpty ? above.above : above;
    return { folder, patterns, above: next, ignored };
  }

  /**
   * True if a file or folder that is not tracked is to be left alone.
   * @param path     relative to the work tree, '/' between parts, not ''.
   * @param isFolder patterns that end with '/' match folders only.
   * @param force    asks for nothing but `.dlv` and `.git`, which are ignored always.
   */
  async isIgnored(path: string, isFolder: boolean, force = false): Promise<boolean> {
    if (path.split('/').some((part) => part === '.dlv' || part === '.git')) return true;
    if (force) return false;
    return decide(await this.#rulesOf(parentOf(path)), path, isFolder);
  }
}

function decide(rules: FolderRules, path: string, isFolder: boolean): boolean {
  if (rules.ignored) return true;
  for (let at: FolderRules | null = rules; at !== null; at = at.above) {
    const inner = at.folder === '' ? path : path.slice(at.folder.length + 1);
    const ignored = at.patterns.decide(inner, isFolder);
    if (ignored !== null) return ignored;
  }
  return false;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
