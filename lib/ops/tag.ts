/** `dlv tag`: names for versions that do not move. */
import type { Repository } from '../archive/repository.js';
import type { Id } from '../bytes/hash.js';
import { ExistsError, NotFoundError } from '../errors.js';
import { closestNames } from '../repo/closest.js';
import { tagRefName } from '../repo/layout.js';
import { checkTagName } from '../repo/ref-name.js';
import { listRefs, readRef, updateRef } from '../repo/refs.js';
import { moveReason } from './apply-checkout.js';
import type { OpContext } from './context.js';
import { resolveId } from './resolve.js';
import { Describer } from './versions.js';

export interface TagEntry {
  tag: string;
  version: Id;
  model: string;
  number: number;
  message: string;
  time: string;
}

/** All tags, by name. */
export async function listTags(repo: Repository, _context: OpContext): Promise<TagEntry[]> {
  const describer = new Describer(repo);
  const tags: TagEntry[] = [];
  for (const { name, id } of await listRefs(repo.layout, 'refs/tags')) {
    const { version, model, number, message, time } = await describer.describe(id);
    tags.push({ tag: name.slice('refs/tags/'.length), version, model, number, message, time });
  }
  return tags;
}

export interface TagChange {
  action: 'created' | 'moved' | 'deleted';
  tag: string;
  /** Version that the tag names, or named. */
  version: Id;
  /** Version that it named before it was moved, or null. */
  before: Id | null;
}

/** Makes a tag, or moves it if forced. @throws {ExistsError} {NotFoundError} {UsageError} */
export async function createTag(
  repo: Repository,
  options: { name: string; revision?: string; force?: boolean },
  _context: OpContext,
): Promise<TagChange> {
  const { name: tag, revision = 'HEAD', force } = options;
  const name = tagRefName(checkTagName(tag));
  const version = await resolveId(repo, revision);
  const why = await moveReason(repo, `tag: ${revision}`);
  return repo.locked(async (lock) => {
    const before = await readRef(repo.layout, name);
    if (before !== null && !force) {
      throw new ExistsError(`tag '${tag}' exists already, at ${before.slice(0, 10)}`, {
        kind: 'tag',
        name: tag,
        version: before,
        hint: 'move it with -f, or choose another name',
      });
    }
    if (before !== version) await updateRef(lock, name, before, version, why);
    return { action: before === null ? 'created' : 'moved', tag, version, before };
  });
}

/**
 * Deletes a tag; the version stays for as long as anything else names it.
 * @throws {NotFoundError} with the nearest names; {ConflictError} if it moved meanwhile.
 */
export async function deleteTag(
  repo: Repository,
  options: { name: string },
  _context: OpContext,
): Promise<TagChange> {
  const tag = checkTagName(options.name);
  const name = tagRefName(tag);
  const version = await readRef(repo.layout, name);
  if (version === null) {
    const tags = (await listRefs(repo.layout, 'refs/tags')).map((ref) => ref.name.slice(10));
    const near = closestNames(tag, tags);
    throw new NotFoundError(`there is no tag '${tag}'`, {
      kind: 'tag',
      name: tag,
      candidates: near,
      hint: near.length > 0 ? `did you mean ${near.join(' or ')}?` : "'dlv tag' lists the tags",
    });
  }
  const why = await moveReason(repo, 'tag: deleted');
  await repo.locked((lock) => updateRef(lock, name, version, null, why));
  return { action: 'deleted', tag, version, before: version };
}
