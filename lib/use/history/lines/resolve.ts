/** Revisions for ops: what the user typed → a version of this repository. */

import { type Id, isId } from '../../../base/bytes/hash.js';
import { AmbiguousError, NotFoundError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  parseRevision,
  type ResolvedRevision,
  type RevisionSource,
  resolveRevision,
} from '../../../storage/repo/refs/revision.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import { findFormerModel, findFormerRef } from './former-refs.js';
import { type Followed, followName, formatDay, formerVersion, goneError } from './gone.js';

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

/** How a revision is read. */
export interface ResolveOptions {
  /**
   * What was rewritten is taken as it was, if it is named by its whole id, and so is what was forgotten:
   * for the commands that take changes of history back.
   */
  old?: boolean;
}

/** The version that a revision names. @throws {UsageError} {NotFoundError} {AmbiguousError} */
export async function resolve(
  repo: ReadAccess,
  revision: string,
  options: ResolveOptions = {},
): Promise<ResolvedRevision> {
  const source = sourceOf(repo);
  const { base, upstream, reflog } = parseRevision(revision);
  const isName = reflog === null && !upstream;
  const place = isName ? await placeOf(source, repo, base, options) : null;
  // A reflog names what was: it is never asked what became of that.
  const meant = place === null ? revision : `${place}${revision.slice(base.length)}`;
  const found = await resolveRevision(source, meant).catch(async (error: unknown) => {
    if (!(error instanceof NotFoundError)) throw error;
    // Where a step leads to, a whole id or a reflog names, what is not here.
    const { kind, name, version } = error.data;
    const gone = (kind === 'blob' ? name : version) as Id | undefined;
    throw gone === undefined ? error : await goneError(repo, gone, revision);
  });
  // What a ref names has to be here, and is damage if it is not; a reflog may name what was pruned.
  if (found.ref === null) await checkHere(repo, found.id, revision);
  return found;
}

/**
 * What to read instead of a name or id that leads to no version, or to one that was rewritten or forgotten;
 * null if it stands for itself. @throws {NotFoundError} that says what became of it.
 */
async function placeOf(
  source: RevisionSource,
  repo: ReadAccess,
  base: string,
  { old = false }: ResolveOptions,
): Promise<string | null> {
  if (base === 'HEAD') return null;
  let ids: Id[];
  try {
    const { id, ref } = await resolveRevision(source, base);
    if (ref !== null) return null;
    ids = [id];
  } catch (error) {
    const isShared = error instanceof AmbiguousError && /@\d+$/.test(base);
    if (isShared) ids = (error.data.candidates as string[]).filter(isId);
    else if (error instanceof NotFoundError) return followLost(repo, base, error);
    else throw error;
  }
  const former = await formerVersion(repo, ids);
  if (former === null) return null;
  const isAsItWas = old && (base.toLowerCase() === ids[0] || !former.isMoved);
  if (isAsItWas) return ids.length === 1 ? null : former.last;
  return told(repo, await former.follow());
}

function told(repo: ReadAccess, { id, message }: Followed): Id {
  repo.warn?.(message);
  return id;
}

/** Where a name or id leads that no version here has; null if nothing is known of it. */
async function followLost(
  repo: ReadAccess,
  base: string,
  error: NotFoundError,
): Promise<string | null> {
  const followed = await followName(repo, base);
  if (followed !== null) return told(repo, followed);
  const [first = '', ...rest] = base.split('/');
  const model = await findFormerModel(repo, first);
  if (model !== null) {
    repo.warn?.(`model '${first}' was renamed to '${model.model}' on ${formatDay(model.time)}`);
    return [model.model, ...rest].join('/');
  }
  const former = await findFormerRef(repo, base);
  if (former === null || former.kind === 'stash') return null;
  const { kind, name, to, version, time } = former;
  const isHere = version !== null && (await repo.store.findBlob(version)) !== null;
  const back = isHere
    ? `'dlv ${kind} ${name} ${version}' brings it back, until gc drops its version`
    : 'gc has dropped its version since';
  const what = to === null ? 'deleted' : 'renamed';
  const message = `the ${kind} '${name}' was ${what} on ${formatDay(time)}`;
  throw new NotFoundError(message, {
    ...error.data,
    hint: to === null ? back : `write '${to}'`,
  });
}

/** As `resolve`, the id alone. */
export async function resolveId(
  repo: ReadAccess,
  revision: string,
  options: ResolveOptions = {},
): Promise<Id> {
  return (await resolve(repo, revision, options)).id;
}
