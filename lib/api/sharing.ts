/** The methods of an open repository that bring versions to and from elsewhere: remotes, bundles, histories of other tools. */
import type { Warned } from '../use/context.js';
import type { DetachOptions, DetachResult } from '../use/ops/detach.js';
import type { ExportOptions, ExportResult } from '../use/ops/export.js';
import type { FetchOptions, FetchResult } from '../use/ops/fetch.js';
import type { GcRemoteOptions, GcRemoteResult } from '../use/ops/gc-remote.js';
import type { ImportOptions, ImportResult } from '../use/ops/import.js';
import type { ImportBundleOptions, ImportBundleResult } from '../use/ops/import-bundle.js';
import type {
  KeepRemoteOptions,
  KeepRemoteResult,
  RecallRemoteResult,
} from '../use/ops/keep-remote.js';
import type { PullOptions, PullResult } from '../use/ops/pull.js';
import type { PushOptions, PushResult } from '../use/ops/push.js';
import type { RemoteChange } from '../use/ops/remote.js';
import { type CallOptions, withoutCall } from './call.js';
import type { Options } from './handle.js';
import { ReadingRepository } from './reading.js';

export abstract class SharingRepository extends ReadingRepository {
  /** Frees low planes here that a remote has, once it has shown that it has them. */
  async detach(options: Options<DetachOptions>): Promise<Warned<DetachResult>> {
    const { detach } = await import('../use/ops/detach.js');
    const own = withoutCall('detach', options);
    return this.call(options, (repo, context) => detach(repo, own, context));
  }

  /** Brings versions to a remote and moves its branches and tags; refused ones have status `rejected`. */
  async push(options: Options<PushOptions> = {}): Promise<Warned<PushResult>> {
    const { push } = await import('../use/ops/push.js');
    const own = withoutCall('push', options);
    return this.call(options, (repo, context) => push(repo, own, context));
  }

  /** Brings versions of remotes here; own branches and work files stay. One result for each remote. */
  async fetch(options: Options<FetchOptions> = {}): Promise<FetchResult[]> {
    const { fetch } = await import('../use/ops/fetch.js');
    const own = withoutCall('fetch', options);
    return this.ask(options, (repo, context) => fetch(repo, own, context));
  }

  /** Fetches, and moves the current branch and its work files on. */
  async pull(options: Options<PullOptions> = {}): Promise<Warned<PullResult>> {
    const { pull } = await import('../use/ops/pull.js');
    const own = withoutCall('pull', options);
    return this.call(options, (repo, context) => pull(repo, own, context));
  }

  /** Gives an address a name. */
  async addRemote(
    name: string,
    url: string,
    options: CallOptions = {},
  ): Promise<Warned<RemoteChange>> {
    const { addRemote } = await import('../use/ops/remote.js');
    withoutCall('addRemote', options);
    return this.call(options, (repo, context) => addRemote(repo, { name, url }, context));
  }

  /** Forgets a remote, and where its branches were seen. */
  async removeRemote(name: string, options: CallOptions = {}): Promise<Warned<RemoteChange>> {
    const { removeRemote } = await import('../use/ops/remote.js');
    withoutCall('removeRemote', options);
    return this.call(options, (repo, context) => removeRemote(repo, { name }, context));
  }

  /** Writes versions as one file. */
  async exportVersions(options: Options<ExportOptions>): Promise<Warned<ExportResult>> {
    const { exportVersions } = await import('../use/ops/export.js');
    const own = withoutCall('exportVersions', options);
    return this.call(options, (repo, context) => exportVersions(repo, own, context));
  }

  /** Takes versions, branches and tags of a file that exportVersions wrote. */
  async importBundle(
    file: string,
    options: Options<Omit<ImportBundleOptions, 'file'>> = {},
  ): Promise<Warned<ImportBundleResult>> {
    const { importBundle } = await import('../use/ops/import-bundle.js');
    const own = { ...withoutCall('importBundle', options), file };
    return this.call(options, (repo, context) => importBundle(repo, own, context));
  }

  /** Takes the history that another tool keeps in a folder, as versions of a model. */
  async importHistory(
    dir: string,
    options: Options<ImportOptions, 'dir'> = {},
  ): Promise<Warned<ImportResult>> {
    const { importHistory } = await import('../use/ops/import.js');
    const own = { ...withoutCall('importHistory', options), dir };
    return this.call(options, (repo, context) => importHistory(repo, own, context));
  }

  /** Gives up files of versions at a remote alone (docs/keep.md#remotes-and-clones). */
  async keepRemote(
    remote: string,
    options: Options<KeepRemoteOptions, 'remote'> = {},
  ): Promise<Warned<KeepRemoteResult>> {
    const { keepRemote } = await import('../use/ops/keep-remote.js');
    const own = { ...withoutCall('keepRemote', options), remote };
    return this.call(options, (repo, context) => keepRemote(repo, own, context));
  }

  /** Takes that back; files that the remote lacks already are sent from here. */
  async recallRemote(
    remote: string,
    revisions: readonly string[],
    options: Options<Pick<KeepRemoteOptions, 'limitRate' | 'jobs'>> = {},
  ): Promise<Warned<RecallRemoteResult>> {
    const { recallRemote } = await import('../use/ops/keep-remote.js');
    const own = { ...withoutCall('recallRemote', options), remote };
    return this.call(options, (repo, context) => recallRemote(repo, own, revisions, context));
  }

  /** Takes out of a remote what nothing there needs, and joins its small packs. */
  async gcRemote(
    remote: string,
    options: Options<GcRemoteOptions, 'remote'> = {},
  ): Promise<Warned<GcRemoteResult>> {
    const { gcRemote } = await import('../use/ops/gc-remote.js');
    const own = { ...withoutCall('gcRemote', options), remote };
    return this.call(options, (repo, context) => gcRemote(repo, own, context));
  }
}
