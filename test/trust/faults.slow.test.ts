/** Every command that writes, on a failing device and on a full disk. */
import test from 'ava';
import { breakEach } from './broken-primitives.js';
import { FAULTY } from './faults.js';
import { chosenVerbs } from './verbs.js';

for (const verb of chosenVerbs()) {
  test.serial(`faults: ${verb.name} survives a failing device at every call`, async (t) => {
    t.timeout(1_200_000);
    t.true((await breakEach(t, verb, { fault: 'EIO', among: FAULTY })) > 0);
  });
  test.serial(`faults: ${verb.name} survives a full disk, continues short writes`, async (t) => {
    t.timeout(1_200_000);
    await breakEach(t, verb, { fault: 'ENOSPC', among: ['write'] });
    t.is(await breakEach(t, verb, { fault: 'short', among: ['write'] }), 0);
  });
}
