/** Revisions for ops: what the user typed → a version of this repository. */

import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  parseRevision,
  type ResolvedRevision,
  type RevisionSource,
  resolveRevision,
} from '../../../storage/repo/refs/revision.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import { followName, goneError } from './gone.js';

/** Short ids are looked up among this many candidates before they count as ambiguous. */
const CANDIDATES_MAX = 8;

function sourceOf(repo: ReadAccess): RevisionSource {
  return {
    layout: repo.layout,
    readVersion: (id) => repo.version(id),
    findVersions: (prefix) => repo.store.resolveIdPrefix('version', prefix, CANDIDATES_MAX),
    branchOf: async (model) => (await readStaging(repo.layout)).staging.get(model)?.branch ?? null,
  };
}

/** @throws {NotFoundError} that says why a version is not here. */
async function checkHere(repo: ReadAccess, id: Id, text: string): Promise<void> {
  if ((await repo.store.findBlob(id)) === null) throw await goneError(repo, id, text);
}

/** The version that a revision names. @throws {UsageError} {NotFoundError} {AmbiguousError} */
export async function resolve(repo: ReadAccess, revision: string): Promise<ResolvedRevision> {
  const source = sourceOf(repo);
  const found = await resolveRevision(source, revision).catch(async (error: unknown) => {
    if (!(error instanceof NotFoundError)) throw error;
    const moved = await followRewritten(repo, revision);
    if (moved !== null) return resolveRevision(source, moved);
    // Where a step leads to, a whole id or a reflog names, what is not here.
    const { kind, name, version } = error.data;
    const gone = (kind === 'blob' ? name : version) as Id | undefined;
    throw gone === undefined ? error : await goneError(repo, gone, revision);
  });
  // What a ref names has to be here, and is damage if it is not; a reflog may name what was pruned.
  if (found.ref === null) await checkHere(repo, found.id, revision);
  return found;
}

/** The same revision from the version that took the place of the one named; null if there is none. */
async function followRewritten(repo: ReadAccess, revision: string): Promise<string | null> {
  const { base, reflog } = parseRevision(revision);
  if (reflog !== null) return null;
  const followed = await followName(repo, base);
  if (followed === null) return null;
  repo.warn?.(followed.message);
  return `${followed.id}${revision.slice(base.length)}`;
}

/** As `resolve`, the id alone. */
export async function resolveId(repo: ReadAccess, revision: string): Promise<Id> {
  return (await resolve(repo, revision)).id;
}
