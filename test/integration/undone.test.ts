/**
 * A repository on disk in which much was undone by an earlier build, with its last command killed in
 * between: it opens, the killed command is ended, and what was undone is found as it was.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { StashEntry } from '../../lib/use/ops/stash.js';
import type { TagEntry } from '../../lib/use/ops/tag.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

async function undone(t: ExecutionContext): Promise<TestRepository> {
  const text = await fs.readFile(fixture('repo', 'undone.json'), 'utf8');
  const { files } = JSON.parse(text) as { files: Record<string, string> };
  t.truthy(files.moves, 'the last command was killed');
  const dir = await tempDir(t);
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(dir, '.dlv', name);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, Buffer.from(bytes, 'base64'));
  }
  return new TestRepository(dir);
}

test('undone: the killed forget is ended, and everything is sound', async (t) => {
  const repo = await undone(t);
  const log = await repo.json<LogEntry[]>('log');
  t.deepEqual(
    log.map(({ message, number }) => `${number} ${message}`),
    ['4 four', '1 one'],
  );
  t.false(await repo.exists('.dlv/moves'));
  // Files alone are in the fixture: the empty folders that protect it from git clean are made again.
  await repo.dlv('fsck', '--rebuild');
  t.is((await repo.dlv('fsck', '--files')).code, 0);
  await repo.json('restore', '.');
  t.is(await repo.text('four.txt'), 'four\n');
  await repo.write('five.txt', 'five');
  t.is((await repo.commit('six')).number, 6, 'the stash has number 5; no number is given again');
});

test('undone: names of what is gone say what became of it, and lead back', async (t) => {
  const repo = await undone(t);
  for (const name of ['fx@2', 'fx@3']) {
    const { message, data } = await repo.fails(1, 'show', name);
    t.regex(message, /\(fx@[23]\) was forgotten on 2026-/);
    const [, id] = /'dlv branch fx\/back ([0-9a-f]{64})'/.exec(data.hint ?? '') ?? [];
    await repo.json('branch', 'fx/back', id as string);
    await repo.json('checkout', 'fx/back', '--out', name);
    t.is(await repo.text(`${name}/two.txt`), 'two\n');
    await repo.json('branch', '-D', 'fx/back');
  }
  t.regex((await repo.fails(1, 'reflog', 'fx/gone')).message, /'fx\/gone' was deleted/);
});

test('undone: what was put aside and said of a version is there', async (t) => {
  const repo = await undone(t);
  t.like(await repo.json<TagEntry[]>('tag'), [{ tag: 'said', note: { message: 'said of one' } }]);
  t.like(await repo.json<StashEntry[]>('stash', 'list'), [{ message: 'put aside' }]);
  await repo.json('restore', '.');
  await repo.json('stash', 'pop');
  t.is(await repo.text('four.txt'), 'changed\n');
  t.is(await repo.text('new.txt'), 'new\n');
});
