/** Ids as people read them. */
import type { Id } from '../../../base/bytes/hash.js';

/** The first 10 hex digits of an id, as people read it. */
export function shortId(id: Id): string {
  return id.slice(0, 10);
}

/**
 * The shortest prefix of 10 or more hex digits that no other of `ids` shares.
 * @param ids all ids that it could be taken for; `id` itself may be among them.
 */
export function uniqueShortId(id: Id, ids: Iterable<Id>): string {
  let length = 10;
  for (const other of ids) {
    if (other === id) continue;
    while (length < id.length && other.startsWith(id.slice(0, length))) length++;
  }
  return id.slice(0, length);
}
