/** Every command that writes, on a failing device and on a full disk. */
import test from 'ava';
import { exhaust } from './broken-primitives.js';
import { FAULTY } from './faults.js';
import { VERBS } from './verbs.js';

for (const verb of VERBS) {
  test.serial(`faults: ${verb.name} survives a failing device at every call`, async (t) => {
    t.timeout(1_200_000);
    t.true((await exhaust(t, verb, 'EIO', FAULTY)) > 0);
  });
  test.serial(`faults: ${verb.name} survives a full disk, continues short writes`, async (t) => {
    t.timeout(1_200_000);
    await exhaust(t, verb, 'ENOSPC', ['write']);
    t.is(await exhaust(t, verb, 'short', ['write']), 0);
  });
}
