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
export { type AddedFile, type AddOptions, type AddResult, add } from './ops/add.js';
export { type CommitOptions, type CommitResult, commit } from './ops/commit.js';
export { type OpContext, withRepository } from './ops/context.js';
export { type DiffOptions, type DiffResult, diff } from './ops/diff.js';
export { noProgress, type ProgressSink } from './ops/progress.js';
export { resolve, resolveId } from './ops/resolve.js';
export { type RmOptions, type RmResult, rm } from './ops/rm.js';
export { type StatusResult, status } from './ops/status.js';
export type { FileEntry, Snapshot } from './repo/file-page.js';
export type { Version } from './repo/version.js';
export type { DType } from './tensor/dtype.js';
