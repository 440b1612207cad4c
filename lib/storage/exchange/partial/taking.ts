/** Which files and planes a partial fetch takes of the versions that it brings. */

import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { Glob } from '../../../pure/paths/glob.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import { floatExtents } from '../../objects/planes/leading-planes.js';
import type { StoredFile } from '../../objects/stored/stored-file.js';
import type { PartialFilter } from '../../repo/promised.js';
import type { Version } from '../../repo/version/version.js';
import type { NamedFile } from '../../upkeep/reachable.js';

export class PartialTaking {
  readonly #filter: PartialFilter;
  readonly #only: readonly Glob[];
  readonly #tips = new Set<Id>();
  /** Versions whose files are taken; null: all. */
  #near: Set<Id> | null = null;
  /** Extents that hold floats alone, and those that hold something else. */
  readonly #floats = new Set<Id>();
  readonly #others = new Set<Id>();

  constructor(filter: PartialFilter) {
    this.#filter = filter;
    this.#only = filter.only.map((glob) => new Glob(glob, { braces: true }));
  }

  /** Finds the versions that are near enough to a tip. */
  async findNear(
    tips: readonly Id[],
    isKnown: (version: Id) => boolean,
    readVersion: (id: Id) => Promise<Version>,
  ): Promise<void> {
    const { depth } = this.#filter;
    for (const id of tips) this.#tips.add(id);
    if (depth === null) return;
    const near = new Set<Id>();
    let edge = tips.filter((id) => !isKnown(id));
    for (let step = 0; step < depth && edge.length > 0; step++) {
      const next: Id[] = [];
      for (const id of edge) {
        if (near.has(id)) continue;
        near.add(id);
        if (step + 1 < depth)
          pushAll(
            next,
            (await readVersion(id)).parents.filter((one) => !isKnown(one)),
          );
      }
      edge = next;
    }
    this.#near = near;
  }

  /** How `reachFrom` goes. */
  get walking() {
    return {
      takesFile: (version: Id, file: NamedFile): boolean => this.takes(version, file.path),
      // What is staged says of each file of the version what kind it is.
      describesFile: (version: Id): boolean => this.#tips.has(version),
      onFile: (file: StoredFile): void => this.#note(file),
    };
  }

  takes(version: Id, path: string): boolean {
    if (this.#near !== null && !this.#near.has(version)) return false;
    const name = path.slice(path.lastIndexOf('/') + 1);
    return (
      this.#only.length === 0 ||
      this.#only.some((glob) => glob.find(path) !== null || glob.matches(name))
    );
  }

  #note(file: StoredFile): void {
    if (this.#filter.planes === null) return;
    const floats = floatExtents(file);
    for (const id of floats.keys()) this.#floats.add(id);
    for (const { id } of extentsOf(file)) if (!floats.has(id)) this.#others.add(id);
  }

  /** Leading planes that are taken of an extent: all but of one that holds floats alone. */
  readonly planesOf = (extent: Id): number => {
    const { planes } = this.#filter;
    return planes !== null && this.#floats.has(extent) && !this.#others.has(extent)
      ? planes
      : WIDTH_MAX;
  };
}
