/** `dlv forget`: what is taken out is gone, all else is as it was, and what it says it frees comes back. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { ForgetResult } from '../../lib/use/ops/forget.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { threeVersions } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { filesOf, forgetAtRandom, prune } from './random-forget.js';

test('a mistake under other versions is taken out of all of them, and its bytes come back', async (t) => {
  const { repo } = await threeVersions(t);
  const noise = Buffer.from(Array.from({ length: 300_000 }, seededRandom(1)).map((x) => x * 256));
  await repo.write('raw/big.bin', noise);
  const mistake = await repo.commit('oops');
  for (const i of [5, 6, 7]) {
    await repo.write('note.txt', `version ${i}\n`);
    if (i === 6) await repo.remove('raw/big.bin');
    await repo.commit(`step ${i}`, { metrics: { loss: i } });
  }
  await repo.json('tag', 'release', 'HEAD~1');
  await repo.json('branch', 'side', 'HEAD~2');
  await repo.json('copy', 'HEAD', 'other');
  const before = new Map<string, Record<string, string>>();
  const log = await repo.json<LogEntry[]>('log', '--all');
  for (const { version } of log) before.set(version, await filesOf(repo, version));

  const dry = await repo.json<ForgetResult>('forget', '--dry-run', '--path', 'raw');
  t.true(dry.dryRun);
  t.deepEqual(
    (await repo.json<LogEntry[]>('log', '--all')).map(({ version }) => version),
    log.map(({ version }) => version),
  );
  const done = await repo.json<ForgetResult>('forget', '--path', 'raw');
  t.deepEqual(
    { ...done, dryRun: true, freedFrom: '' },
    { ...dry, freedFrom: '' },
    'a dry run says what happens',
  );
  t.deepEqual(done.paths, ['raw/big.bin']);
  t.is(done.versions.length, 2);
  t.deepEqual(done.refs.map(({ name }) => name).sort(), [
    'net/main',
    'net/side',
    'other/main',
    'tag: release',
  ]);
  t.true(done.freedBytes > noise.length);

  const after = await repo.json<LogEntry[]>('log', '--all');
  const told = (entries: LogEntry[]) =>
    entries.map(({ model, number, message, author, time, metrics, step, refs }) => {
      return { model, number, message, author, time, metrics, step, refs };
    });
  t.deepEqual(told(after), told(log), 'all else that versions say is as it was');
  for (const [i, { version }] of after.entries()) {
    const { 'raw/big.bin': _gone, ...kept } = before.get(log[i]!.version)!;
    t.deepEqual(await filesOf(repo, version), kept);
  }
  t.deepEqual(await repo.changes(), []);

  // Old ids still lead somewhere, before and after gc.
  const last = log.find(({ message }) => message === 'step 7')!.version;
  for (const drop of [false, true]) {
    if (drop) t.is((await prune(repo)).droppedBytes, done.freedBytes);
    const now = await repo.dlv('show', last, '--format', '%H');
    t.regex(now.stderr, /was rewritten as [0-9a-f]{10} on .* \(forget --path raw\)/);
    t.is(now.stdout.trim(), after.find(({ message }) => message === 'step 7')!.version);
    const { message, data } = await repo.fails(1, 'checkout', mistake.version);
    t.regex(message, /was rewritten .*; it is [0-9a-f]{10} now, with other files/);
    t.is((await filesOf(repo, String(data.becomes)))['raw/big.bin'], undefined);
  }
  t.is((await repo.dlv('fsck', '--files')).code, 0);
  t.is(await fs.readFile(repo.file('note.txt'), 'utf8'), 'version 7\n');
});

test('a version is taken out of the middle of its line, and back by the reflog', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const done = await repo.json<ForgetResult>('forget', 'net@2');
  t.like(done.versions[0], { number: 2, message: 'second', becomes: null });
  const log = await repo.json<LogEntry[]>('log');
  t.deepEqual(
    log.map(({ message }) => message),
    ['third', 'first'],
  );
  t.is(log[0]?.parents[0], versions[0]?.version);
  t.deepEqual(await repo.changes(), []);
  await repo.json('reset', '--hard', 'HEAD@{1}');
  t.deepEqual(
    (await repo.json<LogEntry[]>('log')).map(({ version }) => version),
    versions.map(({ version }) => version).reverse(),
  );
  // The same once more makes the same ids.
  const again = await repo.json<ForgetResult>('forget', versions[1]!.version);
  t.is(again.refs[0]?.after, log[0]?.version);
  t.is((await prune(repo)).droppedBytes, again.freedBytes);
  t.regex((await repo.fails(1, 'show', versions[1]!.version)).message, /was forgotten on/);
});

test('an old name of what was forgotten says so, and how it comes back while it can', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('forget', 'net@1');
  const [third, second] = await repo.json<LogEntry[]>('log');
  // An old id of what was rewritten is the new version; the whole id takes changes back.
  const { stdout, stderr } = await repo.dlv(
    'show',
    versions[2]!.version.slice(0, 12),
    '--format',
    '%H',
  );
  t.is(stdout.trim(), third!.version);
  t.regex(stderr, /was rewritten as [0-9a-f]{10} on/);
  t.is(
    (await repo.json<{ version: string }>('show', `${versions[2]!.version}~1`)).version,
    second!.version,
  );
  t.is((await repo.json<{ version: string }>('show', 'HEAD@{1}')).version, versions[2]!.version);
  await repo.json('forget', 'net@2');
  // Two versions had the number, and both are gone.
  for (const name of ['net@2', versions[1]!.version, second!.version.slice(0, 10)]) {
    const { message, data } = await repo.fails(1, 'show', name);
    t.regex(message, /was forgotten on/);
    t.regex(data.hint ?? '', new RegExp(`'dlv branch net/back ${second!.version}' brings it back`));
  }
  const back = await repo.json<{ version: string }>('branch', 'net/back', second!.version);
  t.is(back.version, second!.version);
  t.is(
    (await repo.dlv('show', 'net@2', '--format', '%s')).stdout.trim(),
    'second',
    'on a branch again',
  );
  await repo.json('branch', '-D', 'back');
  await repo.json('reset', '--hard', versions[2]!.version);
  t.is((await repo.dlv('show', 'net@2', '--format', '%H')).stdout.trim(), versions[1]!.version);
  await repo.json('reset', '--hard', third!.version);
  await repo.json('forget', '--force', 'net@2');
  await prune(repo);
  const { data } = await repo.fails(1, 'show', second!.version);
  t.regex(data.hint ?? '', /cannot be brought back/);
});

test('the last version: the line goes back, work files stay', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('forget', 'HEAD');
  t.is((await repo.json<LogEntry[]>('log'))[0]?.version, versions[1]?.version);
  t.deepEqual((await repo.changes()).sort(), ['modified model.safetensors', 'modified note.txt']);
  await repo.json('reset', '--hard');
  await repo.json('forget', 'HEAD~1');
  await repo.json('forget', 'HEAD');
  t.regex((await repo.fails(1, 'log')).message, /no version yet/);
  t.deepEqual((await repo.changes()).sort(), ['untracked model.safetensors', 'untracked note.txt']);
  for (const flags of [['--hard'], ['--soft'], []]) {
    await repo.json('reset', ...flags, 'HEAD@{1}');
    t.is((await repo.json<LogEntry[]>('log')).length, 1);
    await repo.json('reset', '--hard');
    t.deepEqual(await repo.changes(), []);
    await repo.json('forget', 'HEAD');
    t.true(
      (await repo.json<{ here: boolean }[]>('reflog')).every(({ here }) => here),
      'no gc ran',
    );
  }
  // As in a repository without versions: nothing is tracked, so nothing is committed.
  t.is((await repo.fails(2, 'commit', '-am', 'empty')).code, 'DLV_USAGE');
  await repo.commit('anew');
  t.is((await repo.json<LogEntry[]>('log')).length, 1);
  const { message, data } = await repo.fails(1, 'reset', 'HEAD@{1}');
  t.regex(message, /named no version before/);
  t.regex(data.hint ?? '', /dlv reflog/);
});

test('what would be lost is refused, and named', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('tag', 'best', 'net@2');
  t.regex((await repo.fails(1, 'forget', 'net@2')).data.hint ?? '', /tag -d best/);
  await repo.write('note.txt', 'staged');
  await repo.json('add', 'note.txt');
  t.regex((await repo.fails(1, 'forget', 'HEAD')).message, /staged changes/);
  t.regex((await repo.fails(1, 'forget', '--path', 'note.txt')).message, /staged changes/);
  t.regex((await repo.fails(1, 'forget', '--path', 'nothing.pt')).message, /matches no file/);
  t.is((await repo.fails(2, 'forget')).code, 'DLV_USAGE');
  t.regex((await repo.fails(2, 'forget', 'net@1..net@2')).data.hint ?? '', /--path/);
  t.is((await repo.json<LogEntry[]>('log'))[0]?.version, versions[2]?.version, 'nothing moved');
  await repo.json('forget', '--force', 'net@2');
  t.deepEqual(await repo.json('tag'), []);
  const { message, data } = await repo.fails(1, 'show', 'best');
  t.regex(message, /the tag 'best' was deleted on/);
  t.true(data.hint?.includes(`'dlv tag best ${versions[1]?.version}' brings it back`));
  await prune(repo);
  t.regex((await repo.fails(1, 'show', 'best')).data.hint ?? '', /gc has dropped its version/);
});

test('--path with a range leaves other versions alone', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('forget', '--path', 'note.txt', 'net@1..net@2');
  const names = async (revision: string) => Object.keys(await filesOf(repo, revision));
  t.deepEqual(await names('net@1'), ['model.safetensors', 'note.txt']);
  t.deepEqual(await names('net@2'), ['model.safetensors']);
  t.deepEqual(await names('net@3'), ['model.safetensors', 'note.txt']);
});

test('a random history: kept versions are byte-equal, gc frees what was said', (t) =>
  forgetAtRandom(t, 1));

test('a remote branch that still has what is forgotten is named: it keeps the bytes', async (t) => {
  const { repo } = await threeVersions(t);
  const alone = await repo.json<ForgetResult>('forget', 'HEAD~1', '--dry-run');
  t.deepEqual(alone.heldBy, []);
  await repo.json('push', repo.file('../team.dlv'));
  await repo.json('remote', 'add', 'origin', repo.file('../team.dlv'));
  await repo.json('fetch');
  const held = await repo.json<ForgetResult>('forget', 'HEAD~1', '--dry-run');
  t.deepEqual(held.heldBy, ['origin/net/main']);
  t.true(held.freedBytes < alone.freedBytes);
  const text = await repo.dlv('forget', 'HEAD~1', '--dry-run');
  t.regex(text.stdout, /^origin\/net\/main still has what is forgotten, and keeps it here too/m);
});

test('forget --force of the last version: a file that is gone is deleted, not never written', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('forget', '--force', 'HEAD');
  await repo.remove('note.txt');
  t.deepEqual(await repo.changes(), ['modified model.safetensors', 'deleted note.txt']);
});
