/** Prevents files whose exact bytes were given up from being used as exact ones. */
import { GivenUpError, TierError } from '../../base/errors.js';
import { dayOf } from '../../storage/objects/tombstones.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';

/** What has to be said to take files of a tier. */
export interface AcceptTier {
  /** Takes files of a tier; they are not byte for byte what was added. */
  acceptTier?: boolean;
}

/**
 * Lets files of a tier pass if they were asked for, with a warning.
 * @throws {TierError} DLV_TIER if they were not; {GivenUpError} for files of which nothing is kept.
 */
export function checkTiers(
  files: Iterable<Pick<FileEntry, 'path' | 'tier' | 'tombstone'>>,
  accepted: boolean | undefined,
  context: OpContext,
): void {
  const all = [...files];
  checkGivenUp(all);
  const tiered = all.filter((file) => file.tier !== undefined);
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

const OTHERS = "name the files that you want: 'dlv checkout <version> <paths> --out <dir>'; ";
const RECALL =
  "'dlv keep --recall <version>' brings files back until gc has deleted them; with --from, a remote that has them";

/** @throws {GivenUpError} if some files were given up: it names them all. */
function checkGivenUp(files: readonly Pick<FileEntry, 'path' | 'tombstone'>[]): void {
  const gone = files.filter((file) => file.tombstone !== undefined);
  const [first] = gone;
  if (first?.tombstone === undefined) return;
  const { why } = first.tombstone;
  const what =
    gone.length === 1 ? `'${first.path}' was` : `${gone.length} of ${files.length} files were`;
  throw new GivenUpError(`${what} given up on ${dayOf(first.tombstone)} (${why})`, {
    paths: gone.map((file) => file.path),
    why,
    hint: `${gone.length < files.length ? OTHERS : ''}${RECALL}`,
  });
}
