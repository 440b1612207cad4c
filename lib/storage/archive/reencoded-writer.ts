/**
 * New encodings of objects that are stored already: pack sets that are listed before all others, so
 * that their records become the live ones.
 *
 * Every set is listed as soon as it is full. Under the lock, the writer checks the listed sets that
 * its deltas depend on: if another command removed one, or listed one before them, nothing more is
 * listed.
 */

import { ConflictError } from '../../base/errors.js';
import type { PackAccess } from '../objects/access.js';
import { OBJECTS_FLAG, requireReadFlag } from '../repo/format.js';
import { newWorkName } from '../repo/processes/made-names.js';
import { RollingWriter } from '../store/packs/rolling-writer.js';
import type { SealedSet, SegmentRecord, SetId, SetInfo } from '../store/types.js';

export class ReencodedWriter {
  /** Sets listed by this writer, the last first. */
  readonly listed: SetInfo[] = [];
  readonly #repo: PackAccess;
  /** Sets that must still be there, in the order of the manifest when the writer was made. */
  readonly #seen: readonly SetId[];
  readonly #writer: RollingWriter;
  /** True if a record has a base with an operation. */
  #hasOperations = false;

  constructor(repo: PackAccess) {
    this.#repo = repo;
    this.#seen = repo.store.sets().map((info) => info.id);
    this.#writer = new RollingWriter({
      backend: repo.store.backend,
      tmpName: () => newWorkName('archive'),
      onSealed: (sealed) => this.#list(sealed),
    });
  }

  /**
   * Adds a record; its base is in this set, or listed.
   * @param isDerived  true if something is done to the base first. @throws {ConflictError}
   */
  add(record: SegmentRecord, isDerived = false): Promise<void> {
    this.#hasOperations ||= isDerived;
    return this.#writer.addSegment(record);
  }

  /** Lists what was added. @throws {ConflictError} */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Removes what was not listed. */
  abort(): Promise<void> {
    return this.#writer.abort();
  }

  async #list(sealed: SealedSet): Promise<void> {
    const { store } = this.#repo;
    const { info } = sealed;
    await this.#repo.locked(async (lock) => {
      await store.reload();
      this.#check();
      if (this.#hasOperations) await requireReadFlag(lock, OBJECTS_FLAG);
      await store.publish([sealed], (sets) => [
        info,
        ...sets.filter((other) => other.id !== info.id),
      ]);
    });
    this.listed.unshift(info);
  }

  /** True if every set that was there before still is: what the new ones hide can then be had from it. */
  get isReplaceable(): boolean {
    const present = new Set(this.#repo.store.sets().map((info) => info.id));
    return this.#seen.every((id) => present.has(id));
  }

  #check(): void {
    const sets = this.#repo.store.sets().map((info) => info.id);
    const known = new Set<SetId>([...this.listed.map((info) => info.id), ...this.#seen]);
    const present = new Set(sets);
    const firstNew = sets.findIndex((id) => !known.has(id));
    const isGone = [...known].some((id) => !present.has(id));
    // A set put in front meanwhile holds what was lost and is stored again: it must stay in front.
    const isInFront = firstNew >= 0 && sets.slice(firstNew).some((id) => known.has(id));
    if (!isGone && !isInFront) return;
    throw new ConflictError('another command changed the packs while they were being archived', {
      hint: "run 'dlv archive' again: it resumes",
    });
  }
}
