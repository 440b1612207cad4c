/**
 * The frame of the command: help, version, flags, errors as text and as JSON, exit codes, signals,
 * readers that go away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import test from 'ava';
import { COMMANDS } from '../../lib/cli/commands/index.js';
import { DLV_BIN, dlv } from '../helpers/dlv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

test('help: lists every command; each has examples', async (t) => {
  const cwd = await tempDir(t);
  const help = await dlv(['--help'], { cwd });
  t.is(help.code, 0);
  t.is(help.stderr, '');
  for (const { name } of COMMANDS) t.regex(help.stdout, new RegExp(`^  ${name} `, 'm'), name);
  for (const { name } of COMMANDS.slice(0, 3)) {
    const one = await dlv([name, '--help'], { cwd });
    t.is(one.code, 0);
    t.regex(one.stdout, new RegExp(`Examples:\\n {2}dlv ${name}`));
    t.is((await dlv(['help', name], { cwd })).stdout, one.stdout);
  }
});

test('version: as text and as JSON, flags in any order', async (t) => {
  const cwd = await tempDir(t);
  t.regex((await dlv(['--version'], { cwd })).stdout, /^dlv \d+\.\d+\.\d+\n$/);
  for (const args of [
    ['--version', '--json'],
    ['--json', '-V'],
  ]) {
    const { version, format } = JSON.parse((await dlv(args, { cwd })).stdout);
    t.regex(version, /^\d+\.\d+\.\d+$/);
    t.true(Array.isArray(format.readRequired));
  }
});

test('usage: mistakes end with 2 and name what was meant', async (t) => {
  const cwd = await tempDir(t);
  const cases: [string[], RegExp, RegExp][] = [
    [['comit'], /unknown command 'comit'/, /commit/],
    [['help', 'comit'], /unknown command 'comit'/, /commit/],
    [['log', '--grph'], /unknown option '--grph'/, /--graph/],
    [['log', '-n', 'many'], /-n is 'many'/, /dlv log --help/],
    [['copy', 'only-one'], /missing required argument/, /dlv copy --help/],
    [['config', 'a', 'b', 'c'], /too many arguments/, /dlv config --help/],
    [['--nope'], /unknown option '--nope'/, /--help/],
    [['-C'], /argument missing/, /with its value: -C <dir>/],
  ];
  for (const [args, message, hint] of cases) {
    const text = await dlv(args, { cwd });
    const [first = '', second = ''] = text.stderr.split('\n');
    t.is(text.code, 2, args.join(' '));
    t.is(text.stdout, '');
    t.regex(first, message);
    t.true(first.startsWith('dlv: '));
    t.true(second.startsWith('hint: '));
    t.regex(second, hint);
  }
  const json = await dlv(['log', '--grph', '--json'], { cwd });
  t.is(json.code, 2);
  t.is(json.stderr, '');
  t.like(JSON.parse(json.stdout).error, { code: 'DLV_USAGE', message: "unknown option '--grph'" });
});

test('no repository: exit code 10, with the remedy', async (t) => {
  const cwd = await tempDir(t);
  for (const args of [['log'], ['status'], ['list'], ['switch', 'x'], ['du']]) {
    const result = await dlv([...args, '--json'], { cwd });
    t.is(result.code, 10, args.join(' '));
    const { error } = JSON.parse(result.stdout);
    t.is(error.code, 'DLV_NO_REPOSITORY');
    t.regex(error.data.hint, /dlv init/);
  }
});

test('-C: works from another folder, before and after the command, one from the other', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a/b.txt', 'x');
  await repo.commit('first');
  const parent = repo.file('..');
  const run = async (args: string[]) => (await dlv(args, { cwd: parent })).code;
  t.is(await run(['-C', 'net', 'log']), 0);
  t.is(await run(['log', '-C', 'net']), 0);
  t.is(await run(['-C', 'net', '-C', 'a', 'log', '--', 'b.txt']), 0);
  t.is(await run(['-C', 'nowhere', 'log']), 1);
  t.is(await run(['log']), 10);
});

test('debug: a stack is shown only if it is asked for', async (t) => {
  const cwd = await tempDir(t);
  t.notRegex((await dlv(['log'], { cwd })).stderr, /\n {4}at /);
  t.regex((await dlv(['log'], { cwd, env: { DLV_DEBUG: '1' } })).stderr, /\n {4}at /);
});

test('a newer repository ends with 13, a damaged one with 12', async (t) => {
  const { repo } = await threeVersions(t);
  const head = repo.file('.dlv/HEAD');
  const text = await fs.readFile(head, 'utf8');
  await fs.writeFile(head, text.replace('main', 'mein'));
  t.is((await repo.fails(12, 'log')).code, 'DLV_CORRUPT');
  await fs.writeFile(head, text);
  t.is((await repo.dlv('log')).code, 0);
});

test('a reader that goes away is not an error', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('big.bin', Buffer.alloc(3_000_000, 7));
  await repo.commit('big');
  for (const args of [
    ['cat', 'HEAD:big.bin'],
    ['log', '--json'],
  ]) {
    const child = spawn(process.execPath, [DLV_BIN, ...args], { cwd: repo.dir });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    t.is(code, 0, args.join(' '));
    t.is(stderr, '');
  }
});

/** Both signals meet the process at once: it stands still until it has both. @returns true if it was there */
function interruptTwice(child: ChildProcess): boolean {
  const signals = ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const;
  return signals.map((signal) => child.kill(signal)).every(Boolean);
}

test('a signal ends a command with 130 and leaves the work tree whole', async (t) => {
  const repo = await TestRepository.create(t);
  const content = Buffer.alloc(48 * 1024 * 1024, 'abcdefgh');
  await repo.write('big.bin', content);
  await repo.commit('big');
  await repo.write('big.bin', 'other');
  await repo.commit('other');
  const child = spawn(process.execPath, [DLV_BIN, 'checkout', 'HEAD~1'], { cwd: repo.dir });
  const tmp = repo.file('.dlv/tmp');
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  let stopped = false;
  // The signal comes once the file is being rebuilt.
  const stopOnceBusy = async (): Promise<void> => {
    const [own] = await fs.readdir(tmp).catch(() => []);
    // Two at once are one: a terminal sends one to each process, and timeout or npx hand theirs on.
    if (own !== undefined && !stopped) stopped = interruptTwice(child);
  };
  const timer = setInterval(() => void stopOnceBusy(), 1);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const now = await repo.read('big.bin');
  t.true(stopped);
  // Either it was stopped in time or the work was done: the file is never between the two.
  if (code === 0) t.true(now.equals(content));
  else {
    t.is(code, 130);
    t.regex(stderr, /^dlv: interrupted$/m);
    t.is(now.toString(), 'other');
    t.deepEqual(await repo.changes(), []);
  }
  t.deepEqual(await fs.readdir(tmp), []);
});

test('an interrupt once the answer is there does not change the exit code', async (t) => {
  const { repo } = await threeVersions(t);
  const child = spawn(process.execPath, [DLV_BIN, 'mv', 'note.txt', 'n.txt'], { cwd: repo.dir });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    interruptTwice(child);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  // null: the signal met the process when Node had already taken its handlers away.
  t.true(code === 0 || code === null, `exit code ${code}`);
  t.regex(stderr, /1 file of 'net' moved/);
  t.is(await repo.text('n.txt'), 'version 3\n');
});

test('cli: without a command it shows what there is, and that is no success', async (t) => {
  const cwd = await tempDir(t);
  const { code, stdout, stderr } = await dlv([], { cwd });
  t.is(code, 2);
  t.regex(stdout, /^Usage: dlv .*\n/);
  t.regex(stdout, /\n {2}commit /);
  t.is(stderr, '');
  t.is((await dlv(['--json'], { cwd })).code, 2);
});
