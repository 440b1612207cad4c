/** What `dlv detach` frees is at a remote, whole and for good, or it is not freed. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { isSound, largeRemote, type Test, without } from '../helpers/partial.js';
import { cloned } from '../helpers/remotes.js';
import type { TestRepository } from '../helpers/repository.js';

const DETACH = ['detach', '--planes', '2', '--to'] as const;

/** Every version is here, byte for byte, and nothing is promised. */
async function isWholeHere(t: Test, repo: TestRepository, files: readonly Buffer[]): Promise<void> {
  t.deepEqual((await isSound(t, repo)).promised, []);
  for (const [n, file] of files.entries()) {
    const found = await repo.dlv('--no-fetch', 'cat', `net@${n + 1}:model.safetensors`);
    t.true(found.stdoutBytes.equals(file), `version ${n + 1} ${found.stderr}`);
  }
}

test('a repository with a work tree, this one under whatever name, is not counted on', async (t) => {
  const { repo, top, url, files } = await largeRemote(t);
  await fs.symlink(repo.dir, path.join(top, 'link'));
  const { repo: other } = await cloned(top, url, 'other');
  const addresses = ['.', '../net', '../link', `file://${repo.dir}`, other.dir];
  for (const [n, address] of addresses.entries()) {
    await repo.json('remote', 'add', `me${n}`, address);
    for (const flags of [[], ['--dry-run']]) {
      const refused = await repo.fails(2, ...DETACH, `me${n}`, ...flags);
      t.regex(refused.message, /cannot be the only one to have .* with a work tree/, address);
    }
  }
  await without(url, () => isWholeHere(t, repo, files));
});

test('fsck: a promise of a remote that leads to the repository itself is no promise', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  await isSound(t, repo);
  await repo.json('remote', 'set-url', 'origin', '../half');
  const found = await repo.dlv('--json', 'fsck');
  t.is(found.code, 12);
  const { ok, problems } = JSON.parse(found.stdout) as FsckOpResult;
  t.false(ok);
  t.is(problems.length, 1);
  t.like(problems[0], { kind: 'missing', file: 'promised/origin' });
  t.regex(problems[0]?.message ?? '', /'origin' .* leads to this repository itself/);
  await repo.json('remote', 'set-url', 'origin', url);
  await isSound(t, repo);
});

test('a remote that lacks an index, or has another one, is refused whatever was known of it', async (t) => {
  const { repo, url, files } = await largeRemote(t);
  const packs = path.join(url, 'packs');
  const index = (await fs.readdir(packs)).find((name) => name.endsWith('.idx')) as string;
  const file = path.join(packs, index);
  const bytes = await fs.readFile(file);
  await fs.chmod(file, 0o644);
  const flipped = Buffer.from(bytes);
  const middle = Math.floor(bytes.length / 2);
  flipped[middle] = 1 ^ (flipped[middle] as number);
  const damages = [
    { code: 12, damage: () => fs.writeFile(file, flipped) },
    { code: 1, damage: () => fs.writeFile(file, bytes.subarray(0, middle)) },
    { code: 1, damage: () => fs.rm(file) },
  ];
  for (const { code, damage } of damages) {
    await damage();
    for (const flags of [[], ['--dry-run']]) {
      const refused = await repo.fails(code, ...DETACH, 'origin', ...flags);
      t.true(refused.message.includes(index.slice(0, 8)), refused.message);
    }
    await without(url, () => isWholeHere(t, repo, files));
  }
  await fs.writeFile(file, bytes);
  await repo.json(...DETACH, 'origin');
});
