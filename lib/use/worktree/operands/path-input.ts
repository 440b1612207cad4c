/**
 * How users name files: by a path, a folder or a glob. All commands read them in the same way.
 *
 * A glob that matches a folder selects the files below it, as in a shell. A path that exists under
 * its own name is never read as a glob.
 */
import nodePath from 'node:path';
import { Glob, type GlobMatch, isGlob } from '../../../pure/paths/glob.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { outside, toVersionPath } from '../../../storage/repo/work-path.js';

/** One word of the command line. */
export class PathInput {
  /** As the user wrote it, for messages. */
  readonly text: string;
  /** The path in a version that it is by its letters; '' is the work tree, null if it can be none. */
  readonly path: string | null;
  readonly #glob: Glob | null;

  /**
   * @param cwd folder that relative paths start from, absolute.
   * @throws {UsageError} DLV_USAGE if it is empty, lies outside of the work tree or no version can
   *   hold it.
   */
  constructor(layout: Layout, cwd: string, text: string) {
    this.text = text;
    const pattern = isGlob(text) ? globPattern(layout, cwd, text) : null;
    this.#glob = pattern === null ? null : new Glob(pattern, { braces: true });
    // What looks like a glob need be no path; what does not must be one.
    this.path =
      pattern === null || pathProblem(text) === null ? toVersionPath(layout, cwd, text) : null;
  }

  /** True if it can be read as a glob. */
  get isGlob(): boolean {
    return this.#glob !== null;
  }

  /** Whether it names a path by its letters, or a folder that the path lies in; null if neither. */
  findByName(path: string): GlobMatch | null {
    if (this.path === null) return null;
    if (path === this.path) return 'itself';
    return this.path === '' || path.startsWith(`${this.path}/`) ? 'below' : null;
  }

  /** Whether it names a path as a glob. */
  findByGlob(path: string): GlobMatch | null {
    return this.#glob?.find(path) ?? null;
  }

  /** What it names of a path that it selects: the path, or the folder of it that it is or matches. */
  topOf(path: string): string {
    if (this.findByName(path) !== null) return this.path as string;
    return this.#glob?.findTop(path) ?? path;
  }

  /** True if the glob may match something below a folder. */
  mayMatchBelow(folder: string): boolean {
    return this.#glob?.mayMatchBelow(folder) === true;
  }

  /** True if it may name something below a folder, by its letters or as a glob. */
  mayNameBelow(folder: string): boolean {
    if (this.findByName(folder) !== null || this.mayMatchBelow(folder)) return true;
    return this.path?.startsWith(`${folder}/`) === true;
  }

  /** Those of `known` that it names, each with how: by its letters if any is so, else as a glob. */
  select(known: Iterable<string>): Map<string, GlobMatch> {
    const byName = new Map<string, GlobMatch>();
    const byGlob = new Map<string, GlobMatch>();
    for (const path of known) {
      const name = this.findByName(path);
      if (name !== null) byName.set(path, name);
      else if (byName.size === 0 && this.isGlob) {
        const glob = this.findByGlob(path);
        if (glob !== null) byGlob.set(path, glob);
      }
    }
    return byName.size > 0 ? byName : byGlob;
  }
}

/**
 * The path that stands behind the colon of `<rev>:<path>`: from the top of the work tree, or from the
 * folder that the user is in if it begins with './' or '../', as in git.
 * @throws {UsageError} if it then lies outside of the work tree.
 */
export function placePath(layout: Layout, cwd: string, path: string): string {
  return /^\.\.?(\/|$)/.test(path) ? toVersionPath(layout, cwd, path) : path;
}

/** Which paths the user names, or lie below one; null if all are. @throws {UsageError} */
export function pathFilter(
  layout: Layout,
  cwd: string,
  texts: readonly string[],
): { covers: PathTest; mayCoverBelow: PathTest } | null {
  const covers = pathTest(layout, cwd, texts);
  if (covers === null) return null;
  const inputs = texts.map((text) => new PathInput(layout, cwd, text));
  return { covers, mayCoverBelow: (folder) => inputs.some((input) => input.mayNameBelow(folder)) };
}

/** Whether a path of a version is meant. */
export type PathTest = (path: string) => boolean;

/** Whether a path is one of those that the user names, or below; null if all are. @throws {UsageError} */
export function pathTest(layout: Layout, cwd: string, texts: readonly string[]): PathTest | null {
  const inputs = texts.map((text) => new PathInput(layout, cwd, text));
  if (inputs.length === 0 || inputs.some(({ path }) => path === '')) return null;
  return (file) =>
    inputs.some((input) => (input.findByName(file) ?? input.findByGlob(file)) !== null);
}

/** The pattern that means at the root of the work tree what `text` means in `cwd`. */
function globPattern(layout: Layout, cwd: string, text: string): string {
  const root = nodePath.resolve(layout.workTree).split(nodePath.sep);
  const parts = text.split(nodePath.sep).join('/').split('/');
  // A '/' at the end, which the shell's completion adds to folders, says nothing more.
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  const isAbsolute = nodePath.isAbsolute(text);
  const folder = isAbsolute ? [parts.shift() as string] : nodePath.resolve(cwd).split(nodePath.sep);
  // The parts before the first wildcard are folders; the last part is what is looked for in them.
  while (parts.length > 1 && !isGlob(parts[0] as string)) {
    const part = parts.shift() as string;
    if (part === '..') folder.pop();
    else if (part !== '.' && part !== '') folder.push(part);
  }
  if (!root.every((part, i) => part === folder[i])) {
    throw outside(layout, text);
  }
  const inside = folder.slice(root.length).map((part) => part.replace(/[*?[\]{},]/g, '\\$&'));
  return [...inside, ...parts].join('/');
}
