/**
 * The networks that a new version keeps: those that its files define, with the names of their layers, and views of
 * its checkpoints that have none.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import { BLOB_BYTES_MAX } from '../../../base/limits.js';
import type { StoredStructure } from '../../../pure/network/encode.js';
import {
  isViewOf,
  type StoredWeights,
  viewOfWeights,
} from '../../../pure/network/weights/stored-weights.js';
import type { PackSession } from '../../../storage/objects/session.js';
import type { FileEntry, Snapshot } from '../../../storage/repo/version/file-page.js';
import type { HintedFile } from '../../../storage/repo/version/snapshots.js';
import type { LineAccess } from '../access.js';
import { findNetworks, keptNetworks, NETWORK_FORMAT, packNetworks } from '../networks/networks.js';
import { tensorsOf } from '../networks/weights.js';
import { type PathChange, stagedChanges } from './staged-changes.js';

/** Where the networks of a version that is about to be made come from. */
interface NetworkSource {
  entries: readonly (FileEntry & HintedFile)[];
  snapshots: readonly Snapshot[];
  /** The version from which networks whose files are the same are kept, or null. */
  near: Id | null;
  /** How the files differ from those of `near`, where that is known. */
  changes?: readonly PathChange[];
}

/**
 * Stores the networks of a version that is about to be made.
 *
 * A file whose network cannot be read is stored all the same: `desc` says why when it is asked.
 * @returns the blob's id; null if no file defines a network and there are no weights.
 */
export async function storeNetworks(
  repo: LineAccess,
  session: PackSession,
  { entries, snapshots, near, changes: known }: NetworkSource,
  signal?: AbortSignal,
): Promise<Id | null> {
  const defining = entries.filter(({ format }) => format === NETWORK_FORMAT);
  const defined = new Set(defining.map(({ path }) => path));
  const checkpoints = snapshots.filter(({ role, key }) => role === 'weights' && !defined.has(key));
  if (defining.length + checkpoints.length === 0) return null;
  const before = near === null ? null : (await repo.version(near)).network;
  const changes =
    before === null ? [] : (known ?? (await stagedChanges(repo, { tip: near }, entries)));
  const touched = new Set(changes.map(({ path }) => path));
  const noneIsGone = changes.every(({ status }) => status !== 'deleted');
  const isSame = noneIsGone && !defining.some(({ path }) => touched.has(path));
  const areSame =
    noneIsGone && !checkpoints.some(({ members }) => members.some((path) => touched.has(path)));
  // Names of layers last as long as their files do, whatever would find names now.
  if (before !== null && isSame && areSame) return before;
  const kept = before === null ? NOTHING : await structureOf(repo, before);
  const networks =
    isSame && kept.networks.length > 0
      ? kept.networks
      : await findNetworks(session, defining, { signal });
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const weights: StoredWeights[] = [];
  for (const { key, members } of checkpoints) {
    const own = members.flatMap((path) => byPath.get(path) ?? []);
    const { tensors } = await tensorsOf(session, own, signal);
    if (tensors.length === 0) continue;
    const known = kept.weights.find((view) => isViewOf(view, tensors));
    weights.push(known === undefined ? viewOfWeights(key, tensors) : { ...known, key });
  }
  const bytes = packNetworks(networks, weights);
  // One that is too large for a blob is found in its file each time.
  if (bytes === null || bytes.length > BLOB_BYTES_MAX) return null;
  return session.putBlob('blob', bytes, 1, before);
}

const NOTHING: StoredStructure = { networks: [], weights: [] };

async function structureOf(repo: LineAccess, id: Id): Promise<StoredStructure> {
  try {
    return await keptNetworks(repo, id);
  } catch (error) {
    // It is found again in the files.
    if (!isUnreadable(error)) throw error;
    return NOTHING;
  }
}
