/** Remedies that errors name: each is of use where it is given. */
import test from 'ava';
import { TestRepository } from '../helpers/repository.js';

test('help with --json is a document of the same command', async (t) => {
  const repo = await TestRepository.create(t);
  const plain = await repo.dlv('--help');
  const commit = await repo.dlv('commit', '--help');
  for (const [words, wanted] of [
    [['help', '--json'], plain],
    [['--json', 'help'], plain],
    [['--help', '--json'], plain],
    [['help', 'help'], plain],
    [['help', 'commit', '--json'], commit],
    [['help', '--json', 'commit'], commit],
    [['commit', '--json', '--help'], commit],
  ] as const) {
    const { code, stdout, stderr } = await repo.dlv(...words);
    t.is(code, 0, words.join(' '));
    t.is(stderr, '');
    if ((words as readonly string[]).includes('--json')) {
      t.is(JSON.parse(stdout).command, wanted === commit ? 'commit' : null, words.join(' '));
    } else t.is(stdout, wanted.stdout, words.join(' '));
  }
  const all = await repo.json<{ commands: { name: string }[]; topics: { name: string }[] }>('help');
  for (const { name } of all.commands) {
    const help = await repo.json<{ command: string; options: object[] }>(name, '--help');
    t.is(help.command, name);
  }
  for (const { name } of all.topics) {
    const plainText = (await repo.dlv('help', name)).stdout;
    t.is((await repo.json<{ text: string }>('help', name)).text, plainText, name);
  }
  t.is((await repo.fails(2, 'help', 'comit')).message, "unknown command 'comit'");
});

test('reset before the first version names the way to unstage, which works', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  for (const words of [['reset'], ['reset', '--hard'], ['reset', 'HEAD']]) {
    const { message, data } = await repo.fails(1, ...words);
    t.is(message, "'net/main' has no version yet");
    t.regex(String(data.hint), /^'dlv restore --staged \.' /);
  }
  t.regex((await repo.fails(1, 'show')).message, /^HEAD names 'net\/main'/);
  await repo.json('restore', '--staged', '.');
  t.deepEqual(await repo.changes(), ['untracked a.txt']);
});

test('messages name a branch as people write it', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  const { message } = await repo.fails(1, 'branch', 'main/x');
  t.is(message, "cannot create 'net/main/x': 'net/main' exists");
});

test('hints: a file without its version, what is tracked, flags of git', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.pt', 'a');
  await repo.commit('first');
  const hint = async (code: number, ...words: string[]): Promise<string> =>
    String((await repo.fails(code, ...words)).data.hint);
  t.is(await hint(1, 'cat', 'model.pt'), 'write HEAD:model.pt for the file of that name');
  t.notRegex(await hint(1, 'cat', 'other.pt'), /HEAD:/);
  t.regex(await hint(1, 'rm', 'nope'), /'dlv show'/);
  t.regex(await hint(2, 'switch', '-C', 'foo'), /'dlv switch -c <name>'/);
  t.regex(await hint(1, 'commit', '-C', 'HEAD'), /--amend/);
  t.regex(await hint(2, 'branch', '-M', 'foo'), /'dlv branch -m /);
});

test('hints: what prints a file, a file to clone that is not there, whom changes of one file are in the way of', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('train.py', 'a');
  await repo.commit('first');
  t.regex(
    (await repo.dlv('show', 'HEAD:train.py')).stderr,
    /^'dlv cat HEAD:train.py' prints its content$/m,
  );
  const gone = await repo.fails(1, 'clone', '../all.dlv');
  t.regex(gone.message, /^there is no folder or file '.*all\.dlv'$/);
  t.regex(gone.data.hint ?? '', /^correct the address/);
  await repo.write('train.py', 'b');
  await repo.commit('second');
  await repo.write('train.py', 'mine');
  const { data } = await repo.fails(1, 'checkout', 'HEAD~1', '--', 'train.py');
  t.regex(data.hint ?? '', /'dlv checkout --force <revision> -- <paths>' discards them$/);
  await repo.json('checkout', '--force', 'HEAD~1', '--', 'train.py');
  t.is(await repo.text('train.py'), 'a');
});
