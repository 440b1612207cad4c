/** Dates as people type them: ISO 8601, seconds, and words that are relative to now. */
import { UsageError } from '../../base/errors.js';
import { type Moment, momentOf, parseMoment } from '../../storage/repo/settings/author.js';

export type { Moment } from '../../storage/repo/settings/author.js';

const LOCAL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/;
const AGO = /^(\d{1,9}|an?)[ .](second|minute|hour|day|week|month|year)s?(?:[ .]ago)?$/;
const LAST = /^last[ .](day|week|month|year)$/;

/** Milliseconds of units that are always equally long. */
const LENGTHS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
};

/**
 * Reads a date: 'YYYY-MM-DD', with a time after it, both in the zone of this machine; the same with a
 * zone; seconds as git writes them; 'now', 'today', 'yesterday', 'last week',
 * '2 weeks ago', '2 weeks'.
 * @param now   what words are relative to.
 * @param day   which end of a day a date without a time means.
 * @throws {UsageError} DLV_USAGE for anything else.
 */
export function parseDate(
  text: string,
  now: Date = new Date(),
  day: 'begin' | 'end' = 'begin',
): Moment {
  const word = text.trim().toLowerCase();
  if (word === 'now') return momentOf(now);
  if (word === 'today' || word === 'yesterday') {
    const back = word === 'today' ? 0 : 1;
    return wholeDay(now.getFullYear(), now.getMonth(), now.getDate() - back, day);
  }
  const ago = AGO.exec(word);
  if (ago) return before(now, Number.parseInt(ago[1] as string, 10) || 1, ago[2] as string);
  const last = LAST.exec(word);
  if (last) return before(now, 1, last[1] as string);
  const local = LOCAL.exec(text.trim());
  if (local) return localTime(text, local, day);
  try {
    return parseMoment(text.trim());
  } catch {
    throw new UsageError(`'${text}' is not a date`, {
      hint: "write '2026-01-31', '2026-01-31T12:00:00+02:00', 'yesterday' or '2 weeks ago'",
    });
  }
}

function wholeDay(year: number, month: number, date: number, day: 'begin' | 'end'): Moment {
  const begin = new Date(year, month, date);
  if (day === 'begin') return momentOf(begin);
  return momentOf(new Date(new Date(year, month, date + 1).getTime() - 1));
}

function before(now: Date, count: number, unit: string): Moment {
  const length = LENGTHS[unit];
  const then = new Date(now);
  if (length !== undefined) then.setTime(now.getTime() - count * length);
  else if (unit === 'day' || unit === 'week') {
    then.setDate(now.getDate() - count * (unit === 'week' ? 7 : 1));
  } else {
    const months = count * (unit === 'year' ? 12 : 1);
    then.setMonth(now.getMonth() - months);
    // The month has fewer days: its last one is meant, not one of the month after.
    if (then.getDate() !== now.getDate()) then.setDate(0);
  }
  return momentOf(then);
}

function localTime(text: string, match: RegExpExecArray, day: 'begin' | 'end'): Moment {
  const [year = 0, month = 0, date = 0, hours, minutes, seconds] = match
    .slice(1)
    .map((digits) => (digits === undefined ? undefined : Number(digits)));
  const then = new Date(year, month - 1, date, hours ?? 0, minutes ?? 0, seconds ?? 0);
  const exists =
    then.getMonth() === month - 1 &&
    then.getDate() === date &&
    (hours ?? 0) < 24 &&
    (minutes ?? 0) < 60 &&
    (seconds ?? 0) < 60;
  if (!exists) throw new UsageError(`'${text}' is not a date`, { hint: 'no such day or time' });
  return hours === undefined ? wholeDay(year, month - 1, date, day) : momentOf(then);
}
