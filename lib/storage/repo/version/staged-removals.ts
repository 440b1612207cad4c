/**
 * Files whose removal was staged when work was put aside: an extension of the version of a stash, so that
 * they come back as staged. @see docs/format/version.md
 */
import { decodeCanonical, encodeCanonical } from '../../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../../base/errors.js';
import type { Extension } from './version.js';

/** A reader that does not know it brings removals back unstaged. */
const TAG = 'staged-removals';

/** The extensions of the version of a stash. */
export function stashExtensions(removed: readonly string[]): Extension[] {
  return removed.length === 0 ? [] : [{ tag: TAG, value: encodeCanonical([...removed].sort()) }];
}

/** The mirror of stashExtensions. @param file names the version in errors. */
export function stagedRemovals(extensions: readonly Extension[], file: string): Set<string> {
  const found = extensions.find(({ tag }) => tag === TAG);
  if (found === undefined) return new Set();
  const paths = decodeCanonical(found.value, file);
  if (Array.isArray(paths) && paths.every((path) => typeof path === 'string')) {
    return new Set(paths as string[]);
  }
  throw new CorruptError(`'${file}' is damaged: bad list of removed files`, { file });
}
