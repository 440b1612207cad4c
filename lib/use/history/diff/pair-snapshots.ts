/** Which checkpoints of two sides are compared with each other. */
import { seriesOf } from '../../../pure/paths/checkpoint-names.js';
import type { Role } from '../../../pure/tensor/layout.js';
import type { Snapshot } from '../../../storage/repo/version/file-page.js';

/** Two checkpoints of one role; null where there is none. */
export interface SnapshotPair {
  role: Role;
  before: Snapshot | null;
  after: Snapshot | null;
}

/**
 * Pairs snapshots by key and role, then with what a moved file was. A checkpoint of a series that is
 * new is compared with the last one before it; of those left over, the last ones of each role, so that
 * a checkpoint that was saved in other shards is compared with what it came from.
 */
export function pairSnapshots(
  before: readonly Snapshot[],
  after: readonly Snapshot[],
  nameBefore: (key: string) => string,
): SnapshotPair[] {
  const left = [...before];
  const take = (isWanted: (old: Snapshot) => boolean): Snapshot | null => {
    const at = left.findLastIndex(isWanted);
    return at < 0 ? null : (left.splice(at, 1)[0] as Snapshot);
  };
  const pairs: SnapshotPair[] = [];
  const unpaired: Snapshot[] = [];
  for (const snapshot of after) {
    const { key, role } = snapshot;
    const old = take((other) => other.key === nameBefore(key) && other.role === role);
    if (old === null) unpaired.push(snapshot);
    else pairs.push({ role, before: old, after: snapshot });
  }
  for (const snapshot of unpaired.reverse()) {
    const { role } = snapshot;
    const earlier = stepBefore(before, snapshot);
    const old = earlier ?? take((other) => other.role === role && seriesOf(other.key) === null);
    pairs.push({ role, before: old, after: snapshot });
  }
  const used = new Set(pairs.map((pair) => pair.before));
  for (const old of left) {
    if (!used.has(old)) pairs.push({ role: old.role, before: old, after: null });
  }
  const order = new Map(after.map((snapshot, i) => [snapshot, i]));
  const rank = (pair: SnapshotPair): number =>
    pair.after === null ? after.length : (order.get(pair.after) as number);
  return pairs.sort((a, b) => rank(a) - rank(b));
}

/** The checkpoint of the same series with the greatest step before that of `snapshot`. */
function stepBefore(before: readonly Snapshot[], { key, role }: Snapshot): Snapshot | null {
  const place = seriesOf(key);
  if (place === null) return null;
  const below = key.slice(place.checkpoint.length);
  let best: { snapshot: Snapshot; step: number } | null = null;
  for (const snapshot of before) {
    const other = seriesOf(snapshot.key);
    if (other?.series !== place.series || snapshot.role !== role) continue;
    if (snapshot.key.slice(other.checkpoint.length) !== below || other.step >= place.step) continue;
    if (best === null || other.step > best.step) best = { snapshot, step: other.step };
  }
  return best?.snapshot ?? null;
}
