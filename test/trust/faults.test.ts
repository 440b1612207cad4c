/** A commit on a failing device; faults.slow.test.ts has all commands. */
import test from 'ava';
import type { DlvError } from '../../lib/base/errors.js';
import { init } from '../../lib/use/ops/init.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkError, contextIn, exhaust, SCENARIOS } from './fault-scenarios.js';
import { FAULTY, injectFault } from './faults.js';
import { fsckProblems } from './record.js';

const QUICK = ['commit'];

for (const scenario of SCENARIOS.filter(({ name }) => QUICK.includes(name))) {
  test.serial(`faults: ${scenario.name} survives a failing device at every call`, async (t) => {
    t.timeout(600_000);
    t.true((await exhaust(t, scenario, 'EIO', FAULTY)) > 0);
  });
}

test.serial('faults: commit survives a full disk and continues short writes', async (t) => {
  t.timeout(600_000);
  const scenario = SCENARIOS.find(({ name }) => name === 'commit')!;
  t.true((await exhaust(t, scenario, 'ENOSPC', ['write'])) > 0);
  t.is(await exhaust(t, scenario, 'short', ['write']), 0);
});

test.serial('faults: init survives a failing device and may be run again', async (t) => {
  t.timeout(600_000);
  for (const fault of ['EIO', 'ENOSPC'] as const) {
    for (let n = 1; ; n++) {
      const dir = await tempDir(t);
      const where = `init, ${fault} at call ${n}`;
      const injection = injectFault(fault, n, FAULTY);
      const error = await init(contextIn(dir), { model: 'm' }).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      injection.restore();
      if (error !== null) {
        checkError(t, error, `${where} (${injection.hit})`);
        await init(contextIn(dir), { model: 'm' }).catch((again: DlvError) => {
          t.is(again.code, 'DLV_EXISTS', `${where}: ${again.stack}`);
        });
      }
      t.deepEqual(await fsckProblems(dir), [], `${where}: fsck`);
      if (injection.hit === null) break;
    }
  }
  t.pass();
});
