/** `dlv show`, `dlv cat`: what a version and a file hold, and their bytes. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import test from 'ava';
import type { CatResult } from '../../lib/use/ops/cat.js';
import type { DiffResult } from '../../lib/use/ops/diff.js';
import type { ShowFileResult, ShowResult } from '../../lib/use/ops/show.js';
import { dlv } from '../helpers/dlv.js';
import { packFiles } from '../helpers/pack-files.js';
import { SHAPES, TestRepository, threeVersions } from '../helpers/repository.js';
import { randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';

test('show: files, snapshots, metrics and sizes of a version', async (t) => {
  const { repo } = await threeVersions(t);
  const shown = await repo.json<ShowResult>('show', 'net@2');
  const bytes = (await repo.read('model.safetensors')).length;
  t.is(shown.message, 'second');
  t.deepEqual(
    shown.files.map(({ path, mode }) => [path, mode]),
    [
      ['model.safetensors', '644'],
      ['note.txt', '644'],
    ],
  );
  t.is(shown.logicalBytes, bytes + 'version 2\n'.length);
  t.deepEqual(shown.snapshots, [
    { key: 'model.safetensors', role: 'weights', step: 200, files: 1, bytes },
  ]);
  t.deepEqual(shown.series, [{ name: 'accuracy', step: null, value: 0.6 }]);
  const text = await repo.dlv('show', 'net@2');
  t.regex(text.stdout, /model\.safetensors/);
  t.regex(text.stdout, /Metrics: accuracy 0\.6/);
});

test('show: a number that is not finite stays what it is', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  const metrics = ['loss=Infinity', 'loss@1=2.5', 'loss@2=3'].flatMap((of) => ['--metric', of]);
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'diverged', ...metrics);
  const shown = await repo.json<ShowResult>('show');
  t.deepEqual(
    shown.series.map(({ step, value }) => [step, value]),
    [
      [null, 'Infinity'],
      [1, 2.5],
      [2, 3],
    ],
  );
  t.deepEqual(shown.metrics, { loss: 'Infinity' });
  await repo.json('commit', '--amend', '--metric', 'loss=nan', '--metric', 'acc@2:max=-inf');
  const amended = await repo.json<ShowResult>('show');
  t.deepEqual(amended.metrics, { acc: '-Infinity', loss: 'NaN' });
  t.is(amended.metricSteps.acc?.direction, 'max');
});

test('show, diff: a change of the executable bit, alone or with other bytes', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['both.sh', 'mode.sh', 'bytes.sh']) await repo.write(name, 'echo');
  await repo.commit('one');
  await repo.write('both.sh', 'echo two');
  await repo.write('bytes.sh', 'echo two');
  for (const name of ['both.sh', 'mode.sh']) await fs.chmod(repo.file(name), 0o755);
  const rows = [
    ['both.sh', 4, 8, '644', '755'],
    ['bytes.sh', 4, 8, undefined, undefined],
    ['mode.sh', 4, 4, '644', '755'],
  ];
  const facts = ({ files }: Pick<DiffResult, 'files'>): unknown =>
    files.map((f) => [f.path, f.bytesBefore, f.bytesAfter, f.modeBefore, f.modeAfter]);
  const work = await repo.json<DiffResult>('diff');
  t.deepEqual(facts(work), rows);
  await repo.json('commit', '-a', '-m', 'two');
  t.deepEqual(facts(await repo.json<DiffResult>('diff', 'HEAD~1', 'HEAD')), rows);
  t.deepEqual(facts((await repo.json<ShowResult>('show', '--stat')).changes as DiffResult), rows);
  const said = (await repo.dlv('diff', 'HEAD', 'HEAD~1')).stdout;
  t.regex(said, /mode\.sh {2}\(4 B, mode 755 → 644\)/);
  t.regex(said, /both\.sh {2}\(8 B → 4 B, mode 755 → 644\)/);
  t.regex(said, /bytes\.sh {2}\(8 B → 4 B\)/);
  t.regex((await repo.dlv('show', '--stat')).stdout, /M {2}mode\.sh .*mode 644 → 755\n/);
  t.regex((await repo.dlv('show')).stdout, /mode\.sh .* executable\n/);
});

test('show: the tensors of a file', async (t) => {
  const { repo } = await threeVersions(t);
  const file = await repo.json<ShowFileResult>('show', 'HEAD:model.safetensors');
  t.is(file.format, 'safetensors');
  t.is(file.extents, 1);
  t.deepEqual(
    Object.fromEntries(file.tensors.map(({ name, shape }) => [name, shape])),
    SHAPES as Record<string, number[]>,
  );
  const bytes = file.tensors.map((tensor) => tensor.bytes);
  t.is(
    file.tensorBytes,
    bytes.reduce((sum, one) => sum + one),
  );
  const weight = file.tensors.find(({ name }) => name === 'fc.weight');
  t.like(weight, { dtype: 'F32', bytes: 64 * 128 * 4, kind: 'extent' });
  t.regex(weight?.extent ?? '', /^[0-9a-f]{64}$/);
  t.is(file.tensors.find(({ name }) => name === 'fc.bias')?.extent, null);
  const near = await repo.fails(1, 'show', 'HEAD:model.safetensor');
  t.regex(near.data.hint ?? '', /model\.safetensors/);
});

test('cat: gives the bytes of files of any version', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  for (const [i, values] of tensors.entries()) {
    const result = await repo.dlv('cat', `net@${i + 1}:model.safetensors`);
    t.is(result.code, 0);
    t.true(result.stdoutBytes.equals(safetensors(values)));
  }
  t.is((await repo.dlv('cat', ':note.txt')).stdout, 'version 3\n');
});

test('cat: gives one tensor raw, as npy and as safetensors', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  const last = tensors[2] as Tensors;
  for (const name of ['fc.weight', 'fc.bias']) {
    const values = Buffer.from((last[name] as Tensors[string]).values.buffer);
    const place = `HEAD:model.safetensors#${name}`;
    t.true((await repo.dlv('cat', place)).stdoutBytes.equals(values));
    const npy = (await repo.dlv('cat', place, '--format', 'npy')).stdoutBytes;
    const header = npy.subarray(10, 10 + npy.readUInt16LE(8)).toString('latin1');
    t.is((10 + header.length) % 64, 0);
    const shape = name === 'fc.bias' ? '(64,)' : '(64, 128)';
    t.true(
      header.startsWith(`{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`),
      header,
    );
    t.true(npy.subarray(10 + header.length).equals(values));
    const one = (await repo.dlv('cat', place, '--format', 'safetensors')).stdoutBytes;
    t.deepEqual(readSafetensors(one), { [name]: values.toString('hex') });
  }
});

function readSafetensors(bytes: Buffer): Record<string, string> {
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => {
        return [name, bytes.subarray(8 + length + from, 8 + length + to).toString('hex')];
      },
    ),
  );
}

test('cat: the weights of one snapshot of a version; a folder picks another', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  const hex = (values: Float32Array): string => Buffer.from(values.buffer).toString('hex');
  const expected = (all: Tensors): Record<string, string> =>
    Object.fromEntries(Object.entries(all).map(([k, v]) => [k, hex(v.values)]));
  const one = await repo.dlv('cat', 'net', '--format', 'safetensors');
  t.deepEqual(readSafetensors(one.stdoutBytes), expected(tensors[2] as Tensors));
  const teacher = randomTensors({ 'a#b': [3] }, 9);
  await repo.write('t/teacher.safetensors', safetensors(teacher));
  await repo.commit('two');
  const two = await repo.dlv('cat', 'HEAD', '--format', 'safetensors');
  t.deepEqual(readSafetensors(two.stdoutBytes), expected(tensors[2] as Tensors));
  t.regex(
    two.stderr,
    /using weights of 'model.safetensors'; there are also 't\/teacher.safetensors'/,
  );
  const other = await repo.dlv('cat', 'HEAD:t/', '--format', 'safetensors');
  t.deepEqual(readSafetensors(other.stdoutBytes), expected(teacher));
  t.is(other.stderr, '');
  const said = await repo.json<CatResult>('cat', 'HEAD', '--format', 'safetensors');
  t.like(said, { snapshot: 'model.safetensors', others: ['t/teacher.safetensors'] });
  const odd = await repo.dlv('cat', 'HEAD:t/teacher.safetensors#a#b');
  t.is(odd.stdoutBytes.toString('hex'), hex((teacher['a#b'] as Tensors[string]).values));
});

test('cat: --json says what would be written and writes nothing', async (t) => {
  const { repo } = await threeVersions(t);
  const result = await repo.json<CatResult>('cat', 'HEAD:model.safetensors#fc.weight');
  t.like(result, { path: 'model.safetensors', format: 'raw', tensors: 1, bytes: 32768 });
  t.deepEqual(result.tensor, { name: 'fc.weight', dtype: 'F32', shape: [64, 128] });
});

test('cat: names what is near, and refuses what makes no sense', async (t) => {
  const { repo } = await threeVersions(t);
  const tensor = await repo.fails(1, 'cat', 'HEAD:model.safetensors#fc.wieght');
  t.regex(tensor.data.hint ?? '', /fc\.weight/);
  t.is((await repo.fails(1, 'cat', 'HEAD:nothing')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(1, 'cat', 'HEAD:note.txt#x')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'cat', 'HEAD')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'cat', 'HEAD:note.txt', '--format', 'npy')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'cat', 'HEAD:note.txt', '--format', 'png')).code, 'DLV_USAGE');
});

test('cat: damaged bytes end with 12', async (t) => {
  const { repo } = await threeVersions(t);
  const packs = repo.file('.dlv/packs');
  for (const name of await packFiles(packs)) {
    if (name.endsWith('.idx')) continue;
    const bytes = await fs.readFile(`${packs}/${name}`);
    for (let i = 64; i < bytes.length; i += 7) bytes[i] = (bytes[i] as number) ^ 0x10;
    await fs.writeFile(`${packs}/${name}`, bytes);
  }
  for (const version of ['net@1', 'net/main@1', 'net', 'HEAD']) {
    const result = await dlv(['cat', `${version}:model.safetensors`], { cwd: repo.dir });
    t.is(result.code, 12, `${version}: ${result.stderr}`);
    t.regex(result.stderr, /hint: .*dlv fsck/, version);
    t.notRegex(result.stderr, /there is no|any more/, version);
  }
  // No version was given the number: that is known without any.
  const never = await dlv(['cat', 'net@9:model.safetensors'], { cwd: repo.dir });
  t.is(never.code, 1);
  t.regex(never.stderr, /the numbers of 'net' go up to net@3/);
});

test('cat: a file of many chunks comes out whole', async (t) => {
  const repo = await TestRepository.create(t);
  const values = randomTensors({ x: [700_000] }, 4);
  const bytes = Buffer.from((values.x as Tensors[string]).values.buffer);
  await repo.write('noise.bin', bytes);
  await repo.commit('noise');
  const { stdoutBytes } = await repo.dlv('cat', 'HEAD:noise.bin');
  const sum = (b: Buffer): string => createHash('sha256').update(b).digest('hex');
  t.is(sum(stdoutBytes), sum(bytes));
});

test('show: the message of a tag is shown while the tag names the version', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('tag', 'v1', 'net@2', '-m', 'the first\nthat is served');
  const shown = await repo.json<ShowResult>('show', 'v1');
  t.like(shown.tagged, [{ tag: 'v1', message: 'the first\nthat is served' }]);
  t.regex(
    (await repo.dlv('show', 'v1')).stdout,
    /^Tag v1, by .*\n {2}the first\n {2}that is served$/m,
  );
  t.notRegex((await repo.dlv('show', 'v1')).stdout, /^1 note/m);
  await repo.json('tag', '-d', 'v1');
  t.deepEqual((await repo.json<ShowResult>('show', 'net@2')).tagged, []);
});
