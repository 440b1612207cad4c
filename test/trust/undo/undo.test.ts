/** Verbs that undo, mixed at random, for seconds; undo.slow.test.ts takes longer. */
import test from 'ava';
import { TestRepository } from '../../helpers/repository.js';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { undoWorlds } from './world.js';

const SECONDS = 0.8;

test('undo: add, commit, stash, revert, reset, mv, forget, gc and branches lose nothing', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  t.log(await undoWorlds(() => TestRepository.create(t), SEED, searchMs(SECONDS)));
  t.pass();
});
