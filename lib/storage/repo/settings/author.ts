/**
 * Who makes a version, and when: DLV_AUTHOR_NAME, DLV_AUTHOR_EMAIL and DLV_DATE, else the config,
 * else git's config, else the user of the system and its clock. What a repository says of them, dlv's
 * or git's, holds only where the user trusts it (settings/config.ts).
 */

import { userInfo } from 'node:os';
import { PLAIN } from '../../../base/bytes/printable.js';
import { UsageError } from '../../../base/errors.js';
import type { Author } from '../version/version.js';
import type { Config } from './config.js';
import { readGitUser } from './gitinfo.js';

/** A moment and the time zone it is told in. */
export interface Moment {
  /** Milliseconds since 1970-01-01 UTC. */
  time: number;
  /** Minutes east of UTC. */
  tzMinutes: number;
}

const ISO =
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(Z|([+-])([01]\d|2[0-3]):?([0-5]\d))?$/;
const SECONDS = /^@?(\d{1,12})(?: ([+-])([01]\d|2[0-3]):?([0-5]\d))?$/;

function zone(sign: string | undefined, hours = '0', minutes = '0'): number {
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) + 0;
}

/**
 * Reads a date: '2026-01-31T12:00:00+02:00' (without a zone: UTC), or seconds and zone as git
 * writes them: '1769853600 +0200'.
 * @throws {UsageError} DLV_USAGE if it is neither.
 */
export function parseMoment(text: string): Moment {
  const seconds = SECONDS.exec(text);
  if (seconds) {
    const [, count, sign, hours, minutes] = seconds;
    return { time: Number(count) * 1000, tzMinutes: zone(sign, hours, minutes) };
  }
  const iso = ISO.exec(text);
  if (iso) {
    const [, suffix = '', sign, hours, minutes] = iso;
    const tzMinutes = zone(sign, hours, minutes);
    const bare = text.slice(0, text.length - suffix.length).replace(' ', 'T');
    const local = new Date(`${bare}Z`);
    const time = local.getTime() - tzMinutes * 60_000;
    // A day that its month does not have would silently become one of the next month.
    const exists = time >= 0 && local.toISOString().startsWith(bare.slice(0, 10));
    if (exists) return { time, tzMinutes };
  }
  throw new UsageError(`'${text}' is not a date`, {
    hint: "write it as '2026-01-31T12:00:00+02:00' or as seconds and zone, '1769853600 +0200'",
  });
}

/** The moment that a version made now is given. @throws {UsageError} DLV_USAGE for a bad DLV_DATE. */
export function currentMoment(env: NodeJS.ProcessEnv = process.env): Moment {
  if (env.DLV_DATE) return parseMoment(env.DLV_DATE);
  return momentOf(new Date());
}

/** A time, told in the zone of this machine. */
export function momentOf(date: Date): Moment {
  return { time: date.getTime(), tzMinutes: -date.getTimezoneOffset() + 0 };
}

function plain(text: string): string {
  const plain = PLAIN.test(text)
    ? text.replace(/[<>]+/g, ' ')
    : text.replace(/[\p{Cc}\p{Cs}<>]+/gu, ' ');
  return plain.trim();
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return ''; // a user id without an entry in the system's list of users
  }
}

/** The author of a version made now in `workTree`. Characters that a name cannot hold become spaces. */
export async function currentAuthor(
  config: Config,
  workTree: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Author> {
  const own = {
    name: plain(env.DLV_AUTHOR_NAME ?? '') || config.get('user.name'),
    email: plain(env.DLV_AUTHOR_EMAIL ?? '') || config.get('user.email'),
  };
  // A process is only started for what is not known yet.
  const isKnown = own.name && own.email;
  const git = isKnown ? null : await readGitUser(workTree, config.trusted);
  const name = own.name || plain(git?.name ?? '') || plain(systemUser()) || 'unknown';
  const email = own.email || plain(git?.email ?? '');
  return { name, email };
}

/** 'name <email>', or the name alone. */
export function formatAuthor(author: Author): string {
  return author.email === '' ? author.name : `${author.name} <${author.email}>`;
}
