/** Refs that were deleted or renamed: what became of their names. */

import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { DELETED_LOG, readListGroups } from '../../../storage/repo/refs/reflog.js';
import { listModels, listRefNames } from '../../../storage/repo/refs/refs.js';
import { parseEnd } from './moves.js';

/** A name that is none any more. */
export interface FormerRef {
  kind: 'branch' | 'tag' | 'stash';
  /** As people write it: `model/branch`, or that of a tag. */
  name: string;
  /** The name in its place; null if it was deleted. */
  to: string | null;
  /** Where it was. */
  version: Id | null;
  time: number;
}

/** Names that ended, the last one first. */
async function formerRefs(repo: ReadAccess): Promise<FormerRef[]> {
  const found: FormerRef[] = [];
  for (const group of (await readListGroups(repo.layout, DELETED_LOG)).reverse()) {
    const { before = null, reason = '', time = 0 } = group.at(-1) ?? {};
    const end = parseEnd(reason);
    if (end !== null) found.push({ ...end, version: before, time });
  }
  return found;
}

/** What became last of the ref of a name: `model/branch`, a branch of any model, or a tag. */
export async function findFormerRef(repo: ReadAccess, name: string): Promise<FormerRef | null> {
  const all = await formerRefs(repo);
  const names = new Set(await listRefNames(repo.layout, 'refs/heads'));
  const isOf = (former: FormerRef): boolean =>
    former.name === name || (former.kind === 'branch' && former.name.endsWith(`/${name}`));
  const found = all.find(isOf);
  if (found === undefined || found.to === null) return found ?? null;
  // It may have been renamed more than once since.
  let { to } = found;
  for (const step of all.filter(({ time }) => time >= found.time).reverse()) {
    if (step !== found && step.name === to && step.to !== null) to = step.to;
  }
  return { ...found, to: names.has(`refs/heads/${to}`) ? to : null };
}

/** The model that an old name of one means, and since when; null if it was never renamed. */
export async function findFormerModel(
  repo: ReadAccess,
  name: string,
): Promise<{ model: string; time: number } | null> {
  const models = new Set(await listModels(repo.layout));
  let model = name;
  let first: number | null = null;
  // Oldest first: each renaming goes on from the one before.
  for (const { name: from, to, time } of (await formerRefs(repo)).reverse()) {
    const [before, after] = [from.split('/')[0], to?.split('/')[0]];
    if (after === undefined || before !== model || after === model) continue;
    model = after;
    first ??= time;
  }
  return first === null || model === name || !models.has(model) ? null : { model, time: first };
}
