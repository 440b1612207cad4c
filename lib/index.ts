/**
 * The public API: the use cases of the command as typed functions.
 *
 * Everything else in lib may change without notice. Examples: docs/api.md.
 */
export { Repository } from './archive/repository.js';
export { type StoredFile, streamFile } from './archive/stored-file.js';
export { readTensor, type StoredTensor, tensorsOf } from './archive/tensors.js';
export type { Id } from './bytes/hash.js';
export * from './errors.js';
export { type About, about } from './ops/about.js';
export { type AddedFile, type AddOptions, type AddResult, add } from './ops/add.js';
export {
  type ArchivedSnapshot,
  type ArchiveOptions,
  type ArchiveResult,
  archive,
} from './ops/archive.js';
export { type BenchOptions, type BenchResult, bench } from './ops/bench.js';
export {
  type BranchChange,
  type BranchEntry,
  createBranch,
  deleteBranch,
  listBranchEntries,
  renameBranch,
} from './ops/branch.js';
export { type CatOptions, type CatResult, cat } from './ops/cat.js';
export { type CheckoutOptions, type CheckoutResult, checkout } from './ops/checkout.js';
export { type CommitOptions, type CommitResult, commit } from './ops/commit.js';
export { type ConfigEntry, getConfig, listConfig, setConfig, unsetConfig } from './ops/config.js';
export { type OpContext, withRepository } from './ops/context.js';
export { type CopyOptions, type CopyResult, copy } from './ops/copy.js';
export { type DiffOptions, type DiffResult, diff } from './ops/diff.js';
export { type DuOptions, type DuResult, du } from './ops/du.js';
export { type FsckOpOptions, type FsckOpResult, fsck } from './ops/fsck.js';
export { type GcOpOptions, type GcOpResult, gc } from './ops/gc.js';
export { type InitOptions, type InitResult, init } from './ops/init.js';
export { type ListedModel, type ListOptions, list } from './ops/list.js';
export { type LogOptions, log } from './ops/log.js';
export { noProgress, type ProgressSink } from './ops/progress.js';
export { type ResetOptions, type ResetResult, reset } from './ops/reset.js';
export { resolve, resolveId } from './ops/resolve.js';
export { type RestoreOptions, type RestoreResult, restore } from './ops/restore.js';
export { type RmOptions, type RmResult, rm } from './ops/rm.js';
export { type ShowFileResult, type ShowResult, show, showFile } from './ops/show.js';
export { type StatusResult, status } from './ops/status.js';
export { type SwitchOptions, type SwitchResult, switchTo } from './ops/switch.js';
export { createTag, deleteTag, listTags, type TagEntry } from './ops/tag.js';
export { type TierOptions, type TierResult, tierVersions } from './ops/tier.js';
export type { FileEntry, Snapshot } from './repo/file-page.js';
export type { Version } from './repo/version.js';
export type { DType } from './tensor/dtype.js';
