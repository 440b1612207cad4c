/**
 * The public API of an open repository: every method is one use case of the command.
 *
 * Methods take values, return plain objects, print nothing, and throw errors of the table. Their
 * code is loaded at the first call. Methods that only read are in reading.ts.
 */
import { UsageError } from '../base/errors.js';
import type { ConfigKey } from '../storage/repo/settings/config-keys.js';
import type { Warned } from '../use/context.js';
import type { AddOptions, AddResult } from '../use/ops/add.js';
import type { ArchiveOptions, ArchiveResult } from '../use/ops/archive.js';
import type { BranchChange, BranchDeletion } from '../use/ops/branch.js';
import type { CheckoutOptions, CheckoutResult } from '../use/ops/checkout.js';
import type { CommitOptions, CommitResult } from '../use/ops/commit.js';
import type { ConfigChange, ConfigEntry } from '../use/ops/config.js';
import type { ConstructionOptions, ConstructionResult } from '../use/ops/construct.js';
import type { CopyOptions, CopyResult } from '../use/ops/copy.js';
import type { DetachOptions, DetachResult } from '../use/ops/detach.js';
import type { EvalOptions, EvalResult } from '../use/ops/eval.js';
import type { ProgressiveOptions, ProgressiveResult } from '../use/ops/eval-progressive.js';
import type { ExportOptions, ExportResult } from '../use/ops/export.js';
import type { FetchOptions, FetchResult } from '../use/ops/fetch.js';
import type { ForgetOptions, ForgetResult } from '../use/ops/forget.js';
import type { FsckOpOptions, FsckOpResult } from '../use/ops/fsck.js';
import type { GcOpOptions, GcOpResult } from '../use/ops/gc.js';
import type { GcRemoteOptions, GcRemoteResult } from '../use/ops/gc-remote.js';
import type { ImportOptions, ImportResult } from '../use/ops/import.js';
import type { ImportBundleOptions, ImportBundleResult } from '../use/ops/import-bundle.js';
import type { KeepOptions, KeepResult } from '../use/ops/keep.js';
import type {
  KeepRemoteOptions,
  KeepRemoteResult,
  RecallRemoteResult,
} from '../use/ops/keep-remote.js';
import type {
  KeepVersionsOptions,
  KeepVersionsResult,
  RecallOptions,
  RecallResult,
} from '../use/ops/keep-versions.js';
import type { MergeOptions, MergeResult } from '../use/ops/merge.js';
import type { ModelDeletion, ModelRenaming } from '../use/ops/model.js';
import type { MvOptions, MvResult } from '../use/ops/mv.js';
import type { PullOptions, PullResult } from '../use/ops/pull.js';
import type { PushOptions, PushResult } from '../use/ops/push.js';
import type { RemoteChange } from '../use/ops/remote.js';
import type { ResetOptions, ResetResult } from '../use/ops/reset.js';
import type { RestoreOptions, RestoreResult } from '../use/ops/restore.js';
import type { RevertOptions, RevertResult } from '../use/ops/revert.js';
import type { RmOptions, RmResult } from '../use/ops/rm.js';
import type { StashPushOptions, StashResult } from '../use/ops/stash.js';
import type { StudyOptions, StudyResult } from '../use/ops/study.js';
import type { SwitchOptions, SwitchResult } from '../use/ops/switch.js';
import type { TagChange } from '../use/ops/tag.js';
import type { TierOptions, TierResult } from '../use/ops/tier.js';
import { type CallOptions, withoutCall } from './call.js';
import type { Options } from './handle.js';
import { ReadingRepository } from './reading.js';

/** One path, folder or glob, or several; relative to the folder that was opened. */
export type Paths = string | readonly string[];

/** An open repository. Close it, or declare it with `await using`. */
export class Repository extends ReadingRepository {
  /** Stores files and stages them for the next version. */
  async add(paths: Paths, options: Options<AddOptions, 'paths'> = {}): Promise<Warned<AddResult>> {
    const { add } = await import('../use/ops/add.js');
    const own = { ...withoutCall(options), paths: listOf(paths) };
    return this.call(options, (repo, context) => add(repo, own, context));
  }

  /** Takes files out of the next version and, unless `cached`, out of the work tree. */
  async rm(paths: Paths, options: Options<RmOptions, 'paths'> = {}): Promise<Warned<RmResult>> {
    const { rm } = await import('../use/ops/rm.js');
    const own = { ...withoutCall(options), paths: listOf(paths) };
    return this.call(options, (repo, context) => rm(repo, own, context));
  }

  /** Takes checkpoints that a rule does not name out of the next version. */
  async keep(options: Options<KeepOptions>): Promise<Warned<KeepResult>> {
    const { keep } = await import('../use/ops/keep.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => keep(repo, own, context));
  }

  /** Gives up files of versions that no rule keeps (docs/keep.md). */
  async keepVersions(
    options: Options<KeepVersionsOptions> = {},
  ): Promise<Warned<KeepVersionsResult>> {
    const { keepVersions } = await import('../use/ops/keep-versions.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => keepVersions(repo, own, context));
  }

  /** Takes back that files of versions were given up; what gc has deleted comes from the remote `from`. */
  async recallVersions(
    revisions: readonly string[],
    options: Options<RecallOptions> = {},
  ): Promise<Warned<RecallResult>> {
    const { recallVersions } = await import('../use/ops/keep-versions.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => recallVersions(repo, revisions, own, context));
  }

  /** Gives up files of versions at a remote alone (docs/keep.md#remotes-and-clones). */
  async keepRemote(
    remote: string,
    options: Options<KeepRemoteOptions, 'remote'> = {},
  ): Promise<Warned<KeepRemoteResult>> {
    const { keepRemote } = await import('../use/ops/keep-remote.js');
    const own = { ...withoutCall(options), remote };
    return this.call(options, (repo, context) => keepRemote(repo, own, context));
  }

  /** Takes that back; files that the remote lacks already are sent from here. */
  async recallRemote(
    remote: string,
    revisions: readonly string[],
    options: Options<Pick<KeepRemoteOptions, 'limitRate' | 'jobs'>> = {},
  ): Promise<Warned<RecallRemoteResult>> {
    const { recallRemote } = await import('../use/ops/keep-remote.js');
    const own = { ...withoutCall(options), remote };
    return this.call(options, (repo, context) => recallRemote(repo, own, revisions, context));
  }

  /** Moves or renames tracked files; a destination that is a folder takes them in. */
  async mv(
    sources: Paths,
    destination: string,
    options: Options<MvOptions, 'sources' | 'destination'> = {},
  ): Promise<Warned<MvResult>> {
    const { mv } = await import('../use/ops/mv.js');
    const own = { ...withoutCall(options), sources: listOf(sources), destination };
    return this.call(options, (repo, context) => mv(repo, own, context));
  }

  /** Takes back changes of files, in the work tree or (`staged`) in what is staged. */
  async restore(
    paths: Paths,
    options: Options<RestoreOptions, 'paths'> = {},
  ): Promise<Warned<RestoreResult>> {
    const { restore } = await import('../use/ops/restore.js');
    const own = { ...withoutCall(options), paths: listOf(paths) };
    return this.call(options, (repo, context) => restore(repo, own, context));
  }

  /** Makes a version of what is staged. */
  async commit(options: Options<CommitOptions>): Promise<Warned<CommitResult>> {
    const { commit } = await import('../use/ops/commit.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => commit(repo, own, context));
  }

  /** Brings the files of a version into the work tree or, with `out`, into another folder. */
  async checkout(
    revision: string,
    options: Options<CheckoutOptions, 'revision'> = {},
  ): Promise<Warned<CheckoutResult>> {
    const { checkout } = await import('../use/ops/checkout.js');
    const own = { ...withoutCall(options), revision };
    return this.call(options, (repo, context) => checkout(repo, own, context));
  }

  /** Goes to a model or a branch; `create` makes the branch first. */
  async switch(
    name: string,
    options: Options<SwitchOptions, 'name'> = {},
  ): Promise<Warned<SwitchResult>> {
    const { switchTo } = await import('../use/ops/switch.js');
    const own = { ...withoutCall(options), name };
    return this.call(options, (repo, context) => switchTo(repo, own, context));
  }

  /** Moves the current line to a version; what is staged and the work tree follow by `mode`. */
  async reset(options: Options<ResetOptions> = {}): Promise<Warned<ResetResult>> {
    const { reset } = await import('../use/ops/reset.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => reset(repo, own, context));
  }

  /** Makes the versions that a slice or a construct of DQL asks for (docs/dql.md). */
  async construct(
    text: string,
    options: Options<ConstructionOptions> = {},
  ): Promise<Warned<ConstructionResult>> {
    const { construct } = await import('../use/ops/construct.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => construct(repo, text, own, context));
  }

  /** Trains versions as an evaluate of DQL says, and keeps the best (docs/dql.md). */
  async study(text: string, options: Options<StudyOptions> = {}): Promise<Warned<StudyResult>> {
    const { study } = await import('../use/ops/study.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => study(repo, text, own, context));
  }

  /** Begins a new model from a version; no data is copied. */
  async copy(
    revision: string,
    name: string,
    options: Options<CopyOptions, 'revision' | 'name'> = {},
  ): Promise<Warned<CopyResult>> {
    const { copy } = await import('../use/ops/copy.js');
    const own = { ...withoutCall(options), revision, name };
    return this.call(options, (repo, context) => copy(repo, own, context));
  }

  /** Makes a branch and stays where it is. */
  async branch(
    name: string,
    options: { start?: string; model?: string } & CallOptions = {},
  ): Promise<Warned<BranchChange>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall(options), name };
    return this.call(options, (repo, context) => ops.createBranch(repo, own, context));
  }

  /** Renames a branch within its model. */
  async renameBranch(
    from: string,
    to: string,
    options: { model?: string } & CallOptions = {},
  ): Promise<Warned<BranchChange>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall(options), from, to };
    return this.call(options, (repo, context) => ops.renameBranch(repo, own, context));
  }

  /** Deletes a branch, also that of HEAD. */
  async deleteBranch(
    name: string,
    options: { model?: string; force?: boolean } & CallOptions = {},
  ): Promise<Warned<BranchDeletion>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall(options), name };
    return this.call(options, (repo, context) => ops.deleteBranch(repo, own, context));
  }

  /** Gives a model another name: its versions get new ids, to which the old ones lead. */
  async renameModel(
    from: string,
    to: string,
    options: { dryRun?: boolean } & CallOptions = {},
  ): Promise<Warned<ModelRenaming>> {
    const ops = await import('../use/ops/model.js');
    const own = { ...withoutCall(options), from, to };
    return this.call(options, (repo, context) => ops.renameModel(repo, own, context));
  }

  /** Deletes a model: all its branches. Its files stay in the work tree. */
  async deleteModel(
    name: string,
    options: { force?: boolean; dryRun?: boolean } & CallOptions = {},
  ): Promise<Warned<ModelDeletion>> {
    const ops = await import('../use/ops/model.js');
    const own = { ...withoutCall(options), name };
    return this.call(options, (repo, context) => ops.deleteModel(repo, own, context));
  }

  /** Frees low planes here that a remote has, once it has shown that it has them. */
  async detach(options: Options<DetachOptions>): Promise<Warned<DetachResult>> {
    const { detach } = await import('../use/ops/detach.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => detach(repo, own, context));
  }

  /** Brings versions to a remote and moves its branches and tags; refused ones have status `rejected`. */
  async push(options: Options<PushOptions> = {}): Promise<Warned<PushResult>> {
    const { push } = await import('../use/ops/push.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => push(repo, own, context));
  }

  /** Brings versions of remotes here; own branches and work files stay. One result for each remote. */
  async fetch(options: Options<FetchOptions> = {}): Promise<FetchResult[]> {
    const { fetch } = await import('../use/ops/fetch.js');
    const own = withoutCall(options);
    return this.ask(options, (repo, context) => fetch(repo, own, context));
  }

  /** Fetches, and moves the current branch and its work files on. */
  async pull(options: Options<PullOptions> = {}): Promise<Warned<PullResult>> {
    const { pull } = await import('../use/ops/pull.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => pull(repo, own, context));
  }

  /** Gives an address a name. */
  async addRemote(
    name: string,
    url: string,
    options: CallOptions = {},
  ): Promise<Warned<RemoteChange>> {
    const { addRemote } = await import('../use/ops/remote.js');
    return this.call(options, (repo, context) => addRemote(repo, { name, url }, context));
  }

  /** Forgets a remote, and where its branches were seen. */
  async removeRemote(name: string, options: CallOptions = {}): Promise<Warned<RemoteChange>> {
    const { removeRemote } = await import('../use/ops/remote.js');
    return this.call(options, (repo, context) => removeRemote(repo, { name }, context));
  }

  /** Puts changes aside: the work files become those of the line's version. */
  async stash(options: Options<StashPushOptions> = {}): Promise<Warned<StashResult>> {
    const { pushStash } = await import('../use/ops/stash.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => pushStash(repo, own, context));
  }

  /** Brings what was put aside back; `drop` deletes the stash then. The newest is 0. */
  async applyStash(
    index = 0,
    options: { drop?: boolean } & CallOptions = {},
  ): Promise<Warned<StashResult>> {
    const { applyStash } = await import('../use/ops/stash.js');
    const own = { ...withoutCall(options), index };
    return this.call(options, (repo, context) => applyStash(repo, own, context));
  }

  /** Deletes what was put aside. */
  async dropStash(index = 0, options: CallOptions = {}): Promise<Warned<StashResult>> {
    const { dropStash } = await import('../use/ops/stash.js');
    return this.call(options, (repo, context) => dropStash(repo, { index }, context));
  }

  /** Makes a version that takes back what an earlier one changed. */
  async revert(
    revision: string,
    options: Options<RevertOptions, 'revision'> = {},
  ): Promise<Warned<RevertResult>> {
    const { revert } = await import('../use/ops/revert.js');
    const own = { ...withoutCall(options), revision };
    return this.call(options, (repo, context) => revert(repo, own, context));
  }

  /** Joins another version into the current branch, or combines weights of several. */
  async merge(
    revisions: string | readonly string[],
    options: Options<MergeOptions, 'revisions'> = {},
  ): Promise<Warned<MergeResult>> {
    const { merge } = await import('../use/ops/merge.js');
    const named = typeof revisions === 'string' ? [revisions] : revisions;
    const own = { ...withoutCall(options), revisions: named };
    return this.call(options, (repo, context) => merge(repo, own, context));
  }

  /** Writes versions as one file. */
  async exportVersions(options: Options<ExportOptions>): Promise<Warned<ExportResult>> {
    const { exportVersions } = await import('../use/ops/export.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => exportVersions(repo, own, context));
  }

  /** Takes versions, branches and tags of a file that exportVersions wrote. */
  async importBundle(
    file: string,
    options: Options<Omit<ImportBundleOptions, 'file'>> = {},
  ): Promise<Warned<ImportBundleResult>> {
    const { importBundle } = await import('../use/ops/import-bundle.js');
    const own = { ...withoutCall(options), file };
    return this.call(options, (repo, context) => importBundle(repo, own, context));
  }

  /** Takes the history that another tool keeps in a folder, as versions of a model. */
  async importHistory(
    dir: string,
    options: Options<ImportOptions, 'dir'> = {},
  ): Promise<Warned<ImportResult>> {
    const { importHistory } = await import('../use/ops/import.js');
    const own = { ...withoutCall(options), dir };
    return this.call(options, (repo, context) => importHistory(repo, own, context));
  }

  /** Takes versions, or files, out of history. */
  async forget(options: Options<ForgetOptions>): Promise<Warned<ForgetResult>> {
    const { forget } = await import('../use/ops/forget.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => forget(repo, own, context));
  }

  /** Names a version; a message is kept with its author and time. */
  async tag(
    name: string,
    options: {
      revision?: string;
      force?: boolean;
      exact?: boolean;
      message?: string;
    } & CallOptions = {},
  ): Promise<Warned<TagChange>> {
    const ops = await import('../use/ops/tag.js');
    const own = { ...withoutCall(options), name };
    return this.call(options, (repo, context) => ops.createTag(repo, own, context));
  }

  /** Deletes a tag; the version stays. */
  async deleteTag(name: string, options: CallOptions = {}): Promise<Warned<TagChange>> {
    const ops = await import('../use/ops/tag.js');
    return this.call(options, (repo, context) => ops.deleteTag(repo, { name }, context));
  }

  /** Runs versions on a data set, and compares them; outcomes are kept as notes unless `record` is false. */
  async evaluate(
    revisions: string | readonly string[],
    options: Options<EvalOptions, 'revisions'>,
  ): Promise<Warned<EvalResult>> {
    const { evaluate } = await import('../use/ops/eval.js');
    const own = { ...withoutCall(options), revisions: listOf(revisions) };
    return this.call(options, (repo, context) => evaluate(repo, own, context));
  }

  /** Answers of a version's network from as few leading planes of its weights as possible. */
  async evaluateProgressively(
    revision: string,
    options: Options<ProgressiveOptions, 'revision'>,
  ): Promise<Warned<ProgressiveResult>> {
    const { evaluateProgressively } = await import('../use/ops/eval-progressive.js');
    const own = { ...withoutCall(options), revision };
    return this.call(options, (repo, context) => evaluateProgressively(repo, own, context));
  }

  /** Plans and re-encodes the repository within budgets of recreation. */
  async archive(options: Options<ArchiveOptions> = {}): Promise<Warned<ArchiveResult>> {
    const { archive } = await import('../use/ops/archive.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => archive(repo, own, context));
  }

  /** Gives up the exact bytes of the named versions for fewer ones. This cannot be taken back. */
  async tier(
    revisions: readonly string[],
    options: Options<TierOptions, 'revisions'>,
  ): Promise<Warned<TierResult>> {
    const { tierVersions } = await import('../use/ops/tier.js');
    const own = { ...withoutCall(options), revisions };
    return this.call(options, (repo, context) => tierVersions(repo, own, context));
  }

  /** Reclaims what nothing needs and merges small packs. */
  async gc(options: Options<GcOpOptions> = {}): Promise<Warned<GcOpResult>> {
    const { gc } = await import('../use/ops/gc.js');
    const own = withoutCall(options);
    return this.call(options, (repo, context) => gc(repo, own, context));
  }

  /** Takes out of a remote what nothing there needs, and joins its small packs. */
  async gcRemote(
    remote: string,
    options: Options<GcRemoteOptions, 'remote'> = {},
  ): Promise<Warned<GcRemoteResult>> {
    const { gcRemote } = await import('../use/ops/gc-remote.js');
    const own = { ...withoutCall(options), remote };
    return this.call(options, (repo, context) => gcRemote(repo, own, context));
  }

  /** Verifies the repository. For one that cannot be opened there is the function `fsck`. */
  async fsck(options: Options<FsckOpOptions> = {}): Promise<Warned<FsckOpResult>> {
    const { fsck } = await import('../use/ops/fsck.js');
    const own = withoutCall(options);
    return this.call(options, (_repo, context) => fsck(context, own));
  }

  /** Sets a setting of this repository or, with `user`, of the user; null removes it. */
  async setConfig(
    key: ConfigKey,
    value: string | number | null,
    options: ConfigChange = {},
  ): Promise<Warned<ConfigEntry>> {
    const { setConfig, unsetConfig } = await import('../use/ops/config.js');
    return this.call({}, async (repo, context) => {
      const entry =
        value === null
          ? await unsetConfig(context, key, options)
          : await setConfig(context, key, String(value), options);
      await repo.readSettings();
      return entry;
    });
  }
}

/** @throws {UsageError} for what is not a path. */
function listOf(paths: Paths): string[] {
  const list: unknown = typeof paths === 'string' ? [paths] : paths;
  if (Array.isArray(list) && list.every((path) => typeof path === 'string')) return [...list];
  throw new UsageError('paths are given as a text or a list of texts');
}
