/**
 * `dlv merge` against mergekit and PEFT, which compute in float32: equal to 1e-5 of the largest value of a tensor.
 * Needs a Python with torch, peft and mergekit (DLV_TEST_PYTHON); without it the test says so loudly.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

const TOLERANCE = 1e-5;

interface Loaded {
  tensors: Record<string, { shape: number[]; values: Float32Array }>;
}

/** Float32 tensors of a safetensors file. */
function readTensors(file: Buffer): Loaded['tensors'] {
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors: Loaded['tensors'] = {};
  for (const [name, { dtype, shape, data_offsets: range }] of Object.entries(header)) {
    if (dtype !== 'F32') continue;
    const bytes = Uint8Array.from(file.subarray(8 + length + range[0], 8 + length + range[1]));
    tensors[name] = { shape, values: new Float32Array(bytes.buffer) };
  }
  return tensors;
}

/** The largest difference of two files, as a share of the largest value of the tensor. */
function difference(a: Buffer, b: Buffer): number {
  const [left, right] = [readTensors(a), readTensors(b)];
  let worst = 0;
  for (const [name, { values }] of Object.entries(right)) {
    const other = left[name]?.values;
    if (other?.length !== values.length) return Number.POSITIVE_INFINITY;
    const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    for (const [i, value] of values.entries()) {
      worst = Math.max(worst, Math.abs(value - (other[i] as number)) / size);
    }
  }
  return worst;
}

test('merge: as mergekit and PEFT merge', async (t) => {
  t.timeout(300_000);
  const dir = await tempDir(t);
  const python = process.env.DLV_TEST_PYTHON ?? 'python3';
  const script = path.join(PROJECT_ROOT, 'test/oracles/merge.py');
  const ran = spawnSync(python, [script, dir], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: dir },
  });
  const last = ran.stdout?.trim().split('\n').at(-1) ?? '';
  if (ran.status !== 0) {
    t.log(
      'SKIPPED: no Python with torch, peft and safetensors (set DLV_TEST_PYTHON): merges are NOT compared',
    );
    t.regex(`${ran.error?.message}${ran.stderr}`, /ENOENT|ModuleNotFoundError|ImportError/);
    return;
  }
  const made = JSON.parse(last) as string[];
  if (!made.includes('ties')) t.log('SKIPPED: no mergekit: TIES, SLERP and tasks are NOT compared');
  const at = (name: string): Promise<Buffer> => fs.readFile(path.join(dir, name));
  const repo = await TestRepository.create(t);
  const put = async (file: string, message: string): Promise<void> => {
    await repo.write('model.safetensors', await at(`${file}.safetensors`));
    await repo.commit(message);
  };
  await put('base', 'base');
  for (const side of ['left', 'right']) {
    await repo.json('switch', '-c', side, 'net@1');
    await put(side, side);
  }
  const methods: Record<string, string[]> = {
    ties: ['left', 'right', '--ties', '--density', '0.4'],
    task: ['left', 'right', '--task', '--lambda', '0.5'],
    slerp: ['right', '--slerp', '--t', '0.3'],
  };
  for (const [name, args] of Object.entries(methods)) {
    if (!made.includes(name)) continue;
    await repo.json('switch', '-c', name, name === 'slerp' ? 'left' : 'net@1');
    await repo.json('merge', ...args);
    const off = difference(await repo.read('model.safetensors'), await at(`${name}.safetensors`));
    t.true(off < TOLERANCE, `${name} is ${off} off`);
  }
  const compared = new Set(Object.keys(methods));
  for (const name of made.filter((one) => !compared.has(one))) {
    await repo.json('switch', '-c', `${name}-base`, 'net@1');
    for (const file of await fs.readdir(path.join(dir, `${name}-adapter`))) {
      await repo.write(`adapter/${file}`, await at(`${name}-adapter/${file}`));
    }
    await put(`${name}-base`, 'base and adapter');
    const { left } = await repo.json<{ left: string[] }>('merge', '--lora', ':adapter');
    t.deepEqual(left, []);
    const off = difference(
      await repo.read('model.safetensors'),
      await at(`${name}-folded.safetensors`),
    );
    t.true(off < TOLERANCE, `${name} is ${off} off`);
  }
});
