/** Which checkpoint is taken where a version has several. */
import test from 'ava';
import type { Role } from '../../../../../lib/pure/tensor/layout.js';
import type { Snapshot } from '../../../../../lib/storage/repo/version/file-page.js';
import { pickSnapshot } from '../../../../../lib/use/history/steps/pick-snapshot.js';

function snapshot(key: string, step: number | null = null, role: Role = 'weights'): Snapshot {
  return { key, role, step, members: [key] };
}

/** Snapshots from the best to the worst, handed over in the other order. */
const ORDERS: Record<string, Snapshot[]> = {
  'outside numbered folders first, then the last step': [
    snapshot('model.safetensors'),
    snapshot('checkpoint-1000/model.safetensors', 1000),
    snapshot('checkpoint-500/model.safetensors', 500),
  ],
  'the network before adapters, safetensors before others': [
    snapshot('model.safetensors'),
    snapshot('pytorch_model.bin'),
    snapshot('model.onnx'),
    snapshot('adapter_model.safetensors'),
  ],
  'the network before copies of it in fewer bits': [
    snapshot('final/model.safetensors'),
    snapshot('merged/model.safetensors'),
    snapshot('final-bf16/model.safetensors'),
    snapshot('final_fp16/model.safetensors'),
    snapshot('final/model-int8.pt'),
    snapshot('half_life/weights_b.q4.npz'),
  ],
  'a step that the file says': [snapshot('b.pt', 20), snapshot('a.pt', 10), snapshot('c.pt')],
};

for (const [name, snapshots] of Object.entries(ORDERS)) {
  test(`pick: ${name}`, (t) => {
    const picked = pickSnapshot({ snapshots: [...snapshots].reverse() }, {});
    t.deepEqual([picked?.snapshot, ...(picked?.others ?? [])], snapshots);
  });
}

test('pick: by role, and at or below a path', (t) => {
  const snapshots = [
    snapshot('a/model.pt', 1),
    snapshot('a/optimizer.pt', 1, 'optimizer'),
    snapshot('ab/model.pt', 2),
  ];
  const page = { snapshots };
  t.is(pickSnapshot(page, { path: 'a' })?.snapshot, snapshots[0]);
  t.deepEqual(pickSnapshot(page, { path: 'a/' })?.others, []);
  t.is(pickSnapshot(page, { path: 'a/model.pt' })?.snapshot, snapshots[0]);
  t.is(pickSnapshot(page, { role: 'optimizer' })?.snapshot, snapshots[1]);
  t.is(pickSnapshot(page, { role: 'ema' }), null);
  t.is(pickSnapshot(page, { path: 'model.pt' }), null);
});
