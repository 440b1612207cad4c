/** Revisions: the grammar, what each form names, and what is said when it names nothing or too much. */

import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { closestNames, editDistance } from '../../../../lib/base/bytes/words/closest.js';
import { NotFoundError, UsageError } from '../../../../lib/base/errors.js';
import type { Layout } from '../../../../lib/storage/repo/layout.js';
import { writeNumbers } from '../../../../lib/storage/repo/numbers.js';
import { type Head, writeHead } from '../../../../lib/storage/repo/refs/head.js';
import { currentBranch } from '../../../../lib/storage/repo/refs/ref-candidates.js';
import { appendReflog } from '../../../../lib/storage/repo/refs/reflog.js';
import { listRefs, readRef, updateRef } from '../../../../lib/storage/repo/refs/refs.js';
import {
  parseRevision,
  type RevisionSource,
  refsByVersion,
  resolveHead,
  resolveRevision,
} from '../../../../lib/storage/repo/refs/revision.js';
import {
  firstParentLine,
  type NumberedVersion,
} from '../../../../lib/storage/repo/refs/version-numbers.js';
import { idOf } from './memory-blobs.js';
import { locked, tempRepo, WHY } from './temp-repo.js';

class Repo implements RevisionSource {
  readonly layout: Layout;
  readonly versions = new Map<Id, NumberedVersion>();
  readonly branches = new Map<string, string>();

  constructor(layout: Layout) {
    this.layout = layout;
  }

  async readVersion(id: Id): Promise<NumberedVersion> {
    const version = this.versions.get(id);
    if (version === undefined) throw new NotFoundError(`no version ${id}`);
    return version;
  }

  async findVersions(prefix: string): Promise<Id[]> {
    return [...this.versions.keys()].filter((id) => id.startsWith(prefix));
  }

  async branchOf(model: string): Promise<string | null> {
    return this.branches.get(model) ?? null;
  }

  add(text: string, model: string, ...parents: Id[]): Id {
    const id = idOf(text);
    this.versions.set(id, { model, parents, number: null });
    return id;
  }

  /** A version that holds its number. */
  addNumbered(text: string, model: string, number: number, ...parents: Id[]): Id {
    const id = idOf(text);
    this.versions.set(id, { model, parents, number });
    return id;
  }

  async point(name: string, id: Id): Promise<void> {
    const before = await readRef(this.layout, name);
    await locked(this.layout, (lock) => updateRef(lock, { name, before, after: id, why: WHY }));
  }

  head(head: Head): Promise<void> {
    return locked(this.layout, (lock) => writeHead(lock, head));
  }
}

/** mnist: 1-2-3-4 on main, side on 2, merged as 4; bert: copied from mnist 2, then 1-2 on dev. */
async function sample(t: ExecutionContext) {
  const repo = new Repo(await tempRepo(t));
  const m1 = repo.add('m1', 'mnist');
  const m2 = repo.add('m2', 'mnist', m1);
  const m3 = repo.add('m3', 'mnist', m2);
  const side = repo.add('side', 'mnist', m2);
  const m4 = repo.add('m4', 'mnist', m3, side);
  const b1 = repo.add('b1', 'bert', m2);
  const b2 = repo.add('b2', 'bert', b1);
  await repo.point('refs/heads/mnist/main', m3);
  await repo.point('refs/heads/mnist/main', m4);
  await repo.point('refs/heads/mnist/feat/x', side);
  await repo.point('refs/heads/bert/dev', b2);
  await repo.point('refs/tags/v1', m1);
  await repo.point('refs/remotes/origin/bert/dev', b1);
  return { repo, m1, m2, m3, m4, side, b1, b2 };
}

test('revision: every form names what it should', async (t) => {
  const { repo, m1, m2, m3, m4, side, b1, b2 } = await sample(t);
  const forms: [string, Id][] = [
    ['HEAD', m4],
    ['@', m4],
    ['main', m4],
    ['mnist', m4],
    ['mnist/main', m4],
    ['refs/heads/mnist/main', m4],
    ['feat/x', side],
    ['mnist/feat/x', side],
    ['v1', m1],
    ['refs/tags/v1', m1],
    ['bert', b2],
    ['bert/dev', b2],
    ['origin/bert/dev', b1],
    ['HEAD~', m3],
    ['HEAD~1', m3],
    ['HEAD~0', m4],
    ['HEAD~3', m1],
    ['HEAD^', m3],
    ['HEAD^2', side],
    ['HEAD^0', m4],
    ['@^2~1', m2],
    ['HEAD~~^', m1],
    ['mnist@1', m1],
    ['mnist@4', m4],
    ['mnist@4^2', side],
    ['bert@1', b1],
    ['bert@2', b2],
    ['bert@1~', m2],
    [m2, m2],
    [m2.slice(0, 12), m2],
    [m2.slice(0, 12).toUpperCase(), m2],
    [`${m4.slice(0, 8)}^2`, side],
    ['main@{0}', m4],
    ['main@{1}', m3],
  ];
  for (const [text, id] of forms) t.is((await resolveRevision(repo, text)).id, id, text);
  t.is((await resolveRevision(repo, 'mnist')).ref, 'refs/heads/mnist/main');
  t.is((await resolveRevision(repo, 'mnist~1')).ref, null);
});

test('revision: what names nothing is refused with the nearest names', async (t) => {
  const { repo, m1 } = await sample(t);
  const missing = [
    'mian',
    'mnist@5',
    'mnist@0',
    'HEAD~9',
    'HEAD^3',
    'bert@9',
    'zzz',
    'main@{7}',
    'v1@{1}',
    idOf('never'),
    'dead',
    'feat',
    'refs/heads/mnist/none',
    'refs/heads',
    'a..b',
    '.',
  ];
  for (const text of missing) {
    await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_NOT_FOUND' }, text);
  }
  const error = await t.throwsAsync(resolveRevision(repo, 'mian'), { instanceOf: NotFoundError });
  t.deepEqual(error!.data.candidates, ['main']);
  t.regex(String(error!.data.hint), /did you mean main/);
  // As git writes a file of a version, and what one version changed.
  const file = await t.throwsAsync(resolveRevision(repo, 'main:a b.pt'), { code: 'DLV_NOT_FOUND' });
  t.regex(String((file as NotFoundError).data.hint), /'dlv checkout main -- 'a b\.pt'' writes it/);
  const only = await t.throwsAsync(resolveRevision(repo, 'main^!'), { instanceOf: UsageError });
  t.regex(String(only!.data.hint), /'dlv show -p main' shows/);
  for (const text of ['', '~', '^2', 'HEAD~x', 'HEAD~1x', 'a^{commit}', 'HEAD~99999999']) {
    await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_USAGE' }, text);
  }
  t.is((await resolveRevision(repo, m1.slice(0, 10))).id, m1);
});

test('revision: two meanings are ambiguous, one version under two names is not', async (t) => {
  const { repo, m1, m4 } = await sample(t);
  await repo.point('refs/tags/main', m1);
  const error = await t.throwsAsync(resolveRevision(repo, 'main'), { code: 'DLV_AMBIGUOUS' });
  t.deepEqual((error as unknown as { data: { candidates: string[] } }).data.candidates, [
    'refs/tags/main',
    'refs/heads/mnist/main',
  ]);
  await repo.point('refs/tags/main', m4);
  t.deepEqual(await resolveRevision(repo, 'main'), { id: m4, ref: 'refs/heads/mnist/main' });
});

test('revision: a ref that reads as the id or number of another version is ambiguous', async (t) => {
  const { repo, m1, m2, m4 } = await sample(t);
  const digits = m1.slice(0, 6);
  const ambiguous = async (text: string, ...candidates: string[]): Promise<void> => {
    const error = await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_AMBIGUOUS' }, text);
    t.deepEqual(
      (error as unknown as { data: { candidates: string[] } }).data.candidates,
      candidates,
    );
  };
  await repo.point(`refs/heads/mnist/${digits}`, m2);
  await ambiguous(digits, `refs/heads/mnist/${digits}`, m1);
  t.is((await resolveRevision(repo, `mnist/${digits}`)).id, m2);
  t.is((await resolveRevision(repo, `refs/heads/mnist/${digits}`)).id, m2);
  await repo.point('refs/tags/mnist@4', m1);
  await ambiguous('mnist@4', 'refs/tags/mnist@4', m4);
  t.is((await resolveRevision(repo, 'refs/tags/mnist@4')).id, m1);
  await repo.point(`refs/tags/${m1}`, m2);
  await ambiguous(m1, `refs/tags/${m1}`, m1);
  // What has one meaning alone, or two of one version, is not a danger.
  await repo.point('refs/tags/mnist@9', m1);
  t.is((await resolveRevision(repo, 'mnist@9')).id, m1);
  await repo.point('refs/tags/mnist@4', m4);
  t.is((await resolveRevision(repo, 'mnist@4')).id, m4);
  await repo.point('refs/tags/beadfeed', m1);
  t.is((await resolveRevision(repo, 'beadfeed')).id, m1);
});

test('revision: a short id that several versions share names them', async (t) => {
  const { repo } = await sample(t);
  const twins = [0, 1].map((i) => `abcdef${String(i).repeat(58)}` as Id);
  for (const id of twins) repo.versions.set(id, { model: 'mnist', parents: [], number: null });
  const error = await t.throwsAsync(resolveRevision(repo, 'abcd'), { code: 'DLV_AMBIGUOUS' });
  t.deepEqual((error as unknown as { data: { candidates: Id[] } }).data.candidates, twins);
  t.is((await resolveRevision(repo, 'abcdef1')).id, twins[1]!);
});

test('revision: HEAD before the first version, detached, and its log', async (t) => {
  const repo = new Repo(await tempRepo(t));
  t.is(await resolveHead(repo.layout), null);
  await t.throwsAsync(resolveRevision(repo, 'HEAD'), {
    code: 'DLV_NOT_FOUND',
    message: /no version yet/,
  });
  const [a, b] = [repo.add('a', 'mnist'), repo.add('b', 'mnist')];
  await locked(repo.layout, async (lock) => {
    await appendReflog(lock, 'HEAD', { before: null, after: a, ...WHY });
    await appendReflog(lock, 'HEAD', { before: a, after: b, ...WHY });
  });
  await repo.head({ kind: 'detached', model: 'mnist', id: b });
  t.deepEqual(await resolveRevision(repo, 'HEAD'), { id: b, ref: null });
  t.is((await resolveRevision(repo, 'HEAD@{1}')).id, a);
  t.is((await resolveRevision(repo, '@{1}')).id, a);
  await t.throwsAsync(resolveRevision(repo, 'HEAD@{2}'), { code: 'DLV_NOT_FOUND' });
});

test('revision: the branch that a model means', async (t) => {
  const { repo, b1 } = await sample(t);
  t.is(await currentBranch(repo, 'bert'), 'dev', 'its only one');
  await repo.point('refs/heads/bert/other', b1);
  t.is(await currentBranch(repo, 'bert'), null);
  repo.branches.set('bert', 'other');
  t.is(await currentBranch(repo, 'bert'), 'other', 'the one its files belong to');
  repo.branches.set('bert', 'gone');
  await repo.point('refs/heads/bert/main', b1);
  t.is(await currentBranch(repo, 'bert'), 'main');
  await repo.head({ kind: 'branch', model: 'bert', branch: 'dev' });
  t.is(await currentBranch(repo, 'bert'), 'dev', "HEAD's");
  t.is(await currentBranch(repo, 'nothing'), null);
});

test('revision: a line ends where another model begins', async (t) => {
  const { repo, b1, b2, m1, m2, m3, m4 } = await sample(t);
  const line = async (tip: Id) => {
    const ids: Id[] = [];
    for await (const id of firstParentLine(repo, tip)) ids.push(id);
    return ids;
  };
  t.deepEqual(await line(b2), [b2, b1]);
  t.deepEqual(await line(m4), [m4, m3, m2, m1]);
  t.deepEqual(refsByVersion(await listRefs(repo.layout)).get(m4), ['refs/heads/mnist/main']);
});

test('revision: parsing takes apart what was put together', (t) => {
  const step = fc.record({ kind: fc.constantFrom('~' as const, '^' as const), n: fc.nat(999) });
  const base = fc.constantFrom('HEAD', 'a/b', 'm@3', 'v1.0', 'ünï', 'a@b');
  const reflog = fc.option(fc.nat(99), { nil: null });
  fc.assert(
    fc.property(base, fc.boolean(), reflog, fc.array(step), (name, isUpstream, log, steps) => {
      const text =
        name +
        (isUpstream ? '@{u}' : '') +
        (log === null ? '' : `@{${log}}`) +
        steps.map((s) => s.kind + s.n).join('');
      t.deepEqual(parseRevision(text), { base: name, upstream: isUpstream, reflog: log, steps });
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a@{}~^0123/.'.split('')) }), (text) => {
      try {
        parseRevision(text);
      } catch (error) {
        t.is((error as { code: string }).code, 'DLV_USAGE');
      }
    }),
  );
});

test('closest names: near ones, nearest first', (t) => {
  t.is(editDistance('abc', 'abc'), 0);
  t.is(editDistance('abc', 'acb'), 1);
  t.is(editDistance('', 'abc'), 3);
  t.is(editDistance('kitten', 'sitting'), 3);
  t.deepEqual(closestNames('mian', ['main', 'maine', 'dev']), ['main']);
  t.deepEqual(closestNames('resnet', ['resnet50', 'bert']), ['resnet50']);
  t.deepEqual(closestNames('x', []), []);
});

test('revision: a number names one version whatever HEAD is on, or none', async (t) => {
  const { repo, m1, m2, m3, m4, side } = await sample(t);
  const shared = async (text: string): Promise<Record<string, unknown>> => {
    const error = await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_AMBIGUOUS' }, text);
    return (error as unknown as { data: Record<string, unknown> }).data;
  };
  // Versions of an older dlv: both branches have a third one.
  const data = await shared('mnist@3');
  t.deepEqual(data.names, ['mnist/feat/x@3', 'mnist/main@3']);
  t.deepEqual(data.candidates, [side, m3]);
  t.regex(String(data.hint), new RegExp(`mnist/main@3 \\(${m3.slice(0, 10)}\\)`));
  for (const branch of ['main', 'feat/x']) {
    await repo.head({ kind: 'branch', model: 'mnist', branch });
    await shared('mnist@3');
    t.is((await resolveRevision(repo, 'mnist/main@3')).id, m3);
    t.is((await resolveRevision(repo, 'mnist/feat/x@3')).id, side);
    t.is((await resolveRevision(repo, 'mnist@2')).id, m2);
    t.is((await resolveRevision(repo, 'mnist/feat/x@3~2')).id, m1);
  }
  t.is((await resolveRevision(repo, 'origin/bert/dev@1')).ref, null);
  for (const text of ['mnist/main@9', 'mnist/feat/x@4', 'mnist/none@1', 'origin/bert/dev@2']) {
    await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_NOT_FOUND' }, text);
  }
  // Numbers that are held, given while both lines went on, with holes.
  const n7 = repo.addNumbered('n7', 'mnist', 7, m4);
  const n6 = repo.addNumbered('n6', 'mnist', 6, side);
  await repo.point('refs/heads/mnist/main', n7);
  await repo.point('refs/heads/mnist/feat/x', n6);
  t.is((await resolveRevision(repo, 'mnist@7')).id, n7);
  t.is((await resolveRevision(repo, 'mnist@6')).id, n6);
  const gone = await t.throwsAsync(resolveRevision(repo, 'mnist@5'), { code: 'DLV_NOT_FOUND' });
  t.regex((gone as NotFoundError).data.hint as string, /was removed/);
  // The same number from another clone, merged: never silently one of the two.
  const other7 = repo.addNumbered('other7', 'mnist', 7, m4);
  await repo.point('refs/remotes/origin/mnist/main', other7);
  t.deepEqual((await shared('mnist@7')).names, ['mnist/main@7', 'origin/mnist/main@7']);
  const merged = repo.addNumbered('n8', 'mnist', 8, n7, other7);
  await repo.point('refs/heads/mnist/main', merged);
  t.is((await resolveRevision(repo, 'mnist/main@7')).id, n7, 'its own line goes first');
  t.is((await resolveRevision(repo, 'origin/mnist/main@7')).id, other7);
  t.is((await resolveRevision(repo, 'mnist/main@3')).id, m3);
  await repo.point('refs/heads/mnist/feat/x', repo.addNumbered('n9', 'mnist', 9, n6, other7));
  t.is((await resolveRevision(repo, 'mnist/feat/x@7')).id, other7, 'else what it derives from');
});

test('revision: a number of a version that no ref reaches is known to reflogs, after those of refs', async (t) => {
  const { repo, m4 } = await sample(t);
  const n5 = repo.addNumbered('n5', 'mnist', 5, m4);
  const n6 = repo.addNumbered('n6', 'mnist', 6, m4);
  await repo.point('refs/heads/mnist/main', n5);
  await repo.point('refs/heads/mnist/main', n6);
  t.is((await resolveRevision(repo, 'mnist@5')).id, n5, 'amended');
  // Written anew, with another parent: it takes the place of the first.
  const again = repo.addNumbered('n5 again', 'mnist', 5);
  await repo.point('refs/heads/mnist/anew', again);
  t.is((await resolveRevision(repo, 'mnist@5')).id, again);
  // What cannot be read has no name, and costs no other version its name.
  repo.versions.delete(again);
  t.is((await resolveRevision(repo, 'mnist@5')).id, n5);
});

test('revision: a number that a version which cannot be read may have is not a number that is gone', async (t) => {
  const { repo, m4, b1 } = await sample(t);
  const n5 = repo.addNumbered('n5', 'mnist', 5, m4);
  const n7 = repo.addNumbered('n7', 'mnist', 7, n5);
  await repo.point('refs/heads/mnist/main', n7);
  const gone = await t.throwsAsync(resolveRevision(repo, 'mnist@6'), { instanceOf: NotFoundError });
  t.regex(gone.data.hint as string, /was removed/);
  repo.versions.delete(n5);
  for (const text of ['mnist@5', 'mnist@6', 'mnist/main@5', 'mnist/main@2']) {
    const error = await t.throwsAsync(resolveRevision(repo, text), { code: 'DLV_CORRUPT' }, text);
    t.regex(error.message, new RegExp(`^'${text}' cannot be looked up`));
  }
  // What is sound beside it keeps its name.
  t.is((await resolveRevision(repo, 'mnist@7')).id, n7);
  t.is((await resolveRevision(repo, 'bert@1')).id, b1);
  // With marks, it is known which numbers were never given.
  const marks = new Map([['mnist', { highest: 7, shared: 3 }]]);
  await locked(repo.layout, (lock) => writeNumbers(lock, marks));
  await t.throwsAsync(resolveRevision(repo, 'mnist@8'), { message: /^there is no 'mnist@8'$/ });
  await t.throwsAsync(resolveRevision(repo, 'mnist@5'), { code: 'DLV_CORRUPT' });
  // So it is with a ref that is damaged.
  await repo.point('refs/heads/mnist/main', m4);
  await fs.rm(repo.layout.logs, { recursive: true });
  const again = await t.throwsAsync(resolveRevision(repo, 'mnist@5'), {
    instanceOf: NotFoundError,
  });
  t.regex(again.data.hint as string, /was removed/);
  await fs.writeFile(repo.layout.ref('refs/heads/mnist/feat/x'), 'no ref');
  await t.throwsAsync(resolveRevision(repo, 'mnist@5'), { code: 'DLV_CORRUPT' });
});
