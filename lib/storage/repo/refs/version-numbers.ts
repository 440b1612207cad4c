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
import { isMissing } from '../../../base/files/files.js';
import type { Layout } from '../layout.js';
import type { Version } from '../version/version.js';
import { readHead } from './head.js';
import { branchRefName, parseRefName, shownRef } from './ref-name.js';
import {
  DELETED_LOG,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  type ReflogEntry,
  readListGroups,
  readReflog,
} from './reflog.js';
import { readEachRef } from './refs.js';

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

/** Versions that stashes name now; damaged refs are left out. */
export async function stashedVersions(layout: Layout): Promise<Set<Id>> {
  const found = new Set<Id>();
  for await (const { name, parse } of readEachRef(layout)) {
    if (parseRefName(name)?.kind !== 'stash') continue;
    try {
      found.add(parse());
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return found;
}

/** Versions that branches, tags, remote branches and HEAD name, and no stash; damaged refs are left out. */
export function versionsOnRefs(layout: Layout): Promise<Set<Id>> {
  return namedVersions(layout, () => {}, false);
}

/**
 * Versions that branches, tags, remote branches, stashes and HEAD name; damaged refs are left out.
 * @param onDamage told of each of those.
 */
export async function namedVersions(
  layout: Layout,
  onDamage: (error: DlvError) => void = () => {},
  stashes = true,
): Promise<Set<Id>> {
  const found = new Set<Id>();
  for await (const { name, parse } of readEachRef(layout)) {
    if (!stashes && parseRefName(name)?.kind === 'stash') continue;
    try {
      found.add(parse());
    } catch (error) {
      if (!isDamage(error)) throw error;
      onDamage(error);
    }
  }
  try {
    const head = await readHead(layout);
    if (head.kind === 'detached') found.add(head.id);
  } catch (error) {
    if (isDamage(error)) onDamage(error);
    else if (!isMissing(error)) throw error;
  }
  return found;
}

/** Versions that refs named before, as far as reflogs remember. */
export async function rememberedVersions(layout: Layout): Promise<Set<Id>> {
  const { lines, stashes } = await readRemembered(layout);
  return new Set([...lines, ...stashes]);
}

/** Versions that were work put aside, and that reflogs remember as nothing else. */
export async function formerStashes(layout: Layout): Promise<Set<Id>> {
  const stashes = await deletedStashes(layout);
  const { lines } = stashes.size === 0 ? { lines: stashes } : await readRemembered(layout);
  return new Set([...stashes].filter((id) => !lines.has(id)));
}

/** Versions of the stashes that were popped or dropped; one list is read, not each reflog. */
export async function deletedStashes(layout: Layout): Promise<Set<Id>> {
  const found = new Set<Id>();
  for (const group of await readListGroups(layout, DELETED_LOG)) {
    if (isOfStash(group)) addVersions(group, found);
  }
  return found;
}

function isOfStash(group: readonly ReflogEntry[]): boolean {
  return group.at(-1)?.reason.startsWith('stash: deleted ') === true;
}

function addVersions(entries: readonly ReflogEntry[], found: Set<Id>): void {
  for (const { before, after } of entries) {
    for (const id of [before, after]) if (id !== null) found.add(id);
  }
}

async function readRemembered(layout: Layout): Promise<Record<'lines' | 'stashes', Set<Id>>> {
  const [lines, stashes] = [new Set<Id>(), new Set<Id>()];
  for (const group of await readListGroups(layout, DELETED_LOG)) {
    addVersions(group, isOfStash(group) ? stashes : lines);
  }
  for (const name of await listReflogs(layout)) {
    if (isListLog(name)) continue;
    const { entries } = await readReflog(layout, name, NOT_A_VERSION);
    addVersions(entries, parseRefName(name)?.kind === 'stash' ? stashes : lines);
  }
  return { lines, stashes };
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

/** Branches of a model, remote ones last, HEAD's and `main` first: where a version is named after one. */
async function linesOf(layout: Layout, model: string): Promise<{ name: string; tip: Id }[]> {
  const head = await readHead(layout).catch(() => null);
  const rank = (name: string): number => {
    const place = parseRefName(name);
    if (place?.kind !== 'head') return 3;
    const isHead = head?.kind === 'branch' && name === branchRefName(head.model, head.branch);
    return isHead ? 0 : place.branch === 'main' ? 1 : 2;
  };
  const found: { name: string; tip: Id }[] = [];
  for await (const { name, parse } of readEachRef(layout)) {
    const place = parseRefName(name);
    const isOf =
      place?.kind === 'head'
        ? place.model === model
        : place?.kind === 'remote' && place.rest.startsWith(`${model}/`);
    if (!isOf) continue;
    try {
      found.push({ name, tip: parse() });
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return found.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/**
 * `model/branch@n` for each of some versions of a model that is on the own line of a branch: within one
 * line a number stands once. Versions on no such line are left out.
 * @param remotes  also `remote/model/branch@n`, which means another version once that branch was replaced there.
 */
export async function namesOnLines(
  source: NumberSource,
  model: string,
  { ids, remotes }: { ids: ReadonlySet<Id>; remotes: boolean },
): Promise<Map<Id, string>> {
  const names = new Map<Id, string>();
  const numbers = new VersionNumbers((id) => source.readVersion(id));
  for await (const { id, branch, isRemote } of versionsOnLines(source, model)) {
    if (isRemote && !remotes) break;
    if (ids.has(id)) names.set(id, `${branch}@${await numbers.of(id)}`);
    if (names.size === ids.size) break;
  }
  return names;
}

/** The versions on the own lines of the branches of a model, each once: on the line of HEAD's branch or `main` first. */
async function* versionsOnLines(
  source: NumberSource,
  model: string,
): AsyncGenerator<{ id: Id; branch: string; isRemote: boolean }> {
  const seen = new Set<Id>();
  for (const { name, tip } of await linesOf(source.layout, model)) {
    const branch = shownRef(name).replace(/^refs\/remotes\//, '');
    const isRemote = name.startsWith('refs/remotes/');
    try {
      for await (const id of firstParentLine(source, tip)) {
        // From here on the line is that of a branch before this one.
        if (seen.has(id)) break;
        seen.add(id);
        yield { id, branch, isRemote };
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
}

/** The branch on whose own line each version of a model stands; those on no line are left out. */
export async function branchesOf(source: NumberSource, model: string): Promise<Map<Id, string>> {
  const branches = new Map<Id, string>();
  for await (const { id, branch } of versionsOnLines(source, model)) {
    branches.set(id, branch.startsWith(`${model}/`) ? branch.slice(model.length + 1) : branch);
  }
  return branches;
}
