/** What a version changed against its first parent. */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import { type CheckpointDiff, diffCheckpoints } from './diff/checkpoints.js';
import { diffFiles, type FileDiff } from './diff/files.js';
import { emptySide, narrowSide, versionSide } from './diff/sides.js';
import { diffSnapshots, type SnapshotDiff } from './diff/snapshots.js';

/** How much is said: the files, which reads no tensor, or every tensor in numbers as well. */
export type ChangeDetail = 'files' | 'tensors';

/** What a version changed. */
export interface VersionChanges {
  files: FileDiff[];
  /** Folders of checkpoints that came, went or moved as a whole; `files` has their files too. */
  checkpoints: CheckpointDiff[];
  /** Empty unless tensors are asked for. */
  snapshots: SnapshotDiff[];
}

/** Compares a version with its first parent, or with nothing if it has none. */
export async function versionChanges(
  repo: ReadAccess,
  version: Id,
  options: { detail: ChangeDetail; isWanted?: (path: string) => boolean },
  context: OpContext,
): Promise<VersionChanges> {
  const [parent] = (await repo.version(version)).parents;
  const before = parent === undefined ? emptySide() : await versionSide(repo, parent, parent);
  const after = await versionSide(repo, version, version);
  if (options.isWanted) for (const side of [before, after]) narrowSide(side, options.isWanted);
  try {
    const files = await diffFiles(repo, before, after, context.signal);
    // Many versions in a row: the rank of each change is asked of diff.
    const request = { files, context, rank: false };
    return {
      files,
      checkpoints: diffCheckpoints(before, after, files),
      snapshots:
        options.detail === 'files' ? [] : await diffSnapshots(repo, before, after, request),
    };
  } finally {
    context.progress.finish();
  }
}
