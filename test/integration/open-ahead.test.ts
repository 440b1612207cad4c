/** Small files are opened before their turn: what happens to them until then must not be missed. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'ava';
import { add } from '../../lib/use/ops/add.js';
import { TestRepository } from '../helpers/repository.js';

const NAMES = Array.from({ length: 12 }, (_, i) => `file-${String(i).padStart(2, '0')}`);

/** Adds all files; `meanwhile` runs when the first bytes of the first file were read. */
async function addWhile(repo: TestRepository, meanwhile: () => void, paths = ['.']): Promise<void> {
  let isFirst = true;
  const progress = {
    ...repo.context.progress,
    advance: () => {
      if (isFirst) meanwhile();
      isFirst = false;
    },
  };
  await repo.with((open) => add(open, { paths }, { ...repo.context, progress }));
}

async function withFiles(t: Parameters<typeof TestRepository.create>[0]): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const name of NAMES) await repo.write(name, `content of ${name}`);
  return repo;
}

/** What happens to a file, and what it holds then. */
const CHANGES: Record<string, (file: string) => void> = {
  replaced: (file) => {
    fs.writeFileSync(`${file}.new`, 'of another file');
    fs.renameSync(`${file}.new`, file);
  },
  'written over': (file) => fs.writeFileSync(file, 'written over it'),
  'made longer': (file) => fs.appendFileSync(file, ', and more'),
  cut: (file) => fs.truncateSync(file, 3),
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`add: files that are ${what} while an earlier one is stored are stored as they are then`, async (t) => {
    const repo = await withFiles(t);
    await addWhile(repo, () => {
      for (const name of NAMES.slice(1)) change(repo.file(name));
    });
    t.deepEqual(
      (await repo.changes()).filter((text) => !text.startsWith('staged added')),
      [],
    );
    const wanted = NAMES.map((name) => fs.readFileSync(repo.file(name), 'utf8'));
    await repo.json('commit', '-m', 'all');
    await repo.json('checkout', 'HEAD', '--out', 'copy');
    t.deepEqual(
      NAMES.map((name) => fs.readFileSync(repo.file(`copy/${name}`), 'utf8')),
      wanted,
    );
  });
}

test('add: a file that is removed while an earlier one is stored is left out, and the others are stored', async (t) => {
  const repo = await withFiles(t);
  await addWhile(repo, () => fs.rmSync(repo.file('file-03')));
  const { length } = await repo.changes();
  t.true(length >= NAMES.length - 1);
  await repo.json('commit', '-m', 'all');
  const there = NAMES.filter((name) => name !== 'file-03');
  await repo.json('checkout', 'HEAD', '--out', 'copy', '--force');
  t.true(there.every((name) => fs.existsSync(repo.file(`copy/${name}`))));
});

test('add: a FIFO in the place of a file is an error when it is opened, and not waited for', async (t) => {
  const repo = await TestRepository.create(t);
  // One large file is opened ahead, so the third is not open when the first is stored.
  const names = ['a.bin', 'b.bin', 'c.bin'];
  for (const name of names) await repo.write(name, Buffer.alloc(300_000, name));
  const adding = addWhile(
    repo,
    () => {
      fs.rmSync(repo.file('c.bin'));
      execFileSync('mkfifo', [repo.file('c.bin')]);
    },
    names,
  );
  await t.throwsAsync(adding, {
    code: 'DLV_IO',
    message: /^cannot read 'c\.bin': it is a FIFO, not a regular file/,
  });
});
