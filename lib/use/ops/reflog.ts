/** `dlv reflog`: where HEAD or a ref pointed, when, and why it moved. */

import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { parseRefName, shownRef } from '../../storage/repo/refs/ref-name.js';
import {
  DELETED_LOG,
  type ReflogEntry,
  readListGroups,
  readReflog,
} from '../../storage/repo/refs/reflog.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import type { OpContext } from '../context.js';
import { parseEnd } from '../history/lines/moves.js';
import { resolve } from '../history/lines/resolve.js';
import type { Repository } from '../repository.js';

export interface ReflogOptions {
  /** HEAD, a branch or a tag; default: HEAD. */
  ref?: string;
  /** The lines of branches and tags that were deleted. */
  deleted?: boolean;
  /** At most so many, the newest. */
  maxCount?: number;
}

/** One move. */
export interface ReflogLine {
  /** `HEAD@{1}`: a revision; of a deleted ref its name, which is none any more, or null if not known. */
  name: string | null;
  /** Where it led; null for the deletion of a ref. */
  version: Id | null;
  before: Id | null;
  /** ISO 8601, UTC. */
  time: string;
  who: string;
  reason: string;
  /** False if gc has dropped the version since. */
  here: boolean;
  /** Until when this line alone keeps the version from gc; ISO 8601, UTC. */
  keptUntil: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Moves, the last one first. @throws {NotFoundError} for what is not a ref. */
export async function reflog(
  repo: Repository,
  options: ReflogOptions,
  _context: OpContext,
): Promise<ReflogLine[]> {
  const lines = options.deleted ? await deletedLines(repo) : await refLines(repo, options.ref);
  return lines.slice(0, options.maxCount ?? lines.length);
}

async function refLines(repo: Repository, text = 'HEAD'): Promise<ReflogLine[]> {
  const isHead = text === 'HEAD' || text === '@';
  const { id, ref } = isHead
    ? { id: await resolveHead(repo.layout), ref: 'HEAD' }
    : await resolve(repo, text);
  if (ref === null) {
    throw new NotFoundError(`'${text}' is a version, which never moves`, {
      kind: 'ref',
      name: text,
      hint: "name HEAD, a branch or a tag; 'dlv reflog --deleted' lists deleted ones",
    });
  }
  const { entries } = await readReflog(repo.layout, ref, id);
  const name = isHead ? 'HEAD' : shownName(ref);
  const lines: ReflogLine[] = [];
  for (const [i, entry] of entries.reverse().entries()) {
    lines.push(await lineOf(repo, entry, `${name}@{${i}}`, entry.after));
  }
  return lines;
}

/** A ref as a revision names it. */
function shownName(ref: string): string {
  const place = parseRefName(ref);
  return place?.kind === 'tag' ? place.tag : shownRef(ref);
}

async function deletedLines(repo: Repository): Promise<ReflogLine[]> {
  const lines: ReflogLine[] = [];
  for (const group of (await readListGroups(repo.layout, DELETED_LOG)).reverse()) {
    const name = parseEnd(group.at(-1)?.reason ?? '')?.name ?? null;
    for (const entry of group.reverse()) {
      lines.push(await lineOf(repo, entry, name, entry.after ?? entry.before));
    }
  }
  return lines;
}

async function lineOf(
  repo: Repository,
  { before, after, time, who, reason }: ReflogEntry,
  name: string | null,
  meant: Id | null,
): Promise<ReflogLine> {
  const keptMs = repo.config.get('gc.graceDays') * DAY_MS;
  return {
    name,
    version: after,
    before,
    time: new Date(time).toISOString(),
    who,
    reason,
    // A line may lead to no version, as that of a branch whose versions were all forgotten.
    here: meant === null || (await repo.store.findBlob(meant)) !== null,
    keptUntil: new Date(time + keptMs).toISOString(),
  };
}
