/** Verbs that change more than one ref: a run that was cut short is finished by the next one. */
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { readHead } from '../../lib/storage/repo/refs/head.js';
import { branchRefName } from '../../lib/storage/repo/refs/ref-name.js';
import { listRefNames, readRef } from '../../lib/storage/repo/refs/refs.js';
import { createBranch, renameBranch } from '../../lib/use/ops/branch.js';
import { copy } from '../../lib/use/ops/copy.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { gc } from '../../lib/use/ops/gc.js';
import { reset } from '../../lib/use/ops/reset.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import { compareVersions, fsckProblems } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

type Verb = (work: WorkRepository) => Promise<unknown>;

const verbs: [string, string[], Verb][] = [
  [
    'branch -m',
    ['trunk'],
    (work) => work.open((repo, context) => renameBranch(repo, { to: 'trunk' }, context)),
  ],
  [
    'switch -c',
    ['main', 'trial'],
    (work) =>
      work.open((repo, context) => switchTo(repo, { name: 'trial', create: true }, context)),
  ],
];

/** Cuts a verb short before each rename of a file in turn, runs it again, and looks at what is there. */
async function cutAndRepeat(
  t: ExecutionContext,
  verb: Verb,
  check: (work: WorkRepository) => Promise<void>,
): Promise<void> {
  const rename = io.rename;
  for (let last = 1; ; last++) {
    const work = await WorkRepository.make(t);
    await work.commit({ 'a.txt': 'a' });
    let calls = 0;
    io.rename = async (from, to) => {
      if (++calls >= last) throw Object.assign(new Error('cut'), { code: 'EIO' });
      return rename(from, to);
    };
    const failed = await verb(work).then(
      () => false,
      () => true,
    );
    io.rename = rename;
    if (!failed) {
      t.true(last > 1, 'it was cut at least once');
      return;
    }
    await t.notThrowsAsync(verb(work), `cut before rename ${last}`);
    await check(work);
    t.deepEqual(await fsckProblems(work.dir), []);
    await fs.rm(work.dir, { recursive: true, force: true });
  }
}

for (const [name, branches, verb] of verbs) {
  test.serial(`${name}: cut short before any rename of a file, it can be run again`, (t) =>
    cutAndRepeat(t, verb, async (work) => {
      await work.open(async ({ layout }) => {
        const names = await listRefNames(layout, 'refs/heads');
        t.deepEqual(
          names,
          branches.map((branch) => branchRefName('m', branch)),
        );
        t.like(await readHead(layout), { kind: 'branch', branch: branches.at(-1) });
      });
    }),
  );
}

test.serial('copy --checkout: cut short before any rename of a file, it can be run again', (t) => {
  const verb: Verb = (work) =>
    work.open((repo, context) =>
      copy(repo, { revision: 'HEAD', name: 'o', into: 'sub', checkout: true }, context),
    );
  return cutAndRepeat(t, verb, async (work) => {
    t.is(await fs.readFile(work.file('sub/a.txt'), 'utf8'), 'a');
    await t.throwsAsync(verb(work), { code: 'DLV_EXISTS' } as object, 'it is done now');
  });
});

test('copy --checkout: takes no model of another command for its own', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const run = (revision: string, checkout: boolean, message?: string) =>
    work.open((repo, context) =>
      copy(
        repo,
        { revision, name: 'o', into: 'sub', checkout, ...(message ? { message } : {}) },
        context,
      ),
    );
  await run('HEAD', false);
  await t.throwsAsync(run('HEAD', true, 'another'), { code: 'DLV_EXISTS' } as object);
  await work.commit({ 'a.txt': 'b' });
  await t.throwsAsync(run('HEAD', true), { code: 'DLV_EXISTS' } as object);
});

test('switch -c: a branch without a line in its log is its own only where it would begin', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  await work.commit({ 'a.txt': 'b' });
  await work.open((repo, context) => createBranch(repo, { name: 'trial', start: 'm@1' }, context));
  await fs.rm(work.file('.dlv/logs/refs/heads/m/trial'));
  const run = (start?: string) =>
    work.open((repo, context) =>
      switchTo(repo, { name: 'trial', create: true, ...(start ? { start } : {}) }, context),
    );
  await t.throwsAsync(run(), { code: 'DLV_EXISTS' } as object);
  t.like(await run('m@1'), { branch: 'trial' });
  const log = await fs.readFile(work.file('.dlv/logs/refs/heads/m/trial'), 'utf8');
  t.regex(log, /switch: created from m@1\n$/);
});

test('fsck: a branch that never moved is missed, mended, and kept by gc', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const { version } = await work.commit({ 'a.txt': 'b' });
  await work.open((repo, context) => createBranch(repo, { name: 'topic' }, context));
  await work.open((repo, context) => reset(repo, { revision: 'm@1', mode: 'hard' }, context));
  // Nothing but the log of the lost branch names the second version then.
  for (const name of ['logs/HEAD', 'logs/refs/heads/m/main', 'refs/heads/m/topic']) {
    await fs.rm(work.file(`.dlv/${name}`));
  }
  const [problem, ...more] = (await fsck(work.context)).problems;
  t.like(problem, { kind: 'missing', file: 'refs/heads/m/topic' });
  t.deepEqual(more, []);
  await work.open((repo, context) => gc(repo, { pruneNow: true }, context));
  const { ok } = await fsck(work.context, { rebuild: true });
  t.true(ok);
  await work.open(async ({ layout }) => {
    t.is(await readRef(layout, branchRefName('m', 'topic')), version);
  });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});
