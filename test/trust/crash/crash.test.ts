/** Crashes of some commands, replayed for seconds; crash.slow.test.ts does it for all of them. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { must } from '../cli.js';
import { libraryOrSkip } from '../libc/calls.js';
import { type Verb, verbOf } from '../verbs.js';
import { rehearse, replay } from './replay.js';

const SECONDS = 0.25;

/** Small files in new folders, which are synced and put in their places several at once. */
const MANY_FILES: Verb = {
  name: 'checkout --out of many files',
  argv: ['checkout', 'm@3', '--out', 'out', '--force'],
  prepare: async (dir) => {
    for (let i = 0; i < 12; i++) {
      const file = path.join(dir, `part-${i % 3}`, 'deep', `${i}.txt`);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, `content ${i}\n`);
    }
    await must(['add', '.'], dir);
    await must(['commit', '-m', 'many'], dir);
  },
};

/** Also two that move refs, HEAD and what is staged together, and one that replaces packs of promised planes. */
const CRASHED = [
  'init',
  'tag',
  'commit',
  'forget',
  'model delete',
  'gc of a detached repository',
].map(verbOf);

for (const verb of [...CRASHED, MANY_FILES]) {
  const { name } = verb;
  test.serial(`crash: ${name} loses nothing, wherever the power is cut`, async (t) => {
    t.timeout(timeoutMs(SECONDS));
    const library = await libraryOrSkip(t);
    if (library === null) return;
    const rehearsal = await rehearse(t, library, verb);
    const until = performance.now() + searchMs(SECONDS);
    const { counts, failures } = await replay(t, rehearsal, SEED, until);
    t.log(`seed ${SEED}, ${JSON.stringify(counts)} of ${rehearsal.states.length} states`);
    t.deepEqual(failures, []);
    t.true(counts.strict > 0);
  });
}
