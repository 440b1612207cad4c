/** A model and its copy have their files in folders of their own: merges, and what to type next after a copy. */
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';

const FIRST = randomTensors({ 'a.weight': [64, 64], 'b.weight': [64, 64] }, 1);
const CHANGED = nudge(FIRST, 0.01, 2);
/** Both changes of one tensor each. */
const part = (name: string): Tensors => ({ ...FIRST, [name]: CHANGED[name] as Tensors[string] });

interface Merged {
  outcome: string;
  changes: { path: string; status: string }[];
}

/** `net` with its files at the root and a copy `tuned` of it, HEAD on `net`. */
async function copied(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(FIRST));
  await repo.write('config.json', '{}\n');
  await repo.commit('first');
  await repo.json('copy', 'net@1', 'tuned');
  return repo;
}

test('merge: right after a copy there is nothing to change, and no file moves', async (t) => {
  const repo = await copied(t);
  const { changes } = await repo.json<Merged>('merge', 'tuned');
  t.deepEqual(changes, []);
  t.true(await repo.exists('model.safetensors'));
  t.false(await repo.exists('tuned/model.safetensors'));
  await repo.json('switch', 'tuned');
});

test('merge: a copy brings its changes to the files that they are of, both ways, again and again', async (t) => {
  const repo = await copied(t);
  await repo.json('switch', 'tuned');
  await repo.json('restore', 'tuned');
  await repo.write('tuned/model.safetensors', safetensors(part('a.weight')));
  await repo.write('tuned/notes.txt', 'tuned\n');
  await repo.json('commit', '-a', '-m', 'tuned a');
  await repo.json('add', 'tuned');
  await repo.json('commit', '-m', 'notes');
  await repo.json('switch', 'net');
  await repo.write('model.safetensors', safetensors(part('b.weight')));
  await repo.json('commit', '-a', '-m', 'b');
  // The work tree has the files of both models.
  const joined = await repo.json<Merged>('merge', 'tuned');
  t.deepEqual(joined.changes, [
    { path: 'model.safetensors', status: 'modified' },
    { path: 'notes.txt', status: 'added' },
  ]);
  t.deepEqual(await repo.read('model.safetensors'), safetensors(CHANGED));
  t.deepEqual(await repo.read('tuned/model.safetensors'), safetensors(part('a.weight')));
  await repo.json('switch', 'tuned');
  const back = await repo.json<Merged>('merge', 'net');
  t.deepEqual(back.changes, [{ path: 'tuned/model.safetensors', status: 'modified' }]);
  t.deepEqual(await repo.read('tuned/model.safetensors'), safetensors(CHANGED));
  // The common ancestor is one of the copy by now.
  await repo.write('tuned/config.json', '{"a": 1}\n');
  await repo.json('commit', '-a', '-m', 'config');
  await repo.json('switch', 'net');
  const again = await repo.json<Merged>('merge', 'tuned');
  t.deepEqual(again.changes, [{ path: 'config.json', status: 'modified' }]);
});

test('merge --average: checkpoints of a copy are found by what they are copies of', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['x', 'y']) await repo.write(`${name}.safetensors`, safetensors(FIRST));
  await repo.commit('first');
  await repo.json('copy', 'net@1', 'tuned', '--checkout');
  await repo.json('switch', 'tuned');
  await repo.write('tuned/y.safetensors', safetensors(CHANGED));
  await repo.json('commit', '-a', '-m', 'tuned y');
  await repo.json('switch', 'net');
  const { changes } = await repo.json<Merged>('merge', 'tuned', '--average');
  t.deepEqual(changes, [{ path: 'y.safetensors', status: 'modified' }]);
});

test('switch: to a model without files here, the warning is a command that works where one is', async (t) => {
  const repo = await copied(t);
  await repo.write('runs/notes.txt', 'x\n');
  const warned = async (cwd: string, args: string[]): Promise<string> =>
    (await repo.dlv('-C', path.join(repo.dir, cwd), ...args)).stderr;
  const stderr = await warned('runs', ['switch', 'tuned']);
  const command = /'dlv (restore [^']+)' writes them/.exec(stderr)?.[1] ?? '';
  t.is(command, 'restore ../tuned');
  await warned('runs', command.split(' '));
  t.true(await repo.exists('tuned/model.safetensors'));
});

test('a path of another model: the hint stages it there, or takes it out', async (t) => {
  const repo = await copied(t);
  const { message, data } = await repo.fails(1, 'add', '--model', 'other', 'config.json');
  t.regex(message, /'config\.json' belongs to model 'net'/);
  const out = /'dlv (rm [^']+)' takes it out/.exec(data.hint ?? '')?.[1] ?? '';
  await repo.json(...out.split(' '));
  t.true(await repo.exists('config.json'));
  await repo.json('add', '--model', 'other', 'config.json');
});
