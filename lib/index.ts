/**
 * The public API: the use cases of the command as typed functions.
 *
 * Everything else in lib may change without notice. Examples: docs/api.md.
 */

export type { Id } from './base/bytes/hash.js';
export * from './base/errors.js';
export type { DType } from './pure/tensor/dtype.js';
export { streamFile } from './storage/objects/rebuild.js';
export type { StoredFile } from './storage/objects/stored-file.js';
export { readTensor, type StoredTensor, tensorsOf } from './storage/objects/tensors.js';
export type { FileEntry, Snapshot } from './storage/repo/version/file-page.js';
export type { Version } from './storage/repo/version/version.js';
export type { OpContext } from './use/context.js';
export { resolve, resolveId } from './use/history/resolve.js';
export { type About, about } from './use/ops/about.js';
export { type AddedFile, type AddOptions, type AddResult, add } from './use/ops/add.js';
export {
  type ArchivedSnapshot,
  type ArchiveOptions,
  type ArchiveResult,
  archive,
} from './use/ops/archive.js';
export { type BenchOptions, type BenchResult, bench } from './use/ops/bench.js';
export {
  type BranchChange,
  type BranchEntry,
  createBranch,
  deleteBranch,
  listBranchEntries,
  renameBranch,
} from './use/ops/branch.js';
export { type CatOptions, type CatResult, cat } from './use/ops/cat.js';
export { type CheckoutOptions, type CheckoutResult, checkout } from './use/ops/checkout.js';
export { type CommitOptions, type CommitResult, commit } from './use/ops/commit.js';
export {
  type ConfigEntry,
  getConfig,
  listConfig,
  setConfig,
  unsetConfig,
} from './use/ops/config.js';
export { type CopyOptions, type CopyResult, copy } from './use/ops/copy.js';
export { type DiffResult, diff } from './use/ops/diff.js';
export { type DuOptions, type DuResult, du } from './use/ops/du.js';
export { type FsckOpOptions, type FsckOpResult, fsck } from './use/ops/fsck.js';
export { type GcOpOptions, type GcOpResult, gc } from './use/ops/gc.js';
export { type InitOptions, type InitResult, init } from './use/ops/init.js';
export { type ListedModel, type ListOptions, list } from './use/ops/list.js';
export { type LogOptions, log } from './use/ops/log.js';
export { type ResetOptions, type ResetResult, reset } from './use/ops/reset.js';
export { type RestoreOptions, type RestoreResult, restore } from './use/ops/restore.js';
export { type RmOptions, type RmResult, rm } from './use/ops/rm.js';
export { type ShowFileResult, type ShowResult, show, showFile } from './use/ops/show.js';
export { type StatusResult, status } from './use/ops/status.js';
export { type SwitchOptions, type SwitchResult, switchTo } from './use/ops/switch.js';
export { createTag, deleteTag, listTags, type TagEntry } from './use/ops/tag.js';
export { type TierOptions, type TierResult, tierVersions } from './use/ops/tier.js';
export { withRepository } from './use/ops/with-repository.js';
export { noProgress, type ProgressSink } from './use/progress.js';
export { Repository } from './use/repository.js';
export type { DiffOptions } from './use/worktree/diff-sides.js';
