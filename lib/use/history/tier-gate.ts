/** Prevents files whose exact bytes were given up from being used as exact ones. */
import { TierError } from '../../base/errors.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';

/** What has to be said to take files of a tier. */
export interface AcceptTier {
  /** Takes files of a tier; they are not byte for byte what was added. */
  acceptTier?: boolean;
}

/**
 * Lets files of a tier pass if they were asked for, with a warning.
 * @throws {TierError} DLV_TIER if they were not.
 */
export function checkTiers(
  files: Iterable<Pick<FileEntry, 'path' | 'tier'>>,
  accepted: boolean | undefined,
  context: OpContext,
): void {
  const tiered = [...files].filter((file) => file.tier !== undefined);
  const [first] = tiered;
  if (first === undefined) return;
  const tiers = [...new Set(tiered.map((file) => file.tier?.name))].sort().join(', ');
  const what = tiered.length === 1 ? `'${first.path}' is` : `${tiered.length} files are`;
  if (accepted) {
    context.warn(`${what} of the tier ${tiers}, not byte for byte what was added`);
    return;
  }
  throw new TierError(`${what} kept as ${tiers} only: the exact bytes were given up`, {
    paths: tiered.map((file) => file.path),
    tiers,
    hint: "use the replacement with --accept-tier (dlv checkout, cat, copy); 'dlv show' shows its errors",
  });
}
