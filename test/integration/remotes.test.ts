/** Clone, push, fetch and pull over a folder, from the command line down. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { BranchEntry } from '../../lib/use/ops/branch-list.js';
import type { FetchResult } from '../../lib/use/ops/fetch.js';
import type { PullResult } from '../../lib/use/ops/pull.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import type { SwitchResult } from '../../lib/use/ops/switch.js';
import { dlv } from '../helpers/dlv.js';
import {
  cloned,
  failingClone,
  filesBelow,
  largeTensors,
  pushed,
  step,
} from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, safetensors, type Tensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

interface Fsck {
  problems: unknown[];
}

async function sound(repo: TestRepository): Promise<unknown[]> {
  return (await repo.json<Fsck>('fsck')).problems;
}

async function history(repo: TestRepository, revision = 'HEAD'): Promise<string[]> {
  return (await repo.json<{ version: string }[]>('log', revision)).map(({ version }) => version);
}

test('clone: gives every version byte for byte, under its id and its number', async (t) => {
  const { repo, versions, tensors, top, url } = await pushed(t);
  await repo.json('tag', 'paper', 'net@2');
  await repo.json('push', 'origin', 'paper');
  const { repo: copy, result } = await cloned(top, url, 'copy');
  t.is(result.versions, 3);
  t.is(result.version as string | null, versions[2]?.version as string);
  t.deepEqual(await history(copy), await history(repo));
  for (const [i, values] of tensors.entries()) {
    const out = `out-${i}`;
    await copy.json('checkout', `net@${i + 1}`, '--out', out);
    t.is(Buffer.compare(await copy.read(`${out}/model.safetensors`), safetensors(values)), 0);
    t.is(await copy.text(`${out}/note.txt`), `version ${i + 1}\n`);
  }
  t.is((await history(copy, 'paper'))[0], versions[1]?.version as string);
  t.deepEqual(await sound(copy), []);
  await fs.rm(copy.file('out-0'), { recursive: true });
  // What is not here any more is asked of nobody: the remote may go.
  await fs.rm(url, { recursive: true });
  t.is(await copy.text('note.txt'), 'version 3\n');
});

test('clone: a folder that holds something, a wrong address and an empty remote are told apart', async (t) => {
  const { top, url } = await pushed(t);
  await fs.mkdir(path.join(top, 'full'));
  await fs.writeFile(path.join(top, 'full', 'file'), 'x');
  t.regex((await failingClone(top, url, 'full')).stdout, /DLV_EXISTS/);
  const wrong = await failingClone(top, path.join(top, 'none.dlv'), 'other');
  t.is(wrong.code, 1);
  t.regex(wrong.stdout, /DLV_REMOTE/);
  await t.throwsAsync(fs.stat(path.join(top, 'other')));
  await fs.mkdir(path.join(top, 'empty'));
  t.regex((await failingClone(top, path.join(top, 'empty'), 'other')).stdout, /no dlv remote/);
  const ssh = await failingClone(top, 'ada@host:models', 'other');
  t.is(ssh.code, 2);
});

test('push: a version over many costs its records, little else, and few requests', async (t) => {
  const top = await tempDir(t);
  await fs.mkdir(path.join(top, 'net'));
  const repo = new TestRepository(path.join(top, 'net'));
  await repo.json('init');
  await repo.json('remote', 'add', 'origin', path.join(top, 'team.dlv'));
  let tensors = largeTensors(1);
  for (let i = 0; i < 12; i++) tensors = await step(repo, tensors, i);
  await repo.json('push');
  for (let i = 20; i < 24; i++) {
    tensors = await step(repo, tensors, i);
    const dry = await repo.json<PushResult>('push', '--dry-run');
    const done = await repo.json<PushResult>('push');
    t.is(done.versions, 1);
    t.is(dry.bytes, done.bytes);
    t.is(dry.sentBytes, 0);
    t.true(done.sentBytes <= done.bytes + 64 * 1024, `${done.sentBytes} for ${done.bytes}`);
    t.true(done.receivedBytes <= 64 * 1024);
    t.true(done.requests <= 12, `${done.requests} requests`);
    // A delta of some 400 KB of floats of which all changed a little.
    t.true(done.bytes < 300_000, `${done.bytes}`);
  }
  const again = await repo.json<PushResult>('push');
  t.deepEqual(
    again.refs.map(({ status }) => status),
    ['same'],
  );
  t.is(again.sentBytes, 0);
  // Sets have other names after gc: what is there is known all the same.
  await repo.json('gc', '--prune=now');
  tensors = await step(repo, tensors, 30);
  const merged = await repo.json<PushResult>('push');
  t.true(merged.sentBytes < 300_000, `${merged.sentBytes}`);
  const { repo: copy } = await cloned(top, path.join(top, 'team.dlv'), 'copy');
  t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(tensors)), 0);
  t.deepEqual(await sound(copy), []);
});

test('pull: work goes back and forth, and status knows how far', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  const next = await step(copy, tensors[2] as Tensors, 7);
  const ahead = await copy.json<StatusResult>('status');
  t.like(ahead.head.upstream, { name: 'origin/net/main', ahead: 1, behind: 0 });
  await copy.json('push');
  t.like((await copy.json<StatusResult>('status')).head.upstream, { ahead: 0, behind: 0 });

  const fetched = await repo.json<FetchResult[]>('fetch');
  t.like(fetched[0], { versions: 1, remote: 'origin' });
  t.like(fetched[0]?.refs[0], { name: 'net/main', status: 'updated' });
  t.is((await repo.dlv('status')).stdout.includes("Behind 'origin/net/main' by 1 version"), true);
  const [branch] = await repo.json<BranchEntry[]>('branch');
  t.like(branch?.upstream, { ahead: 0, behind: 1 });
  t.regex((await repo.dlv('branch', '-vv')).stdout, /origin\/net\/main: behind 1/);
  t.regex((await repo.dlv('branch', '-r')).stdout, /origin\/net\/main/);

  const moved = await repo.json<PullResult>('pull');
  t.deepEqual(moved.written, ['model.safetensors']);
  t.is(Buffer.compare(await repo.read('model.safetensors'), safetensors(next)), 0);
  t.deepEqual(await repo.changes(), []);
  t.deepEqual(await history(repo), await history(copy));
  const nothing = await repo.json<PullResult>('pull');
  t.is(nothing.before, nothing.after);
  t.deepEqual(await sound(repo), []);
});

test('push: two lines that parted: the slower is refused, and told what to do', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  await repo.write('theirs.txt', 'theirs');
  await step(repo, tensors[2] as Tensors, 11);
  await step(copy, tensors[2] as Tensors, 12);
  await repo.json('push');
  const before = await filesBelow(url);
  const refused = await copy.dlv('--json', 'push');
  t.is(refused.code, 1);
  const { refs } = JSON.parse(refused.stdout) as PushResult;
  t.like(refs[0], { status: 'rejected' });
  t.regex(refs[0]?.reason ?? '', /dlv pull/);
  t.deepEqual([...(await filesBelow(url)).keys()], [...before.keys()]);

  const parted = await copy.fails(1, 'pull');
  t.is(parted.code, 'DLV_CONFLICT');
  t.regex(parted.data.hint ?? '', /'dlv merge \w{10}' joins the lines/);
  // Both gave 4: neither is taken for the other.
  t.is((await copy.fails(1, 'show', 'net@4')).code, 'DLV_AMBIGUOUS');
  t.is(
    (await copy.json<{ version: string | undefined }>('show', 'origin/net/main@4')).version,
    (await history(repo))[0],
  );

  const theirs = (await history(repo))[0] as string;
  await copy.write('model.safetensors', safetensors(nudge(tensors[2] as Tensors, 1e-3, 13)));
  await copy.json('checkout', theirs, '--', 'theirs.txt');
  await copy.json('commit', '-a', '-m', 'joined', '--parent', theirs);
  t.is((await copy.dlv('cat', 'HEAD:theirs.txt')).stdout, 'theirs');
  await copy.json('push');
  await repo.json('pull');
  t.deepEqual(await history(repo), await history(copy));
  t.deepEqual(await sound(repo), []);
});

test('push: force replaces a line, with a lease only one that was seen', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  await step(copy, tensors[2] as Tensors, 21);
  await copy.json('push');
  await step(repo, tensors[2] as Tensors, 22);
  const stale = await repo.dlv('--json', 'push', '--force-with-lease');
  t.is(stale.code, 1);
  await repo.json('fetch');
  const done = await repo.json<PushResult>('push', '--force-with-lease');
  t.is(done.refs[0]?.status, 'forced');
  const back = await copy.json<FetchResult[]>('fetch');
  t.is(back[0]?.refs[0]?.status, 'forced');
  t.deepEqual(await history(copy, 'origin/net/main'), await history(repo));
});

test('push: branches, tags, other names, deletion and --prune', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  await repo.json('switch', '-c', 'wider');
  await step(repo, tensors[2] as Tensors, 31);
  await repo.json('tag', 'v1');
  await repo.json('push', '--all', '--tags');
  const { repo: copy } = await cloned(top, url, 'copy', '--branch', 'wider');
  t.is((await copy.json<StatusResult>('status')).head.branch, 'wider');
  await repo.json('push', 'origin', 'wider:trial');
  await repo.json('push', 'origin', '--delete', 'net/trial');
  await repo.json('push', 'origin', 'main:old');
  const fetched = await copy.json<FetchResult[]>('fetch', '--prune');
  t.deepEqual(
    fetched[0]?.refs.filter(({ status }) => status === 'new').map(({ name }) => name),
    ['net/old'],
  );
  const pruned = await repo.json<PushResult>('push', '--prune');
  t.deepEqual(
    pruned.refs.filter(({ status }) => status === 'deleted').map(({ name }) => name),
    ['net/old'],
  );
  const gone = await copy.json<FetchResult[]>('fetch', '--prune');
  t.deepEqual(
    gone[0]?.refs.filter(({ status }) => status === 'pruned').map(({ name }) => name),
    ['net/old'],
  );
  // A tag stands for good: another version under its name is refused.
  await copy.json('tag', '-d', 'v1');
  await copy.json('tag', 'v1', 'net@1');
  t.is((await copy.dlv('push', 'origin', 'v1')).code, 1);
  const clash = await copy.dlv('--json', 'fetch', '--tags');
  t.is(clash.code, 1);
  t.regex(clash.stdout, /there is a tag of that name here/);
});

test('push: many at once to different branches all arrive, of one branch one wins', async (t) => {
  const { tensors, top, url } = await pushed(t);
  const copies: TestRepository[] = [];
  for (let i = 0; i < 4; i++) copies.push((await cloned(top, url, `copy-${i}`)).repo);
  for (const [i, copy] of copies.entries()) {
    await copy.json('switch', '-c', `run-${i}`);
    await step(copy, tensors[2] as Tensors, 40 + i);
  }
  const all = await Promise.all(copies.map((copy) => copy.dlv('push')));
  t.deepEqual(
    all.map(({ code }) => code),
    [0, 0, 0, 0],
    all.map(({ stderr }) => stderr).join(),
  );
  const same = await Promise.all(
    copies.map((copy, i) => copy.dlv('--json', 'push', 'origin', `run-${i}:main`)),
  );
  t.deepEqual(same.map(({ code }) => code).sort(), [0, 1, 1, 1]);
  const { repo: copy } = await cloned(top, url, 'last');
  const winner = same.findIndex(({ code }) => code === 0);
  t.deepEqual(await history(copy), await history(copies[winner] as TestRepository));
  t.is((await copy.json<BranchEntry[]>('branch', '-r')).length, 5);
  t.deepEqual(await sound(copy), []);
});

test('push: nothing travels that no pushed version needs', async (t) => {
  const top = await tempDir(t);
  await fs.mkdir(path.join(top, 'secret'));
  const repo = new TestRepository(path.join(top, 'secret'));
  await repo.json('init');
  const base = largeTensors(50);
  await repo.write('secret.safetensors', safetensors(base));
  await repo.commit('secret');
  const derived = nudge(base, 1e-4, 51);
  await repo.write('open.safetensors', safetensors(derived));
  await repo.json('add', '--model', 'open', 'open.safetensors');
  await repo.json('commit', '--model', 'open', '-m', 'derived');
  await repo.json('remote', 'add', 'origin', path.join(top, 'team.dlv'));
  const done = await repo.json<PushResult>('push', 'origin', 'open/main');
  t.is(done.versions, 1);
  t.true(done.recoded > 0, 'it is stored as a delta of the secret one');
  const { repo: copy } = await cloned(top, path.join(top, 'team.dlv'), 'copy');
  t.is(Buffer.compare(await copy.read('open.safetensors'), safetensors(derived)), 0);
  const own = await repo.with(async ({ store }) => {
    const ids: string[] = [];
    for await (const { id } of store.segments()) ids.push(id);
    for await (const { id } of store.blobs()) ids.push(id);
    return ids;
  });
  const theirs = await copy.with(async ({ store }) => {
    const ids: string[] = [];
    for await (const { id } of store.segments()) ids.push(id);
    for await (const { id } of store.blobs()) ids.push(id);
    return ids;
  });
  // Two weights of the secret model, its version, recipe and the like stay.
  t.true(theirs.length <= own.length - 4, `${theirs.length} of ${own.length}`);
  t.deepEqual(await sound(copy), []);
});

test('fetch: what was forgotten here does not come back by itself', async (t) => {
  const { repo, versions, top, url } = await pushed(t);
  const forgotten = versions[1]?.version as string;
  await repo.json('forget', 'net@2');
  await repo.json('gc', '--prune=now');
  const refused = await repo.dlv('--json', 'fetch');
  const mine = await history(repo);
  if (refused.code === 0) {
    // The branch that was seen still names it: nothing had to come.
    t.false(mine.includes(forgotten));
  } else t.regex(refused.stdout, /was forgotten here/);
  await repo.json('push', '--force-with-lease');
  const { repo: copy } = await cloned(top, url, 'copy');
  t.deepEqual(await history(copy), mine);
  t.is((await copy.dlv('show', forgotten)).code, 1);
});

test('fetch: a repository that forgot everything of it refuses the line, and takes it when told to', async (t) => {
  const { repo, versions, top, url } = await pushed(t);
  await repo.json('remote', 'remove', 'origin');
  await repo.json('forget', 'net@2');
  await repo.json('gc', '--prune=now');
  await repo.json('remote', 'add', 'origin', url);
  const refused = await repo.dlv('--json', 'fetch');
  t.is(refused.code, 1);
  t.regex(refused.stdout, /net@2 .*forgotten here/);
  t.is((await repo.json<BranchEntry[]>('branch', '-r')).length, 0);
  await repo.json('fetch', '--forgotten');
  t.true((await history(repo, 'origin/net/main')).includes(versions[1]?.version as string));
  t.truthy(top);
});

test('clone, pull: a repository with a work tree serves as a remote, and takes no push', async (t) => {
  const { repo, tensors, top } = await pushed(t);
  const { repo: copy } = await cloned(top, repo.dir, 'copy');
  t.deepEqual(await history(copy), await history(repo));
  await step(repo, tensors[2] as Tensors, 61);
  await copy.json('pull');
  t.deepEqual(await history(copy), await history(repo));
  await step(copy, tensors[2] as Tensors, 62);
  const refused = await copy.fails(2, 'push');
  t.regex(refused.message, /work tree/);
  // By address, without a name.
  const other = await cloned(top, path.join(top, 'team.dlv'), 'other');
  await other.repo.json('pull', repo.dir);
  t.deepEqual(await history(other.repo), await history(repo));
});

test('fetch: a dry run says what would come and changes nothing', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  await step(repo, tensors[2] as Tensors, 71);
  await repo.json('push');
  const before = (await copy.json<BranchEntry[]>('branch', '-r'))[0]?.version;
  const [dry] = await copy.json<FetchResult[]>('fetch', '--dry-run');
  t.like(dry, { dryRun: true, versions: 1 });
  t.is((await copy.json<BranchEntry[]>('branch', '-r'))[0]?.version, before);
  const [done] = await copy.json<FetchResult[]>('fetch');
  t.is(done?.bytes, dry?.bytes);
});

test('push, clone: tiers and marks travel as notes', async (t) => {
  const { repo, top, url } = await pushed(t);
  const large = largeTensors(80);
  await repo.write('model.safetensors', safetensors(large));
  await repo.commit('large');
  await repo.json('archive', '--tier', 'bf16', 'net@4', '--yes').catch(() => {});
  await repo.json('push');
  const notes = await repo.with(async ({ layout }) => {
    const { listNotedVersions } = await import('../../lib/storage/repo/refs/refs.js');
    return listNotedVersions(layout);
  });
  const { repo: copy } = await cloned(top, url, 'copy', '--no-checkout');
  const theirs = await copy.with(async ({ layout }) => {
    const { listNotedVersions } = await import('../../lib/storage/repo/refs/refs.js');
    return listNotedVersions(layout);
  });
  t.deepEqual(theirs, notes);
  t.deepEqual(await sound(copy), []);
});

test('remote: added, renamed, changed and removed, with what follows it', async (t) => {
  const { repo, top, url } = await pushed(t);
  t.deepEqual(await repo.json('remote'), [{ name: 'origin', url }]);
  t.is((await repo.fails(1, 'remote', 'add', 'origin', 'x')).code, 'DLV_EXISTS');
  await repo.json('remote', 'rename', 'origin', 'team');
  t.like((await repo.json<StatusResult>('status')).head.upstream, {
    name: 'team/net/main',
    ahead: 0,
  });
  await repo.json('remote', 'set-url', 'team', path.join(top, 'with space'));
  await repo.json('push', '--all');
  t.truthy(await fs.stat(path.join(top, 'with space', 'remote')));
  t.is((await repo.dlv('remote', 'get-url', 'team')).stdout, `${top}/with space\n`);
  await repo.json('remote', 'remove', 'team');
  t.deepEqual(await repo.json('branch', '-r'), []);
  t.is((await repo.json<StatusResult>('status')).head.upstream, null);
  t.is((await repo.fails(1, 'push')).code, 'DLV_NOT_FOUND');
  const near = await repo.fails(1, 'push', 'teem');
  t.is(near.code, 'DLV_NOT_FOUND');
});

test('branch: follows what it is told to, also under another name', async (t) => {
  const { repo, tensors } = await pushed(t);
  await repo.json('switch', '-c', 'local');
  t.is((await repo.json<StatusResult>('status')).head.upstream, null);
  await repo.json('branch', '-u', 'origin/net/main');
  await step(repo, tensors[2] as Tensors, 91);
  t.like((await repo.json<StatusResult>('status')).head.upstream, { ahead: 1, behind: 0 });
  const done = await repo.json<PushResult>('push');
  t.is(done.refs[0]?.name, 'net/main');
  await repo.json('branch', '-m', 'local', 'mine');
  t.like((await repo.json<StatusResult>('status')).head.upstream, { name: 'origin/net/main' });
  await repo.json('branch', '--unset-upstream');
  t.is((await repo.json<StatusResult>('status')).head.upstream, null);
  t.is((await repo.fails(1, 'branch', '-u', 'origin/none')).code, 'DLV_NOT_FOUND');
});

test('switch: the name of a branch that only the remote has makes one that follows it', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  await repo.json('switch', '-c', 'low-rate');
  const low = await step(repo, tensors[2] as Tensors, 4);
  await repo.json('push', 'origin', 'low-rate');
  const { repo: copy } = await cloned(top, url, 'copy');
  const done = await copy.json<SwitchResult>('switch', 'low-rate');
  t.like(done, { branch: 'low-rate', created: true, upstream: 'origin/net/low-rate' });
  t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(low)), 0);
  t.like((await copy.json<StatusResult>('status')).head.upstream, { ahead: 0, behind: 0 });
  // Work goes back there without another word.
  await step(copy, low, 5);
  t.is((await copy.json<PushResult>('push')).refs[0]?.name, 'net/low-rate');
  await copy.json('switch', 'main');
  t.like(await copy.json('switch', '-c', 'mine', 'origin/net/low-rate'), {
    upstream: 'origin/net/low-rate',
  });
  t.like(await copy.json('switch', '-c', 'plain'), { upstream: null });
  // A second remote that has it, too: which one is meant has to be said.
  await copy.json('remote', 'add', 'team', url);
  await copy.json('fetch', 'team');
  await copy.json('branch', '-D', 'low-rate');
  const twice = await copy.dlv('switch', 'low-rate');
  t.is(twice.code, 1);
  t.regex(twice.stderr, /several remotes[\s\S]*switch -c low-rate origin/);
});

test('switch: a model that only the remote has is begun at its branch', async (t) => {
  const { repo, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  await repo.json('copy', 'net', 'wide');
  await repo.json('push', '--all');
  await copy.json('fetch');
  const done = await copy.json<SwitchResult>('switch', 'wide');
  t.like(done, { model: 'wide', branch: 'main', upstream: 'origin/wide/main' });
  t.deepEqual(await sound(copy), []);
});

test('model: branches follow those of its new name, and none once it is deleted', async (t) => {
  const { repo } = await pushed(t);
  await repo.json('model', 'rename', 'net', 'wide');
  const [renamed] = await repo.json<BranchEntry[]>('branch');
  t.is(renamed?.upstream?.name, 'origin/wide/main');
  t.is(renamed?.upstream?.version ?? null, null);
  const done = await repo.json<PushResult>('push');
  t.like(done.refs[0], { name: 'wide/main', status: 'new' });
  t.like((await repo.json<StatusResult>('status')).head.upstream, { ahead: 0, behind: 0 });
  await repo.json('model', 'delete', '--force', 'wide');
  t.notRegex((await repo.text('.dlv/remotes')) ?? '', /upstream/);
});

test('clone: limits that are none are refused before anything is made', async (t) => {
  const { top, url } = await pushed(t);
  for (const flags of [
    ['--limit-rate', 'fast'],
    ['--jobs', '0'],
    ['--jobs', 'x'],
  ]) {
    const refused = await dlv(['clone', url, 'copy', ...flags], { cwd: top });
    t.is(refused.code, 2, flags.join(' '));
    await t.throwsAsync(fs.stat(path.join(top, 'copy')));
  }
  const { result } = await cloned(top, url, 'copy', '--limit-rate', '50M', '--jobs', '1');
  t.is(result.versions, 3);
});

test('push: a dry run to a folder in none fails as the push would', async (t) => {
  const { repo, top } = await pushed(t);
  await repo.json('remote', 'set-url', 'origin', path.join(top, 'none', 'team.dlv'));
  for (const flags of [['--all', '--tags', '--dry-run'], []]) {
    const { code, message } = await repo.fails(1, 'push', ...flags);
    t.is(code, 'DLV_REMOTE');
    t.regex(message, /^cannot make the remote '.*': there is no folder '.*none'$/);
  }
});

test('clone: where HEAD of the remote has no versions, a branch that has some is checked out, and that is said', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('bert.txt', 'a');
  await repo.json('add', '--model', 'bert', 'bert.txt');
  await repo.json('commit', '--model', 'bert', '-m', 'first');
  const top = path.dirname(repo.dir);
  for (const url of [repo.dir, path.join(top, 'team.dlv')]) {
    if (url !== repo.dir) await repo.json('push', '--all', url);
    const name = `${path.basename(url, '.dlv')}-copy`;
    const { code, stderr } = await dlv(['clone', url, name], { cwd: top });
    t.is(code, 0, stderr);
    if (url === repo.dir)
      t.regex(stderr, /HEAD of .* has no versions yet: the clone is on 'bert\/main'/);
    const copy = new TestRepository(path.join(top, name));
    t.is(await copy.text('bert.txt'), 'a');
    t.like((await copy.json<StatusResult>('status')).head, { model: 'bert', branch: 'main' });
  }
  const { stderr } = await dlv(['clone', repo.dir, 'asked', '--model', 'bert'], { cwd: top });
  t.notRegex(stderr, /no versions yet/);
});
