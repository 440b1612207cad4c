/** Parts of quantised weights are told by their names; plain weights are none. */
import test from 'ava';
import { quantisedParts } from '../../../../lib/pure/merge/quantised.js';

test('quantised: parts belong to their weight', (t) => {
  const names = ['a.qweight', 'a.qzeros', 'a.scales', 'a.g_idx', 'a.bias', 'norm.weight'];
  t.deepEqual(Object.fromEntries(quantisedParts(names)), {
    'a.qweight': 'a.',
    'a.qzeros': 'a.',
    'a.scales': 'a.',
    'a.g_idx': 'a.',
  });
  const bits = ['l.weight', 'l.weight.absmax', 'l.weight.quant_state.bitsandbytes__nf4', 'l.bias'];
  t.deepEqual([...quantisedParts(bits).keys()], bits.slice(0, 3));
  t.deepEqual([...quantisedParts(['m.weight', 'm.SCB']).keys()], ['m.weight', 'm.SCB']);
  t.deepEqual(
    [...quantisedParts(['m.weight', 'm.weight_scale', 'm.input_scale']).keys()].length,
    3,
  );
});

test('quantised: floats with names like these are none', (t) => {
  for (const names of [
    ['a.weight', 'a.bias'],
    ['norm.scale', 'norm.weight'],
    ['scale', 'zero'],
  ]) {
    t.deepEqual([...quantisedParts(names)], []);
  }
});
