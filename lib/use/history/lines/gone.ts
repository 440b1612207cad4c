/**
 * What dlv says about a version that is no longer in any history, and where a version is that got
 * another id.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  findGone,
  type GoneVersion,
  readGone,
  stepsSince,
} from '../../../storage/repo/refs/gone.js';
import { namedVersions } from '../../../storage/repo/refs/named-versions.js';
import { NumberWalk } from '../../../storage/repo/refs/version-numbers.js';
import { shortId } from '../../../storage/repo/version/short-id.js';

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

/** How a version that was forgotten comes back, while it is here. */
async function bringBack(repo: ReadAccess, { id, name }: GoneVersion): Promise<string> {
  if ((await repo.store.findBlob(id)) === null) {
    return 'gc has dropped it since: it cannot be brought back';
  }
  const model = name.replace(/@\d+$/, '');
  return `'dlv branch ${model}/back ${id}' brings it back, until gc drops it`;
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
    : last.fate === 'pruned'
      ? 'no branch or tag named it any more, and no reflog line that is younger than gc.graceDays'
      : await bringBack(repo, last);
  const data = { kind: 'version', name: gone.name, version: gone.id, becomes: isHere ? now : null };
  return new NotFoundError(`version ${titleOf(gone)} ${told}`, { ...data, hint });
}

/** Where a name or id leads whose version was rewritten. */
export interface Followed {
  id: Id;
  /** A sentence that says so. */
  message: string;
}

async function follow(
  repo: ReadAccess,
  all: readonly GoneVersion[],
  gone: GoneVersion,
): Promise<Followed> {
  const steps = stepsSince(all, gone);
  const now = (steps.at(-1) as GoneVersion).becomes;
  const isSame = steps.every(({ fate }) => fate === 'moved');
  const isHere = now !== null && (await repo.store.findBlob(now)) !== null;
  if (!isHere || !isSame) throw await explain(repo, all, gone);
  const when = `on ${formatDay(gone.time)} (${gone.reason})`;
  const message = `version ${titleOf(gone)} was rewritten as ${shortId(now)} ${when}, with the same files`;
  return { id: now, message };
}

/**
 * The version that took the place of the one which `text` named, if its files are the same; null if
 * nothing is known of it. @throws {NotFoundError} that says what became of it.
 */
export async function followName(repo: ReadAccess, text: string): Promise<Followed | null> {
  const all = await readGone(repo.layout);
  const [gone] = findGone(all, text).sort((a, b) => b.time - a.time);
  return gone === undefined ? null : follow(repo, all, gone);
}

/** What is known of versions that are here, and that only reflogs may name. */
export interface FormerVersion {
  /** The version itself if files of it were rewritten or it was forgotten, as it was last. */
  last: Id;
  /** True if another version with the same files took its place. */
  isMoved: boolean;
  /** @throws {NotFoundError} that says what became of it. */
  follow(): Promise<Followed>;
}

/**
 * What became of one of several versions that are here, whose ways all lead to the same end; null if
 * nothing did, if one is still part of a history, or if the ways part.
 */
export async function formerVersion(
  repo: ReadAccess,
  ids: readonly Id[],
): Promise<FormerVersion | null> {
  const all = await readGone(repo.layout);
  const found = ids.flatMap((id) => findGone(all, id).filter(({ fate }) => fate !== 'pruned'));
  const [gone] = found.sort((a, b) => b.time - a.time);
  if (gone === undefined || found.length < ids.length) return null;
  const ends = found.map((one) => (stepsSince(all, one).at(-1) as GoneVersion).becomes);
  if (new Set(ends).size > 1 || (await isAnyLive(repo, new Set(ids)))) return null;
  const steps = stepsSince(all, gone);
  const { id, becomes } = steps.at(-1) as GoneVersion;
  return {
    last: becomes ?? id,
    isMoved: becomes !== null && steps.every(({ fate }) => fate === 'moved'),
    follow: () => follow(repo, all, gone),
  };
}

/** True if a branch, a tag or HEAD leads to one of the versions: what was rewritten may be taken back. */
async function isAnyLive(repo: ReadAccess, ids: ReadonlySet<Id>): Promise<boolean> {
  const walk = new NumberWalk({ layout: repo.layout, readVersion: (id) => repo.version(id) });
  for await (const { id } of walk.from(await namedVersions(repo.layout))) {
    if (ids.has(id)) return true;
  }
  return false;
}
