/** Calls that fail under every command that changes something. */
import test from 'ava';
import { inSeedOrder, isOver, SEED, SHARE, searchMs, timeoutMs } from '../budget.js';
import { chosenVerbs } from '../verbs.js';
import { breakCalls } from './broken-calls.js';
import { libraryOrSkip } from './calls.js';

/** For each command but those that are tried to the end. */
const SECONDS = 4;
/** Every call of these fails once, where this is long enough (DLV_TRUST_TIMES makes it longer). */
const WHOLE_SECONDS = 40;
const TO_THE_END = ['commit', 'restore', 'gc', 'archive'];

for (const verb of inSeedOrder(chosenVerbs())) {
  const isWhole = TO_THE_END.includes(verb.name);
  test.serial(`calls: ${verb.name} gets over failures, or says what failed`, async (t) => {
    const seconds = isWhole ? WHOLE_SECONDS : SECONDS;
    t.timeout(timeoutMs(seconds));
    if (isOver(t)) return;
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const milliseconds = searchMs(seconds, SHARE);
    const { failures, ...tried } = await breakCalls(t, library, {
      verb,
      seed: SEED,
      searchMs: milliseconds,
    });
    process.stdout.write(`# calls: ${verb.name}, seed ${SEED}: ${JSON.stringify(tried)}\n`);
    t.deepEqual(failures, []);
    t.true(tried.faults > 0);
  });
}
