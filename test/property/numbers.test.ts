/** Numbers over some random histories; numbers.slow.test.ts makes more. */
import test from 'ava';
import { joinsNames, keepsNames } from './number-laws.js';

test('numbers: a name never comes to mean another version', (t) => keepsNames(t, 3));

test('numbers: two clones that are joined have no name for two versions', (t) => joinsNames(t, 1));
