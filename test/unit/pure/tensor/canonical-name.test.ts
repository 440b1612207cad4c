/** Names of tensors under the prefixes of frameworks: which are one tensor, and where that is unsure. */
import test from 'ava';
import { canonicalName, matchNames } from '../../../../lib/pure/tensor/canonical-name.js';

const NAMES: Record<string, string[]> = {
  'fc.weight': [
    'fc.weight',
    'module.fc.weight',
    'model.fc.weight',
    '_orig_mod.fc.weight',
    'module._orig_mod.fc.weight',
    '_orig_mod.module.fc.weight',
    'base_model.model.fc.weight',
    'base_model.model.fc.base_layer.weight',
    'model.module.fc.weight',
    '_fsdp_wrapped_module.fc.weight',
    '_fsdp_wrapped_module.fc._checkpoint_wrapped_module.weight',
    'fc._orig_mod.weight',
    'fc.weight._local_tensor',
  ],
  'blocks.0.model.weight': ['blocks.0.model.weight', 'module.blocks.0.model.weight'],
  model: ['model', 'module.model', 'model._local_tensor'],
  _orig_mod: ['_orig_mod'],
  module_fc: ['module_fc'],
  '': [''],
};

test('canonical name: what frameworks add is taken away, and nothing else', (t) => {
  for (const [canonical, names] of Object.entries(NAMES)) {
    for (const name of names) {
      t.is(canonicalName(name), canonical, name);
      t.is(canonicalName(canonicalName(name)), canonical, name);
    }
  }
});

const pairs = (before: string[], after: string[]) =>
  Object.fromEntries(matchNames(new Set(before), new Set(after)));

test('names: equal ones come first, then those that differ by a prefix', (t) => {
  t.deepEqual(pairs(['a', 'b'], ['a', 'module.b', 'c']), { a: 'a', 'module.b': 'b' });
  t.deepEqual(pairs(['_orig_mod.a', 'x'], ['module.a', 'x']), {
    'module.a': '_orig_mod.a',
    x: 'x',
  });
  t.deepEqual(pairs(['a'], []), {});
});

test('names: two that become the same keep to equal names', (t) => {
  t.deepEqual(pairs(['a', 'b'], ['module.a', '_orig_mod.a', 'module.b']), { 'module.b': 'b' });
  t.deepEqual(pairs(['module.a', 'model.a'], ['a']), {});
  t.deepEqual(pairs(['w', 'module.w'], ['w', '_orig_mod.w']), { w: 'w' });
});

test('names: a name that has its equal is not given to another', (t) => {
  t.deepEqual(pairs(['a', 'module.b'], ['a', 'b', 'module.c']), { a: 'a', b: 'module.b' });
});
