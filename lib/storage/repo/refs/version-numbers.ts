/**
 * Numbers of versions: n of `model@n` and `model/branch@n`.
 *
 * A version made by this dlv stores its number, which no other version of its model was given. A
 * version of an older dlv has a number that depends only on its first parents, so it never changes
 * either; two of those may share one. @see docs/decisions/0015-numbers-that-stay.md
 */

import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { type DlvError, isDamage, isUnreadable } from '../../../base/errors.js';
import type { Layout } from '../layout.js';
import type { Version } from '../version/version.js';
import {
  formerStashes,
  rememberedVersions,
  stashedVersions,
  versionsOnRefs,
} from './named-versions.js';

/** What is asked of a version here. */
export type NumberedVersion = Pick<Version, 'model' | 'parents' | 'number'>;

/** Where versions are read. */
export interface NumberSource {
  readonly layout: Layout;
  /** @throws {NotFoundError} if there is no such version here. */
  readVersion(id: Id): Promise<NumberedVersion>;
}

/** Numbers of versions; each is worked out once. */
export class VersionNumbers {
  readonly #readVersion: NumberSource['readVersion'];
  readonly #known = new Map<Id, number>();

  constructor(readVersion: NumberSource['readVersion']) {
    this.#readVersion = readVersion;
  }

  /**
   * The number that a version holds; else one more than that of its first parent, if that is of its
   * model; else 1.
   */
  async of(id: Id): Promise<number> {
    const line: Id[] = [];
    const { model } = await this.#readVersion(id);
    let below = 0;
    for (let next: Id | undefined = id; next !== undefined; ) {
      const version: NumberedVersion = await this.#readVersion(next);
      if (version.model !== model) break;
      const known = version.number ?? this.#known.get(next);
      if (known !== undefined) {
        if (line.length === 0) return known;
        below = known;
        break;
      }
      line.push(next);
      next = version.parents[0];
    }
    for (const version of line.reverse()) this.#known.set(version, ++below);
    return below;
  }
}

/**
 * The versions of `tip`'s model on its first-parent line, newest first. A parent of another model (after
 * copy) ends the line.
 */
export async function* firstParentLine(
  source: { readVersion(id: Id): Promise<Pick<Version, 'model' | 'parents'>> },
  tip: Id,
): AsyncGenerator<Id> {
  let id: Id | undefined = tip;
  let model: string | null = null;
  while (id !== undefined) {
    const version: Pick<Version, 'model' | 'parents'> = await source.readVersion(id);
    model ??= version.model;
    if (version.model !== model) return;
    yield id;
    id = version.parents[0];
  }
}

/** A walk over versions and all that they derive from, around those that cannot be read. */
export class NumberWalk {
  readonly #source: NumberSource;
  readonly #numbers: VersionNumbers;
  readonly #seen = new Set<Id>();
  #unread: DlvError | null = null;

  constructor(source: NumberSource, numbers = new VersionNumbers((id) => source.readVersion(id))) {
    this.#source = source;
    this.#numbers = numbers;
  }

  /**
   * Why the first of the versions that it went around cannot be read; null if it read them all. While
   * there is one, nothing is known of what it, and all before it, would have been.
   */
  get unread(): DlvError | null {
    return this.#unread;
  }

  /** Versions that were not met yet, each with its model and number. */
  async *from(starts: Iterable<Id>): AsyncGenerator<{ id: Id; model: string; number: number }> {
    const queue = [...starts];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      if (this.#seen.has(id)) continue;
      this.#seen.add(id);
      const version = await this.#readable(() => this.#source.readVersion(id));
      if (version === null) continue;
      pushAll(queue, version.parents);
      // It may depend on one that is damaged.
      const number = await this.#readable(() => this.#numbers.of(id));
      if (number !== null) yield { id, model: version.model, number };
    }
  }

  /** What `read` gives; null if it is damaged: what is sound beside it keeps its names. */
  async #readable<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // Damage says more than absence, which gc may have brought about.
      if (this.#unread === null || (isDamage(error) && !isDamage(this.#unread))) {
        this.#unread = error;
      }
      return null;
    }
  }
}

/**
 * The versions of a model that have a number: those that refs reach, else a stash, else those that only
 * reflogs remember, as after `commit --amend` or the end of a branch. Work that was put aside and is no more
 * has none: it was never a version of the line.
 */
export async function findNumbered(
  source: NumberSource,
  model: string,
  number: number,
): Promise<Id[]> {
  const walk = new NumberWalk(source);
  for (const read of [versionsOnRefs, stashedVersions, rememberedVersions]) {
    const starts = await read(source.layout);
    const isPast = read === rememberedVersions;
    const aside = isPast ? await formerStashes(source.layout) : new Set<Id>();
    const ids: Id[] = [];
    for await (const found of walk.from(starts)) {
      const isOf = found.model === model && found.number === number;
      if (isOf && !aside.has(found.id)) ids.push(found.id);
    }
    if (ids.length > 0) return ids;
  }
  return [];
}

/**
 * The version of `tip`'s model that has a number in the history of `tip`: that on its own line, else
 * those among all that it derives from.
 * @throws {NotFoundError} {CorruptError} if none was found, and not all of it could be read.
 */
export async function findInHistory(source: NumberSource, tip: Id, number: number): Promise<Id[]> {
  const numbers = new VersionNumbers((id) => source.readVersion(id));
  for await (const id of firstParentLine(source, tip)) {
    const own = await numbers.of(id);
    if (own === number) return [id];
    // Numbers only grow along a line.
    if (own < number) break;
  }
  const { model } = await source.readVersion(tip);
  const ids: Id[] = [];
  const walk = new NumberWalk(source, numbers);
  for await (const found of walk.from([tip])) {
    if (found.model === model && found.number === number) ids.push(found.id);
  }
  if (ids.length === 0 && walk.unread !== null) throw walk.unread;
  return ids;
}
