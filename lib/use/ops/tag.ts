/** `dlv tag`: permanent names for versions. */

import type { Id } from '../../base/bytes/hash.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import {
  ConflictError,
  ExistsError,
  NotFoundError,
  TierError,
  UsageError,
} from '../../base/errors.js';
import { tagNotes } from '../../storage/objects/tag-notes.js';
import { exactTags } from '../../storage/objects/tiers.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { checkNewTagName, checkTagName, tagRefName } from '../../storage/repo/refs/ref-name.js';
import { addNotes, listRefs, readRef, updateRef } from '../../storage/repo/refs/refs.js';
import { currentAuthor, currentMoment, formatAuthor } from '../../storage/repo/settings/author.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import { encodeNote, noteId, packExactBody, packTagBody } from '../../storage/repo/version/note.js';
import type { OpContext } from '../context.js';
import { knownModels } from '../history/lines/branches.js';
import { deletionReason, moveReason } from '../history/lines/moves.js';
import { containsTest, nameTest } from '../history/lines/name-filters.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer, formatMoment } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface TagEntry {
  tag: string;
  version: Id;
  model: string;
  number: number;
  /** A revision that names the version whatever HEAD is on: `model@number` where that does. */
  name: string;
  message: string;
  time: string;
  /** True if it keeps the version's exact bytes from `dlv archive --tier`. */
  exact: boolean;
  /** What was said when it was made, by whom and when; null for a bare name. */
  note: TagMessage | null;
}

export interface TagMessage {
  message: string;
  author: string;
  time: string;
}

export interface TagListOptions {
  /** Only tags whose names one of these globs matches. */
  patterns?: string[];
  /** Only tags of versions that are this one or derive from it. */
  contains?: string;
}

/** Tags, by name. @throws {NotFoundError} {UsageError} */
export async function listTags(
  repo: Repository,
  options: TagListOptions,
  context: OpContext,
): Promise<TagEntry[]> {
  const isMeant = nameTest(options.patterns ?? []);
  const holds = await containsTest(repo, options.contains, context.signal);
  const describer = new Describer(repo);
  const tags: TagEntry[] = [];
  for (const { name, id } of await listRefs(repo.layout, 'refs/tags')) {
    const tag = name.slice('refs/tags/'.length);
    if (!isMeant(tag) || !(await holds(id))) continue;
    const { version, model, number, name: called, message, time } = await describer.describe(id);
    const exact = (await exactTags(repo, id)).has(tag);
    const note = await messageOf(repo, id, tag);
    tags.push({ tag, version, model, number, name: called, message, time, exact, note });
  }
  return tags;
}

async function messageOf(repo: Repository, version: Id, tag: string): Promise<TagMessage | null> {
  const note = (await tagNotes(repo, version)).get(tag);
  if (note === undefined) return null;
  const { message, author, time, tzMinutes } = note;
  return { message, author: formatAuthor(author), time: formatMoment(time, tzMinutes) };
}

export interface TagChange {
  action: 'created' | 'moved' | 'deleted';
  tag: string;
  /** Version that the tag names, or named. */
  version: Id;
  /** Version that it named before it was moved, or null. */
  before: Id | null;
}

export interface TagCreateOptions {
  name: string;
  revision?: string;
  /** Moves a tag that exists. */
  force?: boolean;
  /** Keeps the version's exact bytes while the tag names it. */
  exact?: boolean;
  /** Kept with author and time; the latest one counts. */
  message?: string;
}

/**
 * Makes a tag, or moves it if forced.
 * @throws {ExistsError} {NotFoundError} {UsageError}; {TierError} if they were given up already.
 */
export async function createTag(
  repo: Repository,
  options: TagCreateOptions,
  _context: OpContext,
): Promise<TagChange> {
  const { name: tag, revision = 'HEAD', force, exact = false, message } = options;
  const name = tagRefName(checkTagName(tag));
  if ((await readRef(repo.layout, name)) === null) await checkNewTag(repo, tag);
  const version = await resolveId(repo, revision);
  if (message !== undefined && message.trim() === '') {
    throw new UsageError('the message of a tag is empty', { option: 'message' });
  }
  if (exact) await checkExact(repo, version);
  const notes: Uint8Array[] = [];
  if (exact) notes.push(await exactNote(repo, version, tag));
  if (message !== undefined) notes.push(await messageNote(repo, { version, tag, message }));
  const ids = await storeNotes(repo, notes);
  const why = await moveReason(repo, `tag: ${revision}`);
  return repo.locked(async (lock) => {
    const before = await readRef(repo.layout, name);
    // The same tag at the same version may still be marked exact.
    const marks = exact && before === version;
    if (before !== null && !force && !marks) {
      throw new ExistsError(`tag '${tag}' exists already, at ${before.slice(0, 10)}`, {
        kind: 'tag',
        name: tag,
        version: before,
        hint: 'move it with -f, or choose another name',
      });
    }
    if (exact) await checkExact(repo, version);
    await addStored(repo, lock, version, ids);
    if (before !== version) await updateRef(lock, { name, before, after: version, why });
    return { action: before === null ? 'created' : 'moved', tag, version, before };
  });
}

/** @throws {UsageError} for a name that reads as another revision; {ExistsError} for a model's. */
async function checkNewTag(repo: Repository, tag: string): Promise<void> {
  const { staging } = await readStaging(repo.layout);
  if (!(await knownModels(repo, staging)).has(checkNewTagName(tag))) return;
  throw new ExistsError(`'${tag}' is the name of a model`, {
    kind: 'model',
    name: tag,
    hint: 'choose another name for the tag, such as trial-2',
  });
}

/** @throws {TierError} if the exact bytes of a version were given up. */
async function checkExact(repo: Repository, version: Id): Promise<void> {
  const tier = await repo.tier(version);
  if (tier === null) return;
  throw new TierError(
    `version ${version.slice(0, 10)} is kept as ${tier.label} only: no tag can keep it exact`,
    { version, tiers: tier.label, hint: 'tag it without --exact' },
  );
}

/** The note that a tag keeps a version exact. Its time is the version's: one tag makes one note. */
async function exactNote(repo: Repository, version: Id, tag: string): Promise<Uint8Array> {
  const { author, time, tzMinutes } = await repo.version(version);
  return encodeNote({ version, kind: 'exact', author, time, tzMinutes, body: packExactBody(tag) });
}

/** The note of what is said of a version that gets a tag. */
async function messageNote(
  repo: Repository,
  { version, tag, message }: { version: Id; tag: string; message: string },
): Promise<Uint8Array> {
  const { workTree } = repo.layout;
  const author = await currentAuthor(repo.config, workTree);
  const body = packTagBody(tag, message);
  return encodeNote({ version, kind: 'tag', author, ...currentMoment(), body });
}

/** Stores notes, which nothing names yet. @returns their ids. */
async function storeNotes(repo: Repository, notes: readonly Uint8Array[]): Promise<Id[]> {
  if (notes.length === 0) return [];
  const session = repo.session();
  try {
    for (const note of notes) await session.putBlob('note', note);
    await session.flush();
  } finally {
    await session.abort();
  }
  return notes.map(noteId);
}

/** Makes notes known. The lock is held: no tier can come in between. */
async function addStored(
  repo: Repository,
  lock: RepositoryLock,
  version: Id,
  ids: readonly Id[],
): Promise<void> {
  if (ids.length === 0) return;
  await repo.store.reload();
  for (const id of ids) {
    if (await repo.store.hasBlob(id)) continue;
    throw new ConflictError('the note of a tag was collected as garbage meanwhile', {
      id,
      hint: 'run the command again',
    });
  }
  await addNotes(lock, version, [...ids]);
}

/**
 * Deletes a tag, `<tag>` or `refs/tags/<tag>`; the version stays for as long as anything else names it.
 * @throws {NotFoundError} with the nearest names; {ConflictError} if it moved meanwhile.
 */
export async function deleteTag(
  repo: Repository,
  options: { name: string },
  _context: OpContext,
): Promise<TagChange> {
  const typed = checkTagName(options.name);
  const inFull = typed.startsWith('refs/tags/') ? checkTagName(typed.slice(10)) : null;
  const isTyped = inFull === null || (await readRef(repo.layout, tagRefName(typed))) !== null;
  const tag = isTyped ? typed : inFull;
  const name = tagRefName(tag);
  const version = await readRef(repo.layout, name);
  if (version === null) {
    const tags = (await listRefs(repo.layout, 'refs/tags')).map((ref) => ref.name.slice(10));
    throw new NotFoundError(`there is no tag '${tag}'`, {
      kind: 'tag',
      name: tag,
      ...suggestNames(tag, tags, "'dlv tag' lists the tags"),
    });
  }
  const why = await moveReason(repo, deletionReason('tag', tag));
  await repo.locked((lock) => updateRef(lock, { name, before: version, after: null, why }));
  return { action: 'deleted', tag, version, before: version };
}
