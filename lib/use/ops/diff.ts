/** `dlv diff`: files that differ, and for every tensor by how much. */

import type { Id } from '../../base/bytes/hash.js';
import type { OpContext } from '../context.js';
import { type CheckpointDiff, diffCheckpoints } from '../history/diff/checkpoints.js';
import { diffFiles, type FileDiff } from '../history/diff/files.js';
import type { DiffSide } from '../history/diff/sides.js';
import { diffSnapshots, type SnapshotDiff } from '../history/diff/snapshots.js';
import type { Repository } from '../repository.js';
import { type DiffOptions, openSides } from '../worktree/diff-sides.js';

export type { CheckpointDiff } from '../history/diff/checkpoints.js';
export type { FileDiff } from '../history/diff/files.js';
export type { SnapshotDiff, TensorDiff } from '../history/diff/snapshots.js';
export type { DiffOptions } from '../worktree/diff-sides.js';

/** One side of a comparison. */
export interface DiffEnd {
  label: string;
  /** null: staging or the work tree. */
  version: Id | null;
  /** Tiers that replace exact files of it: those are compared. */
  tier: string | null;
}

export interface DiffResult {
  before: DiffEnd;
  after: DiffEnd;
  /** True if nothing differs. */
  same: boolean;
  files: FileDiff[];
  /** Folders of checkpoints that came, went or moved as a whole; `files` has their files too. */
  checkpoints: CheckpointDiff[];
  snapshots: SnapshotDiff[];
}

/** Compares two sides. @throws {NotFoundError} {UsageError} {CorruptError} */
export async function diff(
  repo: Repository,
  options: DiffOptions,
  context: OpContext,
): Promise<DiffResult> {
  const { before, after } = await openSides(repo, options, context);
  try {
    const files = await diffFiles(repo, before, after, context.signal);
    const snapshots = options.filesOnly
      ? []
      : await diffSnapshots(repo, before, after, { ...options, files, context });
    return {
      before: endOf(before),
      after: endOf(after),
      same: files.length === 0,
      files,
      checkpoints: diffCheckpoints(before, after, files),
      snapshots,
    };
  } finally {
    context.progress.finish();
  }
}

function endOf({ label, version, tier }: DiffSide): DiffEnd {
  return { label, version, tier };
}
