/** Hostile repositories: each meets a command or a few; the slow test runs all commands in all. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from './budget.js';
import { HOSTILE, HostileTests } from './hostile-repositories.js';

const SECONDS = 3;

test('hostile: every repository meets commands that answer within bounds', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const tests = await HostileTests.make(t);
  const until = performance.now() + searchMs(SECONDS);
  const { failures, ...done } = await tests.runAll(HOSTILE, SEED, until);
  t.log(`seed ${SEED}, ${JSON.stringify(done)}`);
  t.deepEqual(failures, []);
});
