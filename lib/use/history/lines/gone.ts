/** What is said of a version that is not here any more, and where one is that got another id. */

import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  findGone,
  type GoneVersion,
  readGone,
  stepsSince,
} from '../../../storage/repo/refs/gone.js';
import { shortId } from '../../../storage/repo/version/version.js';

/** A day as people write it, in the zone of this machine: 2026-01-31. */
export function formatDay(time: number): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `3f9a12b04c (bert@3)`. */
function titleOf({ id, name }: GoneVersion): string {
  return /@\d+$/.test(name) ? `${shortId(id)} (${name})` : shortId(id);
}

function whatHappened(gone: GoneVersion): string {
  const when = formatDay(gone.time);
  if (gone.fate === 'pruned') return `was dropped by gc on ${when}`;
  if (gone.fate === 'forgotten') return `was forgotten on ${when} (${gone.reason})`;
  return `was rewritten on ${when} (${gone.reason})`;
}

/** The error for a version that is not here, as far as it can be known why. */
export async function goneError(repo: ReadAccess, id: Id, text: string): Promise<NotFoundError> {
  const all = await readGone(repo.layout);
  const [gone] = findGone(all, id);
  if (gone !== undefined) return explain(repo, all, gone);
  const isId = id.startsWith(text.toLowerCase());
  const what = isId ? `version ${shortId(id)}` : `'${text}' names version ${shortId(id)}, which`;
  return new NotFoundError(`${what} is not in this repository${isId ? '' : ' any more'}`, {
    kind: 'version',
    name: text,
    version: id,
    hint:
      'gc drops versions that only a reflog names once they are older than gc.graceDays; ' +
      "'dlv reflog' shows which are still here",
  });
}

async function explain(
  repo: ReadAccess,
  all: readonly GoneVersion[],
  gone: GoneVersion,
): Promise<NotFoundError> {
  const steps = stepsSince(all, gone);
  const last = steps.at(-1) as GoneVersion;
  const files = steps.every(({ fate }) => fate === 'moved') ? 'the same files' : 'other files';
  const now = last.becomes;
  const isHere = now !== null && (await repo.store.findBlob(now)) !== null;
  const told = isHere
    ? `${whatHappened(gone)}; it is ${shortId(now)} now, with ${files}`
    : whatHappened(last);
  const hint = isHere
    ? `use ${shortId(now)}`
    : gone.fate === 'pruned'
      ? 'no branch or tag named it any more, and no reflog line that is younger than gc.graceDays'
      : "'dlv reflog' shows what can still be brought back";
  const data = { kind: 'version', name: gone.name, version: gone.id, becomes: isHere ? now : null };
  return new NotFoundError(`version ${titleOf(gone)} ${told}`, { ...data, hint });
}

/** Where a name or id leads that no version here has. */
export interface Followed {
  id: Id;
  /** A sentence that says so. */
  message: string;
}

/**
 * The version that took the place of the one which `text` named, if its files are the same; null if
 * nothing is known of it. @throws {NotFoundError} that says what became of it.
 */
export async function followName(repo: ReadAccess, text: string): Promise<Followed | null> {
  const all = await readGone(repo.layout);
  const found = findGone(all, text).sort((a, b) => b.time - a.time);
  const [gone] = found;
  if (gone === undefined) return null;
  const steps = stepsSince(all, gone);
  const now = (steps.at(-1) as GoneVersion).becomes;
  const isSame = steps.every(({ fate }) => fate === 'moved');
  const isHere = now !== null && (await repo.store.findBlob(now)) !== null;
  if (!isHere || !isSame) throw await explain(repo, all, gone);
  const message = `version ${titleOf(gone)} ${whatHappened(gone)}: it is ${shortId(now)} now, with the same files`;
  return { id: now, message };
}
