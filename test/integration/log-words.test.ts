/** `dlv log` and `dlv diff`: the words and flags that git's users know. */
import test from 'ava';
import { formatAgo, VersionFormat } from '../../lib/cli/output/versions/version-format.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';
import { runInside } from '../trust/cli.js';

/** Runs the command in this process and gives its lines; fails on any other exit code. */
async function lines(repo: TestRepository, ...argv: string[]): Promise<string[]> {
  const answer = await runInside(argv, repo.dir);
  if (answer.code !== 0) throw new Error(`${answer.code}: ${answer.stderr}${answer.stdout}`);
  return answer.stdout.split('\n').filter((line) => line !== '');
}

const subjects = (repo: TestRepository, ...argv: string[]): Promise<string[]> =>
  lines(repo, 'log', '--format', '%s', ...argv);

/** Three versions of a day each in January 2026, the second by Bob, on a side branch from the first. */
async function history(t: Parameters<typeof threeVersions>[0]): Promise<TestRepository> {
  const { repo } = await threeVersions(t);
  await lines(repo, 'checkout', 'net@1');
  await lines(repo, 'switch', '-c', 'side');
  await repo.write('side.txt', 'side');
  await repo.commit('fix: a side\n\nwith a body', {
    author: { name: 'Bob', email: 'bob@example.org' },
    date: { time: Date.UTC(2026, 0, 15, 12), tzMinutes: 60 },
  });
  return repo;
}

test('log: ranges leave out what the other side derives from', async (t) => {
  const repo = await history(t);
  t.deepEqual(await subjects(repo, 'main'), ['third', 'second', 'first']);
  t.deepEqual(await subjects(repo, 'side..main'), ['third', 'second']);
  t.deepEqual(await subjects(repo, 'main..'), ['fix: a side']);
  t.deepEqual(await subjects(repo, 'main', '^side'), ['third', 'second']);
  t.deepEqual((await subjects(repo, 'side...main')).sort(), ['fix: a side', 'second', 'third']);
  t.deepEqual(await subjects(repo, 'main..main'), []);
  const bad = await runInside(['log', 'nope..main'], repo.dir);
  t.is(bad.code, 1);
  t.regex(bad.stderr, /'nope'/);
});

test('log: counts, order and filters', async (t) => {
  const repo = await history(t);
  t.deepEqual(await subjects(repo, 'main', '-2'), ['third', 'second']);
  t.deepEqual(await subjects(repo, 'main', '--skip', '1', '-1'), ['second']);
  t.deepEqual(await subjects(repo, 'main', '-2', '--reverse'), ['second', 'third']);
  t.deepEqual(await subjects(repo, '--all', '--author', 'bob@'), ['fix: a side']);
  t.deepEqual(await subjects(repo, '--all', '--grep', '^with a'), ['fix: a side']);
  t.deepEqual(await subjects(repo, '--all', '--grep', 'FIX'), []);
  t.deepEqual(await subjects(repo, '--all', '-i', '--grep', 'FIX'), ['fix: a side']);
  t.deepEqual(await subjects(repo, '--all', '--grep', 'ird', '--grep', '-2'), ['third']);
  t.deepEqual(await subjects(repo, '--all', '--until', '2026-01-15'), ['fix: a side']);
  t.deepEqual(await subjects(repo, '--all', '--before', '2026-01-14'), []);
  t.deepEqual(await subjects(repo, 'main', '--since', '1 hour ago', '-1'), ['third']);
  t.deepEqual(await subjects(repo, '--all', '--merges'), []);
  // A pattern on which others go back for ever ends at once.
  await repo.json('commit', '--allow-empty', '-m', `${'a'.repeat(5000)}!`);
  t.deepEqual(await subjects(repo, 'main', '--grep', '(a+)+$', '-1'), []);
  for (const [flag, text] of [
    ['--grep', '('],
    ['--author', '(a)\\1'],
    ['--since', 'someday'],
    ['--format', '%q'],
    ['--format', 'fancy'],
  ] as const) {
    t.is((await runInside(['log', flag, text], repo.dir)).code, 2, text);
  }
});

test('log: what each version changed, as files and as tensors', async (t) => {
  const repo = await history(t);
  t.deepEqual(await lines(repo, 'log', '--format', '%h', '--name-only', '-1', 'main'), [
    (await lines(repo, 'log', '--format', '%h', '-1', 'main'))[0],
    'model.safetensors',
    'note.txt',
  ]);
  t.deepEqual((await lines(repo, 'log', '--oneline', '--name-status', '-1', 'side')).slice(1), [
    'A  side.txt',
  ]);
  const [entry] = JSON.parse(
    (await runInside(['log', '--json', '-p', '-1', 'main', '--', 'model.safetensors'], repo.dir))
      .stdout,
  ) as LogEntry[];
  t.deepEqual(
    entry?.files?.map(({ path }) => path),
    ['model.safetensors'],
  );
  t.is(entry?.snapshots?.[0]?.changed, 3);
  const files = JSON.parse((await runInside(['log', '--json', '--stat'], repo.dir)).stdout);
  t.deepEqual(Object.keys(files[0]).slice(-3), ['tier', 'files', 'checkpoints']);
  t.regex((await lines(repo, 'log', '--stat', '-1', 'side')).join('\n'), /1 file changed: 1 added/);
});

test('log and diff: paths need no -- unless a revision has the same name', async (t) => {
  const repo = await history(t);
  t.deepEqual(await subjects(repo, 'main', 'model.safetensors'), ['third', 'second', 'first']);
  t.deepEqual(await subjects(repo, 'side.txt'), ['fix: a side']);
  // A path that is also a branch is the branch.
  await repo.write('main', 'a file');
  t.deepEqual(await subjects(repo, 'main', '-1'), ['third']);
  t.deepEqual(await subjects(repo, '--', 'main'), []);
  t.deepEqual(await lines(repo, 'diff', '--name-only', 'main', 'side', 'note.txt'), ['note.txt']);
});

test('diff: forms, ranges, the index, and the exit code as an answer', async (t) => {
  const repo = await history(t);
  t.deepEqual(await lines(repo, 'diff', '--name-status', 'main..side'), [
    'M  model.safetensors',
    'M  note.txt',
    'A  side.txt',
  ]);
  // Against the version that both derive from: main's changes do not count.
  t.deepEqual(await lines(repo, 'diff', '--name-status', 'main...side'), ['A  side.txt']);
  t.deepEqual(await lines(repo, 'diff', '--cached', '--name-only'), []);
  await repo.write('note.txt', 'changed, longer');
  t.deepEqual(await lines(repo, 'diff', '--name-only'), ['note.txt']);
  for (const [argv, code] of [
    [['diff', '--quiet'], 1],
    [['diff', '-q', '--', 'side.txt'], 0],
    [['diff', '--cached', '--quiet'], 0],
    [['diff', '--exit-code'], 1],
    [['diff', '--name-only', '--name-status'], 2],
    [['diff', 'main..side', 'HEAD'], 2],
  ] as const) {
    const answer = await runInside(argv, repo.dir);
    t.is(answer.code, code, argv.join(' '));
    if (argv.some((word) => word.startsWith('-q') || word === '--quiet')) t.is(answer.stdout, '');
  }
  // Before the command the flag only silences stderr.
  t.regex((await runInside(['-q', 'diff'], repo.dir)).stdout, /note\.txt/);
});

test('log --format: placeholders of git, metrics, and none that are unknown', (t) => {
  const version = {
    version: 'ab'.repeat(32),
    model: 'net',
    number: 3,
    message: 'subject\n\nbody\nmore\n',
    author: 'Ada <ada@example.org>',
    time: '2026-01-31T12:00:00.000+02:00',
    parents: [],
    lineage: [],
    metrics: { loss: 0.5 },
    params: { lr: '0.1' },
    step: 7,
    refs: ['HEAD', 'net/main'],
    tier: null,
  } as never;
  const now = new Date('2026-02-14T10:00:00Z');
  const shown = (text: string): string => new VersionFormat(text).format(version, now);
  t.is(shown('%h %M@%N %s|%b|%an|%ae'), 'ababababab net@3 subject|body\nmore|Ada|ada@example.org');
  t.is(
    shown('%aI %at %ar %cr'),
    '2026-01-31T12:00:00.000+02:00 1769853600 2 weeks ago 2 weeks ago',
  );
  t.is(
    shown('%d%n%D%%h %S %{loss} %{lr} %{none}.'),
    ' (HEAD, net/main)\nHEAD, net/main%h 7 0.5 0.1 .',
  );
  t.is(shown('tformat:%C(yellow)%h%Creset'), 'ababababab');
  t.throws(() => shown('%z'), { code: 'DLV_USAGE' });
  t.throws(() => shown('%'), { code: 'DLV_USAGE' });
  t.deepEqual(
    [-5, 0, 1, 80, 200, 7200, 200_000, 20 * 86_400, 80 * 86_400, 800 * 86_400].map((seconds) =>
      formatAgo(new Date(now.getTime() - seconds * 1000), now),
    ),
    [
      'in the future',
      '0 seconds ago',
      '1 second ago',
      '80 seconds ago',
      '3 minutes ago',
      '2 hours ago',
      '2 days ago',
      '3 weeks ago',
      '3 months ago',
      '2 years ago',
    ],
  );
});
