/** Counts the numbers that all versions of a repository have, where nothing says which were given. */
import type { Id } from '../../base/bytes/hash.js';
import { marksOf, type NumberMarks } from '../repo/numbers.js';
import { NumberWalk } from '../repo/refs/version-numbers.js';
import type { ReadAccess } from './access.js';

/** The marks that its versions make, whether a ref reaches them or not. */
export async function countNumbers(repo: ReadAccess): Promise<NumberMarks> {
  const ids: Id[] = [];
  for await (const { id } of repo.store.blobs('version')) ids.push(id);
  const walk = new NumberWalk({ layout: repo.layout, readVersion: (id) => repo.version(id) });
  const found: { model: string; number: number }[] = [];
  for await (const { model, number } of walk.from(ids)) found.push({ model, number });
  return marksOf(found);
}
