/** Calls that fail under some commands; broken-calls.slow.test.ts has all commands. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { verbOf } from '../verbs.js';
import { breakCalls, breakProcesses } from './broken-calls.js';
import { libraryOrSkip } from './calls.js';

const SECONDS = 0.4;

for (const name of ['tag', 'commit']) {
  const verb = verbOf(name);
  test.serial(`calls: ${name} gets over failing calls, or says what failed`, async (t) => {
    t.timeout(timeoutMs(SECONDS));
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const { failures, ...tried } = await breakCalls(t, library, {
      verb,
      seed: SEED,
      searchMs: searchMs(SECONDS),
    });
    t.log(`seed ${SEED}, ${JSON.stringify(tried)}`);
    t.deepEqual(failures, []);
    t.true(tried.faults > 0);
  });
}

test.serial('calls: a process whose call fails says once what failed, and ends', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const library = await libraryOrSkip(t);
  if (library === null) return;
  const verb = verbOf('commit');
  const { failures, failed } = await breakProcesses(t, library, { verb, seed: SEED, count: 4 });
  t.deepEqual(failures, []);
  t.true(failed > 0);
});
