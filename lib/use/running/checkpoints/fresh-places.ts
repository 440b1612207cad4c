/** Which places on the disk a run wrote and are no versions yet. */
import { maxOf } from '../../../base/bytes/many.js';
import type { Layout } from '../../../storage/repo/layout.js';
import {
  millisecondsOf,
  type RunRecord,
  recordPlace,
} from '../../../storage/repo/runs/run-record.js';
import type { SeenPlace } from './scan.js';

/** The places that were written to after the last start of the run, but those that are stored as they are. */
export function readFreshPlaces(
  layout: Layout,
  { checkpoints, stretches, started }: RunRecord,
  places: readonly SeenPlace[],
): SeenPlace[] {
  const since = stretches.at(-1)?.started ?? started;
  const stored = checkpoints.filter(
    ({ state }) => state === 'committed' || state === 'held' || state === 'failed',
  );
  const fresh = places.filter(({ place, files }) => {
    const written = maxOf(files.map(({ stat }) => millisecondsOf(stat.mtimeNs)));
    if (written < since) return false;
    const name = recordPlace(layout, place);
    return !stored.some((one) => one.place === name && written <= Math.max(one.written, one.time));
  });
  return fresh.sort((a, b) => newest(a) - newest(b));
}

function newest({ files }: SeenPlace): number {
  return maxOf(files.map(({ stat }) => millisecondsOf(stat.mtimeNs)));
}
