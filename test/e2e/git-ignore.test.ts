/** `dlv add` and `dlv status` beside a .gitignore. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

type Added = { files: { path: string }[]; warnings: string[] };
const paths = ({ files }: Added): string[] => files.map(({ path }) => path).sort();

async function repository(t: Parameters<typeof TestRepository.create>[0]): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  const files = ['code.py', 'model.pt', 'notes.tmp', 'runs/1/model.pt', 'cache/x.txt'];
  for (const file of files) await repo.write(file, file);
  await repo.write('.gitignore', '*.pt\nruns/\ncache/\n*.tmp\n');
  return repo;
}

test('add: a folder obeys .gitignore and says which model files it leaves out', async (t) => {
  const repo = await repository(t);
  const { gitIgnored, untracked } = await repo.json<Record<string, string[]>>('status');
  t.deepEqual(gitIgnored, ['model.pt', 'runs/']);
  t.deepEqual(untracked, ['.gitignore', 'code.py']);
  const dry = await repo.json<Added>('add', '.', '-n');
  t.deepEqual(paths(dry), ['.gitignore', 'code.py']);
  const { stderr } = await repo.dlv('add', '.');
  const lines = stderr.trimEnd().split('\n');
  t.regex(lines.at(-1) ?? '', /^warning: \.gitignore leaves out 'model\.pt' and 1 more: /);
  t.regex(lines.at(-2) ?? '', /2 files staged/, 'the warning stands below the answer');
});

test('status --ignored: what is ignored and by which file, of all or of the paths that are named', async (t) => {
  type Ignored = { ignored: { path: string; by: string }[]; untracked: string[]; clean: boolean };
  const repo = await repository(t);
  await repo.write('.dlvignore', 'cache/\n!model.pt\n');
  await repo.json('add', '.');
  const all = await repo.json<Ignored>('status', '--ignored');
  t.deepEqual(all.ignored, [
    { path: 'cache/', by: '.dlvignore' },
    { path: 'notes.tmp', by: '.gitignore' },
    { path: 'runs/', by: '.gitignore' },
  ]);
  t.deepEqual((await repo.json<Ignored>('status')).ignored, []);
  t.deepEqual((await repo.json<Ignored>('status', '--ignored', '-uno')).untracked, []);
  const of = async (...args: string[]): Promise<string[]> =>
    (await repo.json<Ignored>('status', '--ignored', ...args)).ignored.map(({ path }) => path);
  // Of an ignored folder, the file that is asked about; what is tracked or not there is not ignored.
  t.deepEqual(await of('runs/1/model.pt', 'model.pt', 'runs/none.pt'), ['runs/1/model.pt']);
  t.deepEqual(await of('runs'), ['runs/']);
  t.deepEqual(await of('*.tmp'), ['notes.tmp']);
  const short = await repo.dlv('status', '-s', '--ignored');
  t.deepEqual(short.stdout.split('\n').slice(-4), ['!! cache/', '!! notes.tmp', '!! runs/', '']);
  t.regex((await repo.dlv('status', '--ignored')).stdout, /^ {2}cache\/ {2}by \.dlvignore$/m);
  t.regex((await repo.fails(2, 'check-ignore', 'x')).data.hint ?? '', /status --ignored <paths>/);
});

test('add: what is named is taken, as a file, a folder, a glob, or with !pattern in .dlvignore', async (t) => {
  const repo = await repository(t);
  t.deepEqual(paths(await repo.json<Added>('add', '-n', 'model.pt')), ['model.pt']);
  t.deepEqual(paths(await repo.json<Added>('add', '-n', 'runs')), ['runs/1/model.pt']);
  t.deepEqual(paths(await repo.json<Added>('add', '-n', '**/*.pt')), [
    'model.pt',
    'runs/1/model.pt',
  ]);
  await repo.write('.dlvignore', '!*.pt\n!runs/\n*.py\n');
  const all = await repo.json<Added>('add', '.');
  t.deepEqual(paths(all), ['.dlvignore', '.gitignore', 'model.pt', 'runs/1/model.pt']);
  t.false(all.warnings.some((warning) => warning.includes('gitignore')));
});

test('add: a tracked file stays tracked when git begins to ignore it', async (t) => {
  const repo = await repository(t);
  await repo.json('add', 'model.pt');
  await repo.json('commit', '-m', 'one');
  await repo.write('model.pt', 'changed');
  t.deepEqual(paths(await repo.json<Added>('add', '.', '-n')), [
    '.gitignore',
    'code.py',
    'model.pt',
  ]);
  await fs.rm(repo.file('model.pt'));
  const { files } = await repo.json<{ files: { path: string; status: string }[] }>('add', '.');
  t.is(files.find(({ path }) => path === 'model.pt')?.status, 'deleted');
});

test('add: info/exclude counts in a linked work tree of git and in a submodule, too', async (t) => {
  const repo = await repository(t);
  const git = await tempDir(t);
  const linked = path.join(git, 'worktrees', 'here');
  for (const dir of [path.join(git, 'info'), linked]) await fs.mkdir(dir, { recursive: true });
  await fs.writeFile(path.join(git, 'info', 'exclude'), 'code.py\n');
  await fs.writeFile(path.join(linked, 'commondir'), '../..\n');
  for (const folder of [linked, git]) {
    await repo.write('.git', `gitdir: ${folder}\n`);
    t.deepEqual(paths(await repo.json<Added>('add', '.', '-n')), ['.gitignore'], folder);
  }
  await repo.write('.git', 'gitdir: /nowhere/at/all\n');
  t.deepEqual(paths(await repo.json<Added>('add', '.', '-n')), ['.gitignore', 'code.py']);
});
