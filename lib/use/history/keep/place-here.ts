/** The versions of this repository as rules see them, and what keeps them in any case. */
import type { Id } from '../../../base/bytes/hash.js';
import { parseRefName } from '../../../storage/repo/refs/ref-name.js';
import { listNotedVersions } from '../../../storage/repo/refs/refs.js';
import type { Staging } from '../../../storage/repo/staging/staging.js';
import { readLineStagings } from '../../../storage/repo/staging/staging-file.js';
import type { LineAccess } from '../access.js';
import { collectVersions } from '../lines/ancestry.js';
import type { Lines } from '../lines/together.js';
import type { KeepPlace } from './plan-keep.js';

/** What refs, HEAD and staging protect; versions that only a remote's branches name are its own business. */
export async function placeHere(
  repo: LineAccess,
  { refs, headId, staging }: Lines,
  signal?: AbortSignal,
): Promise<KeepPlace> {
  const protectedBy = new Map<Id, string[]>();
  const protect = (id: Id, why: string): void => {
    protectedBy.set(id, [...(protectedBy.get(id) ?? []), why]);
  };
  const starts: Id[] = [];
  const stashes: Id[] = [];
  const branches: { name: string; tip: Id }[] = [];
  if (headId !== null) {
    starts.push(headId);
    protect(headId, 'HEAD');
  }
  for (const { name, id } of refs) {
    const place = parseRefName(name);
    (place?.kind === 'stash' ? stashes : starts).push(id);
    if (place?.kind === 'tag') protect(id, `tag ${place.tag}`);
    if (place?.kind === 'head') {
      const title = `${place.model}/${place.branch}`;
      branches.push({ name: title, tip: id });
      protect(id, `branch ${title}`);
    }
    if (place?.kind === 'stash') {
      protect(id, 'stash');
      for (const parent of (await repo.version(id)).parents) protect(parent, 'stash');
    }
  }
  const neededRecipes = new Set<Id>();
  const addStaging = (one: Staging): void => {
    for (const { model, base, otherParents } of one.models()) {
      for (const entry of one.entries(model)) neededRecipes.add(entry.recipe.id);
      // A merge that is not committed yet needs both of its sides.
      for (const id of [base, ...otherParents]) {
        if (id === null) continue;
        starts.push(id);
        if (!protectedBy.has(id)) protect(id, 'staged');
      }
    }
  };
  addStaging(staging);
  for (const one of await readLineStagings(repo.layout, (_file, error) => {
    throw error;
  })) {
    addStaging(one);
  }
  const onLines = await collectVersions(repo, starts, { signal });
  const noted = new Set(await listNotedVersions(repo.layout));
  return {
    repo,
    branches,
    versions:
      stashes.length === 0
        ? onLines
        : await collectVersions(repo, [...starts, ...stashes], { signal }),
    aside: new Set(stashes.filter((id) => !onLines.has(id))),
    protectedBy,
    neededRecipes,
    tombstonesOf: async (id) =>
      noted.has(id) ? ((await repo.tier(id))?.tombstones ?? null) : null,
  };
}
