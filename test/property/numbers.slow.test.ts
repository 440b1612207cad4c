/** Numbers over more random histories than the ordinary suite makes. */
import test from 'ava';
import { joinsNames, keepsNames } from './number-laws.js';

test('numbers: a name never comes to mean another version, in many histories', async (t) => {
  t.timeout(600_000);
  await keepsNames(t, 25);
});

test('numbers: two clones that are joined have no name for two versions, in many', async (t) => {
  t.timeout(600_000);
  await joinsNames(t, 10);
});
