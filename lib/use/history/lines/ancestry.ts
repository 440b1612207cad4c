/** The graph of versions: the ancestors of a version, and the order in which to show them. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { Version } from '../../../storage/repo/version/version.js';

/** How far a walk goes, and what stops it. */
interface Walk {
  firstParent?: boolean;
  signal?: AbortSignal | undefined;
}

/** What the order of versions needs of each. */
type Placed = Pick<Version, 'parents' | 'time' | 'number'>;

/** All versions that the starting points derive from, themselves among them. */
export async function collectVersions(
  repo: ReadAccess,
  starts: readonly Id[],
  walk: Walk,
): Promise<Map<Id, Version>> {
  return collectFacts((id) => repo.version(id), starts, walk);
}

/** The same with what `read` gives of each version. */
export async function collectFacts<V extends Pick<Version, 'parents'>>(
  read: (id: Id) => Promise<V>,
  starts: readonly Id[],
  { firstParent = false, signal }: Walk,
): Promise<Map<Id, V>> {
  const versions = new Map<Id, V>();
  const queue = [...starts];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (versions.has(id)) continue;
    throwIfAborted(signal);
    const version = await read(id);
    versions.set(id, version);
    pushAll(queue, firstParent ? version.parents.slice(0, 1) : version.parents);
  }
  return versions;
}

/**
 * Children before parents, of `versions` alone; among those that may come next the newest, or, if `topological`, the
 * parent of what came last. Of one time, the higher number is the newer, then the lower id: the order is total.
 */
export function orderVersions(
  versions: ReadonlyMap<Id, Placed>,
  starts: readonly Id[],
  topological: boolean,
): Id[] {
  const children = new Map<Id, number>();
  for (const { parents } of versions.values()) {
    for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const parentsOf = (id: Id): Id[] =>
    (versions.get(id) as Placed).parents.filter((parent) => versions.has(parent));
  const older = (a: Id, b: Id): number => {
    const [one, other] = [versions.get(a) as Placed, versions.get(b) as Placed];
    return one.time - other.time || (one.number ?? 0) - (other.number ?? 0) || (a < b ? 1 : -1);
  };
  /** Those whose children all came: the last is the next. */
  const known = new Set(starts.filter((id) => versions.has(id)));
  const ready = [...known].filter((id) => !children.has(id)).sort(older);
  const ordered: Id[] = [];
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    ordered.push(id);
    const free: Id[] = [];
    for (const parent of parentsOf(id)) {
      const left = (children.get(parent) as number) - 1;
      children.set(parent, left);
      if (left === 0) free.push(parent);
    }
    // The last one in is the next: the first parent, which goes on the line.
    if (topological) pushAll(ready, free.reverse());
    else for (const parent of free) insert(ready, parent, older);
  }
  return ordered;
}

/** Puts `item` into a sorted list. */
function insert<T>(sorted: T[], item: T, compare: (a: T, b: T) => number): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle] as T, item) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, item);
}

/**
 * The newest version that two versions both derive from, or are; null if there is none. Where lines
 * crossed there may be several: the one that no other of them derives from and that is newest.
 */
export async function commonAncestor(
  repo: ReadAccess,
  a: Id,
  b: Id,
  signal?: AbortSignal,
): Promise<Id | null> {
  const ofA = await collectVersions(repo, [a], { signal });
  const ofB = await collectVersions(repo, [b], { signal });
  const both = new Map([...ofA].filter(([id]) => ofB.has(id)));
  return orderVersions(both, [...both.keys()], false)[0] ?? null;
}

/** The nearest ancestors that are shown, where versions between are left out. */
export class ShownAncestors {
  readonly #versions: ReadonlyMap<Id, Placed>;
  readonly #shown: ReadonlySet<Id>;

  constructor(versions: ReadonlyMap<Id, Placed>, shown: ReadonlySet<Id>) {
    this.#versions = versions;
    this.#shown = shown;
  }

  of(id: Id): Id[] {
    const found = new Set<Id>();
    const seen = new Set<Id>();
    const queue = [...(this.#versions.get(id)?.parents ?? [])];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (seen.has(next)) continue;
      seen.add(next);
      if (this.#shown.has(next)) found.add(next);
      else pushAll(queue, this.#versions.get(next)?.parents ?? []);
    }
    return [...found];
  }
}
