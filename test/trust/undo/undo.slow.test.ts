/** Verbs that undo, mixed at random, for minutes. */
import test from 'ava';
import { TestRepository } from '../../helpers/repository.js';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { undoWorlds } from './world.js';

const SECONDS = 120;

test('undo: add, commit, stash, revert, reset, mv, forget, gc and branches lose nothing, for long', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  t.log(await undoWorlds(() => TestRepository.create(t), SEED + 1, searchMs(SECONDS)));
  t.pass();
});
