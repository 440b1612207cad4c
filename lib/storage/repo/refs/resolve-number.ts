/**
 * `model@n` and `model/branch@n` as revisions. They never depend on HEAD, and if several versions
 * have the number, the name is ambiguous. @see docs/decisions/0015-numbers-that-stay.md
 */

import type { Id } from '../../../base/bytes/hash.js';
import { listSome } from '../../../base/bytes/words/wording.js';
import {
  AmbiguousError,
  CorruptError,
  type DlvError,
  FormatVersionError,
  isDamage,
  isUnreadable,
  NotFoundError,
} from '../../../base/errors.js';
import { readNumbers } from '../numbers.js';
import { shortId } from '../version/short-id.js';
import { namesOnLines } from './lines-of-branches.js';
import { formerStashes, namedVersions, rememberedVersions } from './named-versions.js';
import { modelNameProblem, parseRefName, refNameProblem } from './ref-name.js';
import { readRef } from './refs.js';
import {
  findInHistory,
  findNumbered,
  type NumberSource,
  NumberWalk,
  VersionNumbers,
} from './version-numbers.js';

/** What is before the last '@' is a model, or a branch: `model/branch`, `remote/model/branch`. */
const NUMBERED = /^(.+)@(\d{1,9})$/s;

/** `model@n` and `model/branch@n`; null if it is neither, or there is no such model. */
export async function resolveNumber(source: NumberSource, name: string): Promise<Id | null> {
  const [, line = '', digits] = NUMBERED.exec(name) ?? [];
  if (digits === undefined || refNameProblem(line) !== null) return null;
  const number = Number(digits);
  if (line.includes('/')) return resolveOnLine(source, name, line, number);
  if (modelNameProblem(line) !== null) return null;
  const ids = await findNumbered(source, line, number);
  const [id] = ids;
  if (id === undefined) return noNumber(source, name, line, number);
  if (ids.length > 1) throw await sharedNumber(source, name, line, ids);
  return id;
}

async function resolveOnLine(
  source: NumberSource,
  name: string,
  line: string,
  number: number,
): Promise<Id | null> {
  for (const ref of [`refs/heads/${line}`, `refs/remotes/${line}`]) {
    const tip = parseRefName(ref) === null ? null : await readRef(source.layout, ref);
    if (tip === null) continue;
    const ids = await findInHistory(source, tip, number).catch((error: unknown) => {
      throw isUnreadable(error) ? notLookedUp(name, error) : error;
    });
    const [id] = ids;
    const { model } = await source.readVersion(tip);
    if (ids.length > 1) throw await sharedNumber(source, name, model, ids);
    if (id !== undefined) return id;
    throw new NotFoundError(`there is no '${name}' in the history of '${line}'`, {
      kind: 'revision',
      name,
      hint: `'dlv log ${line}' lists what it has`,
    });
  }
  return null;
}

/** The error for a number that several versions have, with a name for each. */
async function sharedNumber(
  source: NumberSource,
  name: string,
  model: string,
  ids: readonly Id[],
): Promise<AmbiguousError> {
  const names = await namesOnLines(source, model, { ids: new Set(ids), remotes: true });
  const rows = ids.map((id) => ({ id, name: names.get(id) ?? shortId(id) }));
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  const shown = rows.map((row) => {
    return row.name === shortId(row.id) ? row.name : `${row.name} (${shortId(row.id)})`;
  });
  return new AmbiguousError(`'${name}' names ${ids.length} versions of '${model}'`, {
    kind: 'revision',
    name,
    candidates: rows.map(({ id }) => id),
    names: rows.map((row) => row.name),
    hint: `write the one that you mean: ${listSome(shown, 8)}`,
  });
}

/**
 * Why no version has a number; null if nothing is known of the model.
 * @throws {NotFoundError} {CorruptError} if a version that may have it cannot be read.
 */
async function noNumber(
  source: NumberSource,
  name: string,
  model: string,
  number: number,
): Promise<null> {
  const marks = await readNumbers(source.layout).catch((error: unknown) => {
    if (!isDamage(error)) throw error;
    return null;
  });
  const known = await highestNumber(source, model);
  const given = Math.max(marks?.get(model)?.highest ?? 0, known.highest);
  // Where there are marks, no number above them was ever given.
  const mayBe = number >= 1 && (marks === null || number <= given);
  if (mayBe && known.unread !== null) throw notLookedUp(name, known.unread);
  if (given === 0) return null;
  const isGone = number >= 1 && number <= given;
  const stash = isGone ? await findFormerStash(source, model, number) : null;
  if (stash !== null) {
    throw new NotFoundError(`there is no '${name}': work that was put aside had this number`, {
      kind: 'revision',
      name,
      hint: `'dlv show ${shortId(stash)}' shows it until gc deletes it`,
    });
  }
  throw new NotFoundError(`there is no '${name}'`, {
    kind: 'revision',
    name,
    hint: isGone
      ? 'the version with this number was removed, or the command that took the number failed before it made one; ' +
        'a number is not given twice'
      : `the numbers of '${model}' go up to ${model}@${given}`,
  });
}

/** The stash with a number that was popped or dropped; null if none is known. */
async function findFormerStash(
  source: NumberSource,
  model: string,
  number: number,
): Promise<Id | null> {
  const numbers = new VersionNumbers((id) => source.readVersion(id));
  for (const id of await formerStashes(source.layout)) {
    try {
      const isOf = (await source.readVersion(id)).model === model;
      if (isOf && (await numbers.of(id)) === number) return id;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  return null;
}

/** The highest number of the versions of a model that refs reach, and why not all could be read. */
async function highestNumber(
  source: NumberSource,
  model: string,
): Promise<{ highest: number; unread: DlvError | null }> {
  let highest = 0;
  let unread: DlvError | null = null;
  const walk = new NumberWalk(source);
  const named = await namedVersions(source.layout, (error) => {
    unread ??= error;
  });
  for await (const found of walk.from(named)) {
    if (found.model === model) highest = Math.max(highest, found.number);
  }
  unread ??= walk.unread;
  if (unread !== null) return { highest, unread };
  // What only reflogs remember may be gone, which is not damage.
  for await (const _ of walk.from(await rememberedVersions(source.layout)));
  return { highest, unread: isDamage(walk.unread) ? walk.unread : null };
}

/** The error for a number that a version which cannot be read may have. */
function notLookedUp(name: string, error: DlvError): DlvError {
  if (error instanceof FormatVersionError) return error;
  return new CorruptError(
    `'${name}' cannot be looked up, as not every version can be read: ${error.message}`,
    {
      ...error.data,
      hint: "'dlv fsck' lists what is damaged; 'dlv log' shows the versions that can be read, with their ids",
    },
  );
}
