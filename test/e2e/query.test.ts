/** `dlv query` on a repository: columns, lineage, networks, queries that are kept, forms of output. */
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { QueryResult } from '../../lib/use/ops/query.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';

/** Three versions of a line with metrics, and one more model: LeNet and the convolutional network. */
async function zoo(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  const put = async (branch: string, network: string | null, ...args: string[]): Promise<void> => {
    const content =
      network === null ? '{}' : await fs.readFile(fixture('networks', `${network}.onnx`));
    const file = network === null ? 'config.json' : 'model.onnx';
    await repo.write(file, content);
    await repo.json('add', '--branch', branch, file);
    await repo.json('commit', '--branch', branch, '-m', branch, ...args);
  };
  await put('lenet/main', 'fashion-lenet', '--metric', 'acc=0.91', '--param', 'lr=0.1');
  await repo.json('branch', 'lenet/low', 'lenet/main');
  await put(
    'lenet/low',
    null,
    '--metric',
    'acc=0.93',
    '--param',
    'lr=0.01',
    '--metric',
    'loss@10=0.5',
    '--metric',
    'loss@20=0.7',
  );
  await put('cnn/main', 'fashion-cnn', '--metric', 'acc=0.95', '--param', 'opt=adam');
  return repo;
}

test('query: columns, lineage and networks of versions; kept queries; explain', async (t) => {
  const repo = await zoo(t);
  const ask = (text: string, ...args: string[]) => repo.json<QueryResult>('query', text, ...args);
  const names = async (text: string) => (await ask(text)).rows.map(({ values }) => values[0]);
  t.deepEqual(await names('select m where m.metrics.acc > 0.92 order by m.acc desc'), [
    'cnn@1',
    'lenet@2',
  ]);
  t.deepEqual(await names('select m where m derived from "lenet@1"'), ['lenet@2']);
  t.deepEqual(await names('select m where m["conv1"].succ has POOL("MAX") order by m.number'), [
    'lenet@1',
    'lenet@2',
  ]);
  t.deepEqual(await names('select m where exists m["conv3"] and m.params.opt = "adam"'), ['cnn@1']);
  t.deepEqual(
    await names(
      'select m where at(m["loss"], 15) = 0.5 and lowest(m["loss"]) = 0.5 and m["loss"] = 0.7',
    ),
    ['lenet@2'],
  );
  t.deepEqual(
    await names('select m where m.creation_time > "2015-11-22" and m.name like "cnn_%"'),
    ['cnn@1'],
  );
  t.deepEqual(await repo.json('query', '--save', 'good', 'select m where m.acc > 0.92'), {
    name: 'good',
    query: 'select m where m.acc > 0.92',
    warnings: [],
  });
  t.deepEqual(await names('select m from m in "good" where m.model = "lenet"'), ['lenet@2']);
  t.deepEqual(await repo.json('query', '--list'), [
    { name: 'good', query: 'select m where m.acc > 0.92' },
  ]);
  const { looked, fit, conditions, rows } = await ask(
    'select m where m.acc > 0.92 limit 1',
    '--explain',
  );
  t.deepEqual([looked, fit, rows.length], [3, 2, 1]);
  t.like(conditions[0], { condition: 'm.acc > 0.92', asked: 3, fitted: 2, failed: ['lenet@1'] });
  t.like(rows[0]?.versions[0], { variable: 'm', name: 'cnn@1' });
  t.deepEqual((await repo.json<{ problems?: unknown[] }>('fsck')).problems ?? [], []);
  await repo.json('query', '--delete', 'good');
  t.deepEqual(await repo.json('query', '--list'), []);
});

test('query: text, CSV and Markdown; from a file; errors with their place', async (t) => {
  const repo = await zoo(t);
  const csv = await repo.dlv(
    'query',
    'select m.name, m.acc as acc, "=1+1" as sum from m where m.model = "cnn"',
    '--csv',
  );
  t.is(csv.stdout, "m.name,acc,sum\ncnn@1,0.95,'=1+1\n");
  const md = await repo.dlv('query', 'select m.name from m where m.acc < 0.92', '--md');
  t.is(md.stdout, '| m.name |\n| --- |\n| lenet@1 |\n');
  await repo.write('best.dql', '-- the best\nselect m\nwhere m.acc = (select max(x.acc) from x)\n');
  const text = await repo.dlv('query', '--file', 'best.dql');
  t.regex(text.stdout, /cnn@1\s+0\.95/);
  const wrong = await repo.dlv('query', 'select m\nwhere m.metrics.ac > 1');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /line 2, column 7.*metrics\.ac[\s\S]*did you mean metrics\.acc/);
  const gone = await repo.dlv('query', '--named', 'nothing');
  t.is(gone.code, 1);
  const both = await repo.dlv('query', 'select m', '--file', 'best.dql');
  t.is(both.code, 2);
});

test('query: a damaged list of kept queries is told, and fsck finds it', async (t) => {
  const repo = await zoo(t);
  await repo.json('query', '--save', 'a', 'select m');
  await repo.write('.dlv/queries', 'queries 1\nquery a "x"\n');
  const broken = await repo.dlv('query', 'select m from m in "a"');
  t.is(broken.code, 12);
  t.regex(broken.stderr, /queries.*damaged[\s\S]*--save/);
  t.not((await repo.dlv('fsck')).code, 0);
});
