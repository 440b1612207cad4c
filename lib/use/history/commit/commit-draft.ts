/** Makes the version of a draft, moves its branch there, and brings staging up to it. */

import { ConflictError } from '../../../base/errors.js';
import type { PackSession } from '../../../storage/objects/session.js';
import {
  bytesOfSets,
  type PublishedBytes,
  publishedSets,
} from '../../../storage/objects/stored-bytes.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { branchRefName } from '../../../storage/repo/refs/ref-name.js';
import { appendReflog } from '../../../storage/repo/refs/reflog.js';
import { updateRef } from '../../../storage/repo/refs/refs.js';
import { formatAuthor } from '../../../storage/repo/settings/author.js';
import { bytesAsRead } from '../../../storage/repo/staging/staging-bytes.js';
import { writeStaging } from '../../../storage/repo/staging/staging-file.js';
import type { ChangeAccess } from '../access.js';
import { currentLine } from '../lines/lines.js';
import { reopenStaging } from '../lines/open-staging.js';
import { neededOfSets } from '../sizes/staged-bytes.js';
import { type Draft, newVersionOf, withStep } from './draft-version.js';
import { type MadeVersion, makeVersion } from './make-version.js';

/**
 * Makes the version and moves the branch to it, unless the branch or staging changed since the draft.
 * @returns the version, and the bytes of pack files written for it since its parent, whichever command wrote them,
 *   without what was staged and is not in the version.
 * @throws {ConflictError} if another command was faster.
 */
export async function commitDraft(
  repo: ChangeAccess,
  session: PackSession,
  draft: Draft,
  signal?: AbortSignal,
): Promise<{ made: MadeVersion; stored: PublishedBytes }> {
  const { line, staging, entries, changes } = draft;
  const changed = new Set(changes.map(({ path }) => path));
  const files = entries.filter(({ path }) => changed.has(path));
  const earlier = await neededOfSets(repo, staging.get(line.model)?.sets ?? [], files, session);
  const name = async (lock: RepositoryLock, made: MadeVersion): Promise<void> => {
    await checkSame(repo, draft);
    await moveToVersion(lock, draft, made);
  };
  const made = await makeVersion(repo, session, newVersionOf(draft), { name, signal });
  return { made, stored: bytesOfSets([...publishedSets(session), ...earlier]) };
}

/** @throws {ConflictError} if what is staged or the tip is not what the draft was made of. */
export async function checkSame(repo: ChangeAccess, draft: Draft): Promise<void> {
  const { line, staging, stagingBefore } = draft;
  const now = bytesAsRead((await reopenStaging(repo, staging)).staging);
  const { tip } = await currentLine(repo, staging, line.model);
  if (Buffer.compare(now, stagingBefore) === 0 && tip === line.tip) return;
  throw new ConflictError(`'${line.model}' changed while it was committed`, {
    hint: 'another command staged or committed at the same time; run the command again',
  });
}

async function moveToVersion(
  lock: RepositoryLock,
  draft: Draft,
  { id, version }: MadeVersion,
): Promise<void> {
  const { line, staging, content } = draft;
  const why = {
    who: formatAuthor(version.author),
    time: version.time,
    reason: `commit${draft.amended ? ' (amend)' : ''}: ${version.message.split('\n', 1)[0]}`,
  };
  const model = staging.open(line.model, line.branch);
  model.base = id;
  model.branch = line.branch;
  model.sets = [];
  model.otherParents = [];
  if (content.step !== undefined) {
    for (const entry of withStep(draft)) staging.put(line.model, entry);
  }
  // Staging goes first: a branch that has moved is an acknowledged version (see checkBase).
  await writeStaging(lock, staging);
  await updateRef(lock, {
    name: branchRefName(line.model, line.branch as string),
    before: line.tip,
    after: id,
    why,
  });
  const head = await readHead(lock.layout);
  if (head.kind === 'branch' && head.model === line.model && head.branch === line.branch) {
    await appendReflog(lock, 'HEAD', { before: line.tip, after: id, ...why });
  }
}
