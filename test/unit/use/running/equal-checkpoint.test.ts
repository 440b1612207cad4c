/** In which order held checkpoints become versions: a copy after what it may be a copy of, and nothing else moves. */
import test from 'ava';
import type { RunCheckpoint } from '../../../../lib/storage/repo/runs/run-record.js';
import { heldInOrder } from '../../../../lib/use/running/equal-checkpoint.js';
import { runRecord } from '../../../helpers/run-record.js';

function checkpoint(n: number, step: number | null, bytes: number, written = n): RunCheckpoint {
  const [one] = runRecord().checkpoints as [RunCheckpoint];
  return { ...one, n, step, bytes, written, series: step === null ? 'out' : 'out/net-*.pt' };
}

function orderOf(checkpoints: RunCheckpoint[]): number[] {
  return heldInOrder(checkpoints).map(({ n }) => n);
}

test('a copy that was seen first comes after the numbered one of its size', (t) => {
  const next = checkpoint(3, 20, 7);
  t.deepEqual(orderOf([checkpoint(1, null, 7, 2), checkpoint(2, 10, 7, 1), next]), [2, 1, 3]);
  t.deepEqual(orderOf([checkpoint(1, null, 8, 2), checkpoint(2, 10, 7, 1)]), [1, 2]);
  // It was written before: it is no copy of the other.
  t.deepEqual(orderOf([checkpoint(1, null, 7), checkpoint(2, 10, 7), next]), [1, 2, 3]);
});

test('one that came after its own is left where it is, also while the next one is held', (t) => {
  const all = [
    checkpoint(1, 10, 7),
    checkpoint(2, null, 7),
    checkpoint(3, 20, 7),
    checkpoint(4, null, 7),
  ];
  t.deepEqual(orderOf(all), [1, 2, 3, 4]);
  Object.assign(all[0] as RunCheckpoint, { state: 'committed' });
  t.deepEqual(orderOf(all), [2, 3, 4]);
});
