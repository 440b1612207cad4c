/** Bit rot in every kind of file. */
import test from 'ava';
import { isOver, SEED, searchMs, timeoutMs } from '../budget.js';
import { rot } from './rot.js';

const SECONDS = 60;
/** Fills pack files of every class: more than 8 MiB of planes that do not get smaller. */
const LARGE = 600;

for (const [what, scale] of [
  ['small packs', 1],
  ['packs of every class', LARGE],
] as const) {
  test.serial(`rot: damage in ${what} and beside them is found or harmless`, async (t) => {
    t.timeout(timeoutMs(SECONDS));
    if (isOver(t)) return;
    const until = performance.now() + searchMs(SECONDS, scale === LARGE ? 1 : 1 / 2);
    const { counts, failures } = await rot(t, scale, SEED, until);
    process.stdout.write(`# rot in ${what}, seed ${SEED}: ${JSON.stringify(counts)}\n`);
    t.deepEqual(failures, []);
    if (scale === LARGE) t.true((counts['packs mid'] ?? 0) > 0 && (counts['packs low'] ?? 0) > 0);
  });
}
