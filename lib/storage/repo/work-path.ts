/**
 * Paths between the user, the work tree and versions: into a path of a version, and safely out.
 *
 * A path is never followed through a symbolic link: neither by `add` out of the work tree, nor by a
 * checkout that a hostile version would lead elsewhere.
 */
import nodePath from 'node:path';
import { ConflictError, UsageError } from '../../base/errors.js';
import { statNow } from '../../base/files/files.js';
import { checkPath } from '../../pure/paths/version-path.js';
import type { Layout } from './layout.js';

/**
 * The path in a version of what the user calls `input`; '' is the work tree itself.
 * @param folder where the user stands, absolute.
 * @throws {UsageError} DLV_USAGE if it is empty, lies outside of the work tree or cannot be versioned.
 */
export function toVersionPath(layout: Layout, folder: string, input: string): string {
  if (input === '') {
    throw new UsageError('a path is empty', { hint: "write '.' for all files of this folder" });
  }
  const root = nodePath.resolve(layout.workTree);
  const relative = nodePath.relative(root, nodePath.resolve(folder, input));
  const parts = relative.split(nodePath.sep);
  if (parts[0] === '..' || nodePath.isAbsolute(relative)) {
    throw outside(layout, input);
  }
  return relative === '' ? '' : checkPath(parts.join('/'));
}

/** Finds symbolic links in the folders of paths; remembers the folders that are none. */
export class LinkGuard {
  readonly #root: string;
  readonly #plain = new Set<string>();

  /** @param root the work tree, or the folder that a checkout writes to; itself it may be a link. */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The folder of `path` that is a symbolic link (or no folder at all), or null.
   * Folders that do not exist yet are fine. The last part of `path` is not looked at.
   */
  async findLink(path: string): Promise<string | null> {
    return this.findLinkNow(path);
  }

  /** The same, at once: see statNow. */
  findLinkNow(path: string): string | null {
    const end = path.lastIndexOf('/');
    if (end < 0 || this.#plain.has(path.slice(0, end))) return null;
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) {
      const folder = parts.slice(0, i).join('/');
      if (this.#plain.has(folder)) continue;
      const there = statNow(nodePath.join(this.#root, ...parts.slice(0, i)));
      if (there === null) return null;
      if (!there.isDirectory) return folder;
      this.#plain.add(folder);
    }
    return null;
  }

  /** @throws {ConflictError} DLV_CONFLICT if `path` leads through a symbolic link or a file. */
  async check(path: string): Promise<void> {
    const link = await this.findLink(path);
    if (link !== null) {
      throw new ConflictError(`cannot use '${path}': '${link}' is a symbolic link or a file`, {
        path,
        hint: `make '${link}' a folder, or move it away`,
      });
    }
  }

  /** Forgets what is known, after folders were removed or replaced. */
  forget(): void {
    this.#plain.clear();
  }
}

/** True if `inner` is `folder` or lies in it: a shell that is there must not lose its folder. */
export function holdsFolder(folder: string, inner: string): boolean {
  return inner === folder || inner.startsWith(folder + nodePath.sep);
}

/** That a path or a pattern leads out of the work tree. */
export function outside({ workTree }: Pick<Layout, 'workTree'>, input: string): UsageError {
  return new UsageError(`'${input}' lies outside of the repository '${workTree}'`, {
    path: input,
    hint: "only what lies in that folder can be versioned: copy it there, or put a symbolic link to it there and use 'dlv add --follow'",
  });
}
