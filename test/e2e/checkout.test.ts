/**
 * `dlv checkout`: byte-exact files, nothing lost, clean afterwards, nothing outside of the work tree.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { CheckoutResult } from '../../lib/use/ops/checkout.js';
import { packFiles } from '../helpers/pack-files.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { safetensors, type Tensors } from '../helpers/safetensors.js';

test('checkout: gives every version back bit for bit and leaves the work tree clean', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  for (const n of [1, 3, 2]) {
    const result = await repo.json<CheckoutResult>('checkout', `net@${n}`);
    t.deepEqual(result.written.toSorted(), ['model.safetensors', 'note.txt']);
    const expected = safetensors(tensors[n - 1] as Tensors);
    t.true((await repo.read('model.safetensors')).equals(expected));
    t.is(await repo.text('note.txt'), `version ${n}\n`);
    t.deepEqual(await repo.changes(), []);
  }
});

test('checkout: a version detaches HEAD, a branch does not', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('tag', 'v1', 'net@1');
  for (const revision of ['v1', 'net@2', 'HEAD~1', versions[0]?.version.slice(0, 12) as string]) {
    const result = await repo.json<CheckoutResult>('checkout', revision);
    t.like(result, { detached: true, branch: null }, revision);
    await repo.json('checkout', 'main');
  }
  t.like(await repo.json('checkout', 'main'), { detached: false, branch: 'main' });
  t.like(await repo.json('checkout', 'HEAD'), { detached: false, branch: 'main' });
  const status = await repo.json<{ head: unknown }>('status');
  t.like(status.head, { model: 'net', branch: 'main', version: versions[2]?.version });
});

test('checkout: brings back what was deleted, keeps what is right, removes what is not in it', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('extra/deep/x.txt', 'x');
  await repo.commit('fourth');
  await repo.remove('model.safetensors');
  const back = await repo.json<CheckoutResult>('checkout', 'HEAD');
  t.deepEqual(back.written, ['model.safetensors']);
  t.is(back.unchanged, 2);
  const down = await repo.json<CheckoutResult>('checkout', 'net@3');
  t.deepEqual(down.removed, ['extra/deep/x.txt']);
  t.false(await repo.exists('extra'));
});

test('checkout: refuses to lose work, unless forced', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'precious');
  const refused = await repo.fails(1, 'checkout', 'net@1');
  t.is(refused.code, 'DLV_CONFLICT');
  t.deepEqual(refused.data.paths, ['note.txt']);
  t.is(await repo.text('note.txt'), 'precious');
  t.is((await repo.fails(1, 'checkout', 'net@1', 'note.txt')).code, 'DLV_CONFLICT');
  await repo.json('checkout', 'net@1', '--force');
  t.is(await repo.text('note.txt'), 'version 1\n');
  t.deepEqual(await repo.changes(), []);
});

test('checkout: refuses to lose staged work and untracked files; equal files are not a conflict', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'staged');
  await repo.json('add', 'note.txt');
  t.deepEqual((await repo.fails(1, 'checkout', 'net@1')).data.paths, ['note.txt']);
  await repo.json('restore', '--staged', '--worktree', 'note.txt');
  await repo.write('new.txt', 'in the fourth');
  await repo.commit('fourth');
  await repo.json('checkout', 'net@3');
  await repo.write('new.txt', 'untracked');
  t.deepEqual((await repo.fails(1, 'checkout', 'main')).data.paths, ['new.txt']);
  await repo.write('new.txt', 'in the fourth');
  const result = await repo.json<CheckoutResult>('checkout', 'main');
  t.false(result.written.includes('new.txt'));
  t.deepEqual(await repo.changes(), []);
});

test('checkout: only the paths that are named, which are staged', async (t) => {
  const { repo } = await threeVersions(t);
  const result = await repo.json<CheckoutResult>('checkout', 'net@1', 'note.txt');
  t.deepEqual(result.written, ['note.txt']);
  t.is(result.branch, null);
  t.false(result.detached);
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
  await repo.json('checkout', 'net@3', '--', '*.txt');
  t.deepEqual(await repo.changes(), []);
  t.is((await repo.fails(1, 'checkout', 'net@1', 'none.txt')).code, 'DLV_NOT_FOUND');
});

test('checkout -- <paths>: takes back changes of work files', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  await repo.remove('model.safetensors');
  const result = await repo.json<{ written: string[] }>('checkout', '--', '.');
  t.deepEqual(result.written.toSorted(), ['model.safetensors', 'note.txt']);
  t.deepEqual(await repo.changes(), []);
});

test('checkout --out: writes into a folder of its own and changes nothing else', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  const result = await repo.json<CheckoutResult>('checkout', 'net@1', '--out', '../out/one');
  const out = path.join(repo.dir, '../out/one');
  t.is(result.path, path.resolve(out));
  t.deepEqual(await fs.readdir(out), ['model.safetensors', 'note.txt']);
  const expected = safetensors(tensors[0] as Tensors);
  t.true((await fs.readFile(path.join(out, 'model.safetensors'))).equals(expected));
  t.deepEqual(await repo.changes(), ['modified note.txt']);
  t.is((await repo.fails(1, 'checkout', 'net@2', '--out', '../out/one')).code, 'DLV_EXISTS');
  await repo.json('checkout', 'net@2', 'note.txt', '--out', '../out/one', '--force');
  t.is(await fs.readFile(path.join(out, 'note.txt'), 'utf8'), 'version 2\n');
  t.is((await repo.fails(2, 'checkout', 'net@2', '--out', '.dlv/x')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'checkout', 'net@2', '--out', '.', '--force')).code, 'DLV_USAGE');
});

test('checkout: keeps whether a file is executable', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('run.sh', '#!/bin/sh\n');
  await fs.chmod(repo.file('run.sh'), 0o755);
  await repo.commit('executable');
  await fs.chmod(repo.file('run.sh'), 0o644);
  await repo.commit('plain');
  const mode = async (): Promise<number> => (await fs.stat(repo.file('run.sh'))).mode & 0o100;
  await repo.json('checkout', 'net@1');
  t.is(await mode(), 0o100);
  await repo.json('checkout', 'net@2');
  t.is(await mode(), 0);
  t.deepEqual(await repo.changes(), []);
});

test('checkout: a file becomes a folder and back', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('w', 'a file');
  await repo.commit('file');
  await repo.remove('w');
  await repo.write('w/a/b.txt', 'in a folder');
  await repo.commit('folder');
  await repo.json('checkout', 'net@1');
  t.is(await repo.text('w'), 'a file');
  await repo.json('checkout', 'main');
  t.is(await repo.text('w/a/b.txt'), 'in a folder');
  await repo.write('w/mine.txt', 'untracked');
  const refused = await repo.fails(1, 'checkout', 'net@1', '--force');
  t.deepEqual(refused.data.paths, ['w/mine.txt']);
  t.is(await repo.text('w/a/b.txt'), 'in a folder');
});

test('checkout: never writes through a symbolic link', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('sub/a.txt', 'one');
  await repo.commit('one');
  await repo.write('sub/a.txt', 'two');
  await repo.commit('two');
  const outside = repo.file('../outside');
  await fs.mkdir(outside);
  await fs.writeFile(path.join(outside, 'a.txt'), 'outside');
  await repo.remove('sub');
  await fs.symlink(outside, repo.file('sub'));
  t.is((await repo.fails(1, 'checkout', 'net@1')).code, 'DLV_CONFLICT');
  t.true((await fs.lstat(repo.file('sub'))).isSymbolicLink());
  await repo.json('checkout', 'net@1', '--force');
  t.false((await fs.lstat(repo.file('sub'))).isSymbolicLink());
  t.is(await repo.text('sub/a.txt'), 'one');
  t.is(await fs.readFile(path.join(outside, 'a.txt'), 'utf8'), 'outside');
  await fs.unlink(repo.file('sub/a.txt'));
  await fs.symlink(path.join(outside, 'a.txt'), repo.file('sub/a.txt'));
  t.is((await repo.fails(1, 'checkout', 'net@1')).code, 'DLV_CONFLICT');
  await repo.json('checkout', 'net@1', '--force');
  t.is(await fs.readFile(path.join(outside, 'a.txt'), 'utf8'), 'outside');
  t.false((await fs.lstat(repo.file('sub/a.txt'))).isSymbolicLink());
});

test('checkout: a file that cannot be rebuilt leaves the old one', async (t) => {
  const { repo } = await threeVersions(t);
  const before = await repo.read('model.safetensors');
  const { recipe } = await repo.json<{ recipe: { id: string } }>('show', 'net@1:note.txt');
  t.truthy(recipe.id);
  const packs = repo.file('.dlv/packs');
  for (const name of await packFiles(packs)) {
    if (!name.endsWith('.hi')) continue;
    const bytes = await fs.readFile(`${packs}/${name}`);
    const at = bytes.length - 100;
    bytes[at] = (bytes[at] as number) ^ 1;
    await fs.writeFile(`${packs}/${name}`, bytes);
  }
  const failed = await repo.fails(12, 'checkout', 'net@1', 'model.safetensors');
  t.regex(failed.data.hint ?? '', /fsck/);
  t.true((await repo.read('model.safetensors')).equals(before));
  t.deepEqual(await fs.readdir(repo.file('.dlv/tmp')), []);
});

test('checkout: works from a folder inside, with paths from there', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('in/a.txt', 'one');
  await repo.write('b.txt', 'one');
  await repo.commit('one');
  await repo.remove('in/a.txt');
  await repo.remove('b.txt');
  const here = await repo.json<CheckoutResult>('-C', 'in', 'checkout', 'HEAD', 'a.txt');
  t.deepEqual(here.written, ['in/a.txt']);
  const above = await repo.json<CheckoutResult>('-C', 'in', 'checkout', 'HEAD', '../b.txt');
  t.deepEqual(above.written, ['b.txt']);
  t.is((await repo.fails(2, 'checkout', 'HEAD', '../../x')).code, 'DLV_USAGE');
});

test('checkout: touches only the files of its own model', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other/m.txt', 'one');
  await repo.commit('other one', { model: 'other', paths: ['other'] });
  await repo.write('other/m.txt', 'uncommitted');
  const result = await repo.json<CheckoutResult>('checkout', 'net@1');
  t.deepEqual(result.written.toSorted(), ['model.safetensors', 'note.txt']);
  t.is(await repo.text('other/m.txt'), 'uncommitted');
  t.deepEqual(await repo.changes(), ['modified other/m.txt']);
});
