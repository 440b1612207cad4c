/** Hostile repositories: some of each kind meet a command; the slow test runs all commands in all. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from './budget.js';
import { HOSTILE, HostileTests } from './hostile-repositories.js';

const SECONDS = 0.5;
/** One of so many is tried. They stand by kind, so that some of each kind are. */
const STRIDE = 7;

test('hostile: repositories of every kind meet commands that answer within bounds', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const tests = await HostileTests.make(t);
  const until = performance.now() + searchMs(SECONDS);
  const rows = HOSTILE.filter((_, i) => i % STRIDE === SEED % STRIDE);
  const { failures, ...done } = await tests.runAll(rows, SEED, until);
  t.log(`seed ${SEED}, ${JSON.stringify(done)}`);
  t.deepEqual(failures, []);
});

test('hostile: forget reads a list of nothing but ends of lines within bounds', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const tests = await HostileTests.make(t);
  const row = HOSTILE.find(({ name }) => name.startsWith('logs/deleted: as many ends of lines'));
  if (row === undefined) throw new Error('there is no such row');
  t.deepEqual(await tests.run(row, ['forget', '--force', 'm@3']), []);
});
