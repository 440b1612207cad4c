/** Files behind links that are added again: what is taken, kept and removed of them. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { showFile } from '../../lib/use/ops/show.js';
import { changes, warned, whileDenied } from '../helpers/odd-work.js';
import { fixture } from '../helpers/paths.js';
import { bytes, externalData, onnxModel, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';

test.serial('add --follow: what may not be read behind a link is kept, and an error', async (t) => {
  const repo = await TestRepository.create(t);
  const elsewhere = path.join(await fs.realpath(path.dirname(repo.dir)), 'elsewhere');
  await fs.mkdir(path.join(elsewhere, 'run1'), { recursive: true });
  await fs.writeFile(path.join(elsewhere, 'run1', 'model.pt'), 'weights');
  await fs.writeFile(path.join(elsewhere, 'log'), 'one');
  await fs.symlink(elsewhere, repo.file('data'));
  await fs.symlink(path.join(elsewhere, 'run1', 'model.pt'), repo.file('best'));
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await fs.writeFile(path.join(elsewhere, 'log'), 'two, longer');
  await whileDenied(path.join(elsewhere, 'run1'), async () => {
    for (const paths of [['.'], ['data'], ['data/**']]) {
      const said = await warned(repo, async () => {
        const adding = repo.with((open) => add(open, { paths, follow: true }, repo.context));
        const { message } = (await t.throwsAsync(adding, { code: 'DLV_IO' })) as Error;
        repo.warnings.push(message);
      });
      t.regex(said, /'data\/run1\/model\.pt'.*: permission is denied/, paths[0]);
      t.notRegex(said, /--follow/);
      t.deepEqual(await changes(repo), [
        'staged modified data/log',
        'modified best (unreadable)',
        'modified data/run1/model.pt (unreadable)',
      ]);
    }
  });
  t.deepEqual(await changes(repo), ['staged modified data/log']);
});

test('add --follow: a link behind a link that leads nowhere is not a deletion', async (t) => {
  for (const target of ['gone', 'circle', 'n'.repeat(300), 'file']) {
    const repo = await TestRepository.create(t);
    const elsewhere = path.join(path.dirname(repo.dir), 'elsewhere');
    await fs.mkdir(path.join(elsewhere, 'disk'), { recursive: true });
    for (const name of ['file', 'disk/model.pt', 'disk/old.pt']) {
      await fs.writeFile(path.join(elsewhere, name), `content of ${name}`);
    }
    await fs.symlink('disk', path.join(elsewhere, 'run1'));
    await fs.symlink('disk/model.pt', path.join(elsewhere, 'best'));
    await fs.symlink(elsewhere, repo.file('data'));
    await repo.with((open) => add(open, { paths: ['data'], follow: true }, repo.context));
    await repo.with((open) => commit(open, { message: 'one' }, repo.context));
    // What is gone itself is a deletion. What its link does not lead to any more is none.
    await fs.rm(path.join(elsewhere, 'disk', 'old.pt'));
    for (const link of ['run1', 'best']) {
      await fs.rm(path.join(elsewhere, link));
      await fs.symlink(target === 'circle' ? link : target, path.join(elsewhere, link));
    }
    const said = await warned(repo, () =>
      repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context)),
    );
    if (target === 'file') {
      // A file in the place of a folder leaves nothing below it.
      t.deepEqual(await changes(repo), [
        'staged modified data/best',
        'staged deleted data/disk/old.pt',
        'staged added data/run1',
        'staged deleted data/run1/model.pt',
        'staged deleted data/run1/old.pt',
      ]);
      continue;
    }
    const left = ['data/best', 'data/run1/model.pt', 'data/run1/old.pt'];
    for (const name of left) {
      t.true(said.includes(`'${name}' lies below a symbolic link, 'data': it keeps`), said);
    }
    t.deepEqual(await changes(repo), [
      'staged deleted data/disk/old.pt',
      ...left.map((name) => `modified ${name} (below a symbolic link)`),
    ]);
  }
});

test('restore and reset --hard: a link above a file stays, and checkout --force replaces it', async (t) => {
  const repo = await TestRepository.create(t);
  const elsewhere = path.join(path.dirname(repo.dir), 'elsewhere');
  await fs.mkdir(elsewhere);
  await fs.writeFile(path.join(elsewhere, 'model.pt'), 'one');
  await fs.symlink(elsewhere, repo.file('data'));
  await repo.write('plain', 'one');
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await fs.writeFile(path.join(elsewhere, 'model.pt'), 'trained on');
  await fs.writeFile(path.join(elsewhere, 'other'), 'other');
  await repo.write('plain', 'two!');
  const before = await fs.readFile(repo.file('.dlv/HEAD'), 'utf8');
  for (const command of [
    ['restore', 'data/model.pt'],
    ['restore', '--source', 'HEAD', '--staged', '--worktree', '.'],
    ['checkout', '--', 'data/model.pt'],
    ['checkout', 'HEAD', 'data/model.pt'],
    ['reset', '--hard'],
    ['reset', '--hard', 'HEAD'],
  ]) {
    const refused = await repo.fails(1, ...command);
    t.is(refused.code, 'DLV_CONFLICT');
    t.is(refused.message, "a symbolic link is in the way: 'data'");
    t.regex(refused.data.hint ?? '', /'dlv checkout --force'/);
    t.is(await fs.readlink(repo.file('data')), elsewhere);
    t.is(await repo.text('plain'), 'two!');
    t.is(await fs.readFile(repo.file('.dlv/HEAD'), 'utf8'), before);
  }
  // What lies beside the link is restored, and what is right below it is in nobody's way.
  await repo.json('restore', 'plain');
  t.is(await repo.text('plain'), 'one');
  await fs.writeFile(path.join(elsewhere, 'model.pt'), 'one');
  await repo.write('plain', 'two!');
  await repo.json('reset', '--hard');
  t.is(await fs.readlink(repo.file('data')), elsewhere);
  for (const command of [
    ['checkout', '--force', '--', 'data/model.pt'],
    ['checkout', '--force', 'HEAD', 'data'],
    ['checkout', '--force', 'HEAD'],
  ]) {
    await fs.writeFile(path.join(elsewhere, 'model.pt'), 'trained on');
    await fs.rm(repo.file('data'), { recursive: true });
    await fs.symlink(elsewhere, repo.file('data'));
    await repo.json(...command);
    t.false((await fs.lstat(repo.file('data'))).isSymbolicLink());
    t.is(await repo.text('data/model.pt'), 'one');
  }
  t.deepEqual((await fs.readdir(elsewhere)).sort(), ['model.pt', 'other']);
  t.is(await fs.readFile(path.join(elsewhere, 'model.pt'), 'utf8'), 'trained on');
});

const COUNT = 8192;
const floats = (value: number): Buffer => Buffer.from(new Float32Array(COUNT).fill(value).buffer);

test('add --follow: links beside a file say how it is laid out, as files would', async (t) => {
  const repo = await TestRepository.create(t);
  const blobs = path.join(path.dirname(repo.dir), 'blobs');
  const distributed = fixture('torch', 'distributed');
  await fs.mkdir(blobs);
  await fs.mkdir(repo.file('ck/data'), { recursive: true });
  const tensors = [0, 1].map((place) => {
    const more = externalData({ location: 'model.onnx_data', offset: String(place * 4 * COUNT) });
    return bytes(5, tensorProto({ name: `w${place}`, dims: [COUNT], raw: null, more }));
  });
  await fs.writeFile(path.join(blobs, 'a0'), onnxModel(...tensors));
  await fs.writeFile(path.join(blobs, 'a1'), Buffer.concat([floats(1), floats(2)]));
  await fs.symlink(path.join(blobs, 'a0'), repo.file('model.onnx'));
  await fs.symlink(path.join(blobs, 'a1'), repo.file('model.onnx_data'));
  for (const name of ['.metadata', '__0_0.distcp']) {
    await fs.symlink(path.join(distributed, name), repo.file(`ck/${name}`));
  }
  const { files } = await repo.with((open) =>
    add(open, { paths: ['.'], follow: true }, repo.context),
  );
  t.is(repo.warnings.length, 1);
  t.regex(repo.warnings[0] ?? '', /needs 'ck\/__1_0.distcp', which is not here/);
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  t.deepEqual(
    files.map(({ path: file, format }) => `${file} ${format}`),
    [
      'ck/.metadata torch-distributed',
      'ck/__0_0.distcp torch',
      'model.onnx onnx',
      'model.onnx_data onnx-data',
    ],
  );
  const shown = (file: string) => repo.with((open) => showFile(open, 'HEAD', file, repo.context));
  const data = await shown('model.onnx_data');
  t.deepEqual([data.tensors.map(({ name }) => name), data.extents], [['w0', 'w1'], 2]);
  const shard = await shown('ck/__0_0.distcp');
  t.true(shard.tensors.some(({ name }) => name === 'fc.weight[0:3,0:4]'));
  // Who does not ask for links gets nothing from behind them.
  await fs.rm(repo.file('model.onnx_data'));
  await fs.copyFile(path.join(blobs, 'a1'), repo.file('model.onnx_data'));
  const plain = await repo.with((open) =>
    add(open, { paths: ['model.onnx_data'], rehash: true }, repo.context),
  );
  t.is(plain.files[0]?.format, 'blob');
});

test('add -u --follow: tracked files behind links are taken, and no others', async (t) => {
  const repo = await TestRepository.create(t);
  const elsewhere = path.join(path.dirname(repo.dir), 'elsewhere');
  await fs.mkdir(elsewhere);
  for (const name of ['one', 'two', 'three', 'best']) {
    await fs.writeFile(path.join(elsewhere, name), `first ${name}`);
  }
  await fs.symlink(elsewhere, repo.file('data'));
  await fs.symlink(path.join(elsewhere, 'best'), repo.file('best'));
  await repo.write('own', 'HEAD');
  await repo.write('plain', 'plain');
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  for (const name of ['one', 'best', 'new']) {
    await fs.writeFile(path.join(elsewhere, name), `second ${name}`);
  }
  await fs.rm(path.join(elsewhere, 'two'));
  await fs.rm(path.join(elsewhere, 'three'));
  await fs.symlink('nowhere', path.join(elsewhere, 'three'));
  await fs.rm(repo.file('own'));
  await fs.symlink('.dlv/HEAD', repo.file('own'));
  const update = (paths: string[], follow: boolean): Promise<string> =>
    warned(repo, () =>
      repo.with((open) => add(open, { paths, follow, trackedOnly: true }, repo.context)),
    );
  const left = ['modified data/three (below a symbolic link)', 'modified own (symbolic link)'];
  t.regex(await update([], false), /'data\/one' lies below a symbolic link, 'data': it keeps/);
  t.false((await changes(repo)).some((change) => change.startsWith('staged')));
  t.is(await update(['best'], true), '');
  t.true((await changes(repo)).includes('staged modified best'));
  const said = await update([], true);
  t.deepEqual(
    (await changes(repo)).filter((change) => !change.startsWith('untracked')),
    [
      'staged modified best',
      'staged modified data/best',
      'staged modified data/one',
      'staged deleted data/two',
      ...left,
    ],
  );
  for (const name of ['data/three', 'own']) t.true(said.includes(`'${name}' `), said);
  t.is(said.split('\n').length, 2, said);
});
