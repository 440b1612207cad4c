/** Which repository is used, and that one of another user, or behind a link, is refused until trusted. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { UnsafeError } from '../../../../lib/base/errors.js';
import {
  checkTrusted,
  findRepository,
  findRepositoryOrNull,
  SAFE_DIRECTORY_VARIABLE,
} from '../../../../lib/storage/repo/find-repository.js';
import { initRepository } from '../../../../lib/storage/repo/init.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { tempRepo } from './temp-repo.js';

/** An environment whose user settings are `text`. */
async function userSettings(t: ExecutionContext, text = ''): Promise<NodeJS.ProcessEnv> {
  const file = path.join(await tempDir(t), 'config');
  await fs.writeFile(file, text);
  return { DLV_CONFIG: file };
}

/** True if this process may give files away; else the test says that it is skipped. */
function mayGiveAway(t: ExecutionContext): boolean {
  if (process.geteuid?.() === 0) return true;
  t.log('SKIPPED: only root can make a repository of another user');
  t.pass();
  return false;
}

const STRANGER = 54321;

test('find: a repository is found from any folder below it', async (t) => {
  const layout = await tempRepo(t);
  const deep = path.join(layout.workTree, 'a', 'b');
  await fs.mkdir(deep, { recursive: true });
  t.is((await findRepository(deep)).workTree, layout.workTree);
  t.is((await findRepository(layout.dir)).workTree, layout.workTree);
  const outside = await tempDir(t);
  await fs.mkdir(path.join(outside, '.dlv'));
  t.is(await findRepositoryOrNull(outside), null);
  const error = await t.throwsAsync(findRepository(outside), { code: 'DLV_NO_REPOSITORY' });
  t.regex(String((error as unknown as { data: { hint: string } }).data.hint), /dlv init/);
});

test('find: a file .dlv is not a repository and does not mean the one above', async (t) => {
  const layout = await tempRepo(t);
  const inner = path.join(layout.workTree, 'inner');
  await fs.mkdir(path.join(inner, 'deep'), { recursive: true });
  await fs.writeFile(path.join(inner, '.dlv'), 'dlvdir: ../.dlv\n');
  for (const dir of [inner, path.join(inner, 'deep')]) {
    await t.throwsAsync(findRepository(dir), { code: 'DLV_NO_REPOSITORY', message: /is a file/ });
  }
  t.is((await findRepository(layout.workTree)).workTree, layout.workTree);
});

test('find: a .dlv that is a link is refused until the user trusts it', async (t) => {
  const layout = await tempRepo(t);
  const linked = await tempDir(t);
  await fs.symlink(layout.dir, path.join(linked, '.dlv'));
  const env = await userSettings(t);
  const error = await t.throwsAsync(findRepository(linked, env), {
    code: 'DLV_UNSAFE',
    message: /'\.dlv' is a symbolic link/,
  });
  const { hint } = (error as unknown as { data: { hint: string } }).data;
  t.true(hint.includes(`dlv config --user safe.directory '${linked}'`), hint);
  t.true(hint.includes(`DLV_SAFE_DIRECTORY='${linked}'`), hint);
  t.is((await findRepository(linked, { ...env, DLV_SAFE_DIRECTORY: linked })).workTree, linked);
  const trusting = await userSettings(t, `[safe]\ndirectory = "/elsewhere:${linked}"\n`);
  t.is((await findRepository(linked, trusting)).workTree, linked);
});

test('find: the hint keeps the folders that are trusted already', async (t) => {
  const layout = await tempRepo(t);
  const linked = await tempDir(t);
  await fs.symlink(layout.dir, path.join(linked, '.dlv'));
  const env = await userSettings(t, '[safe]\ndirectory = /elsewhere\n');
  const error = await t.throwsAsync(findRepository(linked, env), { code: 'DLV_UNSAFE' });
  const { hint } = (error as unknown as { data: { hint: string } }).data;
  t.true(hint.includes(`safe.directory '/elsewhere${path.delimiter}${linked}'`), hint);
});

test('find: what the repository says of itself does not make it trusted', async (t) => {
  const layout = await tempRepo(t);
  const linked = await tempDir(t);
  await fs.writeFile(layout.config, `[safe]\ndirectory = "*"\nconfig = "*"\n`);
  await fs.symlink(layout.dir, path.join(linked, '.dlv'));
  await t.throwsAsync(findRepository(linked, await userSettings(t)), { code: 'DLV_UNSAFE' });
});

test('find: that of another user is refused, whichever folder is theirs', async (t) => {
  if (!mayGiveAway(t)) return;
  const env = await userSettings(t);
  const whole = await tempRepo(t);
  for (const place of [whole.workTree, whole.dir]) await fs.chown(place, STRANGER, STRANGER);
  const dir = await tempRepo(t);
  await fs.chown(dir.dir, STRANGER, STRANGER);
  const tree = await tempRepo(t);
  await fs.chown(tree.workTree, STRANGER, STRANGER);
  for (const layout of [whole, dir, tree]) {
    const message = new RegExp(`belongs to user ${STRANGER}, and you are user 0`);
    await t.throwsAsync(findRepository(layout.workTree, env), { code: 'DLV_UNSAFE', message });
    const below = path.join(layout.workTree, 'a');
    await fs.mkdir(below);
    await t.throwsAsync(findRepository(below, env), { code: 'DLV_UNSAFE', message });
    const { workTree } = layout;
    for (const list of [workTree, '*', `/x:${workTree}`, `${path.dirname(workTree)}/*`]) {
      const safe = { ...env, [SAFE_DIRECTORY_VARIABLE]: list };
      t.is((await findRepository(workTree, safe)).workTree, workTree, list);
    }
    for (const list of ['', '/x', `${workTree}x`, `${workTree}/*`, '.', path.dirname(workTree)]) {
      const unsafe = { ...env, [SAFE_DIRECTORY_VARIABLE]: list };
      await t.throwsAsync(findRepository(workTree, unsafe), { code: 'DLV_UNSAFE' }, list);
    }
    t.is((await findRepository(workTree, { ...env, SUDO_UID: `${STRANGER}` })).workTree, workTree);
    await t.throwsAsync(findRepository(workTree, { ...env, SUDO_UID: '1' }), {
      code: 'DLV_UNSAFE',
    });
  }
});

test('find: a folder is trusted however links lead to it', async (t) => {
  const layout = await tempRepo(t);
  const other = await tempDir(t);
  const repo = path.join(other, 'repo');
  await fs.mkdir(repo);
  await fs.symlink(layout.dir, path.join(repo, '.dlv'));
  await fs.symlink(repo, path.join(other, 'alias'));
  const env = await userSettings(t);
  for (const [used, named] of [
    ['alias', 'repo'],
    ['repo', 'alias'],
  ] as const) {
    const safe = { ...env, DLV_SAFE_DIRECTORY: path.join(other, named) };
    await t.notThrowsAsync(findRepository(path.join(other, used), safe));
  }
});

test('init: makes nothing in a folder of another user', async (t) => {
  if (!mayGiveAway(t)) return;
  const layout = new Layout(await tempDir(t));
  await fs.chown(layout.workTree, STRANGER, STRANGER);
  const error = await t.throwsAsync(checkTrusted(layout, await userSettings(t)), {
    code: 'DLV_UNSAFE',
    message: /cannot use a repository in/,
  });
  t.regex(
    String((error as UnsafeError).data.hint),
    /make a folder of your own in it.*safe\.directory/,
  );
  t.deepEqual(await fs.readdir(layout.workTree), []);
  await fs.chown(layout.workTree, 0, 0);
  await checkTrusted(layout, await userSettings(t));
  await initRepository(layout, { model: 'm', branch: 'main' });
});
