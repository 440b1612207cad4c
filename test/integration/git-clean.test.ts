/** `git clean` in a work tree: what it deletes of .dlv is made again, and every version is still there. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { TestRepository } from '../helpers/repository.js';

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
  for (const folder of ['packs', 'refs', 'logs']) {
    await fs.rm(repo.file(`.dlv/${folder}/.git`), { recursive: true });
  }
  const before = await history(repo);
  git(repo.dir, 'init', '-q');
  git(repo.dir, 'clean', '-q', '-fdx');
  t.is((await repo.dlv('fsck', '--rebuild')).code, 0);
  t.is((await repo.dlv('log', '--all', '--format', '%H %s')).stdout, before);
});

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
    for (const folder of ['packs', 'refs', 'logs']) {
      await breakMarker(repo.file(`.dlv/${folder}/.git`));
    }
    const found = JSON.parse((await repo.dlv('fsck', '--json')).stdout) as FsckOpResult;
    t.false(found.ok);
    t.deepEqual(
      found.problems.map(({ file }) => file),
      ['packs/.git', 'refs/.git', 'logs/.git'],
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
