/** `git clean` in a work tree: what it deletes of .dlv is made again, and every version is still there. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { keepStateFiles, restoreKept } from '../../lib/storage/repo/kept.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

/** A test that needs git; without it there is nothing to protect from. */
function withGit(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (spawnSync('git', ['--version']).status === 0) return body(t);
    t.log('SKIPPED: there is no git on this machine');
    t.pass();
  });
}

function git(dir: string, ...args: string[]): string {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  return execFileSync('git', args, { cwd: dir, env, encoding: 'utf8' });
}

/** Two versions on a branch, one on another, and a tag. */
async function history(repo: TestRepository): Promise<string> {
  for (const text of ['one', 'two']) {
    await repo.write('a', text);
    await repo.json('add', 'a');
    await repo.json('commit', '-m', text);
  }
  await repo.json('tag', 'v1', 'HEAD~1');
  await repo.json('switch', '-c', 'other');
  await repo.write('a', 'three');
  await repo.json('commit', '-a', '-m', 'three');
  await repo.json('switch', 'main');
  return (await repo.dlv('log', '--all', '--format', '%H %s')).stdout;
}

for (const flags of ['-fdx', '-fdX', '-fd']) {
  withGit(
    `git clean ${flags}: versions, branches and tags are there after a rebuild`,
    async (t) => {
      const repo = await TestRepository.create(t);
      const before = await history(repo);
      git(repo.dir, 'init', '-q');
      t.is(git(repo.dir, 'status', '--short'), '?? a\n', 'git sees nothing of the repository');
      git(repo.dir, 'clean', '-q', flags);
      if (flags !== '-fd') {
        const { data } = await repo.fails(12, 'status');
        t.regex(data.hint ?? '', /dlv fsck --rebuild/);
        t.is(
          (await repo.fails(1, 'init')).code,
          'DLV_EXISTS',
          'no empty repository hides the packs',
        );
        t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
      }
      t.is((await repo.dlv('log', '--all', '--format', '%H %s')).stdout, before);
      t.is((await repo.dlv('branch', '--show-current')).stdout, 'net/main\n');
      await repo.json('restore', 'a');
      t.is(await fs.readFile(repo.file('a'), 'utf8'), 'two');
      t.is((await repo.dlv('cat', 'v1:a')).stdout, 'one');
      t.is((await repo.dlv('fsck', '--files')).code, 0);
      t.is((await repo.dlv('gc')).code, 0);
    },
  );
}

withGit('git clean: a repository of an earlier dlv is marked by its next commit', async (t) => {
  const repo = await TestRepository.create(t);
  for (const folder of ['packs', 'refs', 'logs', 'kept']) {
    await fs.rm(repo.file(`.dlv/${folder}/.git`), { recursive: true });
  }
  const before = await history(repo);
  git(repo.dir, 'init', '-q');
  git(repo.dir, 'clean', '-q', '-fdx');
  t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
  t.is((await repo.dlv('log', '--all', '--format', '%H %s')).stdout, before);
});

withGit('git clean: settings, remotes, queries and what is staged come back', async (t) => {
  const repo = await TestRepository.create(t);
  await history(repo);
  await repo.json('config', 'gc.graceDays', '99');
  await repo.json('remote', 'add', 'origin', '../elsewhere');
  await repo.json('query', '--save', 'mine', 'select m where m.name = "net"');
  await repo.write('new', 'staged, not committed');
  await repo.json('add', 'new');
  const state = async () =>
    Promise.all(
      [
        ['config', '--list'],
        ['remote', '-v'],
        ['query', '--list'],
        ['status', '--short'],
      ].map(async (args) => (await repo.dlv(...args)).stdout),
    );
  await repo.write('late', 'staged apart, not committed');
  await repo.json('add', 'late', '--branch', 'net/other');
  // An editor that writes in place, and no command after it.
  await fs.appendFile(repo.file('.dlv/config'), '[chain]\n  depth = 3\n');
  const before = await state();
  git(repo.dir, 'init', '-q');
  git(repo.dir, 'clean', '-q', '-fdx', '.dlv');
  t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
  t.deepEqual(await state(), before);
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});

withGit('git clean: a partial clone still knows what is at the remote', async (t) => {
  const repo = await TestRepository.create(t);
  const weights = safetensors(randomTensors({ w: [64, 64] }, 3));
  await repo.write('w.safetensors', weights);
  await repo.json('add', 'w.safetensors');
  await repo.json('commit', '-m', 'one');
  const [remote, clone] = [path.join(repo.dir, '../remote'), path.join(repo.dir, '../clone')];
  await repo.json('remote', 'add', 'origin', remote);
  await repo.json('push', '--all');
  await repo.json('clone', '--planes', '2', remote, clone);
  const partial = new TestRepository(clone);
  git(clone, 'init', '-q');
  git(clone, 'clean', '-q', '-fdx');
  t.is((await partial.dlv('fsck', '--rebuild')).code, 0);
  await partial.json('checkout', 'HEAD');
  t.deepEqual(await partial.read('w.safetensors'), weights);
});

test.serial(
  'kept: where the disk has no hard links, settings are copied and staging is not',
  async (t) => {
    const repo = await TestRepository.create(t);
    await history(repo);
    const { layout, link } = { layout: new Layout(repo.dir), link: io.link };
    await fs.rm(layout.kept, { recursive: true });
    io.link = async () => {
      throw Object.assign(new Error('no links'), { code: 'EPERM' });
    };
    try {
      await keepStateFiles(layout);
      const inodes = new Map<string, number>();
      for (const name of ['HEAD', 'config', 'numbers']) {
        const [first, second] = [layout.file(name), layout.keptFile(name)];
        t.deepEqual(await fs.readFile(second), await fs.readFile(first), name);
        inodes.set(second, (await fs.stat(second)).ino);
      }
      await keepStateFiles(layout);
      for (const [file, inode] of inodes)
        t.is((await fs.stat(file)).ino, inode, 'not copied again');
      await t.throwsAsync(fs.stat(layout.keptFile('staging')), { code: 'ENOENT' });
      await fs.rm(layout.config);
      t.deepEqual(await restoreKept(layout), ['config']);
    } finally {
      io.link = link;
    }
  },
);

/** Ways in which what keeps git away is broken: it then takes the folder for no repository. */
const BROKEN: Record<string, (marker: string) => Promise<void>> = {
  'a flipped bit of HEAD': (marker) =>
    fs.writeFile(path.join(marker, 'HEAD'), 'rdf: refs/heads/none\n'),
  'an empty HEAD': (marker) => fs.truncate(path.join(marker, 'HEAD'), 0),
  'no HEAD': (marker) => fs.rm(path.join(marker, 'HEAD')),
  'no objects': (marker) => fs.rmdir(path.join(marker, 'objects')),
};

for (const [how, breakMarker] of Object.entries(BROKEN)) {
  test(`git clean: fsck finds a marker with ${how}, and mends it`, async (t) => {
    const repo = await TestRepository.create(t);
    await history(repo);
    for (const folder of ['packs', 'refs', 'logs', 'kept']) {
      await breakMarker(repo.file(`.dlv/${folder}/.git`));
    }
    const found = JSON.parse((await repo.dlv('fsck', '--json')).stdout) as FsckOpResult;
    t.false(found.ok);
    t.deepEqual(
      found.problems.map(({ file }) => file),
      ['packs/.git', 'refs/.git', 'logs/.git', 'kept/.git'],
    );
    for (const { message, remedy } of found.problems) {
      t.regex(message, /'git clean -fdx' would delete what it protects/);
      t.regex(remedy, /dlv fsck --rebuild/);
    }
    t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
    t.is((await repo.dlv('fsck')).code, 0);
    if (spawnSync('git', ['--version']).status !== 0) return;
    const before = await repo.dlv('log', '--all', '--format', '%H %s');
    git(repo.dir, 'init', '-q');
    git(repo.dir, 'clean', '-q', '-fdx');
    t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
    t.is((await repo.dlv('log', '--all', '--format', '%H %s')).stdout, before.stdout);
  });
}
