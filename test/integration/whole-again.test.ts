/** Partial clones whose planes arrive: what is on the disk is used, whichever way it came, and not fetched again. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { FetchResult } from '../../lib/use/ops/fetch.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { packFiles } from '../helpers/pack-files.js';
import { cloned } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

/** More than a set keeps in one file: with all planes, the set that a clone made has the same name then. */
const SHAPES = { 'a.weight': [1700, 1700] };

async function largeRemote(t: Parameters<typeof TestRepository.create>[0]) {
  const repo = await TestRepository.create(t);
  const file = safetensors(randomTensors(SHAPES, 1));
  await repo.write('model.safetensors', file);
  await repo.commit('one');
  const top = path.dirname(repo.dir);
  const url = path.join(top, 'team.dlv');
  await repo.json('push', url, 'net/main');
  return { top, url, file };
}

test('planes that came are used: of a fetch, of a killed one, of a file that is added', async (t) => {
  const { top, url, file } = await largeRemote(t);
  const fetched = async (repo: TestRepository, planes: string): Promise<number> => {
    const [result] = await repo.json<FetchResult[]>('fetch', 'origin', '--planes', planes);
    return result?.receivedBytes ?? Number.NaN;
  };
  /** All is here: the remote is away. */
  const isWhole = async (repo: TestRepository, how: string): Promise<void> => {
    await fs.rename(url, `${url}.away`);
    const found = await repo.json<FsckOpResult>('fsck');
    t.deepEqual([found.problems, found.promised], [[], []], how);
    const read = await repo.dlv('cat', 'HEAD:model.safetensors');
    t.true(read.stdoutBytes.equals(file), `${how}: ${read.stderr}`);
    await fs.rename(`${url}.away`, url);
  };

  const { repo } = await cloned(top, url, 'fetched', '--planes', '2');
  const promised = path.join(repo.dir, '.dlv', 'promised', 'origin');
  const before = await fs.readFile(promised);
  const files = await packFiles(path.join(repo.dir, '.dlv', 'packs'));
  const [planned] = await repo.json<FetchResult[]>('fetch', '--planes', 'all', '--dry-run');
  t.deepEqual(await packFiles(path.join(repo.dir, '.dlv', 'packs')), files);
  const [middle, low] = [await fetched(repo, '3'), await fetched(repo, 'all')];
  t.true(middle > 1_000_000 && low < 1.1 * middle, `middle planes came again: ${middle} ${low}`);
  t.true(Math.abs((planned?.bytes ?? 0) - middle - low) < 10_000, `planned ${planned?.bytes}`);
  await isWhole(repo, 'fetch');

  // A run that was killed before it could say that the planes are here.
  await fs.writeFile(promised, before);
  await isWhole(repo, 'killed');
  t.true((await fetched(repo, 'all')) < 10_000);
  await t.throwsAsync(fs.stat(promised));

  const { repo: added } = await cloned(top, url, 'added', '--planes', '2');
  await added.write('model.safetensors', file);
  await added.json('add', 'model.safetensors');
  await isWhole(added, 'add');
});

test('fetch --planes of a remote that promised nothing names the one that did', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  await repo.json('remote', 'add', 'backup', url);
  const refused = await repo.fails(2, 'fetch', 'backup', '--planes', 'all');
  t.regex(String(refused.data.hint), /dlv fetch origin --planes all/);
  await repo.json('fetch', '--all', '--planes', 'all');
  t.deepEqual((await repo.json<FsckOpResult>('fsck')).promised, []);
});

test('fetch --planes: where the remote is gone, a mirror takes its place as the message says', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  const mirror = path.join(top, 'mirror.dlv');
  await fs.rename(url, mirror);
  await repo.json('remote', 'add', 'backup', mirror);
  const refused = await repo.fails(2, 'fetch', 'backup', '--planes', 'all');
  t.regex(String(refused.data.hint), /'dlv remote set-url origin <url>'/);
  await repo.json('remote', 'set-url', 'origin', mirror);
  await repo.json('fetch', 'origin', '--planes', 'all');
  t.deepEqual((await repo.json<FsckOpResult>('fsck')).promised, []);
});
