/** The methods of an open repository that only read. */
import type { DType } from '../pure/tensor/dtype.js';
import { boundsOf, type ValueBounds } from '../pure/tensor/prefix.js';
import type { Warned } from '../use/context.js';
import type { Id, VersionSummary } from '../use/history/versions.js';
import type { BranchEntry, BranchListOptions } from '../use/ops/branch-list.js';
import type { ConfigEntry } from '../use/ops/config.js';
import type { DescOptions, DescResult } from '../use/ops/desc.js';
import type { DiffOptions, DiffResult, ManyDiffResult } from '../use/ops/diff.js';
import type { DuOptions, DuResult } from '../use/ops/du.js';
import type { ListedModel, ListOptions } from '../use/ops/list.js';
import type { LoadedTensor, LoadOptions, LoadResult } from '../use/ops/load.js';
import type { LogOptions } from '../use/ops/log.js';
import type { QueryResult } from '../use/ops/query.js';
import type { ReflogLine, ReflogOptions } from '../use/ops/reflog.js';
import type { RemoteEntry } from '../use/ops/remote.js';
import type { ListedTensor, ShowFileResult, ShowResult } from '../use/ops/show.js';
import type { StashEntry } from '../use/ops/stash.js';
import type { StatusOptions, StatusResult } from '../use/ops/status.js';
import type { TagEntry, TagListOptions } from '../use/ops/tag.js';
import type { VersionsOptions, VersionTable } from '../use/ops/versions.js';
import { type CallOptions, inTableEach, withoutCall } from './call.js';
import { Handle, type Options } from './handle.js';

/** A tensor with its elements. */
export interface TensorValue {
  name: string;
  dtype: string;
  shape: number[];
  /** Elements, row-major and little-endian. The buffer is the caller's own and begins at offset 0. */
  data: Uint8Array;
  /** With `planes`, the interval of each value: `least` and `greatest`, as typed arrays. Else null. */
  bounds: ValueBounds | null;
}

export abstract class ReadingRepository extends Handle {
  /** What is staged, changed and not tracked. */
  async status(options: StatusOptions & CallOptions = {}): Promise<Warned<StatusResult>> {
    const { status } = await import('../use/ops/status.js');
    const own = withoutCall('status', options);
    return this.call(options, (repo, context) => status(repo, context, own));
  }

  /** Versions, newest first. */
  async log(options: Options<LogOptions> = {}): Promise<VersionSummary[]> {
    const { log } = await import('../use/ops/log.js');
    const own = withoutCall('log', options);
    return this.ask(options, (repo, context) => log(repo, own, context));
  }

  /** Remotes and their addresses, without passwords. */
  async remotes(): Promise<RemoteEntry[]> {
    const { listRemotes } = await import('../use/ops/remote.js');
    return this.ask({}, (repo) => listRemotes(repo));
  }

  /** Work of HEAD's model that was put aside, the newest first. */
  async stashes(): Promise<StashEntry[]> {
    const { listStashes } = await import('../use/ops/stash.js');
    return this.ask({}, (repo, context) => listStashes(repo, {}, context));
  }

  /** Where HEAD or a ref was, the last move first. */
  async reflog(options: Options<ReflogOptions> = {}): Promise<ReflogLine[]> {
    const { reflog } = await import('../use/ops/reflog.js');
    const own = withoutCall('reflog', options);
    return this.ask(options, (repo, context) => reflog(repo, own, context));
  }

  /** All that a version says: files, snapshots, metrics, lineage. */
  async show(revision = 'HEAD', options: CallOptions = {}): Promise<Warned<ShowResult>> {
    const { show } = await import('../use/ops/show.js');
    withoutCall('show', options);
    return this.call(options, (repo, context) => show(repo, revision, context));
  }

  /** What the networks of a version are, and what a pass through them costs. */
  async desc(revision = 'HEAD', options: Options<DescOptions> = {}): Promise<Warned<DescResult>> {
    const { desc } = await import('../use/ops/desc.js');
    const own = withoutCall('desc', options);
    return this.call(options, (repo, context) => desc(repo, revision, own, context));
  }

  /** How a file of a version is made: format, extents, tensors. */
  async showFile(
    revision: string,
    path: string,
    options: CallOptions = {},
  ): Promise<Warned<ShowFileResult>> {
    const { showFile } = await import('../use/ops/show.js');
    withoutCall('showFile', options);
    return this.call(options, (repo, context) => showFile(repo, revision, path, context));
  }

  /** The version that a revision names. */
  async resolve(revision: string): Promise<Id> {
    const { resolveId } = await import('../use/history/lines/resolve.js');
    return this.ask({}, (repo) => resolveId(repo, revision));
  }

  /** What differs between two sides, for tensors in numbers. */
  async diff(options: Options<DiffOptions> = {}): Promise<Warned<DiffResult>> {
    const { diff } = await import('../use/ops/diff.js');
    const own = withoutCall('diff', options);
    return this.call(options, (repo, context) => diff(repo, own, context));
  }

  /** How two to eight versions differ, each from a baseline. */
  async compare(options: Options<DiffOptions> = {}): Promise<Warned<ManyDiffResult>> {
    const { diffMany } = await import('../use/ops/diff.js');
    const own = withoutCall('compare', options);
    return this.call(options, (repo, context) => diffMany(repo, own, context));
  }

  /** Models, by name. */
  async list(options: Options<ListOptions> = {}): Promise<ListedModel[]> {
    const { list } = await import('../use/ops/list.js');
    const own = withoutCall('list', options);
    return this.ask(options, (repo, context) => list(repo, own, context));
  }

  /** Versions that fit a condition, as a table of metrics and hyperparameters. */
  async versions(options: Options<VersionsOptions> = {}): Promise<Warned<VersionTable>> {
    const { versions } = await import('../use/ops/versions.js');
    const own = withoutCall('versions', options, ['sort']);
    return this.call(options, (repo, context) => versions(repo, own, context));
  }

  /** What a DQL query gives (docs/dql.md). Values stand in the text as DQL writes them. */
  async query(text: string, options: Options<object> = {}): Promise<Warned<QueryResult>> {
    const { query } = await import('../use/ops/query.js');
    withoutCall('query', options);
    return this.call(options, (repo, context) => query(repo, text, context));
  }

  /** Where the bytes are. */
  async du(options: Options<DuOptions> = {}): Promise<Warned<DuResult>> {
    const { du } = await import('../use/ops/du.js');
    const own = withoutCall('du', options);
    return this.call(options, (repo, context) => du(repo, own, context));
  }

  /** Branches with their tips. */
  async branches(options: Options<BranchListOptions> = {}): Promise<BranchEntry[]> {
    const ops = await import('../use/ops/branch-list.js');
    const own = withoutCall('branches', options);
    return this.ask(options, (repo, context) => ops.listBranchEntries(repo, own, context));
  }

  /** Tags, by name. */
  async tags(options: Options<TagListOptions> = {}): Promise<TagEntry[]> {
    const ops = await import('../use/ops/tag.js');
    const own = withoutCall('tags', options);
    return this.ask(options, (repo, context) => ops.listTags(repo, own, context));
  }

  /** Tensors of all files of a version, or of one, without their elements. */
  async tensors(
    revision = 'HEAD',
    options: { path?: string } & CallOptions = {},
  ): Promise<ListedTensor[]> {
    const { listTensors } = await import('../use/ops/show.js');
    const own = { ...withoutCall('tensors', options), revision };
    return this.ask(options, (repo, context) => listTensors(repo, own, context));
  }

  /**
   * One tensor with its elements, verified. With `planes`, only so many leading planes of floats are read,
   * each value is the middle of its bounds. Its file is named by `path` if several have the name.
   */
  async readTensor(
    revision: string,
    name: string,
    options: { path?: string; acceptTier?: boolean; planes?: number } & CallOptions = {},
  ): Promise<TensorValue> {
    const { cat } = await import('../use/ops/cat.js');
    const own = { ...withoutCall('readTensor', options), revision, tensor: name };
    return this.ask(options, async (repo, context) => {
      const pieces: Uint8Array[] = [];
      const keep = async (bytes: Uint8Array): Promise<boolean> => pieces.push(bytes.slice()) > 0;
      const { tensor, bytes } = await cat(repo, own, keep, context);
      const data = new Uint8Array(bytes);
      let at = 0;
      for (const piece of pieces) {
        data.set(piece, at);
        at += piece.length;
      }
      const { dtype } = tensor as NonNullable<typeof tensor>;
      const { planes } = options;
      const bounds = planes === undefined ? null : boundsOf(dtype as DType, data, planes);
      return { ...(tensor as NonNullable<typeof tensor>), data, bounds };
    });
  }

  /** The weights of a version by name, as typed arrays: of one of its checkpoints if it has several. */
  async load(
    revision = 'HEAD',
    options: Options<LoadOptions, 'revision'> = {},
  ): Promise<Warned<LoadResult>> {
    const { load } = await import('../use/ops/load.js');
    const own = { ...withoutCall('load', options), revision };
    return this.call(options, (repo, context) => load(repo, own, context));
  }

  /** The same one after another, for what is larger than memory. */
  async *loadEach(
    revision = 'HEAD',
    options: Options<LoadOptions, 'revision'> = {},
  ): AsyncGenerator<LoadedTensor> {
    const { loadEach } = await import('../use/ops/load.js');
    const own = { ...withoutCall('loadEach', options), revision };
    yield* inTableEach(loadEach(this.openRepository, own, this.context(options)));
  }

  /** The bytes of a file in order. The last step throws if they are not those of the version. */
  async *stream(
    revision: string,
    path: string,
    options: { acceptTier?: boolean } & CallOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const { streamBytes } = await import('../use/ops/cat.js');
    const own = { ...withoutCall('stream', options), revision, path };
    yield* inTableEach(streamBytes(this.openRepository, own, this.context(options)));
  }

  /** All settings, their values, and where they come from. */
  async config(): Promise<ConfigEntry[]> {
    const { listConfig } = await import('../use/ops/config.js');
    return this.ask({}, (_repo, context) => listConfig(context));
  }
}
