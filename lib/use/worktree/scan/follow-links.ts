/**
 * Symbolic links that `add --follow` reads through: which of them, and why not the others.
 *
 * Following a link out of the work tree is what the flag is for (a checkpoint folder, a model cache).
 * What is read becomes a regular file of the version: no link is stored and none is ever written
 * through. Refused are links into a repository's own data and circles: a folder is entered through
 * a link only if it neither is nor holds one of the folders that the walk is in.
 */
import nodePath from 'node:path';
import { LimitError } from '../../../base/errors.js';
import { linkTarget, realPath, statThrough } from '../../../base/files/places/user-paths.js';
import { LINKED_FOLDERS_MAX } from '../../../base/limits.js';
import { isRepositoryData, type Layout } from '../../../storage/repo/layout.js';
import { holdsFolder } from '../../../storage/repo/work-path.js';

/** Real paths of the folders that a walk is in, the work tree first. */
export type FolderChain = readonly string[];

/** What a link leads to, or why it is left out, as the end of a sentence. `to`: what it names, if nothing is there. */
export type LinkTarget =
  | { kind: 'file' }
  | { kind: 'folder'; chain: FolderChain }
  | { kind: 'none'; why: string; to?: string };

export class LinkFollower {
  readonly #layout: Layout;
  #folders = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** The chain of a folder of the work tree, which may lie below links. */
  async chainOf(folder: string): Promise<FolderChain> {
    const chain = [await realPath(this.#layout.workTree)];
    if (folder === '') return chain;
    const parts = folder.split('/');
    for (let i = 1; i <= parts.length; i++) {
      chain.push(await realPath(this.#layout.workFile(parts.slice(0, i).join('/'))));
    }
    return chain;
  }

  /**
   * @param path  of the link, or of something below one.
   * @param chain of the folder that it lies in.
   * @throws {LimitError} if more folders are reached through links than any real tree has.
   */
  async target(path: string, chain: FolderChain): Promise<LinkTarget> {
    const file = this.#layout.workFile(path);
    const there = await statThrough(file);
    if (there.kind === 'denied') {
      return { kind: 'none', why: 'it is a symbolic link to where you may not look' };
    }
    if (there.stat === null) {
      const where = there.kind === 'circle' ? 'in a circle' : 'nowhere';
      const to = await linkTarget(file);
      return { kind: 'none', why: `it is a symbolic link that leads ${where}`, to };
    }
    const real = await realPath(file);
    if (isRepositoryData(real)) {
      return { kind: 'none', why: "it is a symbolic link into a '.dlv' folder" };
    }
    if (there.kind === 'file') return { kind: 'file' };
    if (there.kind !== 'folder') {
      return { kind: 'none', why: 'it is a symbolic link to what is not a regular file' };
    }
    const here = [...chain, await realPath(nodePath.dirname(file))];
    if (real === nodePath.parse(real).root || here.some((above) => holdsFolder(real, above))) {
      return { kind: 'none', why: 'it is a symbolic link to a folder that it lies in itself' };
    }
    if (++this.#folders > LINKED_FOLDERS_MAX) {
      throw new LimitError(`more than ${LINKED_FOLDERS_MAX} folders are reached through links`, {
        limit: 'LINKED_FOLDERS_MAX',
        value: this.#folders,
        max: LINKED_FOLDERS_MAX,
        hint: "name single folders, or exclude links with '.dlvignore'",
      });
    }
    return { kind: 'folder', chain: [...here, real] };
  }
}
