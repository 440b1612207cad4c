/**
 * Rewrites versions and moves everything that names them, in one step: used by `forget` and by
 * renaming a model.
 */

import { type Id, objectId } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import { withSession } from '../../../storage/objects/access.js';
import { countNumbers } from '../../../storage/objects/count-numbers.js';
import { blobWriter } from '../../../storage/objects/stored-bytes.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../../../storage/repo/format.js';
import type { RefMove } from '../../../storage/repo/moves/journal.js';
import { type NumberMarks, readNumbers, writeNumbers } from '../../../storage/repo/numbers.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { branchRefName } from '../../../storage/repo/refs/ref-name.js';
import { readRef } from '../../../storage/repo/refs/refs.js';
import type { StagedBranch } from '../../../storage/repo/staging/staging.js';
import { readLineStagings } from '../../../storage/repo/staging/staging-file.js';
import type { BlobWriter } from '../../../storage/repo/version/blobs.js';
import type { Version } from '../../../storage/repo/version/version.js';
import type { OpContext } from '../../context.js';
import type { StoreAccess } from '../access.js';
import { stagedChanges } from '../commit/staged-changes.js';
import { collectVersions } from '../lines/ancestry.js';
import { moveReason } from '../lines/moves.js';
import { type Lines, moveTogether } from '../lines/together.js';
import { goneVersions, type ModelRename, moveLines } from './move-lines.js';
import { rewriteNotes } from './rewrite-notes.js';
import { type RewrittenVersion, rewriteVersions, type VersionChange } from './rewrite-versions.js';

export interface RewriteRequest {
  lines: Lines;
  /** Versions that refs, HEAD and staging name, with all that they derive from. */
  versions: ReadonlyMap<Id, Version>;
  changeOf: (id: Id, version: Version) => Promise<VersionChange | null>;
  rename?: ModelRename;
  /** Drops staged changes that are in the way. */
  force: boolean;
  /** For reflogs and for the list of versions that are gone. */
  reason: string;
  /** Stores and moves nothing. */
  dryRun: boolean;
  /** Is asked when it is known what becomes of the versions, before anything is stored for good. */
  before?: (rewritten: ReadonlyMap<Id, RewrittenVersion>) => Promise<void>;
}

export interface RewrittenHistory {
  rewritten: ReadonlyMap<Id, RewrittenVersion>;
  refs: RefMove[];
}

/** Versions that may have to be rewritten: those of branches, tags, HEAD and staging. */
export async function versionsOfLines(
  repo: StoreAccess,
  { refs, head, staging }: Lines,
  signal?: AbortSignal,
): Promise<Map<Id, Version>> {
  const starts = refs.filter(({ name }) => !name.startsWith('refs/remotes/')).map(({ id }) => id);
  if (head.kind === 'detached') starts.push(head.id);
  for (const { base, otherParents } of staging.models()) {
    for (const id of [base, ...otherParents]) if (id !== null) starts.push(id);
  }
  return collectVersions(repo, starts, { signal });
}

/** @throws {ConflictError} if another command moved what this one moves. */
export async function rewriteHistory(
  repo: StoreAccess,
  request: RewriteRequest,
  { signal }: OpContext,
): Promise<RewrittenHistory> {
  const { lines, versions, changeOf, dryRun, force, reason, rename } = request;
  return withSession(repo, async (session) => {
    const writer = dryRun ? NAMER : blobWriter(session);
    const rewritten = await rewriteVersions(repo, { versions, changeOf }, writer, signal);
    await checkStagedApart(repo, rewritten, rename);
    const notes = await rewriteNotes(repo, rewritten, writer);
    const options = { force, reason, ...(rename ? { rename } : {}) };
    const { refs, head } = await moveLines(repo, lines, rewritten, options);
    await request.before?.(rewritten);
    if (dryRun) return { rewritten, refs };
    // Takes a while where an older release made the versions: without the lock.
    const marks = (await readNumbers(repo.layout)) ?? (await countNumbers(repo));
    const gone = await goneVersions(repo, rewritten, await moveReason(repo, reason));
    await session.flush();
    await moveTogether(repo, lines, { refs, head, notes, gone, reason }, async (lock) => {
      if (await session.isUndisturbed()) return raiseMarks(lock, marks, rename);
      throw new ConflictError('garbage was collected while versions were rewritten', {
        hint: 'run the command again',
      });
    });
    return { rewritten, refs };
  });
}

/**
 * What is staged for a branch apart and is not committed yet must not end up on a version that is gone. Where
 * nothing is, or the branch is gone, nothing can be lost.
 * @throws {ConflictError}
 */
async function checkStagedApart(
  repo: StoreAccess,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
  rename: ModelRename | undefined,
): Promise<void> {
  const stagings = await readLineStagings(repo.layout, (_file, error) => {
    throw error;
  });
  for (const staging of stagings) {
    const { model, branch } = staging.only as StagedBranch;
    const { base = null, otherParents = [] } = staging.get(model) ?? {};
    const isOld = [base, ...otherParents].some((id) => id !== null && rewritten.has(id));
    if (!isOld && model !== rename?.from) continue;
    const tip = await readRef(repo.layout, branchRefName(model, branch));
    if (base !== null && tip === null) continue;
    const line = { model, branch, tip: base };
    if ((await stagedChanges(repo, line, staging.entries(model))).length === 0) continue;
    const name = `${model}/${branch}`;
    throw new ConflictError(`files are staged for '${name}' apart, on a version that changes`, {
      name,
      hint: `commit them first with 'dlv commit --branch ${name}'`,
    });
  }
}

/** What is rewritten holds its number; a model under another name goes on above its highest. */
async function raiseMarks(
  lock: RepositoryLock,
  counted: NumberMarks,
  rename: ModelRename | undefined,
): Promise<void> {
  const marks = (await readNumbers(lock.layout)) ?? counted;
  if (rename !== undefined) {
    const none = { highest: 0, shared: 0 };
    const [from = none, to = none] = [marks.get(rename.from), marks.get(rename.to)];
    const highest = Math.max(from.highest, to.highest);
    if (highest > 0) marks.set(rename.to, { highest, shared: Math.max(from.shared, to.shared) });
  }
  await writeNumbers(lock, marks);
  await requireWriteFlag(lock, NUMBERS_FLAG);
}

/** Names blobs and stores none. */
const NAMER: BlobWriter = { writeBlob: async (kind, bytes) => objectId(kind, bytes) };
