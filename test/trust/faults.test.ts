/** Two commands on a failing device, at some of their calls; faults.slow.test.ts and full-disk.slow.test.ts have all. */
import test from 'ava';
import { breakEach } from './broken-primitives.js';
import { FAULTY } from './faults.js';
import { verbOf } from './verbs.js';

test.serial('faults: commit survives a failing device', async (t) => {
  t.timeout(600_000);
  t.true((await breakEach(t, verbOf('commit'), { fault: 'EIO', among: FAULTY, stride: 11 })) > 0);
});

test.serial('faults: commit survives a full disk and continues short writes', async (t) => {
  t.timeout(600_000);
  const writes = { among: ['write'], stride: 4 } as const;
  t.true((await breakEach(t, verbOf('commit'), { fault: 'ENOSPC', ...writes })) > 0);
  t.is(await breakEach(t, verbOf('commit'), { fault: 'short', ...writes }), 0);
});

test.serial('faults: init survives a failing device and may be run again', async (t) => {
  t.timeout(600_000);
  for (const fault of ['EIO', 'ENOSPC'] as const) {
    t.true((await breakEach(t, verbOf('init'), { fault, among: FAULTY, stride: 5 })) > 0);
  }
});
