/**
 * Budgets of recreation as people write them: a factor, bytes, or a time; for all snapshots, or for
 * those of one model, tag or version.
 *
 *     budget = [ target '=' ] limit
 *     limit  = factor [ 'x' ] | number ('B'|'KB'|'MB'|'GB'|'KiB'|'MiB'|'GiB') | number ('ms'|'s') | 'none'
 */
import { UsageError } from '../../base/errors.js';

/** An upper bound: absolute, or a multiple of the least possible cost. */
export type Limit =
  | { kind: 'factor'; times: number }
  | { kind: 'bytes' | 'ms'; most: number }
  | { kind: 'none' };

/** A limit and whom it is for; target null: every snapshot that no other budget names. */
export interface Budget {
  target: string | null;
  limit: Limit;
}

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };

/** Reads one `--budget`. @throws {UsageError} DLV_USAGE */
export function parseBudget(text: string): Budget {
  const at = text.lastIndexOf('=');
  const target = at < 0 ? null : text.slice(0, at);
  const limit = parseLimit(text.slice(at + 1));
  if (limit === null || target === '') {
    throw new UsageError(`--budget '${text}' is not a budget`, {
      option: '--budget',
      hint: "write a factor of at least 1 (1.5), bytes (300MB), a time (400ms) or 'none', after '<revision>=' or '<model>=' for some only",
    });
  }
  return { target, limit };
}

function parseLimit(text: string): Limit | null {
  if (text === 'none') return { kind: 'none' };
  const [, digits, word = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const number = Number(digits);
  const unit = word.toLowerCase();
  if (unit === '' || unit === 'x') return number >= 1 ? { kind: 'factor', times: number } : null;
  const bytes = BYTES[unit];
  if (bytes !== undefined) return { kind: 'bytes', most: Math.floor(number * bytes) };
  const ms = MILLISECONDS[unit];
  return ms === undefined ? null : { kind: 'ms', most: number * ms };
}

/** A budget as a value; a number is a factor for all. @throws {UsageError} for a factor below 1. */
export function asBudget(budget: Budget | number): Budget {
  const asked =
    typeof budget === 'number'
      ? { target: null, limit: { kind: 'factor' as const, times: budget } }
      : budget;
  // What cannot be written down cannot be kept for later runs either.
  return parseBudget(formatBudget(asked));
}

/** The text that `parseBudget` reads as this budget. */
export function formatBudget({ target, limit }: Budget): string {
  const text =
    limit.kind === 'none'
      ? 'none'
      : limit.kind === 'factor'
        ? String(limit.times)
        : `${limit.most}${limit.kind === 'ms' ? 'ms' : 'B'}`;
  return target === null ? text : `${target}=${text}`;
}
