/** Two commands on a failing device; faults.slow.test.ts has all. */
import test from 'ava';
import { exhaust } from './broken-primitives.js';
import { FAULTY } from './faults.js';
import { verbOf } from './verbs.js';

test.serial('faults: commit survives a failing device at every call', async (t) => {
  t.timeout(600_000);
  t.true((await exhaust(t, verbOf('commit'), 'EIO', FAULTY)) > 0);
});

test.serial('faults: commit survives a full disk and continues short writes', async (t) => {
  t.timeout(600_000);
  t.true((await exhaust(t, verbOf('commit'), 'ENOSPC', ['write'])) > 0);
  t.is(await exhaust(t, verbOf('commit'), 'short', ['write']), 0);
});

test.serial('faults: init survives a failing device and may be run again', async (t) => {
  t.timeout(600_000);
  for (const fault of ['EIO', 'ENOSPC'] as const) {
    t.true((await exhaust(t, verbOf('init'), fault, FAULTY)) > 0);
  }
});
