/**
 * Lines of deltas over many versions of one file: their depth and what a checkout reads stay bounded.
 */
import test from 'ava';
import { checkLine } from '../unit/storage/objects/line.js';

for (const depth of [10, 3]) {
  test(`chains: 60 versions keep a depth of ${depth} and the limit of what reading costs`, (t) =>
    checkLine(t, depth, 60));
}
