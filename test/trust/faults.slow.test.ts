/** Every command that writes, on a failing device. */
import test from 'ava';
import { breakEach } from './broken-primitives.js';
import { FAULTY } from './faults.js';
import { chosenVerbs } from './verbs.js';

for (const verb of chosenVerbs()) {
  test.serial(`faults: ${verb.name} survives a failing device at every call`, async (t) => {
    t.timeout(1_200_000);
    t.true((await breakEach(t, verb, { fault: 'EIO', among: FAULTY })) > 0);
  });
}
