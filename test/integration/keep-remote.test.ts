/** `dlv keep --versions --remote`: what goes at a remote, that nothing goes here, and how it comes back. */
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import * as dlv from '../../lib/index.js';
import { openSurvey } from '../../lib/storage/exchange/collect/open-survey.js';
import { openWritable } from '../../lib/storage/exchange/open-remote.js';
import { RemoteCache } from '../../lib/storage/exchange/remote/remote-cache.js';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import type { KeepRemoteResult, RecallRemoteResult } from '../../lib/use/ops/keep-remote.js';
import { filesOf, prune } from '../e2e/random-forget.js';
import { trained } from '../helpers/kept-run.js';
import { cloned } from '../helpers/remotes.js';
import type { TestRepository } from '../helpers/repository.js';
import { s3Env, serveBuckets } from '../helpers/s3-server.js';

const keepThere = (
  repo: TestRepository,
  rules: string,
  ...flags: string[]
): Promise<KeepRemoteResult> =>
  repo.json('keep', '--versions', rules, '--remote', 'origin', ...flags);

/** Bytes of the records that refs of the remote need. */
function neededBytes(repo: TestRepository, url: string): Promise<number> {
  return repo.with(async (open) => {
    const cache = new RemoteCache(open.layout);
    const remote = await openWritable(url, { cwd: repo.dir, cache });
    const survey = await openSurvey({ repo: open, remote, cache }, remote.state, {});
    const bytes = survey.sets.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
    await survey.close();
    await remote.close();
    return bytes;
  });
}

const sound = async (repo: TestRepository): Promise<unknown[]> =>
  (await repo.json<{ problems: unknown[] }>('fsck', '--files')).problems;

/** Five versions, pushed; time can be made to pass for the store. */
async function pushedRun(t: ExecutionContext) {
  const server = await serveBuckets(t);
  const { AWS_ENDPOINT_URL: endpoint, ...credentials } = s3Env(server.url);
  Object.assign(process.env, credentials);
  const url = `s3://models/net?endpoint=${endpoint}`;
  let minutes = 0;
  server.now = () => Date.now() + minutes * 60_000;
  const repo = await trained(t, 5);
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u', 'origin');
  const packs = (): number =>
    [...server.objects.entries()]
      .filter(([key]) => key.startsWith('models/net/packs/'))
      .reduce((sum, [, { bytes }]) => sum + bytes.length, 0);
  const collect = (): Promise<GcRemoteResult> =>
    repo.json('gc', '--remote', 'origin', '--prune=now');
  const later = (more: number): void => {
    minutes += more;
  };
  return { repo, url, top: path.dirname(repo.dir), packs, collect, later };
}

test('keep --remote: a bucket frees what was said, in two steps; nothing goes here', async (t) => {
  const { repo, url, top, packs, collect, later } = await pushedRun(t);
  await repo.json('tag', 'v1', 'net@1');
  await repo.json('push', 'origin', 'v1');
  const before = await neededBytes(repo, url);
  const said = await keepThere(repo, 'last 1, optimizer 1', '--dry-run');
  t.is(await neededBytes(repo, url), before);
  t.deepEqual(
    said.versions.map(({ number, status }) => `${number} ${status}`),
    ['5 kept', '4 given up', '3 given up', '2 given up', '1 kept'],
  );
  const done = await keepThere(repo, 'last 1, optimizer 1');
  t.deepEqual({ ...done, dryRun: true }, said);
  t.is(
    done.versions.reduce((sum, row) => sum + row.freedBytes, 0),
    done.freedBytes,
  );
  // The notes themselves are needed now.
  const notes = before - done.freedBytes - (await neededBytes(repo, url));
  t.true(notes < 0 && notes > -2000, `${notes}`);
  const size = packs();
  await collect();
  later(16);
  await collect();
  t.true(packs() < size - done.freedBytes / 2);
  const { repo: clone } = await cloned(top, url, 'clone');
  t.deepEqual(await sound(clone), []);
  t.is((await clone.fails(1, 'cat', 'net@3:model.safetensors')).code, 'DLV_GIVEN_UP');
  t.deepEqual(await filesOf(clone, 'v1'), await filesOf(repo, 'v1'));
  // Here everything is as it was, also after a fetch and a collection.
  await repo.json('fetch');
  await prune(repo);
  t.is(Object.keys(await filesOf(repo, 'net@3')).length, 3);
  t.deepEqual(await sound(repo), []);
  // A second run has nothing to do.
  t.is((await keepThere(repo, 'last 1, optimizer 1')).freedBytes, 0);
});

test('keep --recall --remote: what the remote has collected is sent again', async (t) => {
  const { repo, url, top, collect, later } = await pushedRun(t);
  const files = await filesOf(repo, 'net@3');
  await keepThere(repo, 'last 1');
  // Before it is collected, nothing but notes travels.
  const soon = await repo.json<RecallRemoteResult>(
    'keep',
    '--recall',
    'net@3',
    '--remote',
    'origin',
  );
  t.deepEqual(
    soon.versions.map(({ number, files }) => [number, files]),
    [[3, 2]],
  );
  const { repo: first } = await cloned(top, url, 'first');
  t.deepEqual(await filesOf(first, 'net@3'), files);
  await keepThere(repo, 'last 1');
  await collect();
  later(16);
  await collect();
  const late = await repo.json<RecallRemoteResult>(
    'keep',
    '--recall',
    'net@3',
    '--remote',
    'origin',
  );
  t.true(late.bytes > 10 * soon.bytes, `${late.bytes} of ${soon.bytes}`);
  const { repo: second } = await cloned(top, url, 'second');
  t.deepEqual(await filesOf(second, 'net@3'), files);
  t.is((await second.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  t.deepEqual(await sound(second), []);
  t.deepEqual(await sound(repo), []);
  const none = await repo.fails(1, 'keep', '--recall', 'net@3', '--remote', 'origin');
  t.is(none.code, 'DLV_CONFLICT');
});

test('keep --recall --from: what gc has deleted here comes from a remote that has it, and from no other', async (t) => {
  const repo = await trained(t, 4);
  const top = path.dirname(repo.dir);
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u', 'origin');
  const files = await filesOf(repo, 'net@2');
  await repo.json('keep', '--versions', 'last 1');
  await prune(repo);
  // What was given up does not come back by itself.
  for (const command of [['fetch'], ['pull'], ['fetch', '--tags']]) await repo.json(...command);
  t.is((await repo.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  const here = await repo.fails(1, 'keep', '--recall', 'net@2');
  t.is(here.code, 'DLV_NOT_FOUND');
  t.regex(here.data.hint!, /dlv keep --recall net@2 --from <remote>/);
  await using open = await dlv.open(repo.dir);
  const { objects, versions } = await open.recallVersions(['net@2'], { from: 'origin' });
  t.true(objects > 2);
  t.deepEqual(
    versions.map(({ number, files: count }) => [number, count]),
    [[2, 2]],
  );
  t.deepEqual(await filesOf(repo, 'net@2'), files);
  t.is((await repo.fails(1, 'cat', 'net@1:model.safetensors')).code, 'DLV_GIVEN_UP');
  t.deepEqual(await sound(repo), []);
  // A remote that gave them up and collected them cannot help.
  const blank = path.join(top, 'blank.dlv');
  await repo.json('push', blank, 'net/main', '--tombstones');
  const there = await repo.fails(1, 'keep', '--recall', 'net@1', '--from', blank);
  t.regex(there.message, /gc has deleted '.*', and '.*blank\.dlv' does not have it/);
  t.is((await repo.fails(2, 'keep', '--from', 'origin', '--last', '1')).code, 'DLV_USAGE');
  const both = ['--from', 'origin', '--remote', 'origin'];
  t.is((await repo.fails(2, 'keep', '--recall', 'net@1', ...both)).code, 'DLV_USAGE');
});

test('keep --remote: through the API, what is given up there comes back there', async (t) => {
  const repo = await trained(t, 3);
  const url = path.join(path.dirname(repo.dir), 'team.dlv');
  await repo.json('push', url, 'net/main');
  await using open = await dlv.open(repo.dir);
  const { versions, dryRun } = await open.keepRemote(url, { rules: 'last 1', dryRun: true });
  t.deepEqual([dryRun, versions.length], [true, 3]);
  await open.keepRemote(url, { rules: 'last 1' });
  const recalled = await open.recallRemote(url, ['net@1']);
  t.deepEqual(
    recalled.versions.map(({ number, files }) => [number, files]),
    [[1, 2]],
  );
  const { repo: clone } = await cloned(path.dirname(repo.dir), url, 'clone');
  t.deepEqual(await filesOf(clone, 'net@1'), await filesOf(repo, 'net@1'));
});

test('keep --remote: a folder, and versions that others pushed meanwhile', async (t) => {
  const repo = await trained(t, 3);
  const top = path.dirname(repo.dir);
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u', 'origin');
  const { repo: other } = await cloned(top, url, 'other');
  await other.write('model.safetensors', 'new');
  await other.commit('theirs');
  await other.json('push');
  const error = await repo.fails(1, 'keep', '--versions', 'last 1', '--remote', 'origin');
  t.is(error.code, 'DLV_CONFLICT');
  t.regex(error.data.hint!, /dlv fetch/);
  await repo.json('fetch');
  const done = await keepThere(repo, 'last 1');
  t.is(done.versions.filter(({ status }) => status === 'given up').length, 3);
  const { repo: clone } = await cloned(top, url, 'clone');
  t.deepEqual(await sound(clone), []);
  t.is((await repo.fails(2, 'keep', '--remote', 'origin', '--last', '1')).code, 'DLV_USAGE');
});
