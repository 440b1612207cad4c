/** Numbers of versions that meet those of another repository. @see docs/decisions/0015-numbers-that-stay.md */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../objects/access.js';
import { countNumbers } from '../objects/count-numbers.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../repo/format.js';
import {
  marksOf,
  type NumberMarks,
  raiseMark,
  readNumbers,
  writeNumbers,
} from '../repo/numbers.js';
import type { RepositoryLock } from '../repo/processes/lock.js';
import { namedVersions } from '../repo/refs/named-versions.js';
import { NumberWalk } from '../repo/refs/version-numbers.js';
import type { Version } from '../repo/version/version.js';

/** What is known before the lock is taken. */
export interface FetchedNumbers {
  /** Of the versions that are here and that come. */
  readonly joined: NumberMarks;
  /** Of all versions here, in a repository that gave no number yet. */
  readonly counted: NumberMarks | null;
}

/** Counts the numbers of the versions here and of those that `tips` bring. */
export async function joinNumbers(
  repo: ReadAccess,
  readVersion: (id: Id) => Promise<Version>,
  tips: readonly Id[],
): Promise<FetchedNumbers> {
  const counted = (await readNumbers(repo.layout)) === null ? await countNumbers(repo) : null;
  const walk = new NumberWalk({ layout: repo.layout, readVersion });
  const found: { model: string; number: number }[] = [];
  const starts = new Set([...(await namedVersions(repo.layout)), ...tips]);
  for await (const { model, number } of walk.from(starts)) found.push({ model, number });
  return { joined: marksOf(found), counted };
}

/** Raises the marks here over those of versions that come, before any of them is visible. */
export async function raiseNumbers(
  lock: RepositoryLock,
  { joined, counted }: FetchedNumbers,
  theirs: NumberMarks,
): Promise<void> {
  const before = await readNumbers(lock.layout);
  const marks: NumberMarks = new Map(before ?? counted ?? []);
  for (const others of [joined, theirs]) mergeMarks(marks, others);
  if (marks.size === 0) return;
  const same = JSON.stringify([...marks].sort()) === JSON.stringify([...(before ?? [])].sort());
  if (before === null || !same) await writeNumbers(lock, marks);
  await requireWriteFlag(lock, NUMBERS_FLAG);
}

/** Raises marks to those of another list. */
export function mergeMarks(marks: NumberMarks, others: NumberMarks): void {
  for (const [model, { highest, shared }] of others) {
    raiseMark(marks, model, highest);
    const mark = marks.get(model) ?? { highest, shared };
    marks.set(model, { ...mark, shared: Math.max(mark.shared, shared) });
  }
}
