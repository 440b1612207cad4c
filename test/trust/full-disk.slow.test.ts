/** Every command that writes, on a full disk, and on one that takes a part of each write. */
import test from 'ava';
import { breakEach } from './broken-primitives.js';
import { chosenVerbs } from './verbs.js';

for (const verb of chosenVerbs()) {
  test.serial(`faults: ${verb.name} survives a full disk, continues short writes`, async (t) => {
    t.timeout(1_200_000);
    await breakEach(t, verb, { fault: 'ENOSPC', among: ['write', 'writeAt', 'truncate'] });
    t.is(await breakEach(t, verb, { fault: 'short', among: ['write', 'writeAt'] }), 0);
  });
}
