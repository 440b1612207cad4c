/** `dlv log`: order, filters, lineage, drawing, JSON. */
import test from 'ava';
import { TestRepository, threeVersions } from '../helpers/repository.js';

interface Entry {
  version: string;
  model: string;
  number: number;
  message: string;
  author: string;
  time: string;
  parents: string[];
  lineage: { model: string; number: number }[];
  metrics: Record<string, number>;
  params: Record<string, unknown>;
  step: number | null;
  refs: string[];
}

const messages = (entries: Entry[]): string[] => entries.map((entry) => entry.message);

test('log: newest first, with numbers, parents, metrics, step and refs', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const log = await repo.json<Entry[]>('log');
  t.deepEqual(messages(log), ['third', 'second', 'first']);
  t.deepEqual(
    log.map((entry) => entry.number),
    [3, 2, 1],
  );
  t.deepEqual(log[0]?.parents, [versions[1]?.version as string]);
  t.deepEqual(log[2]?.parents, []);
  t.deepEqual(log[0]?.metrics, { accuracy: 0.7 });
  t.deepEqual(log[0]?.params, { lr: 0.1 });
  t.deepEqual(
    log.map((entry) => entry.step),
    [300, 200, 100],
  );
  t.deepEqual(log[0]?.refs, ['HEAD', 'net/main']);
  t.false(Number.isNaN(Date.parse(log[0]?.time ?? '')));
});

test('log: a number of versions, a start, and paths limit it', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'only the note\n');
  await repo.commit('note');
  t.deepEqual(messages(await repo.json<Entry[]>('log', '-n', '2')), ['note', 'third']);
  t.deepEqual(messages(await repo.json<Entry[]>('log', 'net@2')), ['second', 'first']);
  const file = await repo.json<Entry[]>('log', '--', 'model.safetensors');
  t.deepEqual(messages(file), ['third', 'second', 'first']);
  t.deepEqual(await repo.json<Entry[]>('log', '--', 'none.txt'), []);
  t.deepEqual(await repo.json<Entry[]>('log', '-n', '0'), []);
});

test('log: many files in pages are filtered by path as few are', async (t) => {
  const repo = await TestRepository.create(t);
  for (let i = 0; i < 90; i++) await repo.write(`d${i % 3}/f${i}.txt`, `${i}`);
  await repo.commit('many');
  await repo.write('d1/f1.txt', 'changed');
  await repo.commit('one');
  t.deepEqual(messages(await repo.json<Entry[]>('log', '--', 'd1')), ['one', 'many']);
  t.deepEqual(messages(await repo.json<Entry[]>('log', '--', 'd2')), ['many']);
});

test('log: goes on into the model that a copy came from; --model keeps to one', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net@2', 'fine');
  const log = await repo.json<Entry[]>('log', 'fine');
  t.deepEqual(
    log.map(({ model, number }) => `${model}@${number}`),
    ['fine@1', 'net@2', 'net@1'],
  );
  t.like(log[0]?.lineage, [{ model: 'net', number: 2 }]);
  t.deepEqual(log[1]?.lineage, []);
  const own = await repo.json<Entry[]>('log', '--model', 'fine');
  t.deepEqual(
    own.map((entry) => entry.model),
    ['fine'],
  );
  const all = await repo.json<Entry[]>('log', '--all');
  t.is(all.length, 4);
  t.is((await repo.fails(1, 'log', '--model', 'fin')).code, 'DLV_NOT_FOUND');
});

test('log: --graph draws a branch beside its line', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('switch', '-c', 'side', 'net@1');
  await repo.write('note.txt', 'side\n');
  await repo.commit('side');
  const { stdout } = await repo.dlv('log', '--graph', '--all', '--oneline');
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.filter((line) => line.includes('*')).length, 4);
  t.true(lines.some((line) => /^[|* ]*\|\/|^\|\/ ?/.test(line)));
  t.regex(lines.at(-1) ?? '', /^\* .* first$/);
});

test('log: says so where there is no version, no such revision', async (t) => {
  const repo = await TestRepository.create(t);
  t.is((await repo.fails(1, 'log')).code, 'DLV_NOT_FOUND');
  t.deepEqual(await repo.json('log', '--all'), []);
  const unknown = await repo.fails(1, 'log', 'mian');
  t.is(unknown.code, 'DLV_NOT_FOUND');
});

test('log: control characters of a message do not reach the terminal', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('evil \u001b[31mred');
  const { stdout } = await repo.dlv('log');
  t.false(stdout.includes('\u001b'));
  t.regex(stdout, /evil \\x1b\[31mred/);
});
