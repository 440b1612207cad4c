/** Words for sets of versions, as git has them: `rev`, `a..b`, `a...b`, `^rev`. */
import type { Id } from '../../../base/bytes/hash.js';
import { UsageError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { commonAncestor } from './ancestry.js';
import { resolveId } from './resolve.js';

/** The two ends of `a..b` or `a...b`. */
export interface Range {
  from: string;
  to: string;
  /** `a...b`: from the version that both derive from. */
  common: boolean;
}

/** Takes `a..b` apart; an end that is left out is HEAD. null for a single revision, and for the path `..`. */
export function parseRange(word: string): Range | null {
  const [, from, dots, to] = /^(.*?)(\.{2,3})(.*)$/s.exec(word) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return null;
  return { from: from || 'HEAD', to: to || 'HEAD', common: dots === '...' };
}

/** Versions to start from, and versions that are left out with all that they derive from. */
export interface VersionRange {
  include: Id[];
  exclude: Id[];
}

/** The versions that words mean together. @throws {NotFoundError} {UsageError} {AmbiguousError} */
export async function resolveRanges(
  repo: ReadAccess,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<VersionRange> {
  const found: VersionRange = { include: [], exclude: [] };
  for (const word of words) {
    const range = parseRange(word);
    if (range !== null) {
      const from = await resolveId(repo, range.from);
      const to = await resolveId(repo, range.to);
      found.include.push(to);
      if (!range.common) found.exclude.push(from);
      else {
        found.include.push(from);
        const common = await commonAncestor(repo, from, to, signal);
        if (common !== null) found.exclude.push(common);
      }
    } else if (word.startsWith('^')) found.exclude.push(await resolveId(repo, word.slice(1)));
    else found.include.push(await resolveId(repo, word));
  }
  return found;
}

/**
 * The two versions that `a..b` compares; with `a...b` the first is what both derive from.
 * @throws {UsageError} if they derive from no common version.
 */
export async function resolveEnds(
  repo: ReadAccess,
  { from, to, common }: Range,
  signal?: AbortSignal,
): Promise<{ before: Id; after: Id }> {
  const ends = { before: await resolveId(repo, from), after: await resolveId(repo, to) };
  if (!common) return ends;
  const ancestor = await commonAncestor(repo, ends.before, ends.after, signal);
  if (ancestor !== null) return { ...ends, before: ancestor };
  throw new UsageError(`'${from}' and '${to}' derive from no common version`, {
    hint: `compare them themselves: dlv diff ${from} ${to}`,
  });
}
