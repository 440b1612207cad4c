/** `dlv model` and `dlv branch -d`, `-m`: wherever HEAD is, nothing is lost unasked. */
import test from 'ava';
import type { BranchDeletion } from '../../lib/use/ops/branch.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { ModelDeletion, ModelEntry, ModelRenaming } from '../../lib/use/ops/model.js';
import { threeVersions } from '../helpers/repository.js';

test('branch -d of where HEAD is is refused; -D: HEAD names the version, no file changes', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const { version } = versions[2]!;
  const { data } = await repo.fails(1, 'branch', '-d', 'main');
  t.regex(data.hint ?? '', /-D, or keep its version with 'dlv tag <name> net\/main'/);
  t.is((data.versions as string[]).length, 3);
  await repo.json('branch', 'same');
  const refused = await repo.fails(1, 'branch', '-d', 'main');
  t.is(refused.message, "HEAD is on 'net/main'");
  t.regex(refused.data.hint ?? '', /'dlv switch <branch>'; -D deletes it/);
  const gone = await repo.json<BranchDeletion>('branch', '-D', 'main');
  t.like(gone, { version, detached: true, lost: [], derived: ['net/same'] });
  t.deepEqual(await repo.changes(), []);
  t.is((await repo.json<LogEntry[]>('log'))[0]?.version, version);
  await repo.json('switch', 'same');
  t.deepEqual(await repo.changes(), []);
});

test('branch -m of where HEAD is and of another model', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('copy', 'net@2', 'fine');
  await repo.json('branch', '-m', 'trunk');
  await repo.json('branch', '-m', 'fine/main', 'other');
  const [renamed] = await repo.json<{ name: string; reason: string }[]>('reflog', '--deleted');
  t.like(renamed, { name: 'fine/main', reason: 'branch: renamed fine/main to fine/other' });
  for (const command of ['show', 'switch']) {
    t.regex((await repo.fails(1, command, 'fine/main')).data.hint ?? '', /write 'fine\/other'/);
  }
  const log = await repo.json<LogEntry[]>('log', '--all');
  t.true(log.some(({ refs }) => refs.includes('fine/other')));
  t.deepEqual(log.find(({ version }) => version === versions[2]?.version)?.refs, [
    'HEAD',
    'net/trunk',
  ]);
  t.deepEqual(await repo.changes(), []);
  await repo.write('note.txt', 'more');
  t.is((await repo.commit('more')).branch, 'trunk');
});

test('model rename: versions keep all but their model, old ids and names lead to them', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('tag', 'v2', 'net@2');
  await repo.json('copy', 'net@2', 'fine');
  await repo.write('note.txt', 'changed');
  await repo.json('add', 'note.txt');
  const log = await repo.json<LogEntry[]>('log', '--all');
  const dry = await repo.json<ModelRenaming>('model', 'rename', '-n', 'net', 'bert');
  t.like(dry, { dryRun: true, versions: 3, derived: 1 });
  t.deepEqual(await repo.json('log', '--all'), log);
  const done = await repo.json<ModelRenaming>('model', 'rename', 'net', 'bert');
  t.deepEqual({ ...done, dryRun: true }, dry);
  t.deepEqual(await repo.json<ModelEntry[]>('model'), [
    { model: 'bert', current: true, branches: ['main'] },
    { model: 'fine', current: false, branches: ['main'] },
  ]);
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
  const now = await repo.json<LogEntry[]>('log', '--all');
  t.deepEqual(
    now.map(({ number, message, time }) => ({ number, message, time })),
    log.map(({ number, message, time }) => ({ number, message, time })),
  );
  t.deepEqual(now.find(({ model }) => model === 'fine')?.lineage[0]?.model, 'bert');
  for (const drop of [false, true]) {
    if (drop) await repo.json('gc', '--prune=now');
    for (const [i, { version }] of versions.entries()) {
      for (const name of [version, version.slice(0, 10), `net@${i + 1}`, `bert@${i + 1}`]) {
        const { code, stdout, stderr } = await repo.dlv('show', name, '--format', '%H %s');
        t.is(code, 0, stderr);
        t.is(
          stdout.trim(),
          `${now.find(({ number, model }) => model === 'bert' && number === i + 1)!.version} ${['first', 'second', 'third'][i]}`,
        );
        if (name.startsWith('bert')) t.is(stderr, '');
        else t.regex(stderr, /was rewritten as .* \(model: renamed net to bert\)/);
      }
    }
    for (const name of ['net', 'net/main', 'net/main@3']) {
      const { stdout, stderr } = await repo.dlv('show', name, '--format', '%s');
      t.regex(stdout, /third/);
      t.regex(stderr, /model 'net' was renamed to 'bert' on/);
    }
    t.is((await repo.dlv('log', 'net')).code, 0);
    t.regex((await repo.fails(1, 'switch', 'net')).data.hint ?? '', /was renamed: write 'bert'/);
    const old = `bert/old${drop}`;
    t.is(
      (await repo.json<{ version: string }>('branch', old, 'net@2')).version,
      now.find(({ model, number }) => model === 'bert' && number === 2)!.version,
    );
    await repo.json('branch', '-D', old);
  }
  t.is((await repo.fails(1, 'model', 'rename', 'bert', 'fine')).code, 'DLV_EXISTS');
  t.is((await repo.fails(1, 'model', 'rename', 'net', 'x')).code, 'DLV_NOT_FOUND');
  // Back again: the same versions have the same ids.
  await repo.json('model', 'mv', 'bert', 'net');
  t.deepEqual(
    (await repo.json<LogEntry[]>('log', '--all')).map(({ version }) => version),
    log.map(({ version }) => version),
  );
  t.is((await repo.dlv('fsck')).code, 0);
});

test('model delete: what derives from it stays and is named, HEAD goes elsewhere', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('copy', 'net@2', 'fine', '--into', 'fine', '--checkout');
  await repo.json('tag', 'v1', 'net@1');
  const { data } = await repo.fails(1, 'model', 'delete', 'net');
  t.deepEqual(data.versions, [versions[2]?.version]);
  const dry = await repo.json<ModelDeletion>('model', 'delete', '--dry-run', 'net');
  t.is((await repo.json<LogEntry[]>('log')).length, 3);
  const done = await repo.json<ModelDeletion>('model', 'rm', '--force', 'net');
  t.deepEqual({ ...done, dryRun: true }, dry);
  t.like(done, {
    lost: [versions[2]?.version],
    derived: ['fine/main', 'tag: v1'],
    untracked: ['model.safetensors', 'note.txt'],
    head: 'fine/main',
  });
  t.deepEqual(await repo.json('model'), [{ model: 'fine', current: true, branches: ['main'] }]);
  t.is((await repo.json<LogEntry[]>('log')).length, 3, 'fine@1 and the two that it derives from');
  t.true(await repo.exists('model.safetensors'));
  const back = await repo.json<{ version: string }>('branch', 'net/main', versions[2]!.version);
  t.is(back.version, versions[2]!.version);
});

test('model delete: the only one, staged files, and what is not a model', async (t) => {
  const { repo } = await threeVersions(t);
  t.is((await repo.fails(1, 'model', 'delete', 'nett')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'model', 'nett')).code, 'DLV_USAGE');
  await repo.json('tag', 'last');
  await repo.write('note.txt', 'changed');
  await repo.json('add', 'note.txt');
  t.deepEqual((await repo.fails(1, 'model', 'delete', 'net')).data.paths, ['note.txt']);
  await repo.json('reset');
  const done = await repo.json<ModelDeletion>('model', 'delete', 'net');
  t.like(done, { head: 'net/main', lost: [], derived: ['tag: last'] });
  t.regex((await repo.fails(1, 'log')).message, /no version yet/);
  await repo.commit('a new beginning');
  t.is((await repo.json<LogEntry[]>('log')).length, 1);
});
