/**
 * The public API of an open repository: every method is one use case of the command.
 *
 * Methods take values, return plain objects, print nothing, and throw errors of the table. Their
 * code is loaded at the first call. Here are those that make versions and move between them.
 */
import { UsageError } from '../base/errors.js';
import type { Warned } from '../use/context.js';
import type { AddOptions, AddResult } from '../use/ops/add.js';
import type { BranchChange, BranchDeletion } from '../use/ops/branch.js';
import type { CheckoutOptions, CheckoutResult } from '../use/ops/checkout.js';
import type { CommitOptions, CommitResult } from '../use/ops/commit.js';
import type { ConstructionOptions, ConstructionResult } from '../use/ops/construct.js';
import type { CopyOptions, CopyResult } from '../use/ops/copy.js';
import type { EvalOptions, EvalResult } from '../use/ops/eval.js';
import type { ProgressiveOptions, ProgressiveResult } from '../use/ops/eval-progressive.js';
import type { KeepOptions, KeepResult } from '../use/ops/keep.js';
import type { MergeOptions, MergeResult } from '../use/ops/merge.js';
import type { ModelDeletion, ModelRenaming } from '../use/ops/model.js';
import type { MvOptions, MvResult } from '../use/ops/mv.js';
import type { ResetOptions, ResetResult } from '../use/ops/reset.js';
import type { RestoreOptions, RestoreResult } from '../use/ops/restore.js';
import type { RevertOptions, RevertResult } from '../use/ops/revert.js';
import type { RmOptions, RmResult } from '../use/ops/rm.js';
import type { StashPushOptions, StashResult } from '../use/ops/stash.js';
import type { StudyOptions, StudyResult } from '../use/ops/study.js';
import type { SwitchOptions, SwitchResult } from '../use/ops/switch.js';
import type { TagChange } from '../use/ops/tag.js';
import { type CallOptions, withoutCall } from './call.js';
import type { Options } from './handle.js';
import { TendedRepository } from './upkeep.js';

/** One path, folder or glob, or several; relative to the folder that was opened. */
export type Paths = string | readonly string[];

/** An open repository. Close it, or declare it with `await using`. */
export class Repository extends TendedRepository {
  /** Stores files and stages them for the next version. */
  async add(paths: Paths, options: Options<AddOptions, 'paths'> = {}): Promise<Warned<AddResult>> {
    const { add } = await import('../use/ops/add.js');
    const own = { ...withoutCall('add', options), paths: listOf(paths) };
    return this.call(options, (repo, context) => add(repo, own, context));
  }

  /** Takes files out of the next version and, unless `cached`, out of the work tree. */
  async rm(paths: Paths, options: Options<RmOptions, 'paths'> = {}): Promise<Warned<RmResult>> {
    const { rm } = await import('../use/ops/rm.js');
    const own = { ...withoutCall('rm', options), paths: listOf(paths) };
    return this.call(options, (repo, context) => rm(repo, own, context));
  }

  /** Takes checkpoints that a rule does not name out of the next version. */
  async keep(options: Options<KeepOptions>): Promise<Warned<KeepResult>> {
    const { keep } = await import('../use/ops/keep.js');
    const own = withoutCall('keep', options);
    return this.call(options, (repo, context) => keep(repo, own, context));
  }

  /** Moves or renames tracked files; a destination that is a folder takes them in. */
  async mv(
    sources: Paths,
    destination: string,
    options: Options<MvOptions, 'sources' | 'destination'> = {},
  ): Promise<Warned<MvResult>> {
    const { mv } = await import('../use/ops/mv.js');
    const own = { ...withoutCall('mv', options), sources: listOf(sources), destination };
    return this.call(options, (repo, context) => mv(repo, own, context));
  }

  /** Takes back changes of files, in the work tree or (`staged`) in what is staged. */
  async restore(
    paths: Paths,
    options: Options<RestoreOptions, 'paths'> = {},
  ): Promise<Warned<RestoreResult>> {
    const { restore } = await import('../use/ops/restore.js');
    const own = { ...withoutCall('restore', options), paths: listOf(paths) };
    return this.call(options, (repo, context) => restore(repo, own, context));
  }

  /** Makes a version of what is staged. */
  async commit(options: Options<CommitOptions>): Promise<Warned<CommitResult>> {
    const { commit } = await import('../use/ops/commit.js');
    const own = withoutCall('commit', options);
    return this.call(options, (repo, context) => commit(repo, own, context));
  }

  /** Brings the files of a version into the work tree or, with `out`, into another folder. */
  async checkout(
    revision: string,
    options: Options<CheckoutOptions, 'revision'> = {},
  ): Promise<Warned<CheckoutResult>> {
    const { checkout } = await import('../use/ops/checkout.js');
    const own = { ...withoutCall('checkout', options), revision };
    return this.call(options, (repo, context) => checkout(repo, own, context));
  }

  /** Goes to a model or a branch; `create` makes the branch first. */
  async switch(
    name: string,
    options: Options<SwitchOptions, 'name'> = {},
  ): Promise<Warned<SwitchResult>> {
    const { switchTo } = await import('../use/ops/switch.js');
    const own = { ...withoutCall('switch', options), name };
    return this.call(options, (repo, context) => switchTo(repo, own, context));
  }

  /** Moves the current line to a version; what is staged and the work tree follow by `mode`. */
  async reset(options: Options<ResetOptions> = {}): Promise<Warned<ResetResult>> {
    const { reset } = await import('../use/ops/reset.js');
    const own = withoutCall('reset', options);
    return this.call(options, (repo, context) => reset(repo, own, context));
  }

  /** Makes the versions that a slice or a construct of DQL asks for (docs/dql.md). */
  async construct(
    text: string,
    options: Options<ConstructionOptions> = {},
  ): Promise<Warned<ConstructionResult>> {
    const { construct } = await import('../use/ops/construct.js');
    const own = withoutCall('construct', options);
    return this.call(options, (repo, context) => construct(repo, text, own, context));
  }

  /** Trains versions as an evaluate of DQL says, and keeps the best (docs/dql.md). */
  async study(text: string, options: Options<StudyOptions> = {}): Promise<Warned<StudyResult>> {
    const { study } = await import('../use/ops/study.js');
    const own = withoutCall('study', options);
    return this.call(options, (repo, context) => study(repo, text, own, context));
  }

  /** Begins a new model from a version; no data is copied. */
  async copy(
    revision: string,
    name: string,
    options: Options<CopyOptions, 'revision' | 'name'> = {},
  ): Promise<Warned<CopyResult>> {
    const { copy } = await import('../use/ops/copy.js');
    const own = { ...withoutCall('copy', options), revision, name };
    return this.call(options, (repo, context) => copy(repo, own, context));
  }

  /** Makes a branch and stays where it is. */
  async branch(
    name: string,
    options: { start?: string; model?: string } & CallOptions = {},
  ): Promise<Warned<BranchChange>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall('branch', options), name };
    return this.call(options, (repo, context) => ops.createBranch(repo, own, context));
  }

  /** Renames a branch within its model. */
  async renameBranch(
    from: string,
    to: string,
    options: { model?: string } & CallOptions = {},
  ): Promise<Warned<BranchChange>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall('renameBranch', options), from, to };
    return this.call(options, (repo, context) => ops.renameBranch(repo, own, context));
  }

  /** Deletes a branch, also that of HEAD. */
  async deleteBranch(
    name: string,
    options: { model?: string; force?: boolean } & CallOptions = {},
  ): Promise<Warned<BranchDeletion>> {
    const ops = await import('../use/ops/branch.js');
    const own = { ...withoutCall('deleteBranch', options), name };
    return this.call(options, (repo, context) => ops.deleteBranch(repo, own, context));
  }

  /** Gives a model another name: its versions get new ids, to which the old ones lead. */
  async renameModel(
    from: string,
    to: string,
    options: { dryRun?: boolean } & CallOptions = {},
  ): Promise<Warned<ModelRenaming>> {
    const ops = await import('../use/ops/model.js');
    const own = { ...withoutCall('renameModel', options), from, to };
    return this.call(options, (repo, context) => ops.renameModel(repo, own, context));
  }

  /** Deletes a model: all its branches. Its files stay in the work tree. */
  async deleteModel(
    name: string,
    options: { force?: boolean; dryRun?: boolean } & CallOptions = {},
  ): Promise<Warned<ModelDeletion>> {
    const ops = await import('../use/ops/model.js');
    const own = { ...withoutCall('deleteModel', options), name };
    return this.call(options, (repo, context) => ops.deleteModel(repo, own, context));
  }

  /** Puts changes aside: the work files become those of the line's version. */
  async stash(options: Options<StashPushOptions> = {}): Promise<Warned<StashResult>> {
    const { pushStash } = await import('../use/ops/stash.js');
    const own = withoutCall('stash', options);
    return this.call(options, (repo, context) => pushStash(repo, own, context));
  }

  /** Brings what was put aside back; `drop` deletes the stash then. The newest is 0. */
  async applyStash(
    index = 0,
    options: { drop?: boolean } & CallOptions = {},
  ): Promise<Warned<StashResult>> {
    const { applyStash } = await import('../use/ops/stash.js');
    const own = { ...withoutCall('applyStash', options), index };
    return this.call(options, (repo, context) => applyStash(repo, own, context));
  }

  /** Deletes what was put aside. */
  async dropStash(index = 0, options: CallOptions = {}): Promise<Warned<StashResult>> {
    const { dropStash } = await import('../use/ops/stash.js');
    withoutCall('dropStash', options);
    return this.call(options, (repo, context) => dropStash(repo, { index }, context));
  }

  /** Makes a version that takes back what an earlier one changed. */
  async revert(
    revision: string,
    options: Options<RevertOptions, 'revision'> = {},
  ): Promise<Warned<RevertResult>> {
    const { revert } = await import('../use/ops/revert.js');
    const own = { ...withoutCall('revert', options), revision };
    return this.call(options, (repo, context) => revert(repo, own, context));
  }

  /** Joins another version into the current branch, or combines weights of several. */
  async merge(
    revisions: string | readonly string[],
    options: Options<MergeOptions, 'revisions'> = {},
  ): Promise<Warned<MergeResult>> {
    const { merge } = await import('../use/ops/merge.js');
    const named = typeof revisions === 'string' ? [revisions] : revisions;
    const own = { ...withoutCall('merge', options), revisions: named };
    return this.call(options, (repo, context) => merge(repo, own, context));
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
    const own = { ...withoutCall('tag', options), name };
    return this.call(options, (repo, context) => ops.createTag(repo, own, context));
  }

  /** Deletes a tag; the version stays. */
  async deleteTag(name: string, options: CallOptions = {}): Promise<Warned<TagChange>> {
    const ops = await import('../use/ops/tag.js');
    withoutCall('deleteTag', options);
    return this.call(options, (repo, context) => ops.deleteTag(repo, { name }, context));
  }

  /** Runs versions on a data set, and compares them; outcomes are kept as notes unless `record` is false. */
  async evaluate(
    revisions: string | readonly string[],
    options: Options<EvalOptions, 'revisions'>,
  ): Promise<Warned<EvalResult>> {
    const { evaluate } = await import('../use/ops/eval.js');
    const own = { ...withoutCall('evaluate', options), revisions: listOf(revisions) };
    return this.call(options, (repo, context) => evaluate(repo, own, context));
  }

  /** Answers of a version's network from as few leading planes of its weights as possible. */
  async evaluateProgressively(
    revision: string,
    options: Options<ProgressiveOptions, 'revision'>,
  ): Promise<Warned<ProgressiveResult>> {
    const { evaluateProgressively } = await import('../use/ops/eval-progressive.js');
    const own = { ...withoutCall('evaluateProgressively', options), revision };
    return this.call(options, (repo, context) => evaluateProgressively(repo, own, context));
  }
}

/** @throws {UsageError} for what is not a path. */
function listOf(paths: Paths): string[] {
  const list: unknown = typeof paths === 'string' ? [paths] : paths;
  if (Array.isArray(list) && list.every((path) => typeof path === 'string')) return [...list];
  throw new UsageError('paths are given as a text or a list of texts');
}
