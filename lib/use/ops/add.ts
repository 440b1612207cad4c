/** `dlv add`: stores files and stages them for the next version of a model. */

import type { PackSession } from '../../storage/objects/session.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import {
  applyChanges,
  type StageOptions,
  type StoredChanges,
  storeChanges,
  throwFailures,
} from '../worktree/stage-files.js';

export type AddOptions = StageOptions;

export interface AddedFile {
  path: string;
  status: 'added' | 'modified' | 'unchanged' | 'deleted';
  bytes: number;
  format: string | null;
  tensors: number;
}

export interface AddResult {
  model: string;
  files: AddedFile[];
  /** Bytes of the files that were read. */
  logicalBytes: number;
  /** Bytes of pack files written, without their indexes. */
  storedBytes: number;
  metadataBytes: number;
  seconds: number;
}

/** Adds files. @throws {NotFoundError} {UsageError} {ConflictError} {ChangedError} {IoError} */
export async function add(
  repo: Repository,
  options: AddOptions,
  context: OpContext,
): Promise<AddResult> {
  const started = performance.now();
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    const { staging, writtenNs } = await readStaging(repo.layout);
    const changes = await storeChanges({ repo, session }, { staging, writtenNs }, options, context);
    await session.flush();
    if (changes.results.length > 0 || changes.plan.missing.length > 0) {
      await repo.locked(async (lock) => {
        const now = (await readStaging(repo.layout)).staging;
        await applyChanges({ repo, session }, now, changes, options);
        await writeStaging(lock, now);
      });
    }
    throwFailures(changes);
    return report(changes, session, started);
  } finally {
    await session.abort();
    await reader.close();
  }
}

function report(
  { plan, results }: StoredChanges,
  session: PackSession,
  started: number,
): AddResult {
  const files: AddedFile[] = results.map((result) => ({
    path: result.path,
    status: statusOf(plan.known.get(result.path), result.sha256),
    bytes: result.size,
    format: result.format,
    tensors: result.tensors,
  }));
  for (const entry of plan.unchanged) {
    files.push({
      path: entry.path,
      status: 'unchanged',
      bytes: entry.size,
      format: entry.format,
      tensors: 0,
    });
  }
  for (const path of plan.missing) {
    files.push({ path, status: 'deleted', bytes: 0, format: null, tensors: 0 });
  }
  return {
    model: plan.line.model,
    files,
    logicalBytes: results.reduce((sum, result) => sum + result.size, 0),
    ...publishedBytes(session),
    seconds: (performance.now() - started) / 1000,
  };
}

function statusOf(before: string | undefined, now: string): AddedFile['status'] {
  if (before === undefined) return 'added';
  return before === now ? 'unchanged' : 'modified';
}
