/** How a run stands, in words. */
import test from 'ava';
import { stateText } from '../../../../lib/cli/output/runs/run-tables.js';

test('what a run ended by is told as far as it is known', (t) => {
  t.is(stateText({ state: 'failed', code: 3, signal: null }), 'failed (3)');
  t.is(stateText({ state: 'killed', code: null, signal: 'SIGTERM' }), 'killed (SIGTERM)');
  t.is(stateText({ state: 'finished', code: 0, signal: null }), 'finished');
  // A program that tells of itself has no exit code yet.
  t.is(stateText({ state: 'failed', code: null, signal: null }), 'failed');
  const orphaned = { state: 'crashed' as const, code: null, signal: null, orphaned: true };
  t.is(stateText(orphaned), 'crashed, still runs');
});
