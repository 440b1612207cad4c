/** The versions of a remote as rules see them: its own refs keep them. */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { NoteReader } from '../../../storage/objects/tiers.js';
import { readTier } from '../../../storage/objects/tiers.js';
import { parseRefName } from '../../../storage/repo/refs/ref-name.js';
import type { LineAccess } from '../access.js';
import { collectVersions } from '../lines/ancestry.js';
import type { KeepPlace } from './plan-keep.js';

/** @throws {ConflictError} if the remote names versions that are not here. */
export async function placeRemote(
  repo: LineAccess,
  { refs, shown }: { refs: ReadonlyMap<string, Id>; shown: string },
  notes: NoteReader,
  signal?: AbortSignal,
): Promise<KeepPlace> {
  const protectedBy = new Map<Id, string[]>();
  const branches: { name: string; tip: Id }[] = [];
  for (const [name, id] of refs) {
    if (!(await repo.store.hasBlob(id))) {
      throw new ConflictError(`'${shown}' has versions that are not here`, {
        url: shown,
        version: id,
        hint: "'dlv fetch --tags' brings them: rules look at all versions",
      });
    }
    const place = parseRefName(name);
    const title = place?.kind === 'head' ? `${place.model}/${place.branch}` : null;
    if (title !== null) branches.push({ name: title, tip: id });
    const why = title === null ? `tag ${name.slice('refs/tags/'.length)}` : `branch ${title}`;
    protectedBy.set(id, [...(protectedBy.get(id) ?? []), why]);
  }
  return {
    repo,
    branches,
    versions: await collectVersions(repo, [...refs.values()], { signal }),
    protectedBy,
    neededRecipes: new Set(),
    tombstonesOf: async (id) => (await readTier(notes, id))?.tombstones ?? null,
  };
}
