/** Crashes of some commands, replayed for seconds; crash.slow.test.ts does it for all of them. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { libraryOrSkip } from '../libc/calls.js';
import { VERBS } from '../verbs.js';
import { rehearse, replay } from './replay.js';

const SECONDS = 2.5;

for (const name of ['init', 'tag', 'commit']) {
  const verb = VERBS.find((candidate) => candidate.name === name)!;
  test.serial(`crash: ${name} loses nothing, wherever the power is cut`, async (t) => {
    t.timeout(timeoutMs(SECONDS));
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const rehearsal = await rehearse(t, library, verb);
    const until = performance.now() + searchMs(SECONDS);
    const { counts, failures } = await replay(t, rehearsal, SEED, until);
    t.log(`seed ${SEED}, ${JSON.stringify(counts)} of ${rehearsal.states.length} states`);
    t.deepEqual(failures, []);
    t.true(counts.strict > 0);
  });
}
