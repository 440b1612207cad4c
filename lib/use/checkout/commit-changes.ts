/** Changes files of the current line and makes a version of them, or stages them: the end of revert and merge. */
import type { Id } from '../../base/bytes/hash.js';
import type { PackSession } from '../../storage/objects/session.js';
import {
  readStaging,
  type StagingOnDisk,
  writeStaging,
} from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import { commitDraft } from '../history/commit/commit-draft.js';
import { draftVersion, type VersionContent } from '../history/commit/draft-version.js';
import { checkUnchanged } from '../history/commit/staged-version.js';
import type { Line } from '../history/lines/lines.js';
import { Describer } from '../history/versions.js';
import { changeWorkFiles, type FileChanges, stageFiles } from './change-files.js';

/** What is changed, and from where. */
export interface CommittedChange {
  line: Line & { branch: string };
  tip: Id;
  onDisk: StagingOnDisk;
  /** The bytes of staging as they were read. */
  stagingBefore: Uint8Array;
  changes: FileChanges;
  content: VersionContent;
  /** Stages the change; the next version has the parents of `content`. */
  noCommit: boolean;
}

/** What was done; version and number are null if the change was staged. */
export interface CommittedFiles {
  version: Id | null;
  number: number | null;
  written: string[];
  removed: string[];
}

/** @throws {ConflictError} if changes that are in no version would be lost, or another command was faster. */
export async function commitChanges(
  repo: ChangeAccess,
  session: PackSession,
  change: CommittedChange,
  context: OpContext,
): Promise<CommittedFiles> {
  const { line, tip, onDisk, stagingBefore, changes, content, noCommit } = change;
  const { model } = line;
  const { staging } = onDisk;
  const done = await changeWorkFiles(repo, { ...onDisk, model, tip }, changes, context);
  const files = { written: done.written, removed: done.removed };
  if (noCommit) {
    await repo.locked(async (lock) => {
      const now = await readStaging(repo.layout);
      checkUnchanged(staging, now.staging, model);
      stageFiles(now.staging, model, changes, done);
      const parents = content.parents ?? [];
      if (parents.length > 0) now.staging.open(model, line.branch).otherParents = [...parents];
      await writeStaging(lock, now.staging);
    });
    return { version: null, number: null, ...files };
  }
  stageFiles(staging, model, changes, done);
  const source = { line, staging, stagingBefore };
  const draft = await draftVersion(repo, source, { ...content, allowRemovals: true });
  const { made } = await commitDraft(repo, session, draft, context.signal);
  return { version: made.id, number: await new Describer(repo).number(made.id), ...files };
}
