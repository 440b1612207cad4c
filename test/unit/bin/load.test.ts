import test from 'ava';
import fc from 'fast-check';
import { packCache, unpackCache } from '../../../bin/load.js';

const SOURCE = '// 0a1b\nmodule.exports = 1;\n';
const DATA = Buffer.from('what V8 made');

test('a code cache comes back for the source that it was made for', (t) => {
  t.deepEqual(unpackCache(SOURCE, packCache(SOURCE, DATA)), DATA);
});

test('a code cache of another source of the same length is not used', (t) => {
  const other = SOURCE.replace('0a1b', '0a1c');
  t.is(unpackCache(other, packCache(SOURCE, DATA)), undefined);
});

test('a code cache that is damaged anywhere, or cut, is not used', (t) => {
  const file = packCache(SOURCE, DATA);
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const damaged = Buffer.from(file);
      damaged[at]! ^= mask;
      return (
        unpackCache(SOURCE, damaged) === undefined &&
        unpackCache(SOURCE, file.subarray(0, at)) === undefined
      );
    }),
  );
  t.pass();
});
