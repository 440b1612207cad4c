/** Every command that writes, on a failing device and on a full disk. */
import test from 'ava';
import { exhaust, SCENARIOS } from './fault-scenarios.js';
import { FAULTY } from './faults.js';

for (const scenario of SCENARIOS) {
  test.serial(`faults: ${scenario.name} survives a failing device at every call`, async (t) => {
    t.timeout(1_200_000);
    t.true((await exhaust(t, scenario, 'EIO', FAULTY)) > 0);
  });
  test.serial(
    `faults: ${scenario.name} survives a full disk, continues short writes`,
    async (t) => {
      t.timeout(1_200_000);
      await exhaust(t, scenario, 'ENOSPC', ['write']);
      t.is(await exhaust(t, scenario, 'short', ['write']), 0);
    },
  );
}
