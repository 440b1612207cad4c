/** Why programs do not start, as the places say, not as the number that the system gives says. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  findProgram,
  NotStarted,
  startProgram,
} from '../../../../lib/base/files/processes/program.js';
import { tempDir } from '../../../helpers/temp-dir.js';

/** A PATH of five folders: one that may not be read, one with a folder, one with a plain file, a file, a real one. */
async function makePath(t: ExecutionContext): Promise<{ dir: string; PATH: string }> {
  const dir = await tempDir(t);
  for (const name of ['locked', 'folders/tool', 'plain', 'real', 'here']) {
    await fs.mkdir(path.join(dir, name), { recursive: true });
  }
  await fs.writeFile(path.join(dir, 'plain', 'script'), 'print(1)\n', { mode: 0o644 });
  await fs.writeFile(path.join(dir, 'a file'), '');
  await fs.writeFile(path.join(dir, 'real', 'script2'), '#!/bin/sh\nexit 7\n', { mode: 0o755 });
  await fs.writeFile(path.join(dir, 'real', 'lost'), '#!/no/such/shell -e\n', { mode: 0o755 });
  await fs.writeFile(path.join(dir, 'here', 'train'), '', { mode: 0o755 });
  await fs.chmod(path.join(dir, 'locked'), 0);
  t.teardown(() => fs.chmod(path.join(dir, 'locked'), 0o700));
  const names = ['locked', 'folders', 'plain', 'a file', 'absent', 'real'];
  return { dir, PATH: names.map((name) => path.join(dir, name)).join(path.delimiter) };
}

async function failure(
  t: ExecutionContext,
  word: string,
  { cwd, PATH }: { cwd: string; PATH: string },
): Promise<NotStarted> {
  const error = await t.throwsAsync(
    startProgram(word, [], { cwd, env: { PATH }, stdio: 'ignore' }),
    { instanceOf: NotStarted },
  );
  return error as NotStarted;
}

test('a program of PATH: absent, not executable, a folder, a script without its shell', async (t) => {
  if (process.platform === 'win32') return t.pass('programs are found otherwise here');
  const { dir, PATH } = await makePath(t);
  const where = { cwd: path.join(dir, 'here'), PATH };
  const absent = await failure(t, 'no-such-program', where);
  t.regex(absent.message, /^'no-such-program' cannot be started: there is no such program/);
  t.true(absent.isAbsent);
  // Root looks into every folder.
  const mayLook = await fs.readdir(path.join(dir, 'locked')).then(
    () => true,
    () => false,
  );
  t.is(absent.why.includes(`'${dir}/locked', which PATH names, may not be looked into`), !mayLook);
  t.true((await failure(t, 'tool', where)).isAbsent, 'a folder with the name is no program');
  const plain = await failure(t, 'script', where);
  t.like(plain, { why: `'${dir}/plain/script' is not executable`, isAbsent: false });
  t.regex(plain.hint ?? '', /chmod \+x '.*\/plain\/script'/);
  const lost = await failure(t, 'lost', where);
  t.is(lost.why, `the first line of '${dir}/real/lost' names '/no/such/shell', which is not there`);
  t.is((await failure(t, 'train', where)).hint, "there is a file 'train' here: write './train'");
  t.regex((await failure(t, '', where)).why, /no such program/);
});

test('a path: absent, not executable, a folder, below a file, behind a locked folder', async (t) => {
  if (process.platform === 'win32') return t.pass('programs are found otherwise here');
  const { dir, PATH } = await makePath(t);
  const where = { cwd: dir, PATH };
  const why = async (word: string): Promise<string> => (await failure(t, word, where)).why;
  t.is(await why('./nothing'), 'there is no such file');
  t.is(await why('./a file/below'), 'there is no such file');
  t.is(await why('plain/script'), 'it is not executable');
  t.is(await why('./folders'), 'it is a folder');
  t.regex(
    await why('locked/script'),
    /^(there is no such file|a folder on the way to it may not be)/,
  );
  t.is(await why(`./${'x'.repeat(300)}`), 'there is no such file');
  await fs.symlink('round', path.join(dir, 'round'));
  t.is(await why('./round'), 'there is no such file');
  const gone = await failure(t, 'sh', { cwd: path.join(dir, 'gone'), PATH: '/bin' });
  t.regex(gone.why, /^the folder '.*gone', in which it is to run, cannot be entered$/);
  const long = startProgram('sh', ['x'.repeat(4_000_000)], { cwd: dir, stdio: 'ignore' });
  const error = await t.throwsAsync(long, { instanceOf: NotStarted });
  t.regex(error?.message ?? '', /arguments and environment are longer/);
});

test('what starts is what is found', async (t) => {
  if (process.platform === 'win32') return t.pass('programs are found otherwise here');
  const { dir, PATH } = await makePath(t);
  await fs.copyFile(path.join(dir, 'real', 'script2'), path.join(dir, 'plain', 'script2'));
  await fs.chmod(path.join(dir, 'plain', 'script2'), 0o644);
  const env = { PATH };
  t.is(await findProgram('script2', { cwd: dir, env }), path.join(dir, 'real', 'script2'));
  t.is(await findProgram('real/script2', { cwd: dir, env }), path.join(dir, 'real', 'script2'));
  t.is(await findProgram('tool', { cwd: dir, env }), null);
  const child = await startProgram('script2', [], { cwd: dir, env, stdio: 'ignore' });
  t.is(await new Promise((resolve) => child.once('close', resolve)), 7);
});
