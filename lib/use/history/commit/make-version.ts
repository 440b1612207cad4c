/**
 * Makes a version: the one place where one is stored and named. What calls it says what the version holds and which
 * ref or staging names it then.
 *
 * The order of writes is that of ARCHITECTURE.md, §4: everything that the version names is in published packs before
 * the lock is taken, and under the lock it is checked to be there still before anything names it.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { MetricSeries } from '../../../pure/logs/series.js';
import type { PackSession } from '../../../storage/objects/session.js';
import { blobWriter } from '../../../storage/objects/stored-bytes.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import {
  currentAuthor,
  currentMoment,
  type Moment,
} from '../../../storage/repo/settings/author.js';
import { readGitState } from '../../../storage/repo/settings/gitinfo.js';
import { buildTree } from '../../../storage/repo/version/build-tree.js';
import type { FileEntry, Snapshot } from '../../../storage/repo/version/file-page.js';
import { type HintedFile, makeSnapshots } from '../../../storage/repo/version/snapshots.js';
import type {
  Author,
  Extension,
  GitState,
  Metric,
  Param,
  Version,
} from '../../../storage/repo/version/version.js';
import { encodeVersion, writeVersion } from '../../../storage/repo/version/version-bytes.js';
import type { ChangeAccess } from '../access.js';
import { checkLive } from './check-live.js';
import { giveNumber } from './give-number.js';
import type { PathChange } from './staged-changes.js';
import type { KeptLog } from './store-logs.js';
import { storeNetworks } from './store-networks.js';
import { type GivenKnowledge, type GivenText, tellOf } from './tell.js';

/** What a version says besides its files. */
export interface VersionFacts {
  params?: readonly Param[];
  metrics?: readonly Metric[];
  /** Files and folders with training logs, read and stored with the version: absolute paths. */
  logs?: readonly string[];
  /** Texts that are kept and not read. */
  texts?: readonly GivenText[];
  /** Curves; those of logs take the place of others of their names. */
  series?: readonly MetricSeries[];
  /** What is said of how it was made. */
  knowledge?: GivenKnowledge;
  extensions?: readonly Extension[];
  /** Default: whom the environment and the settings name. */
  author?: Author;
  /** Default: now. */
  moment?: Moment;
  /** Default: the state of the git repository around the work tree. */
  git?: GitState | null;
}

/** A version that has its number is finished: otherwise the number would name nothing. */
const TO_END = { toEnd: true };

/** A stored file, with what its format reader said of it. */
export type NewFile = FileEntry & HintedFile;

/** The files of a new version. They are stored already, in the session or in the repository. */
export interface VersionFiles {
  files: readonly FileEntry[];
  snapshots: readonly Snapshot[];
  /** The files in which its networks are found, or the blob of networks that are known. */
  networks: { in: readonly NewFile[] } | { known: Id | null };
}

/** A version that is to be made. */
export interface NewVersion extends VersionFiles, VersionFacts {
  model: string;
  message: string;
  parents: readonly Id[];
  /**
   * The version that it is closest to, or null: bases of its pages are looked for there, and names of the layers
   * of networks that did not change are taken from it.
   */
  near: Id | null;
  /** How its files differ from those of `near`, where that is known. */
  changes?: readonly PathChange[];
  /** The version whose place it takes: what is not given is as there. */
  amended?: Version | null;
}

/** A version that was stored. */
export interface MadeVersion {
  id: Id;
  version: Version;
  /** What was made of its logs. */
  kept: KeptLog[];
}

/** Files whose snapshots and networks are told from the files themselves. */
export function versionFiles(files: readonly NewFile[]): VersionFiles {
  return { files, snapshots: makeSnapshots(files), networks: { in: files } };
}

/**
 * Stores a version and has it named.
 * @param name  names the version: moves or makes a ref, and writes staging where that follows. It runs under the
 *   lock.
 * @returns the version and what `name` returned.
 * @throws {ConflictError} if something that the version names was collected as garbage meanwhile.
 */
export async function makeVersion<T>(
  repo: ChangeAccess,
  session: PackSession,
  wanted: NewVersion,
  {
    name,
    signal,
  }: {
    name: (lock: RepositoryLock, made: MadeVersion) => Promise<T>;
    signal?: AbortSignal | undefined;
  },
): Promise<MadeVersion & { named: T }> {
  const made = await storeVersion(repo, session, wanted, signal);
  const named = await repo.locked(async (lock) => {
    await checkPresent(session, wanted, made);
    return name(lock, made);
  }, TO_END);
  return { ...made, named };
}

/**
 * Stores and publishes a version that nothing names yet: the first half of `makeVersion`, for what names it under a
 * lock of its own. Such code calls `checkPresent` there first.
 */
export async function storeVersion(
  repo: ChangeAccess,
  session: PackSession,
  wanted: NewVersion,
  signal?: AbortSignal,
): Promise<MadeVersion> {
  const { model, parents, near, networks, amended = null } = wanted;
  const writer = blobWriter(session);
  const before = near === null ? null : await repo.version(near);
  const tree = await buildTree(wanted.files, wanted.snapshots, writer, before?.tree ?? null);
  const told = await tellOf(repo, session, { content: wanted, amended }, signal);
  const network =
    'known' in networks
      ? networks.known
      : await storeNetworks(repo, session, { ...wanted, entries: networks.in }, signal);
  const draft: Version = {
    model,
    number: 1,
    parents: [...parents],
    author:
      wanted.author ?? amended?.author ?? (await currentAuthor(repo.config, repo.layout.workTree)),
    ...(wanted.moment ?? currentMoment()),
    message: wanted.message,
    tree,
    params: told.params,
    metrics: told.metrics,
    logs: told.logs,
    network,
    git: wanted.git === undefined ? await readGitState(repo.layout.workTree, signal) : wanted.git,
    extensions: [...(wanted.extensions ?? []), ...told.extensions],
  };
  // A number that is given stays given: whatever refuses or stops the version does so before.
  encodeVersion(draft);
  await session.settle();
  const number = await giveNumber(repo, model, near === null ? parents : [...parents, near]);
  const version = { ...draft, number };
  const id = await writeVersion(version, writer);
  await session.flush(TO_END);
  return { id, version, kept: told.kept };
}

/**
 * Checks, under the lock, that everything a version names is live.
 * @throws {ConflictError} if something was collected; running the command again stores it again.
 */
export async function checkPresent(
  session: PackSession,
  { files }: Pick<NewVersion, 'files'>,
  { id, version }: MadeVersion,
): Promise<void> {
  if (await session.isUndisturbed()) return;
  const named = [id, ...version.tree.pages.map((page) => page.id), ...version.parents];
  for (const log of version.logs) named.push(log.id);
  if (version.network !== null) named.push(version.network);
  for (const blob of named) {
    if (await session.hasBlob(blob)) continue;
    throw new ConflictError('an object of the new version was collected as garbage meanwhile', {
      id: blob,
      hint: 'run the command again',
    });
  }
  await checkLive(session, files);
}
