/**
 * What rooms that work on a repository are handed of it. An open repository gives all of it; each
 * room asks for the parts that it needs.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { LockWait, RepositoryLock } from '../repo/processes/lock.js';
import { registerReader } from '../repo/processes/readers.js';
import type { Config } from '../repo/settings/config.js';
import type { FilePage } from '../repo/version/file-page.js';
import type { KnownFiles } from '../repo/version/file-tree.js';
import type { Version } from '../repo/version/version.js';
import type { ObjectStore } from '../store/object-store.js';
import type { PackSession } from './session.js';
import type { Sketches } from './sketches/sketches.js';
import type { Readers } from './stored/stored-file.js';
import type { NoteReader, VersionTier } from './tiers.js';

/** Its objects: packs, and readers of what they hold. */
export interface ObjectAccess extends Readers {
  readonly store: ObjectStore;
  readonly sketches: Sketches;
}

/** Its versions, with their notes. */
export interface VersionAccess extends NoteReader {
  /** @throws {NotFoundError} {CorruptError} */
  version(id: Id): Promise<Version>;
  /**
   * Files and snapshots of a version; files whose exact bytes were given up as they can be read now.
   * @param known  what it probably has, such as what is staged on it. Of pages that are the same, which are not read,
   *   the files are these objects: they may be entries of staging, and are not to be spread.
   */
  tree(id: Id, known?: KnownFiles): Promise<FilePage>;
  /** Which files of a version are not exact any more; null if all are. @throws {CorruptError} */
  tier(id: Id): Promise<VersionTier | null>;
}

/** Its lock, for what changes manifest, refs or staging. */
export interface LockAccess {
  /** Runs `action` under the lock, for milliseconds. @throws {LockedError} {FormatVersionError} */
  locked<T>(action: (lock: RepositoryLock) => Promise<T>, how?: LockWait): Promise<T>;
}

/** Its settings. */
export interface SettingAccess {
  readonly config: Config;
}

/** New objects, stored in sessions. */
export interface SessionAccess {
  /** A new pack session. Flush or abort it. */
  session(): PackSession;
}

/** For what reads versions down to their bytes. */
export interface ReadAccess extends ObjectAccess, VersionAccess {
  /** Takes one sentence that the user should see, where one listens. */
  readonly warn?: (message: string) => void;
}

/** For what lists and retires pack sets. */
export interface PackAccess extends ObjectAccess, LockAccess {}

/**
 * Runs `action` with a new session, as a registered reader of the packs; what it has not flushed is
 * dropped at the end.
 */
export async function withSession<T>(
  repo: ObjectAccess & SessionAccess & Pick<VersionAccess, 'layout'>,
  action: (session: PackSession) => Promise<T>,
): Promise<T> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    return await action(session);
  } catch (error) {
    throw session.causeOf(error);
  } finally {
    await session.abort();
    await reader.close();
  }
}
