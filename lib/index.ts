/**
 * The public API: a repository as an object, with values in and plain objects out.
 *
 * What is here is kept stable; everything else in lib may change without notice. The page is
 * docs/api.md, and test/api.test.ts holds this list and runs the examples of the page.
 */
export type { CallOptions } from './api/call.js';
export { clone, fsck, init, open } from './api/open.js';
export type { TensorValue } from './api/reading.js';
export type { Paths, Repository } from './api/repository.js';
export type { Id } from './base/bytes/hash.js';
export {
  AbortedError,
  AmbiguousError,
  BugError,
  ChangedError,
  ConfigError,
  ConflictError,
  CorruptError,
  DlvError,
  type ErrorCode,
  type ErrorData,
  ExistsError,
  FormatVersionError,
  GivenUpError,
  InferenceError,
  IoError,
  LimitError,
  LockedError,
  NoRepositoryError,
  NotFoundError,
  RemoteError,
  TierError,
  TruncatedError,
  UnsafeError,
  UsageError,
} from './base/errors.js';
export type { Level } from './pure/codec/segment.js';
export type { Budget, Limit } from './pure/plan/budget-text.js';
export type { Tier } from './pure/tensor/tier.js';
export type { Warned } from './use/context.js';
export type { ShownCheckpoint, ShownFile, ShownSeries } from './use/history/shown-files.js';
export type { MetricPoint, MetricValues, ParamValues } from './use/history/version-content.js';
export type { Lineage, VersionSummary } from './use/history/versions.js';
export { type About, about } from './use/ops/about.js';
export type { AddedFile, AddOptions, AddResult } from './use/ops/add.js';
export type { ArchivedSnapshot, ArchiveOptions, ArchiveResult } from './use/ops/archive.js';
export type { BranchChange, BranchDeletion } from './use/ops/branch.js';
export type { BranchEntry } from './use/ops/branch-list.js';
export type { CheckoutOptions, CheckoutResult } from './use/ops/checkout.js';
export type { CloneOptions } from './use/ops/clone.js';
export type { CommitOptions, CommitResult } from './use/ops/commit.js';
export type { ConfigEntry } from './use/ops/config.js';
export type {
  ConstructedVersion,
  ConstructionOptions,
  ConstructionResult,
} from './use/ops/construct.js';
export type { CopyOptions, CopyResult } from './use/ops/copy.js';
export type {
  DescOptions,
  DescResult,
  DescribedLayer,
  DescribedNetworkFile,
} from './use/ops/desc.js';
export type { DetachOptions, DetachResult } from './use/ops/detach.js';
export type {
  CheckpointDiff,
  ComparedMetric,
  ComparedNetwork,
  ComparedValue,
  Comparison,
  DiffOptions,
  DiffResult,
  FileDiff,
  LayerDrift,
  ManyDiffResult,
  PairDiff,
  SnapshotDiff,
  TensorDiff,
} from './use/ops/diff.js';
export type { DuOptions, DuResult } from './use/ops/du.js';
export type {
  EvalComparison,
  EvalMetric,
  EvalOptions,
  EvalResult,
  EvalVersion,
} from './use/ops/eval.js';
export type {
  ProgressiveLayer,
  ProgressiveOptions,
  ProgressiveResult,
  ProgressiveStage,
} from './use/ops/eval-progressive.js';
export type { BundledRef, ExportOptions, ExportResult } from './use/ops/export.js';
export type { FetchOptions, FetchResult } from './use/ops/fetch.js';
export type { ForgetOptions, ForgetResult } from './use/ops/forget.js';
export type { FsckOpOptions as FsckOptions, FsckOpResult as FsckResult } from './use/ops/fsck.js';
export type { GcOpOptions as GcOptions, GcOpResult as GcResult } from './use/ops/gc.js';
export type { GcRemoteOptions, GcRemoteResult } from './use/ops/gc-remote.js';
export type { ImportKind, ImportOptions, ImportResult } from './use/ops/import.js';
export type { ImportBundleOptions, ImportBundleResult } from './use/ops/import-bundle.js';
export type { InitOptions } from './use/ops/init.js';
export type { KeepOptions, KeepResult, KeptCheckpoint } from './use/ops/keep.js';
export type {
  KeepRemoteOptions,
  KeepRemoteResult,
  KeptThere,
  RecallRemoteResult,
} from './use/ops/keep-remote.js';
export type {
  KeepVersionsOptions,
  KeepVersionsResult,
  KeptVersion,
  RecallOptions,
  RecallResult,
} from './use/ops/keep-versions.js';
export type { ListedModel, ListOptions } from './use/ops/list.js';
export type {
  LoadedTensor,
  LoadOptions,
  LoadResult,
  OtherSnapshot,
  TypedValues,
} from './use/ops/load.js';
export type { LogOptions } from './use/ops/log.js';
export type { MergeOptions, MergeResult } from './use/ops/merge.js';
export type { ModelDeletion, ModelRenaming } from './use/ops/model.js';
export type { MvOptions, MvResult } from './use/ops/mv.js';
export type { PullOptions, PullResult } from './use/ops/pull.js';
export type { PushOptions, PushResult } from './use/ops/push.js';
export type { QueryResult, QueryResultRow, QueryVersion } from './use/ops/query.js';
export type { ReflogLine, ReflogOptions } from './use/ops/reflog.js';
export type { RemoteChange, RemoteEntry } from './use/ops/remote.js';
export type { ResetOptions, ResetResult } from './use/ops/reset.js';
export type { RestoreOptions, RestoreResult } from './use/ops/restore.js';
export type { RevertOptions, RevertResult } from './use/ops/revert.js';
export type { RmOptions, RmResult } from './use/ops/rm.js';
export type {
  KeptEvaluation,
  ListedTensor,
  ShowFileResult,
  ShownTag,
  ShowResult,
} from './use/ops/show.js';
export type { StashEntry, StashPushOptions, StashResult } from './use/ops/stash.js';
export type { ModelStatus, StatusResult } from './use/ops/status.js';
export type { StudyOptions, StudyPlan, StudyResult, StudyTrial } from './use/ops/study.js';
export type { SwitchOptions, SwitchResult } from './use/ops/switch.js';
export type { TagChange, TagEntry, TagMessage } from './use/ops/tag.js';
export type { TierOptions, TierResult } from './use/ops/tier.js';
export type {
  CellValue,
  GroupCell,
  GroupRow,
  ListedVersion,
  VersionsOptions,
  VersionTable,
} from './use/ops/versions.js';
export type { ProgressSink } from './use/progress.js';
