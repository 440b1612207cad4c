/** `dlv commit`: messages, amending, authors and dates, dry runs, and what is left by a failure. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import type { AddResult } from '../../lib/use/ops/add.js';
import type { CommitPreview, CommitResult } from '../../lib/use/ops/commit.js';
import { commit } from '../../lib/use/ops/commit.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { Repository } from '../../lib/use/repository.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

const MARKED = { params: { lr: 0.1 }, metrics: { loss: 1 } };

async function stored(repo: TestRepository): Promise<string[]> {
  const dir = path.join(repo.dir, '.dlv');
  const names = await fs.readdir(dir, { recursive: true });
  return names.filter((name) => !/^(tmp|lock)/.test(name)).sort();
}

test('commit: several -m are paragraphs; -F reads a file or stdin', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'one', '-m', 'two');
  t.is((await repo.json<ShowResult>('show')).message, 'one\n\ntwo');
  await repo.write('message', '\n\n from a file\n\n# not a comment\n\n');
  await repo.json('commit', '--allow-empty', '-F', 'message');
  t.is((await repo.json<ShowResult>('show')).message, ' from a file\n\n# not a comment');
  const piped = await dlv(['commit', '--allow-empty', '-F', '-'], {
    cwd: repo.dir,
    input: 'piped\n',
  });
  t.is(piped.code, 0);
  t.is((await repo.json<ShowResult>('show')).message, 'piped');
  await repo.fails(2, 'commit', '--allow-empty', '-m', 'x', '-F', 'message');
  await repo.fails(1, 'commit', '--allow-empty', '-F', 'none');
  await repo.write('long', 'x'.repeat(2 ** 20 + 1));
  await repo.fails(2, 'commit', '--allow-empty', '-F', 'long');
  await repo.write('latin1', Buffer.from([0x66, 0xfc, 0x72]));
  await repo.fails(2, 'commit', '--allow-empty', '-F', 'latin1');
  t.regex((await repo.fails(2, 'commit', '--allow-empty')).data.hint ?? '', /-m/);
  t.regex((await repo.fails(2, 'commit', 'a.txt', '-m', 'x')).data.hint ?? '', /dlv add/);
});

test('commit: author and date as given', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  const by = ['--author', 'Grace <grace@example.org>', '--date', '2024-02-29T10:00:00+05:30'];
  await repo.json('commit', '-m', 'x', ...by);
  t.like(await repo.json<ShowResult>('show'), {
    author: 'Grace <grace@example.org>',
    time: '2024-02-29T10:00:00.000+05:30',
  });
  await repo.fails(2, 'commit', '--allow-empty', '-m', 'x', '--author', '<>');
  await repo.fails(2, 'commit', '--allow-empty', '-m', 'x', '--date', 'some day');
});

test('commit --amend: takes the place of the last version and keeps what is not given', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const last = await repo.commit('marked', { ...MARKED, allowEmpty: true });
  await repo.write('note.txt', 'after all');
  await repo.json('add', 'note.txt');
  const args = ['--metric', 'loss=0.5', '--metric', 'accuracy=0.9'];
  const amended = await repo.json<CommitResult>('commit', '--amend', ...args);
  t.like(amended, { number: 5, name: 'net@5', amended: last.version });
  // A number is not given twice: that of the version before still means it.
  t.is((await repo.json<ShowResult>('show', 'net@4')).version, last.version);
  t.deepEqual(amended.changes, [{ path: 'note.txt', status: 'modified' }]);
  const shown = await repo.json<ShowResult>('show');
  t.like(shown, {
    message: 'marked',
    params: { lr: 0.1 },
    metrics: { loss: 0.5, accuracy: 0.9 },
    parents: [versions[2]?.version],
  } as never);
  t.deepEqual(await repo.changes(), []);
  await repo.json('commit', '--amend', '--no-edit', '-m', 'renamed');
  t.like(await repo.json<ShowResult>('show'), { message: 'renamed', number: 6 });
  // The version before is where HEAD was before.
  t.is((await repo.json<ShowResult>('show', 'HEAD@{2}')).version, last.version);
  t.is((await repo.json<unknown[]>('log')).length, 4);
  t.is((await repo.dlv('fsck')).code, 0);
});

test('commit --amend: of the first version, and of none', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  t.regex((await repo.fails(1, 'commit', '--amend', '-m', 'x')).message, /no version to amend/);
  await repo.json('commit', '-m', 'first');
  await repo.write('a.txt', 'b');
  await repo.json('commit', '-a', '--amend');
  t.like(await repo.json<ShowResult>('show'), { number: 2, parents: [], message: 'first' });
  t.is((await repo.dlv('cat', 'HEAD:a.txt')).stdout, 'b');
});

// By itself: it makes a rename of the whole process fail.
test.serial('commit --amend: one that failed before its ref moved can be made again', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.write('note.txt', 'better');
  const { rename } = io;
  io.rename = async (from, to) => {
    if (String(to).includes(`refs${path.sep}heads`)) throw new Error('the power went');
    return rename(from, to);
  };
  const options = { message: 'amended', amend: true, all: true };
  await t.throwsAsync(repo.with((open) => commit(open, options, repo.context)));
  io.rename = rename;
  t.is((await repo.json<ShowResult>('show')).version, versions[2]?.version as never);
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
  const again = await repo.json<CommitResult>('commit', '--amend', '-m', 'amended');
  t.is(again.amended, versions[2]?.version as never);
  t.deepEqual((await repo.json<ShowResult>('show')).parents, [versions[1]?.version as never]);
  t.deepEqual(await repo.changes(), []);
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});

// By itself: it watches the renames of the whole process.
test.serial(
  'a commit that is stopped after it has its number is made; before, it takes none',
  async (t) => {
    const { repo } = await threeVersions(t);
    const { rename } = io;
    t.teardown(() => Object.assign(io, { rename }));
    const numbers = async () =>
      (await repo.json<{ number: number }[]>('log')).map(({ number }) => number);
    for (const isNumbered of [false, true]) {
      await repo.write('note.txt', `stopped: ${isNumbered}`);
      const stop = new AbortController();
      const open = await Repository.open(repo.dir, { signal: stop.signal });
      if (!isNumbered) stop.abort();
      io.rename = async (from, to) => {
        await rename(from, to);
        if (path.basename(String(to)) === 'numbers') stop.abort();
      };
      const context = { ...repo.context, signal: stop.signal };
      const made = commit(open, { message: 'stopped', all: true }, context);
      if (isNumbered) t.is((await made).number, 4);
      else await t.throwsAsync(made, { any: true, name: 'AbortError' });
      io.rename = rename;
      t.true(stop.signal.aborted);
      await open.close();
      t.deepEqual(await numbers(), isNumbered ? [4, 3, 2, 1] : [3, 2, 1]);
    }
  },
);

test('commit --dry-run: says what would be committed and stores nothing', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.fails(1, 'commit', '--dry-run', '-m', 'nothing');
  await repo.write('new.txt', 'new');
  await repo.json('add', 'new.txt');
  await repo.write('note.txt', 'changed');
  await repo.remove('model.safetensors');
  const before = await stored(repo);
  const staged = await repo.json<CommitPreview>('commit', '--dry-run');
  t.deepEqual(staged.changes, [{ path: 'new.txt', status: 'added' }]);
  t.is(staged.files, 3);
  const all = await repo.json<CommitPreview>('commit', '--dry-run', '-a');
  t.deepEqual(all.changes, [
    { path: 'model.safetensors', status: 'deleted' },
    { path: 'new.txt', status: 'added' },
    { path: 'note.txt', status: 'modified' },
  ]);
  t.like(all, { files: 2, logicalBytes: 'new'.length + 'changed'.length });
  t.deepEqual(await stored(repo), before);
  const made = await repo.json<CommitResult>('commit', '-a', '-m', 'as said');
  t.deepEqual(made.changes, all.changes);
  t.like(made, { files: all.files, logicalBytes: all.logicalBytes });
});

test('commit -v: lists what changed', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  const { stderr, stdout } = await repo.dlv('commit', '-avm', 'more');
  t.regex(stdout, /^\[net\/main [0-9a-f]{10}\] more\n$/);
  t.regex(stderr, /modified\s+note\.txt/);
});

test('commit: what was staged and dropped again is not counted for the version', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('one');
  await repo.write('big.bin', randomBytes(200_000));
  await repo.write('config.json', '{"a": 1}');
  const added = await repo.json<AddResult>('add', '.');
  t.true(added.storedBytes > 200_000);
  await repo.json('restore', '--staged', 'big.bin');
  const dropped = await repo.json<CommitResult>('commit', '-m', 'two');
  t.deepEqual(
    dropped.changes.map(({ path }) => path),
    ['config.json'],
  );
  t.true(dropped.storedBytes < 10_000, `${dropped.storedBytes}`);
  // With nothing dropped all that add wrote counts.
  await repo.write('other.bin', randomBytes(150_000));
  const { storedBytes } = await repo.json<AddResult>('add', 'other.bin');
  const whole = await repo.json<CommitResult>('commit', '-m', 'three');
  t.true(whole.storedBytes >= storedBytes && whole.storedBytes < storedBytes + 10_000);
});

test('commit: what is refused uses up no number', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  const empty = ['commit', '--allow-empty', '-m', 'x'];
  for (const date of ['abc', '2026-02-31']) {
    const { code, stderr } = await dlv(empty, { cwd: repo.dir, env: { DLV_DATE: date } });
    t.is(code, 2, stderr);
  }
  await repo.json(...empty);
  const [last] = await repo.json<{ number: number }[]>('log', '-n', '1');
  t.is(last!.number, 2);
});
