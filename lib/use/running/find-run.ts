/** Finds a run by what the user calls it: its id, its first digits, its name, or the branch of its versions. */
import { suggestNames } from '../../base/bytes/words/closest.js';
import { AmbiguousError, NotFoundError } from '../../base/errors.js';
import type { Layout } from '../../storage/repo/layout.js';
import { listRuns, type RunRecord } from '../../storage/repo/runs/run-record.js';

/** Fewer digits name too many runs. */
const DIGITS_MIN = 4;

/** @throws {NotFoundError} with near names; {AmbiguousError} if several begin so. */
export async function findRun(layout: Layout, name: string): Promise<RunRecord> {
  const runs = await listRuns(layout);
  const plain = name.replace(/^run-/, '');
  const exact = runs.filter(
    (one) =>
      one.id === plain ||
      one.name === name ||
      `${one.model}/${one.branch}` === name ||
      one.branch === name,
  );
  const isPrefix = plain.length >= DIGITS_MIN && /^[0-9a-f]+$/.test(plain);
  const found =
    exact.length > 0 ? exact : isPrefix ? runs.filter(({ id }) => id.startsWith(plain)) : [];
  const [first] = found;
  if (first === undefined) {
    const names = runs.flatMap((one) => (one.name === null ? [one.id] : [one.id, one.name]));
    throw new NotFoundError(`there is no run '${name}'`, {
      kind: 'run',
      name,
      ...suggestNames(name, names, "'dlv run list' shows the runs that are here"),
    });
  }
  if (found.length === 1) return first;
  throw new AmbiguousError(`'${name}' names ${found.length} runs`, {
    kind: 'run',
    name,
    candidates: found.map(({ id }) => id),
    hint: 'write the id of one of them',
  });
}
