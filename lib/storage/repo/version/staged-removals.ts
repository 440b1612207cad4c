/**
 * What was staged when work was put aside, as extensions of the version of a stash: files whose removal was
 * staged, so that they come back as staged, and the checksum of staging, so that a run which was interrupted
 * is told from one that ended. @see docs/format/version.md
 */
import { sha256Hex } from '../../../base/bytes/hash.js';
import { decodeCanonical, encodeCanonical } from '../../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../../base/errors.js';
import type { Extension } from './version.js';

/** A reader that does not know it brings removals back unstaged. */
const TAG = 'staged-removals';

/** A reader that does not know it makes another stash after a run that was interrupted. */
const STAGING_TAG = 'stashed-staging';
/** Hex digits of the checksum. */
const SUM_DIGITS = 16;

/**
 * The extensions of the version of a stash.
 * @param removed  paths whose removal was staged.
 * @param staging  the bytes of staging.
 */
export function stashExtensions(removed: readonly string[], staging: Uint8Array): Extension[] {
  const found: Extension[] = [{ tag: STAGING_TAG, value: encodeCanonical(sumOf(staging)) }];
  if (removed.length === 0) return found;
  return [{ tag: TAG, value: encodeCanonical([...removed].sort()) }, ...found];
}

function sumOf(staging: Uint8Array): string {
  return sha256Hex(staging).slice(0, SUM_DIGITS);
}

/** True if staging has changed since a stash was made; false also where the stash does not say. */
export function wasStagedSince(
  extensions: readonly Extension[],
  staging: Uint8Array,
  file: string,
): boolean {
  const found = extensions.find(({ tag }) => tag === STAGING_TAG);
  return found !== undefined && decodeCanonical(found.value, file) !== sumOf(staging);
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
