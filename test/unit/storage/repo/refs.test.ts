/** Refs: names, compare-and-swap, folders, notes, HEAD; across processes as well. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import type { Layout } from '../../../../lib/storage/repo/layout.js';
import { readHead, writeHead } from '../../../../lib/storage/repo/refs/head.js';
import {
  checkBranchName,
  checkModelName,
  checkRefName,
  modelNameProblem,
  parseRefName,
  refNameProblem,
} from '../../../../lib/storage/repo/refs/ref-name.js';
import { readReflog } from '../../../../lib/storage/repo/refs/reflog.js';
import {
  addNotes,
  listModels,
  listNotedVersions,
  listRefNames,
  listRefs,
  readNotes,
  readRef,
  updateRef,
} from '../../../../lib/storage/repo/refs/refs.js';
import { idOf } from './memory-blobs.js';
import { locked, tempRepo, WHY } from './temp-repo.js';
import { startWorker } from './worker.js';

const MAIN = 'refs/heads/mnist/main';

function move(layout: Layout, name: string, from: Id | null, to: Id | null): Promise<void> {
  return locked(layout, (lock) => updateRef(lock, { name, before: from, after: to, why: WHY }));
}

test('ref names: the rules of git, and models of one part', (t) => {
  for (const name of ['main', 'a/b/c', 'fix-1', 'v1.0', 'ünï', '@x', 'a@b', 'x.locked']) {
    t.is(refNameProblem(name), null, name);
  }
  const bad = [
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '.a',
    'a/.b',
    'a..b',
    'a.',
    'a./b',
    'a.lock',
    'a.lock/b',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[',
    'a\\b',
    'a@{1}',
    '@',
    'a\n',
    'a\x7f',
    '-a',
    'HEAD',
    'x'.repeat(201),
    Array(11).fill('x'.repeat(99)).join('/'),
    'a\ud800',
  ];
  for (const name of bad) {
    t.not(refNameProblem(name), null, JSON.stringify(name));
    t.throws(() => checkBranchName(name), { code: 'DLV_USAGE' });
  }
  t.not(modelNameProblem('a/b'), null);
  t.throws(() => checkModelName('a@1'), { code: 'DLV_USAGE' });
});

test('ref names: full names say what they are, and nothing else is one', (t) => {
  t.deepEqual(parseRefName('refs/heads/m/a/b'), { kind: 'head', model: 'm', branch: 'a/b' });
  t.deepEqual(parseRefName('refs/tags/a/b'), { kind: 'tag', tag: 'a/b' });
  t.deepEqual(parseRefName('refs/remotes/o/m/b'), { kind: 'remote', remote: 'o', rest: 'm/b' });
  const version = idOf('v');
  const notes = `refs/notes/${version.slice(0, 2)}/${version}`;
  t.deepEqual(parseRefName(notes), { kind: 'notes', version });
  const bad = [
    'refs',
    'refs/heads',
    'refs/heads/m',
    'refs/x/y',
    'heads/m/b',
    'refs/heads/m/HEAD',
    'refs/tags/HEAD',
    `refs/notes/00/${version.replace(/^../, '11')}`,
    'refs/heads/a@1/b',
  ];
  for (const name of bad) {
    t.is(parseRefName(name), null, name);
    t.throws(() => checkRefName(name), { code: 'DLV_USAGE' });
  }
});

test('ref names: whatever passes stays below refs/ and reads back', async (t) => {
  const layout = await tempRepo(t);
  const unit = fc.constantFrom(...'ab.-_/@{}~^:\\ é\0\n*[lock'.split(''), '..', '.lock', '-');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 12 }), async (text) => {
      const name = `refs/tags/${text}`;
      if (parseRefName(name) === null) return;
      const file = path.resolve(layout.ref(name));
      t.true(file.startsWith(path.join(layout.refs, 'tags') + path.sep));
      await move(layout, name, null, idOf(text));
      t.deepEqual(await listRefs(layout), [{ name, id: idOf(text) }]);
      await move(layout, name, idOf(text), null);
      t.deepEqual(await listRefNames(layout), []);
    }),
    { numRuns: 150 },
  );
});

test('refs: create, move and delete by compare-and-swap', async (t) => {
  const layout = await tempRepo(t);
  const [a, b] = [idOf('a'), idOf('b')];
  t.is(await readRef(layout, MAIN), null);
  await t.throwsAsync(move(layout, MAIN, a, b), { code: 'DLV_CONFLICT' });
  await move(layout, MAIN, null, a);
  await t.throwsAsync(move(layout, MAIN, null, b), { code: 'DLV_CONFLICT' });
  await move(layout, MAIN, a, b);
  t.is(await readRef(layout, MAIN), b);
  await t.throwsAsync(move(layout, MAIN, a, null), { code: 'DLV_CONFLICT' });
  await move(layout, MAIN, b, null);
  t.is(await readRef(layout, MAIN), null);
  t.deepEqual((await readReflog(layout, MAIN, null)).entries, []);
});

test('refs: an update without the lock is a bug, not an update', async (t) => {
  const layout = await tempRepo(t);
  const stale = await locked(layout, async (lock) => lock);
  await t.throwsAsync(updateRef(stale, { name: MAIN, before: null, after: idOf('a'), why: WHY }), {
    code: 'DLV_BUG',
  });
  await t.throwsAsync(writeHead(stale, { kind: 'branch', model: 'a', branch: 'b' }), {
    code: 'DLV_BUG',
  });
});

test('refs: a name cannot be the folder of another, and folders left empty do not count', async (t) => {
  const layout = await tempRepo(t);
  const id = idOf('a');
  await move(layout, 'refs/heads/mnist/fix', null, id);
  const below = await t.throwsAsync(move(layout, 'refs/heads/mnist/fix/one', null, id), {
    code: 'DLV_CONFLICT',
  });
  t.regex(below!.message, /'mnist\/fix' exists/);
  await move(layout, 'refs/heads/mnist/fix', id, null);
  await move(layout, 'refs/heads/mnist/fix/one', null, id);
  await t.throwsAsync(move(layout, 'refs/heads/mnist/fix', null, id), { code: 'DLV_CONFLICT' });
  await move(layout, 'refs/heads/mnist/fix/one', id, null);
  await fs.mkdir(layout.ref('refs/heads/mnist/fix/x/y'), { recursive: true });
  await move(layout, 'refs/heads/mnist/fix', null, id);
  t.deepEqual(await listModels(layout), ['mnist']);
  await move(layout, 'refs/heads/mnist/fix', id, null);
  t.deepEqual(await fs.readdir(path.join(layout.refs, 'heads')), []);
});

test('refs: unfinished files and strangers are not refs', async (t) => {
  const layout = await tempRepo(t);
  await move(layout, 'refs/tags/v1', null, idOf('a'));
  await fs.writeFile(layout.ref('refs/tags/.tmp-1-0-v2'), 'half');
  await fs.writeFile(layout.ref('refs/heads/stray'), 'x');
  t.deepEqual(await listRefNames(layout), ['refs/tags/v1']);
});

test('refs: two processes that both move a ref never both win', async (t) => {
  const layout = await tempRepo(t);
  const start = idOf('start');
  await move(layout, MAIN, null, start);
  const workers = ['one', 'two'].map((name) => startWorker('chain', layout.workTree, name, '25'));
  const counts = await Promise.all(workers.map((worker) => worker.ended));
  t.deepEqual(
    counts.map(({ code }) => code),
    [0, 0],
    counts.map(({ stderr }) => stderr).join(''),
  );
  // Each acknowledged move is in the log, each starts where the one before it ended.
  const { entries, damaged } = await readReflog(layout, MAIN, await readRef(layout, MAIN));
  t.deepEqual(damaged, []);
  t.is(entries.length, 1 + 50);
  for (let i = 1; i < entries.length; i++) t.is(entries[i]!.before, entries[i - 1]!.after);
  t.is(entries.at(-1)!.after, await readRef(layout, MAIN));
});

test('notes: sets that grow by union', async (t) => {
  const layout = await tempRepo(t);
  const version = idOf('version');
  const [a, b, c] = [idOf('a'), idOf('b'), idOf('c')];
  t.deepEqual(await readNotes(layout, version), []);
  await locked(layout, (lock) => addNotes(lock, version, [b, a, b]));
  await locked(layout, (lock) => addNotes(lock, version, [c, a]));
  t.deepEqual(await readNotes(layout, version), [a, b, c].sort());
  t.deepEqual(await listNotedVersions(layout), [version]);
  t.deepEqual(await listRefs(layout), []);
});

test('HEAD: a branch or a version of a model', async (t) => {
  const layout = await tempRepo(t);
  t.deepEqual(await readHead(layout), { kind: 'branch', model: 'mnist', branch: 'main' });
  for (const head of [
    { kind: 'branch', model: 'bert', branch: 'a/b' },
    { kind: 'detached', model: 'bert', id: idOf('v') },
  ] as const) {
    await locked(layout, (lock) => writeHead(lock, head));
    t.deepEqual(await readHead(layout), head);
  }
  await t.throwsAsync(
    locked(layout, (lock) => writeHead(lock, { kind: 'branch', model: 'a/b', branch: 'c' })),
    { code: 'DLV_USAGE' },
  );
});
