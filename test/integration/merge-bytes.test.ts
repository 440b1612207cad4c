/** `dlv merge` where the plain arithmetic would be wrong: shared bytes, values beyond a dtype, half a DoRA. */
import test from 'ava';
import { narrow } from '../../lib/pure/tensor/quantize.js';
import type { FloatDType } from '../../lib/pure/tensor/tier.js';
import type { MergeResult } from '../../lib/use/ops/merge.js';
import { dictProgram, tensor, torchArchive } from '../helpers/pickle.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, rawSafetensors, safetensors } from '../helpers/safetensors.js';

const ROWS = 1000;

/** `a` is a vector, `c` a part of it, `tied` all of it again, `z` apart. */
function archive(change: (a: Float32Array) => void, z = 0): Buffer {
  const a = Float32Array.from({ length: ROWS }, (_, i) => i);
  change(a);
  const program = dictProgram({
    a: tensor({ count: ROWS, shape: [ROWS] }),
    c: tensor({ count: ROWS, shape: [100], offset: 300 }),
    tied: tensor({ count: ROWS, shape: [ROWS] }),
    z: tensor({ key: '1', count: 4 }),
  });
  return torchArchive(program, {
    'data/0': Buffer.from(a.buffer),
    'data/1': Buffer.from(Float32Array.of(z, 2, 3, 4).buffer),
  });
}

async function sides(t: Parameters<typeof TestRepository.create>[0], ...files: Buffer[]) {
  const [base, ours, theirs] = files as [Buffer, Buffer, Buffer];
  const repo = await TestRepository.create(t);
  await repo.write('m.pt', base);
  await repo.commit('base');
  await repo.json('switch', '-c', 'side');
  await repo.write('m.pt', theirs);
  await repo.commit('theirs');
  await repo.json('switch', 'main');
  await repo.write('m.pt', ours);
  await repo.commit('ours');
  return repo;
}

const BASE = archive(() => {});
/** In `a`, `tied` and `c`. */
const inPart = archive((a) => a.fill(-1, 350, 360));

test('merge: what both sides changed of bytes that tensors share is a conflict of all of them', async (t) => {
  const repo = await sides(
    t,
    BASE,
    inPart,
    archive((a) => a.fill(-2, 800)),
  );
  const error = await repo.fails(1, 'merge', 'side');
  t.is(error.code, 'DLV_CONFLICT');
  for (const name of ['a', 'c', 'tied']) t.regex(JSON.stringify(error), new RegExp(`"${name}"`));
  const split = ['--theirs', 'm.pt#a', '--theirs', 'm.pt#tied', '--ours', 'm.pt#c'];
  t.regex((await repo.fails(1, 'merge', 'side', ...split)).message, /share bytes/);
  t.deepEqual(await repo.read('m.pt'), inPart);
  await repo.json('merge', 'side', '--ours', 'm.pt#*');
  t.deepEqual(await repo.read('m.pt'), inPart);
});

test('merge: bytes that tensors share are taken from the side that changed them', async (t) => {
  const repo = await sides(
    t,
    BASE,
    archive(() => {}, 9),
    inPart,
  );
  const done = await repo.json<MergeResult>('merge', 'side');
  t.is(done.outcome, 'merged');
  t.deepEqual(
    await repo.read('m.pt'),
    archive((a) => a.fill(-1, 350, 360), 9),
  );
});

for (const method of ['--average', '--task', '--dare']) {
  test(`merge: ${method} of tied weights and of parts of them`, async (t) => {
    const theirs = archive((a) => a.fill(5, 350, 360), 8);
    const repo = await sides(
      t,
      BASE,
      archive((a) => a.fill(7, 350, 360), 8),
      theirs,
    );
    if (method === '--dare') {
      // What is drawn of a part is not what is drawn of the whole.
      t.regex((await repo.fails(1, 'merge', 'side', method)).message, /share some of their bytes/);
      return;
    }
    await repo.json('merge', 'side', method);
    const value = (i: number): number => (method === '--average' ? 6 : 12 - i);
    const wanted = archive(
      (a) => {
        for (let i = 350; i < 360; i++) a[i] = value(i);
      },
      method === '--average' ? 8 : 16,
    );
    t.deepEqual(await repo.read('m.pt'), wanted);
  });
}

const BEYOND: readonly [dtype: FloatDType, big: number][] = [
  ['F16', 60_000],
  ['BF16', 3e38],
  ['F32', 3e38],
];

for (const [dtype, big] of BEYOND) {
  test(`merge: what is beyond ${dtype} becomes infinite, and is told`, async (t) => {
    const file = (...values: number[]): Buffer => {
      const bytes = narrow(dtype, Float64Array.from(values));
      return rawSafetensors({ w: { dtype, shape: [values.length], bytes } });
    };
    const repo = await TestRepository.create(t);
    await repo.write('m.safetensors', file(0, 0, 0, 0));
    await repo.commit('base');
    await repo.json('switch', '-c', 'side');
    await repo.write('m.safetensors', file(-big, big, 1, Number.POSITIVE_INFINITY));
    await repo.commit('theirs');
    await repo.json('switch', 'main');
    await repo.write('m.safetensors', file(big, -big, 1, 1));
    await repo.commit('ours');
    // 1.5 of ours less 0.5 of theirs.
    const done = await repo.json<MergeResult & { warnings: string[] }>(
      ...['merge', 'side', '--average', '--weights', '3,-1'],
    );
    t.deepEqual(done.warnings, [`'w': 2 values are beyond ${dtype}, and now infinite`]);
    const far = Number.POSITIVE_INFINITY;
    t.deepEqual(await repo.read('m.safetensors'), file(far, -far, 1, -far));
  });
}

test('merge --lora: an adapter that says use_dora and has no magnitudes is refused', async (t) => {
  const repo = await TestRepository.create(t);
  const base = safetensors(randomTensors({ 'q.weight': [8, 8] }, 1));
  const shapes = {
    'base_model.model.q.lora_A.weight': [2, 8],
    'base_model.model.q.lora_B.weight': [8, 2],
  };
  await repo.write('model.safetensors', base);
  await repo.write('ad/adapter_model.safetensors', safetensors(randomTensors(shapes, 2)));
  const config = { r: 2, lora_alpha: 4, use_dora: true };
  await repo.write('ad/adapter_config.json', JSON.stringify(config));
  await repo.commit('both');
  t.regex(
    (await repo.fails(1, 'merge', '--lora', ':ad')).message,
    /has no magnitudes of 'q.weight'/,
  );
  t.deepEqual(await repo.read('model.safetensors'), base);
});
