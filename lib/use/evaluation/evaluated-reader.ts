/** Numbers of evaluations as columns of tables and queries. Loads what reads notes only where somebody asks. */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';

/**
 * Reads what the evaluations of a version found, by metric, of several the newest; undefined if none of the texts, such
 * as conditions and columns, may ask for it.
 */
export function evaluatedReader(
  repo: ReadAccess,
  texts: readonly string[],
  context: Pick<OpContext, 'warn'>,
): ((id: Id) => Promise<ReadonlyMap<string, number>>) | undefined {
  if (!texts.some((text) => /\beval(uation)?s?`?\s*\./i.test(text))) return undefined;
  return async (id) => {
    const { keptEvaluations } = await import('./kept-evaluations.js');
    const all = await keptEvaluations(repo, id, context);
    return new Map(all.flatMap(({ metrics }) => Object.entries(metrics)));
  };
}
