/** Which branches and tags a list shows: by a glob over their names, by what their versions derive from. */
import type { Id } from '../../../base/bytes/hash.js';
import { Glob } from '../../../pure/paths/glob.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { collectVersions } from './ancestry.js';
import { resolveId } from './resolve.js';

/** Whether one of some globs matches a name; all are meant if there are none. */
export function nameTest(patterns: readonly string[]): (...names: string[]) => boolean {
  if (patterns.length === 0) return () => true;
  const globs = patterns.map((pattern) => new Glob(pattern, { braces: true }));
  return (...names) => globs.some((glob) => names.some((name) => glob.matches(name)));
}

/**
 * Whether a version is the one that a revision names or derives from it; all are if none is given.
 * @throws {NotFoundError} {UsageError}
 */
export async function containsTest(
  repo: ReadAccess,
  revision: string | undefined,
  signal?: AbortSignal,
): Promise<(version: Id) => Promise<boolean>> {
  if (revision === undefined) return async () => true;
  const wanted = await resolveId(repo, revision);
  return async (version) => (await collectVersions(repo, [version], { signal })).has(wanted);
}
