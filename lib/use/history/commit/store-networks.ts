/** The networks that a new version keeps: those that its files define, with the names of their layers. */
import type { Id } from '../../../base/bytes/hash.js';
import { BLOB_BYTES_MAX } from '../../../base/limits.js';
import type { PackSession } from '../../../storage/objects/session.js';
import type { StagedEntry } from '../../../storage/repo/staging/staging.js';
import type { LineAccess } from '../access.js';
import type { Line } from '../lines/lines.js';
import { findNetworks, NETWORK_FORMAT, packNetworks } from '../networks/networks.js';
import type { PathChange } from './staged-changes.js';

/** What is asked of a version that is about to be made. */
interface NetworkSource {
  line: Line;
  entries: readonly StagedEntry[];
  /** Against the version's first parent. */
  changes: readonly PathChange[];
}

/**
 * Stores the networks of a version that is about to be made.
 *
 * A file whose network cannot be read is stored all the same: `desc` says why when it is asked.
 * @returns the blob's id; null if no file defines a network.
 */
export async function storeNetworks(
  repo: LineAccess,
  session: PackSession,
  { entries, changes, line }: NetworkSource,
  signal?: AbortSignal,
): Promise<Id | null> {
  const defining = entries.filter(({ format }) => format === NETWORK_FORMAT);
  if (defining.length === 0) return null;
  const before = line.tip === null ? null : (await repo.version(line.tip)).network;
  const touched = new Set(changes.map(({ path }) => path));
  const isSame =
    changes.every(({ status }) => status !== 'deleted') &&
    !defining.some(({ path }) => touched.has(path));
  // Names of layers last as long as their files do, whatever would find names now.
  if (before !== null && isSame) return before;
  const bytes = packNetworks(await findNetworks(session, defining, { signal }));
  // One that is too large for a blob is found in its file each time.
  if (bytes === null || bytes.length > BLOB_BYTES_MAX) return null;
  return session.putBlob('blob', bytes, 1, before);
}
