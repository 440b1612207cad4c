/** A checkpoint of a run as commands show it. */
import type { RunCheckpoint } from '../../storage/repo/runs/run-record.js';

export type ShownCheckpoint = Pick<
  RunCheckpoint,
  'n' | 'place' | 'step' | 'files' | 'bytes' | 'state' | 'version' | 'number' | 'problem'
>;

export function shownCheckpoint(one: RunCheckpoint): ShownCheckpoint {
  const { n, place, step, files, bytes, state, version, number, problem } = one;
  return { n, place, step, files, bytes, state, version, number, problem };
}
