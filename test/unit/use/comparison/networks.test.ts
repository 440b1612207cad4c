/** Layers of checkpoints without a network, side by side: what they are does not depend on the order in a file. */
import test from 'ava';
import { weightsSide } from '../../../../lib/use/comparison/network-sides.js';
import { mergeNetworks } from '../../../../lib/use/comparison/networks.js';

const TENSORS = [
  { name: 'conv1.weight', dtype: 'F32', shape: [4, 3, 3, 3] },
  { name: 'conv1.bias', dtype: 'F32', shape: [4] },
  { name: 'bn1.weight', dtype: 'F32', shape: [4] },
  { name: 'bn1.running_mean', dtype: 'F32', shape: [4] },
  { name: 'bn1.num_batches_tracked', dtype: 'I64', shape: [] },
  { name: 'fc1.weight', dtype: 'F32', shape: [3, 8] },
  { name: 'fc1.bias', dtype: 'F32', shape: [3] },
].map((tensor) => ({ ...tensor, role: 'weights' as const }));

function compared(a: typeof TENSORS, b: typeof TENSORS) {
  const sides = [weightsSide('a.safetensors', a), weightsSide('a.pt', b)];
  return mergeNetworks(sides, 0, () => null).layers.map(({ name, alias, cells }) => ({
    ...{ name, alias },
    match: cells[1]?.match ?? null,
    changes: cells[1]?.changes.map(({ what }) => what) ?? null,
  }));
}

test('the same tensors in another order are the same layers', (t) => {
  t.deepEqual(
    compared(TENSORS, [...TENSORS].reverse()),
    ['conv1', 'bn1', 'fc1'].map((name) => ({ name, alias: name, match: 'name', changes: [] })),
  );
});

test('a layer whose shape changed is found by its name, whatever stands around it', (t) => {
  const wider = TENSORS.filter(({ name }) => !name.startsWith('bn1')).map((tensor) =>
    tensor.name.startsWith('conv1') ? { ...tensor, shape: [8, ...tensor.shape.slice(1)] } : tensor,
  );
  const [conv1, bn1, fc1] = compared(TENSORS, wider.reverse());
  t.like(conv1, { name: 'conv1', match: 'name' });
  t.not(conv1?.changes?.length, 0);
  t.like(bn1, { name: 'bn1', changes: null });
  t.like(fc1, { name: 'fc1', match: 'name', changes: [] });
});
