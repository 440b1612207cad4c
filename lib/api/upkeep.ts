/** The methods of an open repository that tend it: what is kept, how it is stored, whether it is whole, its settings. */
import type { ConfigKey } from '../storage/repo/settings/config-keys.js';
import type { Warned } from '../use/context.js';
import type { ArchiveOptions, ArchiveResult } from '../use/ops/archive.js';
import type { ConfigChange, ConfigEntry } from '../use/ops/config.js';
import type { ForgetOptions, ForgetResult } from '../use/ops/forget.js';
import type { FsckOpOptions, FsckOpResult } from '../use/ops/fsck.js';
import type { GcOpOptions, GcOpResult } from '../use/ops/gc.js';
import type {
  KeepVersionsOptions,
  KeepVersionsResult,
  RecallOptions,
  RecallResult,
} from '../use/ops/keep-versions.js';
import type { TierOptions, TierResult } from '../use/ops/tier.js';
import { type CallOptions, withoutCall } from './call.js';
import type { Options } from './handle.js';
import { SharingRepository } from './sharing.js';

export abstract class TendedRepository extends SharingRepository {
  /** Gives up files of versions that no rule keeps (docs/keep.md). */
  async keepVersions(
    options: Options<KeepVersionsOptions> = {},
  ): Promise<Warned<KeepVersionsResult>> {
    const { keepVersions } = await import('../use/ops/keep-versions.js');
    const own = withoutCall('keepVersions', options);
    return this.call(options, (repo, context) => keepVersions(repo, own, context));
  }

  /** Takes back that files of versions were given up; what gc has deleted comes from the remote `from`. */
  async recallVersions(
    revisions: readonly string[],
    options: Options<RecallOptions> = {},
  ): Promise<Warned<RecallResult>> {
    const { recallVersions } = await import('../use/ops/keep-versions.js');
    const own = withoutCall('recallVersions', options);
    return this.call(options, (repo, context) => recallVersions(repo, revisions, own, context));
  }

  /** Takes versions, or files, out of history. */
  async forget(options: Options<ForgetOptions>): Promise<Warned<ForgetResult>> {
    const { forget } = await import('../use/ops/forget.js');
    const own = withoutCall('forget', options);
    return this.call(options, (repo, context) => forget(repo, own, context));
  }

  /** Plans and re-encodes the repository within budgets of recreation. */
  async archive(options: Options<ArchiveOptions> = {}): Promise<Warned<ArchiveResult>> {
    const { archive } = await import('../use/ops/archive.js');
    const own = withoutCall('archive', options);
    return this.call(options, (repo, context) => archive(repo, own, context));
  }

  /** Gives up the exact bytes of the named versions for fewer ones. This cannot be taken back. */
  async tier(
    revisions: readonly string[],
    options: Options<TierOptions, 'revisions'>,
  ): Promise<Warned<TierResult>> {
    const { tierVersions } = await import('../use/ops/tier.js');
    const own = { ...withoutCall('tier', options), revisions };
    return this.call(options, (repo, context) => tierVersions(repo, own, context));
  }

  /** Reclaims what nothing needs and merges small packs. */
  async gc(options: Options<GcOpOptions> = {}): Promise<Warned<GcOpResult>> {
    const { gc } = await import('../use/ops/gc.js');
    const own = withoutCall('gc', options);
    return this.call(options, (repo, context) => gc(repo, own, context));
  }

  /** Verifies the repository. For one that cannot be opened there is the function `fsck`. */
  async fsck(options: Options<FsckOpOptions> = {}): Promise<Warned<FsckOpResult>> {
    const { fsck } = await import('../use/ops/fsck.js');
    const own = withoutCall('fsck', options);
    return this.call(options, (_repo, context) => fsck(context, own));
  }

  /** Sets a setting of this repository or, with `user`, of the user; null removes it. */
  async setConfig(
    key: ConfigKey,
    value: string | number | null,
    options: ConfigChange & CallOptions = {},
  ): Promise<Warned<ConfigEntry>> {
    const { setConfig, unsetConfig } = await import('../use/ops/config.js');
    const own = withoutCall('setConfig', options);
    return this.call(options, async (repo, context) => {
      const entry =
        value === null
          ? await unsetConfig(context, key, own)
          : await setConfig(context, key, String(value), own);
      await repo.readSettings();
      return entry;
    });
  }
}
