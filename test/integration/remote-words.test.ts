/** What users of git type in the first hour with a remote: names of its branches, refspecs, tracking, tags. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import type { BranchEntry } from '../../lib/use/ops/branch-list.js';
import type { FetchResult } from '../../lib/use/ops/fetch.js';
import type { PullResult } from '../../lib/use/ops/pull.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import type { RemoteDescription } from '../../lib/use/ops/remote-show.js';
import type { SwitchResult } from '../../lib/use/ops/switch.js';
import { cloned, pushed, step } from '../helpers/remotes.js';
import type { TestRepository } from '../helpers/repository.js';
import type { Tensors } from '../helpers/safetensors.js';
import { errorOf, runInside } from '../trust/cli.js';

/** A clone, a version that was pushed to main since, and one on a branch `wide` that only the remote has. */
async function behind(t: Parameters<typeof pushed>[0]) {
  const made = await pushed(t);
  const { repo, tensors, top, url } = made;
  const { repo: copy } = await cloned(top, url, 'copy');
  const next = await step(repo, tensors[2] as Tensors, 4);
  await repo.json('push');
  await repo.json('switch', '-c', 'wide');
  await step(repo, next, 5);
  await repo.json('push', 'origin', 'HEAD');
  await repo.json('switch', 'main');
  return { ...made, copy };
}

async function ids(repo: TestRepository, revision: string): Promise<Id[]> {
  const shown = await repo.json<{ version: Id }[]>('log', revision);
  return shown.map(({ version }) => version);
}

async function refusal(repo: TestRepository, ...argv: string[]) {
  const answer = await runInside(['--json', ...argv], repo.dir);
  const { error } = JSON.parse(answer.stdout) as { error: { data: { hint?: string } } };
  return { exit: answer.code, message: errorOf(answer).message, hint: error.data.hint ?? '' };
}

test('a branch of a remote is named without its model, wherever a version is taken', async (t) => {
  const { repo, copy } = await behind(t);
  await copy.json('fetch', 'origin', 'main');
  const [tip] = await ids(repo, 'main');
  for (const name of [
    'origin/main',
    'origin/net',
    'origin/net/main',
    'remotes/origin/main',
    'refs/remotes/origin/main',
    '@{u}',
    '@{upstream}',
    'HEAD@{u}',
    'main@{U}',
  ]) {
    t.is((await ids(copy, name))[0], tip, name);
  }
  t.is((await ids(copy, '@{u}~1'))[0], (await ids(copy, 'HEAD'))[0]);
  t.is((await ids(copy, '@{u}@{1}'))[0], (await ids(copy, 'HEAD'))[0], 'where it was seen before');
  t.deepEqual(await ids(copy, '..origin/main'), [tip]);
  t.is((await copy.json<{ version: Id }>('show', 'origin/main')).version, tip as Id);
  t.is((await runInside(['diff', '--quiet', 'HEAD', 'origin/main'], copy.dir)).code, 1);
  // Of wide, nothing was asked.
  const unseen = await refusal(copy, 'log', 'origin/wide');
  t.is(unseen.exit, 1);
  t.regex(unseen.hint, /origin\/main.*'dlv fetch origin'/);
  t.regex((await refusal(copy, 'log', 'origin')).hint, /origin\/main/);
  t.regex((await refusal(copy, 'log', 'orgin/main')).hint, /origin\/main/);
  t.regex((await refusal(copy, 'log', 'FETCH_HEAD')).hint, /origin\/main/);
  // A number never depends on HEAD, and what has no model does.
  t.regex((await refusal(copy, 'log', 'origin/main@2')).hint, /origin\/<model>\/<branch>@2/);
  await copy.json('branch', '--unset-upstream');
  t.regex((await refusal(copy, 'log', '@{u}')).message, /'net\/main' follows no branch/);
  await copy.json('branch', '-u', 'origin/main');
  await copy.json('reset', '--hard', 'origin/main');
  t.is((await ids(copy, 'HEAD'))[0], tip);
});

test('a branch that only the remote has: listed with -a, and named with the way to it', async (t) => {
  const { copy } = await behind(t);
  await copy.json('fetch');
  const names = async (...flags: string[]) =>
    (await copy.json<BranchEntry[]>('branch', ...flags)).map(({ remote, model, branch }) =>
      [remote, model, branch].filter((part) => part !== null).join('/'),
    );
  t.deepEqual(await names(), ['net/main']);
  t.deepEqual(await names('-a'), ['net/main', 'origin/net/main', 'origin/net/wide']);
  t.deepEqual(await names('-a', '-r'), await names('-a'));
  t.deepEqual(await names('-a', '--model', 'other'), []);
  for (const argv of [
    ['checkout', 'wide'],
    ['show', 'net/wide'],
    ['diff', 'main', 'wide'],
  ]) {
    const { exit, message, hint } = await refusal(copy, ...argv);
    const name = argv.at(-1) as string;
    t.is(exit, 1);
    t.is(message, `there is no branch '${name}' here; origin/${name} has it`);
    t.regex(hint, new RegExp(`'dlv switch -t origin/${name}' makes one that follows it`));
  }
  await copy.json('switch', '-t', 'origin/net/wide');
  t.deepEqual(await names(), ['net/main', 'net/wide']);
});

test('a branch of another model is suggested as that model has it', async (t) => {
  const { copy } = await behind(t);
  await copy.write('b.txt', 'b');
  await copy.json('add', '--model', 'other', 'b.txt');
  await copy.json('commit', '--model', 'other', '-m', 'one');
  await copy.json('branch', '--model', 'other', 'ft', 'other@1');
  for (const argv of [
    ['show', 'ft'],
    ['switch', 'ft'],
    ['diff', 'HEAD', 'ft'],
    ['branch', '-d', 'ft'],
  ]) {
    t.is((await refusal(copy, ...argv)).hint, 'did you mean other/ft?', argv.join(' '));
  }
});

test('a name that is both a branch here and one of a remote is ambiguous, not one of them', async (t) => {
  const { repo, copy } = await behind(t);
  await copy.json('fetch');
  await copy.json('branch', 'origin/main', 'net@1');
  const { exit, message } = await refusal(copy, 'log', 'origin/main');
  t.is(exit, 1);
  t.regex(message, /more than one version/);
  t.is((await ids(copy, 'refs/remotes/origin/net/main'))[0], (await ids(repo, 'main'))[0]);
});

test('branches that start at one of a remote follow it, unless they shall not', async (t) => {
  const { repo, copy } = await behind(t);
  await copy.json('fetch');
  const [wide] = await ids(repo, 'wide');
  const made = await copy.json<SwitchResult>('checkout', '-b', 'one', 'origin/wide');
  t.like(made, { branch: 'one', upstream: 'origin/net/wide', version: wide });
  await copy.json('branch', 'two', 'origin/wide');
  await copy.json('branch', '--no-track', 'three', 'origin/wide');
  await copy.json('switch', '-c', 'four', '--no-track', 'origin/wide');
  t.like(await copy.json('checkout', '-t', 'origin/wide'), { branch: 'wide' });
  const listed = await copy.json<BranchEntry[]>('branch');
  const followed = new Map(listed.map(({ branch, upstream }) => [branch, upstream?.name ?? null]));
  t.deepEqual(Object.fromEntries(followed), {
    four: null,
    main: 'origin/net/main',
    one: 'origin/net/wide',
    three: null,
    two: 'origin/net/wide',
    wide: 'origin/net/wide',
  });
  t.is((await refusal(copy, 'branch', '-t', 'five', 'main')).exit, 2);
  t.regex((await refusal(copy, 'switch', 'origin/main')).hint, /dlv switch -t origin\/main/);
});

test('push takes what git takes: HEAD, any version with a name there, full names, tags, +', async (t) => {
  const { repo, versions, top, url } = await pushed(t);
  const there = async (name: string): Promise<Id | null | undefined> => {
    const { branches, tags } = await repo.json<RemoteDescription>('remote', 'show', 'origin');
    const found = name.startsWith('tag ')
      ? tags.find((tag) => `tag ${tag.name}` === name)
      : branches.find((branch) => branch.name === name);
    return found?.version;
  };
  const [first, second, third] = versions.map(({ version }) => version as Id);
  await repo.json('push', 'origin', 'HEAD:review');
  t.is(await there('net/review'), third);
  await repo.json('push', 'origin', 'HEAD~2:old', 'refs/heads/main:refs/heads/exp/a');
  t.is(await there('net/old'), first);
  t.is(await there('net/exp/a'), third);
  await repo.json('tag', 'v1', 'net@2');
  await repo.json('push', 'origin', 'tag', 'v1');
  await repo.json('push', 'origin', 'v1:v2', 'main:refs/tags/v3');
  t.is(await there('tag v1'), second);
  t.is(await there('tag v2'), second);
  t.is(await there('tag v3'), third);
  t.is((await runInside(['push', 'origin', 'HEAD~2:review', '-q'], repo.dir)).code, 1);
  t.is(await there('net/review'), third, 'it would go back');
  await repo.json('push', 'origin', '+HEAD~2:review');
  t.is(await there('net/review'), first);
  await repo.json('push', 'origin', '--delete', 'v2', 'old');
  t.is(await there('tag v2'), undefined);
  await repo.json('push', 'origin', ':refs/tags/v3', ':exp/a');
  t.is(await there('tag v3'), undefined);
  t.is(await there('net/exp/a'), undefined);
  for (const [spec, hint] of [
    ['HEAD~1', /HEAD~1:main/],
    ['exp*', /--all/],
  ] as const) {
    const { exit, hint: said } = await refusal(repo, 'push', 'origin', spec);
    t.is(exit, 2, spec);
    t.regex(said, hint);
  }
  // A branch that is pushed under another name follows that one, once it is there.
  await repo.json('switch', '-c', 'mine');
  const { upstream } = await repo.json<PushResult>('push', '-u', 'origin', 'mine:theirs');
  t.deepEqual(upstream, [{ branch: 'net/mine', upstream: 'origin/net/theirs' }]);
  await repo.json('reset', '--hard', 'net@1');
  const refused = await runInside(['--json', 'push', '-u', 'origin', 'HEAD:main'], repo.dir);
  t.is(refused.code, 1);
  t.deepEqual((JSON.parse(refused.stdout) as PushResult).upstream, []);
  // Nothing is sent where it could not be followed.
  const unnamed = await refusal(repo, 'push', '-u', path.join(top, 'other.dlv'));
  t.is(unnamed.exit, 1);
  await t.throwsAsync(fs.stat(path.join(top, 'other.dlv')));
  t.truthy(url);
});

test('fetch: a tag that was asked for and is here for another version is refused; one that follows stays', async (t) => {
  const { repo, copy } = await behind(t);
  await repo.json('tag', 'v1', 'net@1');
  await repo.json('push', 'origin', 'v1');
  await copy.json('fetch');
  const [before] = await ids(copy, 'v1');
  await repo.json('tag', '-f', 'v1', 'net@2');
  await repo.json('push', '--force', 'origin', 'v1');
  const run = (...argv: string[]) => runInside(['--json', ...argv], copy.dir);
  const statusOf = (refs: FetchResult['refs'] | undefined): string | undefined =>
    refs?.find(({ name }) => name === 'v1')?.status;
  const plain = await run('fetch');
  t.is(plain.code, 0);
  t.is(statusOf((JSON.parse(plain.stdout) as FetchResult[])[0]?.refs), 'kept');
  const pull = await run('pull');
  t.is(pull.code, 0);
  t.is(statusOf((JSON.parse(pull.stdout) as PullResult).refs), 'kept');
  for (const asked of [
    ['fetch', '--tags'],
    ['fetch', 'origin', 'v1'],
    ['fetch', 'origin', 'tag', 'v1'],
    ['fetch', '--tags', '--dry-run'],
  ]) {
    const answer = await run(...asked);
    t.is(answer.code, 1, asked.join(' '));
    const [result] = JSON.parse(answer.stdout) as FetchResult[];
    t.is(statusOf(result?.refs), 'rejected', asked.join(' '));
  }
  t.is((await ids(copy, 'v1'))[0], before);
  t.is((await run('fetch', '--force', 'origin', 'v1')).code, 0);
  t.not((await ids(copy, 'v1'))[0], before);
  // A tag alone brings no branch.
  await step(repo, (await pushed(t)).tensors[2] as Tensors, 9);
  await repo.json('push', '--all');
  const [only] = await copy.json<FetchResult[]>('fetch', 'origin', 'v1');
  t.deepEqual(
    only?.refs.map(({ name }) => name),
    ['v1'],
  );
  t.is(only?.versions, 0);
  t.regex((await refusal(copy, 'fetch', 'origin', 'main:main')).hint, /dlv pull origin main/);
  t.is((await refusal(copy, 'fetch', 'origin', 'mian')).hint, 'did you mean main?');
});

test('a merge stores the id of what it merged, whatever its number means later', async (t) => {
  const { repo, copy, tensors } = await behind(t);
  await step(copy, tensors[0] as Tensors, 6);
  await copy.json('fetch');
  const [theirs] = await ids(repo, 'main');
  const seen = await copy.json<BranchEntry[]>('branch', '-r');
  const main = seen.find(({ branch }) => branch === 'main');
  // Both clones made a version 4: that of the remote is named by its id, for its branch may be replaced there.
  t.is(main?.number, 4);
  t.is(main?.name, (theirs as string).slice(0, 10));
  const { message } = await copy.json<{ message: string }>('merge', '@{u}', '-X', 'ours');
  t.is(message, `Merge ${(theirs as string).slice(0, 10)} into net/main`);
});

test('remote show: says what is new, moved and gone, what follows, and which packs are missing', async (t) => {
  const { repo, copy, url } = await behind(t);
  await repo.json('tag', 'v1', 'net@1');
  await repo.json('push', 'origin', 'v1');
  const show = () => runInside(['--json', 'remote', 'show', 'origin'], copy.dir);
  const described = async () => JSON.parse((await show()).stdout) as RemoteDescription;
  const first = await described();
  t.is(first.head, 'net/main');
  t.deepEqual(
    first.branches.map(({ name, status, followers }) => [name, status, followers]),
    [
      ['net/main', 'moved', [{ branch: 'net/main', ahead: null, behind: null }]],
      ['net/wide', 'new', []],
    ],
  );
  t.like(first.tags[0], { name: 'v1', status: 'new' });
  t.deepEqual(first.missing, []);
  t.is((await show()).code, 0);
  await copy.json('fetch');
  await repo.json('push', 'origin', '--delete', 'wide');
  const [dry] = await copy.json<FetchResult[]>('fetch', '--prune', '--dry-run');
  t.deepEqual(
    dry?.refs.filter(({ status }) => status !== 'same').map(({ name, status }) => [name, status]),
    [['net/wide', 'pruned']],
  );
  const second = await described();
  t.deepEqual(
    second.branches.map(({ name, status, followers }) => [name, status, followers]),
    [
      ['net/main', 'same', [{ branch: 'net/main', ahead: 0, behind: 1 }]],
      ['net/wide', 'gone', []],
    ],
  );
  const packs = path.join(url, 'packs');
  const [lost] = (await fs.readdir(packs)).filter((name) => name.endsWith('.blob'));
  await fs.rm(path.join(packs, lost as string));
  const third = await show();
  t.is(third.code, 12);
  t.deepEqual((JSON.parse(third.stdout) as RemoteDescription).missing, [`packs/${lost}`]);
  // A fetch that finds nothing new says so, too.
  const fetched = await runInside(['fetch'], copy.dir);
  t.is(fetched.code, 0);
  t.regex(fetched.stderr, new RegExp(`is damaged: 'packs/${lost}' is not there`));
});
