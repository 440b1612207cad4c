/**
 * The interfaces through which the rooms below ops use an open repository. Code that only reads
 * never gets the lock, and code that stores nothing gets no session.
 */
import type {
  LockAccess,
  ReadAccess,
  SessionAccess,
  SettingAccess,
} from '../../storage/objects/access.js';

/** For what reads lines: versions, their objects, and the settings that name branches and authors. */
export interface LineAccess extends ReadAccess, SettingAccess {}

/** For what moves refs or staging. */
export interface ChangeAccess extends LineAccess, LockAccess {}

/** For what stores new objects as well. */
export interface StoreAccess extends ChangeAccess, SessionAccess {}
