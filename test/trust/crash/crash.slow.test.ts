/** Crashes of every command that changes something, replayed. */
import test from 'ava';
import { inSeedOrder, isOver, SEED, SHARE, searchMs, timeoutMs } from '../budget.js';
import { libraryOrSkip } from '../libc/calls.js';
import { chosenVerbs } from '../verbs.js';
import { rehearse, replay } from './replay.js';

/** For each command. */
const SECONDS = 6;

for (const verb of inSeedOrder(chosenVerbs())) {
  test.serial(`crash: ${verb.name} loses nothing, wherever the power is cut`, async (t) => {
    t.timeout(timeoutMs(SECONDS));
    if (isOver(t)) return;
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const rehearsal = await rehearse(t, library, verb);
    const until = performance.now() + searchMs(SECONDS, SHARE);
    const { counts, failures } = await replay(t, rehearsal, SEED, until);
    const { calls, crashes, states } = rehearsal;
    const looked = Object.values(counts).reduce((sum, count) => sum + count, 0);
    process.stdout.write(
      `# crash: ${verb.name}, seed ${SEED}: ${calls.length} calls, ${crashes} crashes, ` +
        `${states.length} states, ${looked} looked at ${JSON.stringify(counts)}\n`,
    );
    t.deepEqual(failures, []);
    t.true(counts.strict > 0);
  });
}
