/**
 * What of the objects' format changed: repositories of the form before are read and written further, the
 * new form is written only where it is needed, and then says so in `format`.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import { readLayout } from '../../lib/pure/formats/detect.js';
import { readTensor } from '../../lib/storage/objects/stored/read-tensor.js';
import { openStoredFile } from '../../lib/storage/objects/stored/stored-file.js';
import { tensorsOf, tensorsOfFile } from '../../lib/storage/objects/stored/tensors.js';
import { OBJECTS_FLAG, readFormat } from '../../lib/storage/repo/format.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import type { Repository } from '../../lib/use/repository.js';
import { fixture } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';
import { fsckProblems, hashFiles } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

/** A repository of the form before: PyTorch and NumPy files with big-endian numbers, two versions of one. */
async function oldRepository(
  t: ExecutionContext,
): Promise<{ work: WorkRepository; sha256: Record<string, string> }> {
  const dir = await tempDir(t);
  const { files, sha256 } = JSON.parse(
    await fs.readFile(fixture('repo', 'objects_1.json'), 'utf8'),
  ) as { files: Record<string, string>; sha256: Record<string, string> };
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(dir, '.dlv', name);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, Buffer.from(bytes, 'base64'));
  }
  return { work: new WorkRepository(dir), sha256 };
}

async function flagsOf(work: WorkRepository): Promise<readonly string[]> {
  return work.open(async (repo) => (await readFormat(repo.layout)).readRequired);
}

test('format: a repository of the form before is read, and written further as it was', async (t) => {
  const { work, sha256 } = await oldRepository(t);
  t.deepEqual(await fsckProblems(work.dir), []);
  await work.open((repo, context) => checkout(repo, { revision: 'HEAD', force: true }, context));
  t.deepEqual(await hashFiles(work.dir), sha256);
  await work.commit({ 'notes.txt': 'as before' });
  t.false((await flagsOf(work)).includes(OBJECTS_FLAG));
});

test('format: a file stored in the new form comes back, and the repository says what it needs', async (t) => {
  const { work, sha256 } = await oldRepository(t);
  const kinds = await fs.readFile(fixture('torch', 'kinds.pt'));
  // The same bytes under another name: stored in the form of today.
  await work.commit({ 'again.pt': kinds });
  t.true((await flagsOf(work)).includes(OBJECTS_FLAG));
  await fs.rm(work.file('again.pt'));
  await work.open((repo, context) => checkout(repo, { revision: 'HEAD', force: true }, context));
  const again = await fs.readFile(work.file('again.pt'));
  t.deepEqual(createHash('sha256').update(again).digest('hex'), sha256['kinds.pt']);
  t.deepEqual(await fsckProblems(work.dir), []);
});

async function elements(
  repo: Repository,
  tensor: Parameters<typeof readTensor>[1],
): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of readTensor(repo, tensor)) hash.update(bytes);
  return hash.digest('hex');
}

const SWAPPED = [
  ['torch', 'kinds.pt'],
  ['torch', 'big-endian.pt'],
  ['formats', 'f8-big-endian.npy'],
  ['formats', 'c8-big-endian.npy'],
] as const;

for (const [folder, name] of SWAPPED) {
  test(`format: ${name}: short big-endian tensors are literals with the values of the file`, async (t) => {
    const work = await WorkRepository.make(t);
    await work.commit({ [name]: await fs.readFile(fixture(folder, name)) });
    await work.open(async (repo) => {
      const [id] = work.versions.keys();
      const [entry] = (await repo.tree(id as NonNullable<typeof id>)).files;
      const stored = tensorsOf(await openStoredFile(repo, entry as NonNullable<typeof entry>));
      const source = new MemorySource(await fs.readFile(work.file(name)), name);
      const read = tensorsOfFile(source, await readLayout(source));
      t.is(stored.length, read.length);
      let swapped = 0;
      for (const [i, tensor] of stored.entries()) {
        const { home } = tensor;
        if (home.kind === 'extent') t.true(home.width * home.count >= 4096, tensor.name);
        if (home.kind === 'literal' && home.byteSwap) swapped++;
        t.is(await elements(repo, tensor), await elements(repo, read[i] as typeof tensor));
      }
      t.true(swapped > 0);
    });
  });
}
