/** Stores work files, if asked, and makes a version of what is staged: one session, one move. */
import type { Id } from '../../base/bytes/hash.js';
import type { Level } from '../../pure/codec/segment.js';
import type { PackSession } from '../../storage/objects/session.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { encodeStaging, readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import {
  branchLine,
  countTensors,
  type Draft,
  draftVersion,
  landVersion,
  type StagedLine,
  storeVersion,
  type VersionContent,
} from '../history/make-version.js';
import type { PublishedBytes } from '../history/stored-bytes.js';
import { Describer } from '../history/versions.js';
import { someOf } from './checkout-plan.js';
import {
  applyChanges,
  type StageOptions,
  storeChanges,
  throwFailures,
  trackedFiles,
} from './stage-files.js';

export interface CommitRequest extends VersionContent {
  /** Model whose line gets the version; default: HEAD's. */
  model?: string;
  /** What is stored and staged first: files, or every tracked file that changed. */
  stage?: StageOptions | 'tracked';
  /** Encoder effort of tracked files; default: the setting codec.level. */
  level?: Level;
}

/** A version that was made. */
export interface CommittedVersion extends PublishedBytes {
  version: Id;
  model: string;
  branch: string;
  /** `model@number` names the version. */
  number: number;
  files: number;
  tensors: number;
  logicalBytes: number;
}

/**
 * Makes a version. Nothing is staged if it fails.
 * @throws {ConflictError} if nothing changed or the branch moved; {UsageError}; {NotFoundError}.
 */
export async function commitFiles(
  repo: StoreAccess,
  request: CommitRequest,
  context: OpContext,
): Promise<CommittedVersion> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    context.signal?.throwIfAborted();
    const staged = await stageFirst(repo, session, request, context);
    const draft = await draftVersion(repo, staged, request);
    const made = await storeVersion(repo, session, draft, context.signal);
    await session.flush();
    const stored = await landVersion(repo, session, draft, made);
    warnOfMissing(draft, context);
    return {
      version: made.id,
      model: draft.line.model,
      branch: draft.line.branch as string,
      number: await new Describer(repo).number(made.id),
      files: made.version.tree.count,
      tensors: await countTensors(repo, draft.entries),
      logicalBytes: made.version.tree.bytes,
      ...stored,
    };
  } finally {
    await session.abort();
    await reader.close();
  }
}

/** Reads staging and puts into it, in memory, what the request stores first. */
async function stageFirst(
  repo: StoreAccess,
  session: PackSession,
  request: CommitRequest,
  context: OpContext,
): Promise<StagedLine> {
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const stagingBefore = encodeStaging(staging);
  const line = await branchLine(repo, staging, request.model);
  const { stage, level } = request;
  if (stage !== undefined) {
    const options = stage === 'tracked' ? trackedFiles(staging, line.model) : stage;
    if (level !== undefined) options.level = level;
    if (options.paths.length > 0) {
      const changes = await storeChanges(repo, session, onDisk, options, context);
      throwFailures(changes);
      await applyChanges(repo, session, staging, changes, options);
    }
  }
  return { line, staging, stagingBefore };
}

/** Warns of checkpoints whose other files (shards, external data) are not in the version. */
function warnOfMissing({ entries, changes }: Draft, context: OpContext): void {
  const paths = new Set(entries.map((entry) => entry.path));
  const changed = new Set(changes.map((change) => change.path));
  for (const { path, hint } of entries) {
    if (!changed.has(path)) continue;
    const missing = hint.references.filter((reference) => !paths.has(reference));
    if (missing.length === 0) continue;
    const what = missing.length === 1 ? 'a file that is' : `${missing.length} files that are`;
    context.warn(`'${path}' needs ${what} not in this version: ${someOf(missing)}`);
  }
}
