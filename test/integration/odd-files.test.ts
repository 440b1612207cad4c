/** One odd file never stops the work on the others: gone, changing, cut, become a link or a folder. */
import fs from 'node:fs/promises';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { externalData, modelOf, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';

async function staged(repo: TestRepository): Promise<string[]> {
  return (await repo.changes()).filter((line) => line.startsWith('staged')).sort();
}

/** Runs `change` when `file` is opened, each time, while `action` runs. */
async function whenOpened<T>(
  file: string,
  change: () => Promise<void>,
  action: () => Promise<T>,
): Promise<T> {
  const { open } = io;
  io.open = async (name, flags, mode) => {
    if (name !== file) return open(name, flags, mode);
    if (flags === 'r') await change();
    return open(name, flags, mode);
  };
  try {
    return await action();
  } finally {
    io.open = open;
  }
}

test.serial('add: a file that disappears meanwhile is skipped with a warning', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b', 'c']) await repo.write(name, name);
  const gone = () => fs.rm(repo.file('b'), { force: true });
  await whenOpened(repo.file('b'), gone, () =>
    repo.with((open) => add(open, { paths: ['.'] }, repo.context)),
  );
  t.regex(repo.warnings.join('\n'), /'b' is skipped: .*ENOENT/);
  t.deepEqual(await staged(repo), ['staged added a', 'staged added c']);
});

test.serial('add: one that was named is an error, after the rest was staged', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b', 'c']) await repo.write(name, name);
  const gone = () => fs.rm(repo.file('b'), { force: true });
  await whenOpened(repo.file('b'), gone, () =>
    t.throwsAsync(
      repo.with((open) => add(open, { paths: ['a', 'b', 'c'] }, repo.context)),
      { code: 'DLV_IO', message: /'b'/ },
    ),
  );
  t.deepEqual(await staged(repo), ['staged added a', 'staged added c']);
});

test('commit -a: what became a link or lies below one stays as it was, with a warning', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['last', 'ck/w', 'other', 'run/x']) await repo.write(name, `one ${name}`);
  await repo.commit('first');
  await fs.rm(repo.file('last'));
  await fs.symlink('other', repo.file('last'));
  await fs.rename(repo.file('ck'), repo.file('moved'));
  await fs.symlink('moved', repo.file('ck'));
  await repo.write('moved/w', 'trained on');
  await fs.rm(repo.file('run'), { recursive: true });
  await repo.write('run', 'a file now');
  await repo.write('other', 'two, longer');
  await repo.with((open) => commit(open, { message: 'second', all: true }, repo.context));
  t.regex(repo.warnings.join('\n'), /'last' is a symbolic link: it keeps/);
  t.regex(repo.warnings.join('\n'), /'ck\/w' lies below a symbolic link, 'ck': it keeps/);
  const { files } = await repo.json<{ files: { path: string }[] }>('show', 'HEAD');
  t.deepEqual(
    files.map((file) => file.path),
    ['ck/w', 'last', 'other'],
  );
});

test('add: external data that is cut is stored, with a warning', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('m/w.bin', Buffer.alloc(20_000, 1));
  const more = externalData({ location: 'w.bin', offset: '0' });
  await repo.write('m/model.onnx', modelOf(tensorProto({ dims: [8192], raw: null, more })));
  await repo.write('log.txt', 'log');
  await repo.commit('first');
  t.regex(
    repo.warnings.join('\n'),
    /'m\/w\.bin' is shorter than 'model\.onnx' says: 1 of 1 tensors/,
  );
  t.true((await fsck(repo.context, { files: true })).ok);
  t.deepEqual(await repo.changes(), []);
});

test.serial('add: a neighbour that cannot be read does not matter', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('readme.txt', 'x');
  await repo.write('model.onnx', modelOf(tensorProto({})));
  const denied = () => Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }));
  await whenOpened(repo.file('model.onnx'), denied, () =>
    repo.with((open) => add(open, { paths: ['readme.txt'] }, repo.context)),
  );
  t.deepEqual(await staged(repo), ['staged added readme.txt']);
});
