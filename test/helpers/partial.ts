/** Partial clones: what its quick and its slow tests share. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { TestRepository } from './repository.js';
import { nudge, randomTensors, safetensors } from './safetensors.js';
import { tempDir } from './temp-dir.js';
import { readTree, type Tree, writeTree } from './tree.js';

export const SHAPES = { 'a.weight': [512, 512], 'b.weight': [256, 512], 'b.bias': [64] };

export type Test = Parameters<typeof TestRepository.create>[0];

/** Those versions and a remote that has them: made once, and copied for each test. */
export async function makeVersions(t: Test): Promise<{ tree: Tree; files: Buffer[] }> {
  const top = await tempDir(t);
  const repo = await TestRepository.create(t, top);
  const files = await commitWithState(repo);
  await repo.json('remote', 'add', 'origin', path.join(top, 'team.dlv'));
  await repo.json('push', '-u', 'origin');
  return { tree: readTree(top), files };
}

/** Commits three versions of a model of 1.5 MiB beside a state of the optimiser. @returns the files of the model. */
export async function commitWithState(repo: TestRepository): Promise<Buffer[]> {
  let tensors = randomTensors(SHAPES, 1);
  const state = randomTensors({ 'a.exp_avg': [256, 256] }, 9);
  const files: Buffer[] = [];
  for (let n = 1; n <= 3; n++) {
    files.push(safetensors(tensors));
    await repo.write('model.safetensors', files.at(-1) as Buffer);
    await repo.write('state.opt', safetensors(nudge(state, 1e-2, n)));
    await repo.commit(`version ${n}`);
    tensors = nudge(tensors, 1e-3, n);
  }
  return files;
}

export let made: ReturnType<typeof makeVersions> | undefined;

/** Those versions and a remote that has them. */
export async function largeRemote(t: Test) {
  made ??= makeVersions(t);
  const { tree, files } = await made;
  const top = path.join(await tempDir(t), 'top');
  writeTree(top, tree, null);
  const repo = new TestRepository(path.join(top, 'net'));
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'set-url', 'origin', url);
  return { repo, top, url, files };
}

/** Runs something while the remote is away. */
export async function without<T>(url: string, action: () => Promise<T>): Promise<T> {
  await fs.rename(url, `${url}.away`);
  try {
    return await action();
  } finally {
    await fs.rename(`${url}.away`, url);
  }
}

export async function checkedOut(
  repo: TestRepository,
  revision: string,
  out: string,
): Promise<Buffer> {
  await repo.json('checkout', revision, '--out', `../${out}`);
  return fs.readFile(path.join(repo.dir, '..', out, 'model.safetensors'));
}

export async function isSound(t: Test, repo: TestRepository): Promise<FsckOpResult> {
  const found = await repo.json<FsckOpResult>('fsck');
  t.deepEqual(found.problems, []);
  return found;
}

/** Bytes of all packs, trash included. */
export async function packBytes(repo: TestRepository): Promise<number> {
  let bytes = 0;
  for (const folder of ['packs', 'trash']) {
    const dir = path.join(repo.dir, '.dlv', folder);
    for (const entry of await fs.readdir(dir, { withFileTypes: true })) {
      if (entry.isFile()) bytes += (await fs.stat(path.join(dir, entry.name))).size;
    }
  }
  return bytes;
}

/** Every version comes back byte for byte. */
export async function isWhole(
  t: Test,
  repo: TestRepository,
  files: readonly Buffer[],
): Promise<void> {
  for (const [n, file] of files.entries()) {
    const found = await repo.dlv('cat', `net@${n + 1}:model.safetensors`);
    t.true(found.stdoutBytes.equals(file), `version ${n + 1} ${found.stderr}`);
  }
}
