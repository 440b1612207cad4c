/**
 * Selects the branches and tags of a list: by a glob over their names, or by the versions that they
 * descend from.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { Glob } from '../../../pure/paths/glob.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
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
  // What is known of each version met: branches share most of their history, which is walked once.
  const known = new Map<Id, boolean>([[await resolveId(repo, revision), true]]);
  return async (version) => {
    const stack = [version];
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      throwIfAborted(signal);
      const { parents } = await repo.version(id);
      const next = known.has(id) ? undefined : parents.find((parent) => !known.has(parent));
      if (next !== undefined) {
        stack.push(next);
        continue;
      }
      if (!known.has(id))
        known.set(
          id,
          parents.some((parent) => known.get(parent)),
        );
      stack.pop();
    }
    return known.get(version) === true;
  };
}
