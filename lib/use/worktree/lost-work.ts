/** Work that a checkout would destroy: contents that are in no version, and symbolic links. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { FilePage } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { versionRoots, versionsByModel } from '../history/sizes/sizes.js';
import { Describer } from '../history/versions.js';
import { hashFile } from './changes.js';

export class LostWork {
  readonly #repo: ReadAccess;
  readonly #model: string;
  readonly #context: OpContext;
  /** Contents that would be lost, by path: sha256, or null for what has to be read to know it. */
  readonly #lost = new Map<string, (string | null)[]>();
  /** Links that would be replaced or removed. No version has links. */
  readonly #links = new Set<string>();

  constructor(repo: ReadAccess, model: string, context: OpContext) {
    this.#repo = repo;
    this.#model = model;
    this.#context = context;
  }

  /** Notes a content at a path. @param sha256 hex; null for what is read only if it matters. */
  add(path: string, sha256: string | null): void {
    this.#lost.set(path, [...(this.#lost.get(path) ?? []), sha256]);
  }

  addLink(path: string): void {
    this.#links.add(path);
  }

  /**
   * @param discard  what discards them, for the hint: a command, quoted.
   * @throws {ConflictError} if a link would be lost, or content that is in no version.
   */
  async check(discard: string): Promise<void> {
    if (this.#links.size > 0) throw linksInTheWay([...this.#links]);
    if (this.#lost.size === 0) return;
    await this.#readUnknown();
    await this.#forgetKept();
    if (this.#lost.size === 0) return;
    const paths = [...this.#lost.keys()].sort(comparePaths);
    const what = paths.length === 1 ? 'a file has' : `${paths.length} files have`;
    throw new ConflictError(`${what} changes that are in no version: ${quoteSome(paths)}`, {
      paths,
      hint: `commit them, or set them aside with 'dlv stash -u'; ${discard} discards them`,
    });
  }

  async #readUnknown(): Promise<void> {
    for (const [path, contents] of this.#lost) {
      if (!contents.includes(null)) continue;
      const file = this.#repo.layout.workFile(path);
      if (!(await statOrNull(file))?.isFile) continue; // a link, which no version has
      const sha256 = await hashFile(file, this.#context.signal);
      this.#lost.set(
        path,
        contents.map((known) => known ?? sha256),
      );
    }
  }

  /** Looks for the contents in all versions and takes from the lost what is found. */
  async #forgetKept(): Promise<void> {
    const describer = new Describer(this.#repo);
    const models = await versionsByModel(
      (id) => this.#repo.version(id),
      await versionRoots(this.#repo),
    );
    const seen = new WeakSet<FilePage>();
    for (const id of models.get(this.#model) ?? []) {
      throwIfAborted(this.#context.signal);
      const { tree } = await this.#repo.version(id);
      const tier = await this.#repo.tier(id);
      for await (const page of describer.pages(tree)) {
        if (tier === null && seen.has(page)) continue;
        if (tier === null) seen.add(page);
        for (const file of page.files) {
          // What was given up, for a tier or wholly, is in no version any more.
          const { path, sha256, tombstone } = tier?.entryOf(file) ?? file;
          if (tombstone !== undefined) continue;
          const contents = this.#lost.get(path);
          if (contents === undefined) continue;
          const left = contents.filter((content) => content !== sha256);
          if (left.length > 0) this.#lost.set(path, left);
          else this.#lost.delete(path);
        }
      }
      if (this.#lost.size === 0) return;
    }
  }
}

/** The error for links that only a forced checkout replaces. @param links paths, in any order. */
export function linksInTheWay(links: readonly string[]): ConflictError {
  const paths = links.toSorted(comparePaths);
  const what = paths.length === 1 ? 'a symbolic link is' : `${paths.length} symbolic links are`;
  return new ConflictError(`${what} in the way: ${quoteSome(paths)}`, {
    paths,
    hint: "move them away, or let 'dlv checkout --force' replace the links themselves",
  });
}
