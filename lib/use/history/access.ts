/**
 * What the rooms below ops are handed of an open repository. What only reads is never given the
 * lock, and what stores nothing is given no session.
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
