/** Hostile repositories: every command in every one of them, as far as the time reaches. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from './budget.js';
import { HOSTILE, HostileTests } from './hostile-repositories.js';

const SECONDS = 90;

test('hostile: every command answers within bounds in every repository', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const tests = await HostileTests.make(t);
  const until = performance.now() + searchMs(SECONDS);
  const { failures, ...done } = await tests.runAll(HOSTILE, SEED, until);
  process.stdout.write(
    `# hostile: seed ${SEED}: ${HOSTILE.length} rows, ${JSON.stringify(done)}\n`,
  );
  t.deepEqual(failures, []);
});
