/** Calls that fail under every command that changes something. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { VERBS } from '../verbs.js';
import { breakCalls } from './broken-calls.js';
import { libraryOrSkip } from './calls.js';

/** For each command but those that are tried to the end. */
const SECONDS = 4;
/** Every call of these fails once. */
const TO_THE_END = ['commit', 'restore', 'gc', 'archive'];

/** Commands that cannot be run again after each failure yet; they join with their repair. */
const OPEN = ['branch -m', 'switch -c', 'copy --checkout'];

for (const verb of VERBS.filter(({ name }) => !OPEN.includes(name))) {
  const isWhole = TO_THE_END.includes(verb.name);
  const which = isWhole ? 'at every call' : 'at some calls';
  test.serial(`calls: ${verb.name} gets over failures ${which}, or says what failed`, async (t) => {
    t.timeout(timeoutMs(SECONDS) + (isWhole ? 1_800_000 : 0));
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const ms = isWhole ? Number.POSITIVE_INFINITY : searchMs(SECONDS);
    const { failures, ...tried } = await breakCalls(t, library, verb, SEED, ms);
    process.stdout.write(`# calls: ${verb.name}, seed ${SEED}: ${JSON.stringify(tried)}\n`);
    t.deepEqual(failures, []);
    if (isWhole) t.is(tried.faults, tried.calls);
    else t.true(tried.faults > 0);
  });
}
