/**
 * New encodings of objects that are stored already: pack sets that are listed in front of all others,
 * so that their records become the live ones.
 *
 * Every set is listed as soon as it is full. What relies on the sets listed before is checked under
 * the lock: if another command took one away, or put one in front, nothing more is listed.
 */

import { ConflictError } from '../../base/errors.js';
import type { PackAccess } from '../objects/access.js';
import { newWorkName } from '../repo/layout.js';
import { PackSetWriter } from '../store/pack-writer.js';
import type { SegmentRecord, SetId, SetInfo } from '../store/types.js';

export class FrontWriter {
  /** Sets listed by this writer, the last first. */
  readonly listed: SetInfo[] = [];
  readonly #repo: PackAccess;
  /** Sets that must still be there, in the order of the manifest when the writer was made. */
  readonly #seen: readonly SetId[];
  #writer: PackSetWriter | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(repo: PackAccess) {
    this.#repo = repo;
    this.#seen = repo.store.sets().map((info) => info.id);
  }

  /** Adds a record; its base is in this set, or listed. @throws {ConflictError} */
  add(record: SegmentRecord): Promise<void> {
    return this.#inTurn(async () => {
      const { backend } = this.#repo.store;
      this.#writer ??= await PackSetWriter.create(backend, newWorkName('archive'));
      await this.#writer.addSegment(record);
      if (this.#writer.isFull) await this.#flush();
    });
  }

  /** Lists what was added. @throws {ConflictError} */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#flush());
  }

  /** Removes what was not listed. */
  abort(): Promise<void> {
    return this.#inTurn(async () => {
      const writer = this.#writer;
      this.#writer = null;
      await writer?.abort();
    });
  }

  async #flush(): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    try {
      const sealed = await writer.finish();
      const { info } = sealed;
      await this.#repo.locked(async () => {
        await this.#repo.store.reload();
        this.#check();
        await this.#repo.store.publish([sealed], (sets) => [
          info,
          ...sets.filter((other) => other.id !== info.id),
        ]);
      });
      this.listed.unshift(info);
    } catch (error) {
      await writer.abort();
      throw error;
    }
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
      hint: 'run dlv archive again: it goes on from where it was',
    });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {});
    return done;
  }
}
