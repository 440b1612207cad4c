/**
 * .dlvignore: git's rules for git's file, one in any folder, read as git reads .gitignore.
 *
 * The patterns of a folder and of all folders above it are put together in one list, those of inner
 * folders last and anchored to where they stand, so that order alone decides. `.dlv` and `.git` are
 * always ignored.
 */
import { createRequire } from 'node:module';
import type { Ignore, Options } from 'ignore';
import { isMissing, readSmallFile, statOrNull } from '../../../base/bytes/files.js';
import { UsageError } from '../../../base/errors.js';
import { USER_TEXT_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';

/** Name of the file with patterns. */
export const IGNORE_FILE = '.dlvignore';

// The package is CommonJS; its types describe a default export that Node does not give under ESM.
const makeIgnore = createRequire(import.meta.url)('ignore') as (options?: Options) => Ignore;

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]!# ]/g, '\\$&');
}

/** A pattern of the file in `folder`, as one that means the same at the root; null for no pattern. */
export function anchorPattern(line: string, folder: string): string | null {
  if (line.trim() === '' || line.startsWith('#')) return null;
  const negative = line.startsWith('!');
  const body = (negative ? line.slice(1) : line).replace(/^\\(?=[!#])/, '');
  if (body.replace(/^\/+/, '').trim() === '') return null;
  // A slash that is not the last character ties the pattern to its folder.
  const anchored = body.trimEnd().slice(0, -1).includes('/');
  // Where the library reads stars otherwise than git: two beside no slash mean one, a run of such
  // parts means one of them, and a pattern that ends with them and a slash means the folders below.
  const inner = anchored
    ? body
        .replace(/^\//, '')
        .replace(/(^|\/)(\*\*\/)+/g, '$1**/')
        .replace(/\*\*\/$/, '**/*/')
        .replace(/^\*\*$/, '**/*')
    : `**/${body.replace(/\*\*+/g, '*')}`;
  return `${negative ? '!' : ''}/${folder === '' ? '' : `${escapeGlob(folder)}/`}${inner}`;
}

async function readPatterns(file: string): Promise<string[]> {
  const there = await statOrNull(file);
  if (there === null) return [];
  if (!there.isFile) {
    throw new UsageError(`'${file}' is no plain file`, {
      hint: 'make it a text file or remove it',
    });
  }
  try {
    const text = Buffer.from(await readSmallFile(file, USER_TEXT_BYTES_MAX)).toString();
    return text.replace(/^\ufeff/, '').split(/\r?\n/);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The ignore rules of one work tree. Files with patterns are read once, when first needed. */
export class IgnoreRules {
  readonly #layout: Layout;
  readonly #folders = new Map<string, Promise<Ignore>>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Rules that hold for what lies directly in `folder` ('' is the work tree). */
  #rulesOf(folder: string): Promise<Ignore> {
    let rules = this.#folders.get(folder);
    if (rules === undefined) {
      rules = this.#load(folder);
      this.#folders.set(folder, rules);
    }
    return rules;
  }

  async #load(folder: string): Promise<Ignore> {
    const above = folder === '' ? null : await this.#rulesOf(parentOf(folder));
    // What lies in an ignored folder stays ignored, so patterns in there say nothing.
    if (above?.ignores(`${folder}/`)) return above;
    const file = this.#layout.workFile(folder === '' ? IGNORE_FILE : `${folder}/${IGNORE_FILE}`);
    const patterns = (await readPatterns(file))
      .map((line) => anchorPattern(line, folder))
      .filter((pattern) => pattern !== null);
    if (above !== null && patterns.length === 0) return above;
    const rules = makeIgnore({ ignorecase: false });
    if (above !== null) rules.add(above);
    return rules.add(patterns);
  }

  /**
   * True if a file or folder that is not tracked is to be left alone.
   * @param path     relative to the work tree, '/' between parts, not ''.
   * @param isFolder patterns that end with '/' match folders only.
   */
  async isIgnored(path: string, isFolder: boolean): Promise<boolean> {
    if (path.split('/').some((part) => part === '.dlv' || part === '.git')) return true;
    const rules = await this.#rulesOf(parentOf(path));
    return rules.ignores(isFolder ? `${path}/` : path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
