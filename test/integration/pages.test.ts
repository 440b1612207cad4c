/**
 * Pages of --html over a repository in which everything has a hostile name: each page is well-formed, loads
 * nothing, runs nothing but its own script, is small, and is the same when it is made again.
 */
import test from 'ava';
import { dlv } from '../helpers/dlv.js';
import { hasRuntime, linearNetwork } from '../helpers/linear-network.js';
import { pageProblems } from '../helpers/page.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

const ATTACK = `</script></title></style><img src=x onerror=alert(1)>"'\u202e&lt;=1+1`;
const FILE = `<b onload=1>"'&amp;=1.safetensors`;
const NETWORK = `<svg onload=alert(1)>.onnx`;
const METRIC = `"><script>alert(1)</script>loss`;
const TEXT = `"><i>.txt`;
const PARAM = `' onmouseover='x`;

async function hostile(t: import('ava').ExecutionContext): Promise<TestRepository> {
  process.env.DLV_AUTHOR_NAME = `Author </title><script>`;
  process.env.DLV_AUTHOR_EMAIL = 'a&b@example.org';
  const repo = await TestRepository.create(t);
  let tensors = randomTensors({ [ATTACK]: [64, 128], 'a.<i>': [8] }, 1);
  for (const step of [1, 2, 3]) {
    tensors = nudge(tensors, 1e-3, step);
    await repo.write(FILE, safetensors(tensors));
    const bias = step < 3 ? [0, 1] : [0, 1, 2];
    await repo.write(NETWORK, linearNetwork({ weights: [bias.map(() => step)], bias }));
    // A run that diverged in the end: its log has a NaN, which a flag may not have.
    const rows = [1, 2, 3].map((at) => {
      const value = at === 2 && step === 3 ? 'NaN' : at * step;
      return `{"step": ${10 * step + at}, ${JSON.stringify(METRIC)}: ${value}}`;
    });
    await repo.write('run.jsonl', rows.join('\n'));
    await repo.write(TEXT, `${ATTACK}\n<script>alert(${step})</script>\n`);
    await repo.commit(`${ATTACK} ${step}`, {
      paths: [FILE, NETWORK, TEXT],
      params: { [PARAM]: `${ATTACK}${step}`, rate: step / 10 },
      logs: ['run.jsonl'],
    });
  }
  await repo.write('t.csv', 'x,y\n1,0\n2,1\n3,1\n-1,0\n');
  return repo;
}

const PAGES: readonly (readonly string[])[] = [
  ['log', '--all'],
  ['list'],
  ['list', '--versions', '--baseline', 'HEAD~1'],
  ['list', '--group', `params.\`${PARAM}\``],
  ['desc', '--weights'],
  ['query', `select m, m.message, m.params.\`${PARAM}\` from m where m.files > 0`],
  ['diff', 'HEAD~1', 'HEAD'],
  ['diff', 'HEAD~2', 'HEAD~1', 'HEAD'],
];

async function pageOf(repo: TestRepository, args: readonly string[]): Promise<string> {
  const result = await dlv([...args, '--html', 'page.html'], { cwd: repo.dir });
  if (result.code !== 0) throw new Error(`${args.join(' ')}: ${result.stdout}${result.stderr}`);
  return (await repo.text('page.html')) as string;
}

test('pages: hostile names are text, whatever they are names of', async (t) => {
  const repo = await hostile(t);
  for (const args of PAGES) {
    const page = await pageOf(repo, args);
    t.deepEqual(pageProblems(page), [], args.join(' '));
    t.is(await pageOf(repo, args), page, 'it is the same again');
    t.false(/[\u202a-\u202e\u2066-\u2069]/.test(page));
  }
});

test('pages: of desc and log show what is known', async (t) => {
  const repo = await hostile(t);
  const desc = await pageOf(repo, ['desc', '-q']);
  t.regex(desc, /<svg viewBox[^>]*aria-label="network of &lt;svg onload=alert\(1\)&gt;\.onnx/);
  t.regex(desc, /NaN at 32/);
  const log = await pageOf(repo, ['log']);
  t.is(log.match(/<svg class="descent"/g)?.length, 3);
  t.true(log.includes('net@1'));
});

test('pages: of an evaluation, and of bench', async (t) => {
  const repo = await hostile(t);
  if (hasRuntime()) {
    const args = ['eval', 'HEAD~2', 'HEAD~1', '--data', 't.csv', '--labels', 't.csv#y'];
    // The first run measures how long it takes, and keeps it.
    await pageOf(repo, args);
    const page = await pageOf(repo, args);
    t.deepEqual(pageProblems(page), []);
    t.is(await pageOf(repo, args), page);
  } else t.log('skipped: onnxruntime-node is not installed');
  t.deepEqual(pageProblems(await pageOf(repo, ['bench', '--only', 'storage'])), []);
});

test('pages: an operand behind --html is not taken for a file', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('one');
  const error = await repo.fails(2, 'desc', '--html', 'HEAD');
  t.is(error.data.hint, 'write the operand before it: dlv desc HEAD --html');
  t.false(await repo.exists('HEAD'));
  const result = await repo.dlv('desc', 'HEAD', '--html');
  t.is(result.stdout, '');
  t.regex(result.stderr, /dlv-desc\.html/);
  t.true(await repo.exists('dlv-desc.html'));
  const printed = await repo.dlv('log', '--html', '-');
  t.deepEqual(pageProblems(printed.stdout), []);
});

test('pages: thousands of versions stay below two megabytes', async (t) => {
  const { logPage } = await import('../../lib/cli/pages/log-page.js');
  const { versionsPage } = await import('../../lib/cli/pages/list-page.js');
  const id = (i: number) => i.toString(16).padStart(64, '0') as never;
  const curve = {
    name: 'loss',
    direction: 'min' as const,
    count: 5000,
    steps: Array.from({ length: 320 }, (_, i) => i),
    values: Array.from({ length: 320 }, (_, i) => Math.sin(i)),
  };
  const entries = Array.from({ length: 3000 }, (_, i) => ({
    version: id(i),
    model: 'm',
    number: 3000 - i,
    name: `m@${3000 - i}`,
    message: 'a run with a message of usual length, and what was tried in it',
    author: 'Ada <ada@example.org>',
    time: '2026-01-31T12:00:00.000Z',
    parents: i < 2999 ? [id(i + 1)] : [],
    lineage: [],
    metrics: { acc: 0.91234, loss: 0.21 },
    metricSteps: {},
    params: { lr: 0.001 },
    operation: null,
    step: i,
    refs: [],
    tier: null,
    curves: [curve],
  }));
  const origin = { dlv: '0', repository: 'r', command: ['log', '--html'] };
  const log = logPage({ entries, ancestors: new Map() }, origin);
  t.deepEqual(pageProblems(log), []);
  t.regex(log, /1,500 older versions are left out/);
  const rows = entries.map(({ version, name, model, number, curves }) => {
    const values = { name, 'metrics.loss': 0.21, 'params.lr': 0.001, message: 'as usual' };
    return { version, name, model, number, values, steps: {}, curves };
  });
  const columns = ['name', 'metrics.loss', 'params.lr', 'message'];
  const table = {
    versions: 3000,
    fit: 3000,
    columns,
    hidden: [],
    better: {},
    baseline: null,
    rows,
    groups: [],
  };
  const list = versionsPage(table, origin);
  t.deepEqual(pageProblems(list), []);
  t.regex(list, /1,800 more versions are left out/);
});
