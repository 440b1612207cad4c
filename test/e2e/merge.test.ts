/** `dlv merge`: three ways by file and tensor, conflicts, moving on, weights combined, adapters folded. */
import test from 'ava';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { MergeResult } from '../../lib/use/ops/merge.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { TestRepository } from '../helpers/repository.js';
import {
  nudge,
  randomTensors,
  rawSafetensors,
  safetensors,
  type Tensors,
} from '../helpers/safetensors.js';
import { buildZip } from '../helpers/zip.js';

const SHAPES = { 'a.weight': [64, 64], 'b.weight': [64, 64], 'b.bias': [64] };
const BASE = randomTensors(SHAPES, 1);

/** `tensors` with some of another. */
function withOf(tensors: Tensors, other: Tensors, ...names: string[]): Tensors {
  return { ...tensors, ...Object.fromEntries(names.map((name) => [name, other[name]!])) };
}

const LEFT = nudge(BASE, 0.1, 2);
const RIGHT = nudge(BASE, 0.1, 3);

/** A version with three files, and two branches that each change some of them. */
async function twoBranches(
  t: Parameters<typeof TestRepository.create>[0],
  left: (repo: TestRepository) => Promise<void>,
  right: (repo: TestRepository) => Promise<void>,
): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(BASE));
  await repo.write('note.txt', 'base');
  await repo.write('old.txt', 'old');
  await repo.commit('base');
  await repo.json('switch', '-c', 'side');
  await right(repo);
  await repo.commit('right');
  await repo.json('switch', 'main');
  await left(repo);
  await repo.commit('left');
  return repo;
}

test('merge: files and tensors that one side alone changed are taken from it', async (t) => {
  const repo = await twoBranches(
    t,
    async (one) => {
      await one.write('model.safetensors', safetensors(withOf(BASE, LEFT, 'a.weight')));
      await one.write('mine.txt', 'mine');
    },
    async (one) => {
      await one.write('model.safetensors', safetensors(withOf(BASE, RIGHT, 'b.weight', 'b.bias')));
      await one.write('note.txt', 'theirs');
      await one.remove('old.txt');
    },
  );
  const dry = await repo.json<MergeResult>('merge', 'side', '--dry-run');
  t.deepEqual(dry.tensors, [{ path: 'model.safetensors', theirs: 2, tensors: 3 }]);
  t.true(dry.changes.some(({ path: name }) => name === 'model.safetensors'));
  t.deepEqual(await repo.changes(), []);
  const done = await repo.json<MergeResult>('merge', 'side');
  t.is(done.outcome, 'merged');
  t.is(done.base?.name, 'net@1');
  const wanted = withOf(withOf(BASE, LEFT, 'a.weight'), RIGHT, 'b.weight', 'b.bias');
  t.deepEqual(await repo.read('model.safetensors'), safetensors(wanted));
  t.is(await repo.text('note.txt'), 'theirs');
  t.is(await repo.text('mine.txt'), 'mine');
  t.false(await repo.exists('old.txt'));
  t.deepEqual(await repo.changes(), []);
  const [last] = await repo.json<LogEntry[]>('log');
  t.deepEqual(last?.parents, [
    (await repo.json<LogEntry[]>('log', 'net@3'))[0]?.version,
    (await repo.json<LogEntry[]>('log', 'side'))[0]?.version,
  ]);
  t.is((await repo.json<MergeResult>('merge', 'side')).outcome, 'up to date');
  t.is((await repo.dlv('fsck')).code, 0);
});

test('merge: what both sides changed is named, changes nothing, and is decided by pattern', async (t) => {
  const repo = await twoBranches(
    t,
    async (one) => {
      await one.write('model.safetensors', safetensors(LEFT));
      await one.write('note.txt', 'mine');
    },
    async (one) => {
      await one.write('model.safetensors', safetensors(RIGHT));
      await one.write('note.txt', 'theirs');
    },
  );
  const { data } = await repo.fails(1, 'merge', 'side');
  t.deepEqual(data.conflicts, [
    { path: 'model.safetensors', tensor: 'a.weight', ours: 'modified', theirs: 'modified' },
    { path: 'model.safetensors', tensor: 'b.weight', ours: 'modified', theirs: 'modified' },
    { path: 'model.safetensors', tensor: 'b.bias', ours: 'modified', theirs: 'modified' },
    { path: 'note.txt', tensor: null, ours: 'modified', theirs: 'modified' },
  ]);
  t.deepEqual(await repo.changes(), []);
  t.is((await repo.json<LogEntry[]>('log')).length, 2);
  t.regex((await repo.fails(1, 'merge', 'side', '--theirs', '*.txt')).message, /a\.weight/);
  // The last pattern that matches holds.
  await repo.json('merge', 'side', '--theirs', '*', '--ours', '#b.*', '--ours', 'note.txt');
  t.deepEqual(await repo.read('model.safetensors'), safetensors(withOf(LEFT, RIGHT, 'a.weight')));
  t.is(await repo.text('note.txt'), 'mine');
  await repo.json('reset', '--hard', 'net@3');
  await repo.json('merge', 'side', '-X', 'theirs');
  t.deepEqual(await repo.read('model.safetensors'), safetensors(RIGHT));
});

test('merge: a branch with nothing of its own moves on, unless told not to', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('note.txt', '1');
  await repo.commit('one');
  await repo.json('switch', '-c', 'side');
  await repo.write('note.txt', '2');
  await repo.commit('two');
  await repo.json('switch', 'main');
  await repo.write('note.txt', 'unsaved');
  t.regex((await repo.fails(1, 'merge', 'side')).message, /changes that are in no version/);
  t.is(await repo.text('note.txt'), 'unsaved');
  await repo.json('restore', 'note.txt');
  t.is((await repo.json<MergeResult>('merge', '--dry-run', 'side')).outcome, 'fast-forward');
  const moved = await repo.json<MergeResult>('merge', '--ff-only', 'side');
  t.deepEqual([moved.outcome, moved.number, await repo.text('note.txt')], ['fast-forward', 2, '2']);
  t.deepEqual(await repo.changes(), []);
  await repo.json('reset', '--hard', 'net@1');
  const made = await repo.json<MergeResult>('merge', '--no-ff', 'side');
  t.deepEqual([made.outcome, made.number], ['merged', 3]);
  await repo.write('note.txt', '4');
  await repo.commit('four');
  await repo.json('switch', '-c', 'other', 'net@1');
  await repo.write('other.txt', 'x');
  await repo.commit('other');
  t.regex((await repo.fails(1, 'merge', '--ff-only', 'main')).message, /cannot simply move on/);
});

test('merge: staged changes are in the way', async (t) => {
  const repo = await twoBranches(
    t,
    (one) => one.write('mine.txt', 'mine'),
    (one) => one.write('theirs.txt', 'theirs'),
  );
  await repo.write('note.txt', 'staged');
  await repo.json('add', 'note.txt');
  t.regex((await repo.fails(1, 'merge', 'side')).message, /changes are staged/);
});

test('merge: staged without a version, the next commit has both parents', async (t) => {
  const repo = await twoBranches(
    t,
    (one) => one.write('mine.txt', 'mine'),
    (one) => one.write('theirs.txt', 'theirs'),
  );
  const staged = await repo.json<MergeResult>('merge', 'side', '--no-commit');
  t.is(staged.outcome, 'staged');
  t.deepEqual(await repo.changes(), ['staged added theirs.txt']);
  const [side] = await repo.json<LogEntry[]>('log', 'side');
  const merging = async () => (await repo.json<StatusResult>('status')).models[0]?.merging;
  t.deepEqual(await merging(), [{ version: side?.version as string, name: 'net@2' }]);
  t.regex((await repo.dlv('status')).stdout, /Merging net@2 .*'dlv commit'/);
  await repo.json('reset', '--hard');
  t.deepEqual(await merging(), []);
  t.true((await repo.json<StatusResult>('status')).clean);
  await repo.json('merge', 'side', '--no-commit');
  await repo.commit('joined', { paths: [] });
  t.deepEqual(await merging(), []);
  const [last] = await repo.json<LogEntry[]>('log');
  t.is(last?.parents.length, 2);
});

test('merge: tensors of other shapes and new ones make a new safetensors file', async (t) => {
  const wide = randomTensors({ 'b.weight': [70, 64], 'b.bias': [70], 'c.weight': [4, 64] }, 9);
  const repo = await twoBranches(
    t,
    (one) => one.write('model.safetensors', safetensors(withOf(BASE, LEFT, 'a.weight'))),
    (one) =>
      one.write('model.safetensors', safetensors({ 'a.weight': BASE['a.weight']!, ...wide })),
  );
  await repo.json('merge', 'side');
  const wanted = { 'a.weight': LEFT['a.weight']!, ...wide };
  t.deepEqual(await repo.read('model.safetensors'), safetensors(wanted, { format: 'pt' }));
});

test('merge: values are averaged in files of other containers, whose checksums are right', async (t) => {
  const npz = (tensors: Tensors): Buffer =>
    buildZip(
      Object.entries(tensors).map(([name, { shape, values }]) => ({
        name: `${name}.npy`,
        data: npy(shape, values),
      })),
    );
  const repo = await TestRepository.create(t);
  await repo.write('w.npz', npz(BASE));
  await repo.commit('base');
  await repo.json('switch', '-c', 'side');
  await repo.write('w.npz', npz(RIGHT));
  await repo.commit('right');
  await repo.json('switch', 'main');
  const done = await repo.json<MergeResult>('merge', 'side', '--average', '--weights', '1,3');
  t.is(done.combined, 3);
  const mean = Object.fromEntries(
    Object.entries(BASE).map(([name, { shape, values }]) => [
      name,
      { shape, values: values.map((x, i) => 0.25 * x + 0.75 * RIGHT[name]!.values[i]!) },
    ]),
  );
  t.deepEqual(await repo.read('w.npz'), npz(mean));
  const [last] = await repo.json<(LogEntry & { operation: unknown })[]>('log');
  t.like(last?.operation, { kind: 'merge' });
  // What is stored names ids: another clone may have given the same numbers.
  const id = '\\([0-9a-f]{10}\\)';
  t.regex(
    last?.operation?.detail ?? '',
    new RegExp(`^average/1 weights=1,3 of net@1 ${id}, net@2 ${id}$`),
  );
});

test('merge: fine-tunes of HEAD are added to it; a method takes its own numbers alone', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(BASE));
  await repo.commit('base');
  for (const [name, tensors] of [
    ['left', LEFT],
    ['right', RIGHT],
  ] as const) {
    await repo.json('switch', '-c', name, 'net@1');
    await repo.write('model.safetensors', safetensors(tensors));
    await repo.commit(name);
  }
  await repo.json('switch', 'main');
  const done = await repo.json<MergeResult>('merge', 'left', 'right', '--task', '--lambda', '0.5');
  t.is(
    done.operation?.replaceAll(/ \([0-9a-f]{10}\)/g, ''),
    'task/1 weights=1,1 lambda=0.5 base=net@1 of net@2, net@3',
  );
  const wanted = Object.fromEntries(
    Object.entries(BASE).map(([name, { shape, values }]) => [
      name,
      {
        shape,
        values: values.map((x, i) => {
          return x + 0.5 * (LEFT[name]!.values[i]! - x + (RIGHT[name]!.values[i]! - x));
        }),
      },
    ]),
  );
  t.deepEqual(await repo.read('model.safetensors'), safetensors(wanted));
  const usage = async (...args: string[]): Promise<string> =>
    (await repo.fails(2, 'merge', ...args)).message;
  t.regex(await usage('left', '--average', '--density', '0.1'), /means nothing to 'average'/);
  t.regex(await usage('left', '--weights', '1,2'), /number of a method/);
  t.regex(await usage('left', '--ties', '--density', '2'), /density is 2/);
  t.regex(await usage('left', '--average', '--weights', '1,-1'), /add up to 0/);
  t.regex(await usage('left', '--average', '--weights', '1,2,3'), /3 weights are given for 2/);
  t.regex(await usage('left', 'right', '--slerp'), /slerp is of two/);
  t.regex(await usage('left', 'right'), /cannot be joined at once/);
  t.regex(await usage(), /no version is named/);
});

test('merge: a LoRA adapter is folded, what it saved whole is replaced', async (t) => {
  const repo = await TestRepository.create(t);
  const rank = 2;
  const factors = randomTensors(
    {
      'base_model.model.b.lora_A.weight': [rank, 64],
      'base_model.model.b.lora_B.weight': [64, rank],
      'base_model.model.b.bias': [64],
    },
    5,
  );
  await repo.write('model.safetensors', safetensors(BASE));
  await repo.write('runs/adapter/adapter_model.safetensors', safetensors(factors));
  await repo.write('runs/adapter/adapter_config.json', JSON.stringify({ r: rank, lora_alpha: 4 }));
  await repo.commit('both');
  const done = await repo.json<MergeResult>('merge', '--lora', ':runs/adapter');
  t.is(done.combined, 2);
  t.deepEqual(done.changes, [{ path: 'model.safetensors', status: 'modified' }]);
  const up = factors['base_model.model.b.lora_B.weight']!.values;
  const down = factors['base_model.model.b.lora_A.weight']!.values;
  const folded = BASE['b.weight']!.values.map((x, at) => {
    const [i, j] = [Math.floor(at / 64), at % 64];
    return x + 2 * (up[2 * i]! * down[j]! + up[2 * i + 1]! * down[64 + j]!);
  });
  const wanted: Tensors = {
    ...BASE,
    'b.weight': { shape: [64, 64], values: folded },
    'b.bias': factors['base_model.model.b.bias']!,
  };
  t.deepEqual(await repo.read('model.safetensors'), safetensors(wanted));
  t.regex((await repo.fails(1, 'merge', '--lora', ':runs/none')).message, /no adapter_config/);
});

test('merge: bf16 is rounded once, integers stay', async (t) => {
  const bf16 = (values: readonly number[]): Uint8Array => {
    const words = new Uint32Array(Float32Array.from(values).buffer);
    return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
  };
  const file = (values: number[], count: number): Buffer =>
    rawSafetensors({
      w: { dtype: 'BF16', shape: [values.length], bytes: bf16(values) },
      n: {
        dtype: 'I64',
        shape: [1],
        bytes: new Uint8Array(BigInt64Array.of(BigInt(count)).buffer),
      },
    });
  const repo = await TestRepository.create(t);
  await repo.write('w.safetensors', file([1, 2, -1, 0.5], 1));
  await repo.commit('one');
  await repo.json('switch', '-c', 'side');
  // The mean of 1 and 1.0078125, the next bf16, is between the two: it goes to the even one.
  await repo.write('w.safetensors', file([1.0078125, 4, -1, 1], 2));
  await repo.commit('two');
  await repo.json('switch', 'main');
  await repo.json('merge', 'side', '--average');
  t.deepEqual(await repo.read('w.safetensors'), file([1, 3, -1, 0.75], 1));
});

/** A file with a weight as GPTQ stores it: codes, and the scales that belong to them. */
function gptq(codes: number, scales: number, bias = 0): Buffer {
  const floats = (count: number, value: number): Uint8Array =>
    new Uint8Array(new Float32Array(count).fill(value).buffer);
  return rawSafetensors({
    'l.qweight': { dtype: 'I32', shape: [4, 4], bytes: new Uint8Array(64).fill(codes) },
    'l.scales': { dtype: 'F32', shape: [4], bytes: floats(4, scales) },
    'l.bias': { dtype: 'F32', shape: [4], bytes: floats(4, bias) },
  });
}

test('merge --lora: into quantised weights, as their tools name them, is one clear refusal', async (t) => {
  const repo = await TestRepository.create(t);
  const bytes: Record<string, number> = { F32: 4, F16: 2, I32: 4, U8: 1, I8: 1, F8_E4M3: 1 };
  const file = (tensors: Record<string, [dtype: string, ...shape: number[]]>): Buffer =>
    rawSafetensors(
      Object.fromEntries(
        Object.entries(tensors).map(([name, [dtype, ...shape]]) => {
          const count = shape.reduce((all, one) => all * one, bytes[dtype] as number);
          return [name, { dtype, shape, bytes: new Uint8Array(count).fill(60) }];
        }),
      ),
    );
  const q = 'model.layers.0.self_attn.q_proj';
  const kinds: Record<string, Record<string, [string, ...number[]]>> = {
    // GPTQ, AWQ, bitsandbytes in 4 and 8 bits, and 8-bit floats: [telling part] first.
    qweight: {
      [`${q}.qweight`]: ['I32', 8, 64],
      [`${q}.qzeros`]: ['I32', 1, 8],
      [`${q}.scales`]: ['F16', 1, 64],
      [`${q}.g_idx`]: ['I32', 64],
    },
    'weight.absmax': {
      [`${q}.weight`]: ['U8', 2048, 1],
      [`${q}.weight.absmax`]: ['F32', 64],
      [`${q}.weight.quant_map`]: ['F32', 16],
      [`${q}.weight.quant_state.bitsandbytes__nf4`]: ['U8', 90],
    },
    SCB: {
      [`${q}.weight`]: ['I8', 64, 64],
      [`${q}.SCB`]: ['F32', 64],
      [`${q}.weight_format`]: ['U8'],
    },
    weight_scale: { [`${q}.weight`]: ['F8_E4M3', 64, 64], [`${q}.weight_scale`]: ['F32', 64, 1] },
  };
  const adapter = file({
    [`base_model.model.${q}.lora_A.weight`]: ['F32', 4, 64],
    [`base_model.model.${q}.lora_B.weight`]: ['F32', 64, 4],
  });
  await repo.write('adapter/adapter_model.safetensors', adapter);
  await repo.write('adapter/adapter_config.json', JSON.stringify({ r: 4, lora_alpha: 4 }));
  for (const [i, [part, tensors]] of Object.entries(kinds).entries()) {
    const weights = file({ 'lm_head.weight': ['F32', 64, 8], ...tensors });
    await repo.write('model.safetensors', weights);
    await repo.commit(part);
    const { code, message, data } = await repo.fails(1, 'merge', '--lora', ':adapter');
    t.is(code, 'DLV_CONFLICT');
    t.is(
      message,
      `'net@${i + 1}:adapter' cannot be folded into '${q}.weight': it is quantised ('${q}.${part}')`,
    );
    t.regex(data.hint!, /float weights that these were quantised from/);
    t.deepEqual(await repo.read('model.safetensors'), weights);
  }
  // A float weight beside them takes an adapter.
  await repo.write(
    'adapter/adapter_model.safetensors',
    file({
      'base_model.model.lm_head.lora_A.weight': ['F32', 4, 8],
      'base_model.model.lm_head.lora_B.weight': ['F32', 64, 4],
    }),
  );
  await repo.commit('of the head');
  t.is((await repo.json<MergeResult>('merge', '--lora', ':adapter')).combined, 1);
});

test('merge: codes and scales of quantised weights are not mixed', async (t) => {
  const repo = await TestRepository.create(t);
  const put = async (branch: string, file: Buffer): Promise<void> => {
    await repo.json('switch', '-c', branch, 'net@1');
    await repo.write('w.safetensors', file);
    await repo.commit(branch);
  };
  await repo.write('w.safetensors', gptq(1, 1));
  await repo.commit('base');
  await put('codes', gptq(2, 1));
  await put('scales', gptq(1, 2));
  await put('bias', gptq(1, 1, 1));
  await put('both', gptq(3, 3));

  t.is((await repo.fails(1, 'merge', 'codes', '--average')).code, 'DLV_CONFLICT');
  await repo.json('switch', 'scales');
  const { data } = await repo.fails(1, 'merge', 'codes');
  const names = (data.conflicts as { tensor: string }[]).map(({ tensor }) => tensor);
  t.deepEqual(names.sort(), ['l.qweight', 'l.scales']);
  await repo.json('merge', 'codes', '--theirs', '**#l.*');
  // What is beside the weight is merged as ever.
  await repo.json('switch', 'bias');
  await repo.json('merge', 'both');
  t.deepEqual(await repo.read('w.safetensors'), gptq(3, 3, 1));
  // Scales over equal codes are values.
  await repo.json('switch', '-c', 'mean', 'net@1');
  await repo.json('merge', 'scales~1', '--average');
});

/** An npy file of float32 values. */
function npy(shape: readonly number[], values: Float32Array): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const head = Buffer.alloc(Math.ceil((10 + text.length + 1) / 64) * 64, 0x20);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(head.length - 10, 8);
  head.write(text, 10, 'latin1');
  head[head.length - 1] = 0x0a;
  return Buffer.concat([head, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

test('merge: weights of a tier are not taken for exact ones', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(BASE));
  await repo.commit('base');
  await repo.json('switch', '-c', 'side');
  await repo.write('model.safetensors', safetensors(RIGHT));
  await repo.commit('right');
  await repo.json('switch', 'main');
  await repo.json('archive', '--tier', 'bf16', '--yes', 'side');
  t.regex((await repo.fails(1, 'merge', 'side', '--average')).message, /kept as bf16 only/);
  t.deepEqual(await repo.changes(), []);
});

test('merge --average: what holds tensors and stays as it was is warned of', async (t) => {
  const [m, v] = [1, 2].map((seed) => randomTensors({ 'state.exp_avg': [64, 64] }, seed));
  const repo = await twoBranches(
    t,
    async (one) => {
      await one.write('model.safetensors', safetensors(LEFT));
      await one.write('optimizer.safetensors', safetensors(m!));
      await one.write('same/vocabulary.safetensors', safetensors(v!));
    },
    async (one) => {
      await one.write('model.safetensors', safetensors(RIGHT));
      await one.write('optimizer.safetensors', safetensors(v!));
      await one.write('same/vocabulary.safetensors', safetensors(v!));
    },
  );
  const { code, stderr } = await repo.dlv('merge', 'side', '--average');
  t.is(code, 0, stderr);
  t.regex(
    stderr,
    /'optimizer\.safetensors' stays as it was: if it was made from 'model\.safetensors', make it anew/,
  );
  t.notRegex(stderr, /vocabulary/);
});

test('merge --lora: the export beside the weights is warned of, the adapter is not; lists say what merged', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(BASE));
  await repo.write('export.safetensors', safetensors(nudge(BASE, 0.1, 7)));
  await repo.commit('base');
  await repo.json('copy', 'net@1', 'lora', '--empty');
  await repo.json('switch', 'lora/main');
  const factors = randomTensors(
    { 'base_model.model.b.lora_A.weight': [4, 64], 'base_model.model.b.lora_B.weight': [64, 4] },
    9,
  );
  await repo.write('adapter/adapter_model.safetensors', safetensors(factors));
  await repo.write('adapter/adapter_config.json', JSON.stringify({ r: 4, lora_alpha: 4 }));
  await repo.commit('adapter', { model: 'lora', paths: ['adapter'] });
  await repo.json('switch', 'net/main');
  const { code, stderr } = await repo.dlv('merge', '--lora', 'lora');
  t.is(code, 0, stderr);
  t.regex(stderr, /'export\.safetensors' stays as it was/);
  t.notRegex(stderr, /adapter_model/);
  t.regex((await repo.dlv('show')).stdout, /^Merged: {2}lora@/m);
  t.notRegex((await repo.dlv('show')).stdout, /^From:/m);
  t.regex((await repo.dlv('list')).stdout, /net .*branch main, merged lora@/);
  t.regex((await repo.dlv('list')).stdout, /lora .*branch main, from net@1$/m);
});
