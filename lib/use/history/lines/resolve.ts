/** Revisions for ops: what the user typed → a version of this repository. */

import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { type ResolvedRevision, resolveRevision } from '../../../storage/repo/refs/revision.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';

/** Short ids are looked up among this many candidates before they count as ambiguous. */
const CANDIDATES_MAX = 8;

/** The version that a revision names. @throws {UsageError} {NotFoundError} {AmbiguousError} */
export function resolve(repo: ReadAccess, revision: string): Promise<ResolvedRevision> {
  return resolveRevision(
    {
      layout: repo.layout,
      readVersion: (id) => repo.version(id),
      findVersions: (prefix) => repo.store.resolveIdPrefix('version', prefix, CANDIDATES_MAX),
      branchOf: async (model) =>
        (await readStaging(repo.layout)).staging.get(model)?.branch ?? null,
    },
    revision,
  );
}

/** As `resolve`, the id alone. */
export async function resolveId(repo: ReadAccess, revision: string): Promise<Id> {
  return (await resolve(repo, revision)).id;
}
