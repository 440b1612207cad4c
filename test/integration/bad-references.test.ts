/**
 * Files that name others by paths which no version may hold: they are stored, the name is told, and
 * no later command minds. Staging files that an older dlv wrote without that check are mended.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { writeFileAtomic } from '../../lib/base/files/files.js';
import { changedEntry } from '../../lib/storage/repo/staging/staging.js';
import { encodeStaging } from '../../lib/storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../lib/storage/repo/staging/staging-file.js';
import { add } from '../../lib/use/ops/add.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { status } from '../../lib/use/ops/status.js';
import { externalData, modelOf, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';

const NAMES = [
  '.git/config',
  'a:b/.dlv/x',
  'sub/.GIT/x',
  'C:shard.safetensors',
  'git~1/x',
  'x'.repeat(300),
  'bell\u0007',
  '../../out',
];

const index = (name: string): string =>
  JSON.stringify({ weight_map: { w: name, v: 'good.safetensors' } });
const model = (name: string): Buffer =>
  modelOf(
    tensorProto({ dims: [4096], raw: null, more: externalData({ location: name, offset: '0' }) }),
  );

async function works(t: ExecutionContext, repo: TestRepository, name: string): Promise<void> {
  const added = await repo.with((open) => add(open, { paths: ['.'] }, repo.context));
  t.deepEqual(added.files.map((file) => file.path).sort(), ['important.bin', 'm.file']);
  t.true(
    repo.warnings.some((text) => text.includes("'m.file'") && text.includes(name)),
    repo.warnings.join('\n'),
  );
  const { models } = await repo.with((open) => status(open, repo.context));
  t.is(models[0]?.staged.length, 2);
  await repo.commit('all', { paths: [] });
  t.true((await fsck(repo.context, { files: true })).ok);
}

for (const name of NAMES) {
  test(`references: an index that names ${JSON.stringify(name.slice(0, 20))}`, async (t) => {
    const repo = await TestRepository.create(t);
    await repo.write('important.bin', 'data');
    await repo.write('m.file', index(name));
    await works(t, repo, name);
  });

  test(`references: an ONNX model that names ${JSON.stringify(name.slice(0, 20))}`, async (t) => {
    const repo = await TestRepository.create(t);
    await repo.write('important.bin', 'data');
    await repo.write('m.file', model(name));
    await works(t, repo, name);
  });
}

test('references: fsck --rebuild keeps what is sound in a staging file of an older dlv', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('important.bin', 'data');
  await repo.write('kept.bin', 'one');
  await repo.commit('first');
  await repo.write('kept.bin', 'two');
  await repo.write('new.bin', 'new');
  await repo.write('i.json', index('y'));
  await repo.with((open) => add(open, { paths: ['.'] }, repo.context));
  const before = await repo.with(async ({ layout }) => {
    const { staging } = await readStaging(layout);
    const entries = staging.entries('net');
    const entry = entries.find(({ path }) => path === 'i.json');
    const hint = { roles: [], references: ['good.safetensors', 'git~1/x'] };
    staging.put('net', changedEntry(entry!, { hint }));
    // As it was written before names were checked.
    await writeFileAtomic(layout.staging, encodeStaging(staging));
    return entries;
  });
  t.is((await repo.dlv('status')).code, 12);
  const result = await fsck(repo.context, { rebuild: true });
  t.true(result.ok);
  t.regex(result.rebuilt?.done.join('\n') ?? '', /kept 4 files[\s\S]*'git~1\/x' of 'i\.json'/);
  t.deepEqual(result.rebuilt?.failed, []);
  const after = await repo.with(async ({ layout }) =>
    (await readStaging(layout)).staging.entries('net'),
  );
  t.deepEqual(
    after.map(({ path, sha256 }) => [path, sha256]),
    before.map(({ path, sha256 }) => [path, sha256]),
  );
  await repo.commit('second', { paths: [] });
  t.deepEqual(await repo.changes(), []);
});

test('references: of a file that is here, the warning says what stores it, also for a link', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('m.index.json', JSON.stringify({ weight_map: { w: 'w.safetensors' } }));
  await repo.write('w.safetensors', 'weights');
  const warned = async (): Promise<string> => {
    repo.warnings.length = 0;
    await repo.with((open) => add(open, { paths: ['m.index.json'], rehash: true }, repo.context));
    return repo.warnings.join('\n');
  };
  t.regex(await warned(), /needs 'w\.safetensors', which is not staged: 'dlv add' stores it/);
  await repo.write('m.index.json', JSON.stringify({ weight_map: { w: 'link.safetensors' } }));
  await fs.symlink('w.safetensors', path.join(repo.dir, 'link.safetensors'));
  t.regex(await warned(), /'link\.safetensors', which is not staged: 'dlv add --follow' stores it/);
  await repo.write('m.index.json', JSON.stringify({ weight_map: { w: 'gone.safetensors' } }));
  t.regex(await warned(), /'gone\.safetensors', which is not here: copy it here/);
});
