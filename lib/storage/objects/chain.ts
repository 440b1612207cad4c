/** Chains of deltas: from a record over its base and that one's base to the one that stands alone. */
import type { Id } from '../../base/bytes/hash.js';
import { CorruptError, NotFoundError } from '../../base/errors.js';
import { CHAIN_DEPTH_MAX } from '../../base/limits.js';

/** One link of a chain. */
export interface Link<E> {
  readonly id: Id;
  /** null: the object is nowhere, and the chain ends here. */
  readonly entry: E | null;
}

/**
 * Gives the links of a chain from `id` to its root; a caller that needs only the first links stops early.
 * @param find  looks a record up, in whatever form the caller needs; null if it is nowhere.
 * @throws {CorruptError} after CHAIN_DEPTH_MAX links: a chain may lead back into itself.
 */
export async function* linksOf<E extends { readonly base: Id | null }>(
  id: Id,
  find: (id: Id) => Promise<E | null>,
): AsyncGenerator<Link<E>> {
  let links = 0;
  for (let next: Id | null = id; next !== null; ) {
    if (links++ > CHAIN_DEPTH_MAX) {
      throw new CorruptError(`the chain of object '${id}' does not end`, {
        id,
        hint: "run 'dlv fsck'",
      });
    }
    const link: Link<E> = { id: next, entry: await find(next) };
    yield link;
    next = link.entry?.base ?? null;
  }
}

/** That an extent is nowhere. */
export function missingExtent(id: Id): NotFoundError {
  return new NotFoundError(`extent '${id}' is not in the repository`, {
    kind: 'extent',
    name: id,
    hint: "run 'dlv fsck'",
  });
}
