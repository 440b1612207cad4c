/** Symbolic links in the work tree: never a deletion, never written through, read if asked to. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { commit } from '../../lib/use/ops/commit.js';
import { diff } from '../../lib/use/ops/diff.js';
import { restore } from '../../lib/use/ops/restore.js';
import { rm } from '../../lib/use/ops/rm.js';
import { status } from '../../lib/use/ops/status.js';
import { changes, warned } from '../helpers/odd-work.js';
import { SHAPES, TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

/** A model cache as Hugging Face makes it, beside the repository; its snapshot is links into blobs. */
async function cache(t: ExecutionContext): Promise<{ repo: TestRepository; blobs: string }> {
  const repo = await TestRepository.create(t);
  const root = path.join(path.dirname(repo.dir), 'models--net');
  const blobs = path.join(root, 'blobs');
  await fs.mkdir(blobs, { recursive: true });
  await fs.mkdir(path.join(root, 'snapshots', 'abc'), { recursive: true });
  await fs.writeFile(path.join(blobs, '11'), '{"layers":1}');
  await fs.writeFile(path.join(blobs, '22'), safetensors(randomTensors(SHAPES, 1)));
  const names = { 'config.json': '11', 'model.safetensors': '22' };
  for (const [name, blob] of Object.entries(names)) {
    await fs.symlink(`../../blobs/${blob}`, path.join(root, 'snapshots', 'abc', name));
  }
  await fs.symlink(path.join(root, 'snapshots', 'abc'), repo.file('model'));
  await repo.write('plain.txt', 'plain');
  return { repo, blobs };
}

const FOLLOWED = ['staged added model/config.json', 'staged added model/model.safetensors'];

test('add --follow: files of a cache are stored, and status does not call them changed', async (t) => {
  const { repo, blobs } = await cache(t);
  const before = await warned(repo, () =>
    repo.with((open) => add(open, { paths: ['.'] }, repo.context)),
  );
  t.regex(before, /'model' is skipped: it is a symbolic link/);
  t.deepEqual(await changes(repo), ['staged added plain.txt']);
  const result = await repo.with((open) =>
    add(open, { paths: ['model'], follow: true }, repo.context),
  );
  t.deepEqual(
    result.files.map(({ path: file, format }) => `${file} ${format}`),
    ['model/config.json blob', 'model/model.safetensors safetensors'],
  );
  t.deepEqual(await changes(repo), [...FOLLOWED, 'staged added plain.txt']);
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  // Nothing is said of links that are as they were added, and nothing changes.
  for (const paths of [['.'], ['model']]) {
    const follow = paths[0] === 'model';
    t.is(
      await warned(repo, () => repo.with((open) => add(open, { paths, follow }, repo.context))),
      '',
    );
  }
  t.is(await warned(repo, async () => t.deepEqual(await changes(repo), [])), '');
  t.true((await repo.with((open) => diff(open, {}, repo.context))).same);
  await t.throwsAsync(
    repo.with((open) => commit(open, { message: 'two', all: true }, repo.context)),
    { code: 'DLV_CONFLICT', message: /nothing to commit/ },
  );
  // The file that a link leads to changes: status says so, commit -a says why it is left.
  await fs.writeFile(path.join(blobs, '11'), '{"layers":22}');
  t.deepEqual(await changes(repo), ['modified model/config.json (below a symbolic link)']);
  const why = await warned(repo, () =>
    t.throwsAsync(repo.with((open) => commit(open, { message: 'two', all: true }, repo.context))),
  );
  t.regex(why, /'model\/config\.json' lies below a symbolic link, 'model': .*--follow/);
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  t.deepEqual(await changes(repo), ['staged modified model/config.json']);
});

test('checkout: a link is left, or with force replaced itself, and never written through', async (t) => {
  const { repo, blobs } = await cache(t);
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await fs.writeFile(path.join(blobs, '11'), 'two');
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'two' }, repo.context));
  const go = (revision: string, force = false, paths: string[] = []): Promise<unknown> =>
    repo.with((open) => checkout(open, { revision, force, paths }, repo.context));
  // What is right already stays a link.
  await go('HEAD');
  t.true((await fs.lstat(repo.file('model'))).isSymbolicLink());
  await t.throwsAsync(go('net@1'), { code: 'DLV_CONFLICT', message: /symbolic link .*'model'/ });
  // One file alone would leave the others without their link.
  await t.throwsAsync(go('net@1', true, ['model/config.json']), {
    code: 'DLV_CONFLICT',
    message: /cannot replace the symbolic link 'model': 'model\/model.safetensors'/,
  });
  await t.throwsAsync(
    repo.with((open) =>
      restore(open, { paths: ['model/config.json'], source: 'net@1' }, repo.context),
    ),
    { code: 'DLV_CONFLICT' },
  );
  await go('net@1', true);
  t.false((await fs.lstat(repo.file('model'))).isSymbolicLink());
  t.is(await repo.text('model/config.json'), '{"layers":1}');
  t.is((await repo.read('model/model.safetensors')).length, (await fs.stat(`${blobs}/22`)).size);
  t.is(await fs.readFile(path.join(blobs, '11'), 'utf8'), 'two');
  t.deepEqual(await changes(repo), []);
});

test('checkout, restore and rm: a file that became a link is replaced itself', async (t) => {
  const repo = await TestRepository.create(t);
  const outside = path.join(path.dirname(repo.dir), 'outside');
  await fs.writeFile(outside, 'outside');
  await repo.write('a', 'one');
  await repo.commit('first');
  await repo.write('a', 'two!');
  await repo.commit('second');
  const link = async (): Promise<void> => {
    await fs.rm(repo.file('a'));
    await fs.symlink(outside, repo.file('a'));
  };
  await link();
  t.deepEqual(await changes(repo), ['modified a (symbolic link)']);
  const compared = await repo.with((open) => diff(open, {}, repo.context));
  t.like(compared.files, [{ path: 'a', status: 'modified', became: 'symbolic link' }]);
  t.regex(repo.warnings.join('\n'), /'a' is a symbolic link: its content is not compared/);
  const go = (force: boolean): Promise<unknown> =>
    repo.with((open) => checkout(open, { revision: 'HEAD~1', force }, repo.context));
  await t.throwsAsync(go(false), { code: 'DLV_CONFLICT', message: /symbolic link .*'a'/ });
  t.is(await repo.text('a'), 'outside');
  await go(true);
  t.is(await repo.text('a'), 'one');
  await link();
  await t.throwsAsync(
    repo.with((open) => rm(open, { paths: ['a'] }, repo.context)),
    { code: 'DLV_CONFLICT', message: /'a' is a symbolic link$/ },
  );
  await repo.with((open) => restore(open, { paths: ['a'] }, repo.context));
  t.is(await repo.text('a'), 'one');
  await link();
  await repo.with((open) => rm(open, { paths: ['a'], force: true }, repo.context));
  t.false(await repo.exists('a'));
  t.is(await fs.readFile(outside, 'utf8'), 'outside');
});

test('add --follow: circles, dangling links, special files and .dlv are left out', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a/f', 'f');
  await repo.write('b/g', 'g');
  const links: [string, string][] = [
    ['self', '.'],
    ['up', '..'],
    ['root', '/'],
    ['loop', 'loop'],
    ['dangling', 'nowhere'],
    ['device', '/dev/null'],
    ['inside', '.dlv/refs'],
    ['config', '.dlv/HEAD'],
    ['a/x', '../b'],
    ['b/y', '../a'],
  ];
  for (const [name, target] of links) await fs.symlink(target, repo.file(name));
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  t.deepEqual(await changes(repo), [
    'staged added a/f',
    'staged added a/x/g',
    'staged added b/g',
    'staged added b/y/f',
  ]);
  const said = repo.warnings.join('\n');
  for (const name of ['self', 'up', 'root', 'a/x/y', 'b/y/x']) {
    t.regex(
      said,
      new RegExp(`'${name}' is skipped: it is a symbolic link to a folder that it lies`),
    );
  }
  t.regex(said, /'loop' .* leads in a circle/);
  t.regex(said, /'dangling' .* leads nowhere/);
  for (const name of ['inside', 'config']) t.regex(said, new RegExp(`'${name}' .* '.dlv' folder`));
  t.regex(said, /'device' is skipped: it is a symbolic link to what is not a regular file/);
});

test('add: a named link is an error, and the other paths are staged', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b', 'd/f']) await repo.write(name, name);
  await fs.symlink('a', repo.file('link'));
  await fs.symlink('d', repo.file('folder'));
  for (const odd of ['link', 'folder/f', 'folder']) {
    const paths = [odd, 'a', 'b'];
    await t.throwsAsync(
      repo.with((open) => add(open, { paths }, repo.context)),
      {
        message: /symbolic link/,
      },
    );
    t.deepEqual((await changes(repo)).slice(0, 2), ['staged added a', 'staged added b']);
  }
  // A mistyped name stages nothing.
  await repo.write('c', 'c');
  await t.throwsAsync(
    repo.with((open) => add(open, { paths: ['c', 'typo'] }, repo.context)),
    { code: 'DLV_NOT_FOUND' },
  );
  t.true((await changes(repo)).includes('untracked c'));
  await repo.with((open) => add(open, { paths: ['link', 'folder'], follow: true }, repo.context));
  t.deepEqual(await changes(repo), [
    'staged added a',
    'staged added b',
    'staged added folder/f',
    'staged added link',
    'untracked c',
    'untracked d/f',
  ]);
});

test('add --follow: what is gone from behind a link is staged as removed, a dangling link is not', async (t) => {
  const { repo, blobs } = await cache(t);
  await fs.symlink('plain.txt', repo.file('last'));
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await fs.rm(path.join(path.dirname(blobs), 'snapshots', 'abc', 'config.json'));
  await fs.rm(repo.file('last'));
  await fs.symlink('nowhere', repo.file('last'));
  const said = await warned(repo, () =>
    repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context)),
  );
  t.regex(said, /'last' is a symbolic link: it keeps/);
  t.deepEqual(await changes(repo), [
    'staged deleted model/config.json',
    'modified last (symbolic link)',
  ]);
});

test.serial(
  'a file that may not be read: status and diff say so, add stores the others, commit -a makes no version',
  async (t) => {
    const repo = await TestRepository.create(t);
    for (const name of ['a', 'b']) await repo.write(name, `${name}1`);
    await repo.commit('first');
    for (const name of ['a', 'b']) await repo.write(name, `${name}2`);
    const { open } = io;
    io.open = (file, flags, mode) =>
      file === repo.file('a')
        ? Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }))
        : open(file, flags, mode);
    try {
      t.deepEqual(await changes(repo), ['modified a (unreadable)', 'modified b']);
      const { files } = await repo.with((one) => diff(one, {}, repo.context));
      t.deepEqual(
        files.map((file) => [file.path, file.became]),
        [
          ['a', 'unreadable'],
          ['b', undefined],
        ],
      );
      const denied = { code: 'DLV_IO', message: /'a': permission is denied/ };
      const all = { message: 'two', all: true };
      await t.throwsAsync(
        repo.with((one) => commit(one, all, repo.context)),
        denied,
      );
      for (const options of [
        { paths: ['.'] },
        { paths: [], trackedOnly: true },
        { paths: ['*'] },
      ]) {
        await t.throwsAsync(
          repo.with((one) => add(one, options, repo.context)),
          denied,
        );
        t.deepEqual(await changes(repo), ['staged modified b', 'modified a (unreadable)']);
      }
      await repo.with((one) => commit(one, { message: 'b alone' }, repo.context));
    } finally {
      io.open = open;
    }
  },
);

test('add and status: a folder that may not be entered loses none of its files', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['d/x', 'e']) await repo.write(name, name);
  await repo.commit('first');
  await repo.write('e', 'changed');
  await fs.chmod(repo.file('d'), 0);
  try {
    const added = repo.with((open) => add(open, { paths: ['.'] }, repo.context));
    // Who may do anything may enter it.
    await added.catch((error) => t.is(error.code, 'DLV_IO'));
    const { models } = await repo.with((open) => status(open, repo.context));
    t.deepEqual(models[0]?.staged, [{ path: 'e', status: 'modified' }]);
    t.false(models[0]?.unstaged.some((change) => change.status === 'deleted'));
  } finally {
    await fs.chmod(repo.file('d'), 0o700);
  }
});
