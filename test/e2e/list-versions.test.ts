/** `dlv list` with rows: conditions, order, columns, groups, baselines, and names from strangers. */
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { type CommitOptions, commit } from '../../lib/use/ops/commit.js';
import type { DuResult } from '../../lib/use/ops/du.js';
import type { ListedModel } from '../../lib/use/ops/list.js';
import type { VersionTable } from '../../lib/use/ops/versions.js';
import { versions } from '../../lib/use/ops/versions.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

const RUNS: CommitOptions[] = [
  {
    message: 'one',
    params: { lr: 0.1, opt: 'sgd', seed: 1 },
    metrics: [{ name: 'acc', value: 0.8 }],
  },
  {
    message: 'two',
    params: { lr: 0.01, opt: 'adam', seed: 1 },
    metrics: [
      { name: 'acc', value: 0.95, step: 10 },
      { name: 'acc', value: 0.9, step: 20 },
      { name: 'eval/loss', value: 0.5 },
    ],
    operation: { kind: 'fine-tune' },
  },
  { message: 'three', params: { lr: 0.001, opt: 'adam', seed: 1 }, metrics: { acc: 0.85 } },
];

/** One version each, a second apart. */
async function commitRuns(repo: TestRepository, runs: readonly CommitOptions[]): Promise<void> {
  await withRepository(repo.context, async (open) => {
    for (const [i, run] of runs.entries()) {
      const date = new Date(1_700_000_000_000 + 1000 * i);
      await commit(open, { allowEmpty: true, date, ...run }, repo.context);
    }
  });
}

async function threeRuns(t: Parameters<typeof TestRepository.create>[0]): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  await commitRuns(repo, RUNS);
  return repo;
}

function names({ rows }: VersionTable): string[] {
  return rows.map(({ name }) => name);
}

test('list --where, --sort, --last: versions that fit, in order', async (t) => {
  const repo = await threeRuns(t);
  const ask = async (...args: string[]) => names(await repo.json<VersionTable>('list', ...args));
  t.deepEqual(await ask('--versions'), ['net@3', 'net@2', 'net@1']);
  t.deepEqual(await ask('--where', "acc > 0.8 and opt = 'adam'"), ['net@3', 'net@2']);
  t.deepEqual(await ask('--where', 'metrics.`eval/loss` is not null'), ['net@2']);
  t.deepEqual(await ask('--where', "message ~ '^t' and not operation = 'fine-tune'"), []);
  t.deepEqual(await ask('--where', 'operation is null'), ['net@3', 'net@1']);
  t.deepEqual(await ask('--sort', '-best(acc)'), ['net@2', 'net@3', 'net@1']);
  t.deepEqual(await ask('--versions', '--sort', 'params.opt:desc,lr'), ['net@1', 'net@3', 'net@2']);
  t.deepEqual(await ask('--sort', '-eval/loss', '--last', '2'), ['net@2', 'net@3']);
  t.deepEqual(await ask('net@1..net@2'), ['net@2']);
  t.deepEqual(await ask('--versions', '--model', 'net', '--last', '1'), ['net@3']);
  t.deepEqual(await ask('--where', "time >= '2023-11-14' and time < '2023-11-16'"), [
    'net@3',
    'net@2',
    'net@1',
  ]);
  // Without such flags models are listed, as ever.
  const [model] = await repo.json<{ model: string }[]>('list', '--sort', 'versions');
  t.is(model?.model, 'net');
});

test('list: the best value with its step, columns that differ, differences to a baseline', async (t) => {
  const repo = await threeRuns(t);
  const usual = await repo.json<VersionTable>('list', '--versions', '--baseline', 'net@1');
  t.deepEqual(usual.columns, [
    'name',
    'time',
    'metrics.acc',
    'metrics.eval/loss',
    'params.lr',
    'params.opt',
    'message',
  ]);
  // What conditions go by is what is shown: the value of the version's own step, not the best on the way to it.
  t.is(usual.rows[1]?.values['metrics.acc'], 0.9);
  const best = ['list', '--columns', 'name,best(acc),lr', '--baseline', 'net@1'] as const;
  const table = await repo.json<VersionTable>(...best);
  const two = table.rows[1];
  t.is(two?.values['best(metrics.acc)'], 0.95);
  t.deepEqual(two?.steps, { 'best(metrics.acc)': 10 });
  t.is(table.baseline?.name, 'net@1');
  t.deepEqual(Object.keys(two?.deltas ?? {}), ['best(metrics.acc)', 'params.lr']);
  t.true(Math.abs((two?.deltas?.['best(metrics.acc)'] as number) - 0.15) < 1e-12);
  const chosen = await repo.json<VersionTable>(
    ...['list', '--columns', 'name,params.*,acc,last_step(acc),count(acc)', '--only-changed'],
  );
  const once = await repo.json<VersionTable>('list', '--columns', 'name,acc,metrics.*,name');
  t.deepEqual(once.columns, ['name', 'metrics.acc', 'metrics.eval/loss']);
  t.deepEqual(chosen.hidden, ['params.seed']);
  t.deepEqual(chosen.rows[1]?.values, {
    name: 'net@2',
    'params.lr': 0.01,
    'params.opt': 'adam',
    'metrics.acc': 0.9,
    'last_step(metrics.acc)': 20,
    'count(metrics.acc)': 2,
  });
  const text = await repo.dlv(...best);
  t.regex(text.stdout, /net@2 .* 0\.95 @10 {2}\+0\.15/);
  t.regex(text.stderr, /3 versions of 3; Δ against net@1/);
});

test('list --group: counts all versions, means and extremes', async (t) => {
  const repo = await threeRuns(t);
  const table = await repo.json<VersionTable>('list', '--group', 'opt', '--columns', 'acc,lr,seed');
  t.deepEqual(table.rows, []);
  t.deepEqual(
    table.groups.map(({ group, versions }) => [group, versions]),
    [
      [{ 'params.opt': 'adam' }, 2],
      [{ 'params.opt': 'sgd' }, 1],
    ],
  );
  const cell = table.groups[0]?.cells['metrics.acc'];
  t.like(cell, { count: 2, value: null, min: 0.85, max: 0.9 });
  t.true(Math.abs((cell?.mean as number) - 0.875) < 1e-12);
  t.is(table.groups[0]?.cells['params.seed']?.value, 1);
  const text = await repo.dlv('list', '--group', 'opt', '--columns', 'acc', '--md');
  t.deepEqual(text.stdout.trim().split('\n'), [
    '| params.opt | versions | metrics.acc |',
    '| --- | ---: | ---: |',
    '| adam | 2 | 0.875 (0.85…0.9) |',
    '| sgd | 1 | 0.8 |',
  ]);
});

test('list: what is wrong is said with names that are near', async (t) => {
  const repo = await threeRuns(t);
  const column = await repo.fails(1, 'list', '--where', 'metrics.ac > 0.9');
  t.is(column.code, 'DLV_NOT_FOUND');
  t.regex(column.data.hint ?? '', /metrics\.acc/);
  const syntax = await repo.fails(2, 'list', '--where', 'acc > 0.9 andd lr < 1');
  t.regex(syntax.message, /at 'andd lr < 1' \(character 11\)/);
  const direction = await repo.fails(2, 'list', '--columns', 'best(seed)');
  t.regex(direction.message, /is none/);
  await commitRuns(repo, [{ message: 'four', metrics: { grad: 1, lr: 2 } }]);
  const unknown = await repo.fails(2, 'list', '--columns', 'best(grad)');
  t.regex(unknown.data.hint ?? '', /min\(grad\) or max\(grad\)/);
  const both = await repo.fails(2, 'list', '--where', 'lr > 1');
  t.regex(both.message, /metrics\.lr or params\.lr/);
  await repo.fails(1, 'list', '--sort', 'nothing');
  await repo.fails(2, 'list', '--versions', '--md', '--csv');
  await repo.fails(2, 'list', '--versions', '-m', 'x');
  await repo.fails(1, 'list', '--versions', '--model', 'nope');
});

const STRANGE = '=1+1|"x",<b>\u001b[31m';

test('list --where: a number compared with a text is said to fit never', async (t) => {
  const repo = await threeRuns(t);
  const warnings = async (where: string): Promise<string[]> =>
    (await repo.json<{ warnings: string[] }>('list', '--where', where)).warnings;
  const number =
    /'acc' is a number and is compared with the text 'x', which never fits: write numbers without quotes/;
  t.regex((await warnings("acc > 'x'")).join('\n'), number);
  t.regex((await warnings("'x' <= acc or lr = 1")).join('\n'), number);
  t.regex((await warnings("acc between 0 and 'x'")).join('\n'), number);
  t.regex(
    (await warnings('opt = 1')).join('\n'),
    /'opt' is a text .* the number 1, .*: write '1' in quotes/,
  );
  // A time is compared with a text that is one.
  t.deepEqual(await warnings("acc > 0.1 and opt = 'adam' and time > '2020-01-01'"), []);
});

test('list: names and values of strangers run nowhere', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  const name = '@x`|=y';
  await commitRuns(repo, [
    {
      message: STRANGE,
      params: { [name]: '-2+3', __proto__: '+1', n: -2 },
      metrics: { acc: -0.5 },
    },
    { message: 'plain', params: { [name]: 'b\nc', n: -3 } },
  ]);
  const columns = ['--columns', 'message,params.*,acc'];
  const csv = (await repo.dlv('list', ...columns, '--csv')).stdout.split('\n');
  t.is(csv[0], 'message,params.@x`|=y,params.n,metrics.acc');
  // A row is a line: what would break it, or steer a terminal, is written as everywhere.
  t.is(csv[1], 'plain,"b\\x0ac",-3,');
  // Numbers of ours stay numbers; whatever is a text and would run gets an apostrophe.
  t.is(csv[2], `"'=1+1|""x"",<b>\\x1b[31m",'-2+3,-2,-0.5`);
  const md = (await repo.dlv('list', ...columns, '--md')).stdout;
  t.false(md.includes('<b>') || md.includes('\u001b'));
  t.is(md.trim().split('\n').length, 4);
  for (const line of md.trim().split('\n')) t.is(line.match(/(?<!\\)\|/g)?.length, 5, line);
  const text = await repo.dlv('list', ...columns);
  t.false(text.stdout.includes('\u001b'));
  const table = await repo.json<VersionTable>('list', ...columns);
  t.is(table.rows[1]?.values.message, STRANGE);
});

test('versions: many are read from the catalog, and are the same', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  const runs = Array.from({ length: 40 }, (_, i) => ({ message: `run ${i}`, metrics: { acc: i } }));
  await commitRuns(repo, runs);
  const ask = { where: 'acc >= 10', sort: ['-acc'], last: 3 };
  const tables: VersionTable[] = [];
  for (let i = 0; i < 2; i++) {
    await withRepository(repo.context, async (open) => {
      tables.push(await versions(open, ask, repo.context));
    });
  }
  t.deepEqual(tables[1], tables[0]);
  t.deepEqual(names(tables[0] as VersionTable), ['net@40', 'net@39', 'net@38']);
  const log = await repo.json<{ name: string }[]>('log');
  t.is(log.length, 40);
  await repo.write('a.txt', 'changed');
  await repo.json('commit', '-a', '-m', 'newest');
  t.is((await repo.json<{ name: string }[]>('log'))[0]?.name, 'net@41');
  // The command is one file, which loads the database in a way of its own.
  await repo.json('gc');
  await dlv(['log'], { cwd: repo.dir, process: true });
  t.true((await fs.readdir(repo.file('.dlv/catalog/versions-2'))).includes('CURRENT'));
  const after = await repo.json<{ name: string }[]>('log');
  t.deepEqual(
    after.slice(1).map(({ name }) => name),
    log.map(({ name }) => name),
  );
  await bytesAreThoseOfObjects(t, repo);
});

/** `list` knows objects from the catalog, `du` reads each version for what all need together. */
async function bytesAreThoseOfObjects(t: ExecutionContext, repo: TestRepository): Promise<void> {
  await repo.write('w.safetensors', safetensors(randomTensors({ w: [60, 60] }, 7)));
  await repo.json('add', 'w.safetensors');
  await repo.json('commit', '-m', 'weights');
  await repo.json('copy', 'net@40', 'fine');
  await repo.write('b.txt', 'of the copy alone');
  await repo.json('add', 'b.txt');
  await repo.json('commit', '-m', 'more');
  const read = async () => {
    const models = await repo.json<ListedModel[]>('list');
    const [fine, net] = models as [ListedModel, ListedModel];
    const { liveBytes } = await repo.json<DuResult>('du');
    t.is(fine.uniqueBytes + net.storedBytes, liveBytes);
    t.is(net.uniqueBytes + fine.storedBytes, liveBytes);
    t.true(net.uniqueBytes > 60 * 60 * 2 && fine.uniqueBytes > 0);
    return models;
  };
  const models = await read();
  t.deepEqual(await read(), models);
  await repo.json('gc');
  const [packed] = await read();
  t.is(packed?.storedBytes, models[0]?.storedBytes);
}

test('list, query, log: versions of one time stand in the order in which they derive', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  const date = new Date(1_700_000_000_000);
  await withRepository(repo.context, async (open) => {
    for (let i = 0; i < 12; i++) {
      // The last is older than all by its clock, as one that another computer made.
      const when = i === 11 ? new Date(date.getTime() - 5000) : date;
      await commit(open, { allowEmpty: true, date: when, message: `${i}` }, repo.context);
    }
  });
  const newest = Array.from({ length: 12 }, (_, i) => `net@${12 - i}`);
  const log = await repo.json<{ name: string }[]>('log');
  t.deepEqual(
    log.map(({ name }) => name),
    newest,
  );
  const list = async (...args: string[]) => names(await repo.json<VersionTable>('list', ...args));
  t.deepEqual(await list('--versions'), newest);
  t.deepEqual(await list('--versions', '--last', '1'), ['net@12']);
  const [last, ...others] = newest;
  t.deepEqual(await list('--versions', '--sort', '-time'), [...others, last as string]);
  t.deepEqual(await list('--versions', '--sort', 'time'), [last as string, ...others.toReversed()]);
  const ask = async (query: string) =>
    (await repo.json<{ rows: { values: unknown[] }[] }>('query', query)).rows.map(
      ({ values }) => `net@${values[0]}`,
    );
  t.deepEqual(await ask('select m.number from m'), newest);
  t.deepEqual(await ask('select m.number from m order by m.time desc limit 2'), [
    'net@11',
    'net@10',
  ]);
  t.deepEqual(await ask('select m.number from m order by m.time limit 2'), ['net@12', 'net@1']);
  const [model] = await repo.json<{ latest: { name: string }[] }[]>('list', '--last', '3');
  t.deepEqual(
    model?.latest.map(({ name }) => name),
    newest.slice(0, 3),
  );
});
