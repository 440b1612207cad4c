/** `dlv keep --versions`: what is given up, what gc frees then, and how it comes back. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import test from 'ava';
import type { KeepVersionsResult, RecallResult } from '../../lib/use/ops/keep-versions.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { trained } from '../helpers/kept-run.js';
import { cloned } from '../helpers/remotes.js';
import { SHAPES, type TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';
import { filesOf, prune } from './random-forget.js';

const keep = (
  repo: TestRepository,
  rules: string,
  ...flags: string[]
): Promise<KeepVersionsResult> => repo.json('keep', '--versions', rules, ...flags);

const statuses = ({ versions }: KeepVersionsResult): string[] =>
  versions.map(({ number, status }) => `${number} ${status}`);

const fsckProblems = async (repo: TestRepository): Promise<unknown[]> =>
  (await repo.json<{ problems: unknown[] }>('fsck', '--files')).problems;

const RULES = 'last 2, best 1 by loss, optimizer 1';

test('keep --versions: gc frees exactly what --dry-run said; ids and kept files stay', async (t) => {
  const repo = await trained(t, 6);
  const before = await repo.json<LogEntry[]>('log');
  const files = new Map<string, Record<string, string>>();
  for (const { version } of before) files.set(version, await filesOf(repo, version));
  const said = await keep(repo, RULES, '--dry-run');
  t.deepEqual(statuses(said), [
    '6 kept',
    '5 state given up',
    '4 state given up',
    '3 given up',
    '2 given up',
    '1 given up',
  ]);
  t.true(said.freedBytes > 0);
  t.is((await prune(repo, '--dry-run')).droppedBytes, 0, 'a dry run changes nothing');
  const done = await keep(repo, RULES);
  t.deepEqual({ ...done, freedFrom: '' }, { ...said, dryRun: false, freedFrom: '' });
  t.deepEqual(
    (await repo.json<LogEntry[]>('log')).map(({ version }) => version),
    before.map(({ version }) => version),
  );
  // Within the grace period nothing goes.
  const plain = await repo.json<{ droppedBytes: number; kept: { why: string; bytes: number }[] }>(
    'gc',
  );
  t.is(plain.droppedBytes, 0);
  t.is(plain.kept.find(({ why }) => why === 'given-up')?.bytes, said.freedBytes);
  const pruned = await prune(repo);
  t.is(pruned.droppedBytes, said.freedBytes);
  t.deepEqual(await fsckProblems(repo), []);
  for (const { version, number } of before) {
    const wanted = { ...files.get(version)! };
    if (number < 6) delete wanted['optimizer.safetensors'];
    if (number < 4) delete wanted['model.safetensors'];
    const out = `out-${number}`;
    for (const [name, sha256] of Object.entries(wanted)) {
      await repo.json('checkout', version, name, '--out', out, '--force');
      t.is(
        createHash('sha256')
          .update(await repo.read(`${out}/${name}`))
          .digest('hex'),
        sha256,
      );
    }
    if (number === 6) continue;
    const error = await repo.fails(1, 'checkout', version, '--out', 'none');
    t.is(error.code, 'DLV_GIVEN_UP');
    t.regex(error.message, /optimizer|of 3 files/);
    const shown = await repo.json<ShowResult>('show', version);
    t.deepEqual(
      shown.files.filter(({ givenUp }) => givenUp === null).map(({ path: name }) => name),
      Object.keys(wanted).sort(),
    );
  }
  t.deepEqual(
    (await keep(repo, RULES)).versions.filter((row) => row.files > 0),
    [],
  );
  // Training goes on, from what was kept.
  await repo.write('model.safetensors', safetensors(randomTensors(SHAPES, 9)));
  await repo.commit('on');
  t.deepEqual(await fsckProblems(repo), []);
});

test('keep --recall brings files back byte for byte until gc has deleted them', async (t) => {
  const repo = await trained(t, 4);
  const before = await filesOf(repo, 'net@2');
  await keep(repo, 'last 1');
  const error = await repo.fails(1, 'cat', 'net@2:model.safetensors');
  t.is(error.code, 'DLV_GIVEN_UP');
  t.regex(error.data.hint!, /--recall/);
  const { versions } = await repo.json<RecallResult>('keep', '--recall', 'net@2');
  t.deepEqual(
    versions.map(({ number, files }) => [number, files]),
    [[2, 2]],
  );
  t.deepEqual(await filesOf(repo, 'net@2'), before);
  t.is((await repo.fails(1, 'keep', '--recall', 'net@2')).code, 'DLV_CONFLICT');
  const pruned = await prune(repo);
  t.true(pruned.droppedBytes > 0);
  t.deepEqual(await filesOf(repo, 'net@2'), before);
  const gone = await repo.fails(1, 'keep', '--recall', 'net@1');
  t.is(gone.code, 'DLV_NOT_FOUND');
  t.regex(gone.message, /gc has deleted/);
  // What was recalled is given up again by the next run, and can be recalled again.
  t.deepEqual(statuses(await keep(repo, 'last 1')), ['4 kept', '3 gone', '2 given up', '1 gone']);
  t.is((await repo.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  await repo.json('keep', '--recall', 'net@2');
  t.deepEqual(await filesOf(repo, 'net@2'), before);
  t.deepEqual(await fsckProblems(repo), []);
});

test('keep --versions: tags, tips, HEAD, stashes, merges and shared files are protected', async (t) => {
  const repo = await trained(t, 6);
  await repo.json('tag', 'v1', 'net@2');
  await repo.json('branch', 'old', 'net@3');
  await repo.write('model.safetensors', safetensors(randomTensors(SHAPES, 7)));
  await repo.json('stash');
  await repo.json('switch', 'old');
  await repo.write('model.safetensors', safetensors(randomTensors(SHAPES, 8)));
  await repo.commit('on old', { step: 700 });
  const done = await keep(repo, 'last 1');
  const reasons = new Map(done.versions.map((row) => [row.number, row.reasons.join(', ')]));
  t.is(reasons.get(2), 'tag v1');
  t.regex(reasons.get(6) ?? '', /branch net\/main, stash/);
  t.deepEqual(
    done.versions.filter(({ status }) => status === 'given up').map(({ number }) => number),
    [5, 4, 3, 1],
  );
  // The stash is whole, and so is what its files are changed from.
  await prune(repo);
  await repo.json('switch', 'main');
  await repo.json('stash', 'pop');
  t.deepEqual(await fsckProblems(repo), []);
  // The shared file is not given up while a kept version has it.
  const shown = await repo.json<ShowResult>('show', 'net@1');
  t.is(shown.files.find(({ path: name }) => name === 'config.json')?.givenUp, null);
});

test('keep --versions: a clone has the tombstones, and what was given up does not come back', async (t) => {
  const repo = await trained(t, 5);
  const top = path.dirname(repo.dir);
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u', 'origin');
  const { repo: whole } = await cloned(top, url, 'whole');
  await keep(repo, 'last 1');
  await prune(repo);
  const size = (await repo.json<{ packBytesBefore: number }>('gc', '--dry-run')).packBytesBefore;
  await repo.json('fetch');
  t.is((await repo.json<{ packBytesBefore: number }>('gc', '--dry-run')).packBytesBefore, size);
  t.is((await repo.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  // A push leaves the remote as it is.
  await repo.write('model.safetensors', safetensors(randomTensors(SHAPES, 7)));
  await repo.commit('on');
  await repo.json('push');
  const { repo: later } = await cloned(top, url, 'later');
  t.deepEqual(await filesOf(later, 'net@2'), await filesOf(whole, 'net@2'));
  // Unless it is told to.
  await repo.json('push', '--tombstones');
  const { repo: thin } = await cloned(top, url, 'thin');
  t.is((await thin.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  t.deepEqual(await fsckProblems(thin), []);
  // A repository that is whole stays whole.
  const fetched = await whole.dlv('pull');
  t.is(fetched.code, 0);
  t.regex(fetched.stderr, /4 versions that are whole here: they stay here/);
  t.is((await filesOf(whole, 'net@2'))['model.safetensors']?.length, 64);
  await prune(whole);
  t.deepEqual(await fsckProblems(whole), []);
  await whole.json('fetch', '--tombstones');
  t.is((await whole.fails(1, 'cat', 'net@2:model.safetensors')).code, 'DLV_GIVEN_UP');
  t.true((await prune(whole)).droppedBytes > 0);
  t.deepEqual(await fsckProblems(whole), []);
  // And goes on pushing.
  await whole.write('model.safetensors', safetensors(randomTensors(SHAPES, 11)));
  await whole.commit('more');
  await whole.json('push');
  const { repo: last } = await cloned(top, url, 'last');
  t.deepEqual(await fsckProblems(last), []);
});

test('keep --versions: errors name the remedy', async (t) => {
  const repo = await trained(t, 2);
  t.regex((await repo.fails(2, 'keep', '--versions')).data.hint!, /keep.versions/);
  t.regex((await repo.fails(2, 'keep', '--versions', 'newest 3')).message, /newest 3/);
  t.is((await repo.fails(1, 'keep', '--versions', 'best 1 by nothing')).code, 'DLV_NOT_FOUND');
  t.is(
    (await repo.fails(1, 'keep', '--versions', 'last 1', '--model', 'no')).code,
    'DLV_NOT_FOUND',
  );
  t.is((await repo.fails(2, 'keep', '--versions', 'last 1', '--last', '3')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'keep', '--versions', 'last', '1')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'keep', '--recall')).code, 'DLV_USAGE');
});

test('keep --versions: a version whose files are all in kept ones is not given up, and rows have ids', async (t) => {
  const repo = await trained(t, 2);
  await repo.commit('the same again', { allowEmpty: true });
  const said = await keep(repo, 'last 1', '--dry-run');
  t.deepEqual(statuses(said), ['3 kept', '2 kept', '1 given up']);
  t.deepEqual(said.versions[1]?.reasons, ['same files as a kept one']);
  const { stdout } = await repo.dlv('keep', '--versions', 'last 1', '--dry-run');
  for (const { version, name } of said.versions) {
    t.true(stdout.includes(`${version.slice(0, 10)}  ${name}`), stdout);
  }
});
