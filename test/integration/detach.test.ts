/** What `dlv detach` frees is at a remote, whole and for good, or it is not freed. */
import { readFileSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { decodeRemote, encodeRemote } from '../../lib/storage/exchange/remote/remote-file.js';
import { type DetachResult, detach } from '../../lib/use/ops/detach.js';
import type { DuResult } from '../../lib/use/ops/du.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import type { GcOpResult } from '../../lib/use/ops/gc.js';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import {
  checkedOut,
  isSound,
  isWhole,
  largeRemote,
  packBytes,
  SHAPES,
  type Test,
  without,
} from '../helpers/partial.js';
import { cloned } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

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

/** On a branch of its own, a version of other weights. */
async function branchOff(repo: TestRepository, seed: number): Promise<Buffer> {
  const file = safetensors(randomTensors(SHAPES, seed));
  await repo.json('switch', '-c', 'aside');
  await repo.write('model.safetensors', file);
  await repo.commit('aside');
  return file;
}

test('what no branch of the remote needs stays here', async (t) => {
  const { repo, top, url } = await largeRemote(t);
  const file = await branchOff(repo, 7);
  await repo.json('push', 'origin');
  await repo.json('push', 'origin', '--delete', 'aside');
  const { segments, keptBytes } = await repo.json<DetachResult>(...DETACH, 'origin');
  t.true(segments > 0);
  t.true(keptBytes > 500_000, `${keptBytes}`);
  const { repo: other } = await cloned(top, url, 'other');
  await other.json('gc', '--remote', 'origin');
  await without(url, async () => {
    const found = await repo.dlv('cat', 'net/aside:model.safetensors');
    t.true(found.stdoutBytes.equals(file), found.stderr);
  });
  await repo.json('push', 'origin');
  t.like(await repo.json<DetachResult>(...DETACH, 'origin'), { keptBytes: 0 });
  t.true((await checkedOut(repo, 'net/aside', 'again')).equals(file));
  await isSound(t, repo);
});

test('what a collection took from the list is found while its files are there', async (t) => {
  const { repo, top, url } = await largeRemote(t);
  const file = await branchOff(repo, 7);
  await repo.json('push', 'origin');
  t.like(await repo.json<DetachResult>(...DETACH, 'origin'), { keptBytes: 0 });
  const { repo: other } = await cloned(top, url, 'other');
  const { repo: half } = await cloned(top, url, 'half', '--planes', '2');
  await other.json('push', 'origin', '--delete', 'aside');
  const collected = await other.json<GcRemoteResult>('gc', '--remote', 'origin');
  t.true(collected.waitingBytes > 500_000, `${collected.waitingBytes}`);
  await other.write('note.txt', 'more');
  await other.commit('more');
  await other.json('push', 'origin');
  // What a fetch notes of the remote does not forget what still waits there.
  await half.json('fetch', 'origin');
  t.true((await checkedOut(half, 'origin/net/aside', 'aside')).equals(file));
  t.regex(
    (await repo.fails(1, 'gc', '--remote', 'origin')).message,
    /'net\/aside' is here in part/,
  );
  await repo.json('push', 'origin');
  await repo.json('gc', '--remote', 'origin');
  const { repo: third } = await cloned(top, url, 'third');
  t.true((await checkedOut(third, 'origin/net/aside', 'out')).equals(file));
  for (const one of [repo, half, third]) await isSound(t, one);
});

test('a branch that goes while it is compared is noticed before anything is freed', async (t) => {
  const { repo, url } = await largeRemote(t);
  const file = await branchOff(repo, 7);
  await repo.json('push', 'origin');
  await repo.with(async (opened) => {
    const { cwd } = repo.context;
    let isGone = false;
    const progress = {
      ...repo.context.progress,
      advance: (): void => {
        if (isGone) return;
        isGone = true;
        // The remote as another writer leaves it: the same, without the branch.
        const state = decodeRemote(readFileSync(path.join(url, 'remote')), 'remote');
        state.refs.delete('refs/heads/net/aside');
        writeFileSync(
          path.join(url, 'remote'),
          encodeRemote({ ...state, generation: state.generation + 1 }),
        );
      },
    };
    const context = { ...repo.context, cwd, progress };
    const error = await t.throwsAsync(detach(opened, { planes: 2, to: 'origin' }, context));
    t.is((error as { code?: string }).code, 'DLV_CONFLICT');
    t.true(isGone);
  });
  await without(url, async () => {
    t.deepEqual((await isSound(t, repo)).promised, []);
    t.true((await checkedOut(repo, 'net/aside', 'aside')).equals(file));
  });
});

test('detach: frees low planes that the remote has; what it does not have stays', async (t) => {
  const { repo, url, files } = await largeRemote(t);
  const tensors = randomTensors(SHAPES, 5);
  await repo.write('model.safetensors', safetensors(tensors));
  await repo.commit('not pushed');
  const before = await packBytes(repo);
  const preview = await repo.json<DetachResult>('detach', '--planes', '2', '--dry-run');
  t.is(await packBytes(repo), before);
  const done = await repo.json<DetachResult>('detach', '--planes', '2', '--to', 'origin');
  t.is(done.bytes, preview.bytes);
  t.true(done.keptBytes > 500_000, `${done.keptBytes}`);
  t.true(before - (await packBytes(repo)) > 0.95 * done.bytes, `${before} ${done.bytes}`);
  await without(url, async () => {
    const found = await isSound(t, repo);
    t.true((found.promised[0]?.bytes ?? 0) > 0);
    const mine = await repo.dlv('cat', 'HEAD:model.safetensors');
    t.true(mine.stdoutBytes.equals(safetensors(tensors)));
    t.is((await repo.fails(1, 'checkout', 'net@1', '--out', '../one')).code, 'DLV_REMOTE');
    await repo.json('checkout', 'net@1', '--planes', '2', '--out', '../rough');
    t.is((await repo.fails(1, 'archive')).code, 'DLV_CONFLICT');
    t.is((await repo.fails(1, 'remote', 'remove', 'origin')).code, 'DLV_CONFLICT');
  });
  t.like(await repo.json<DetachResult>('detach', '--planes', '2'), { segments: 0, bytes: 0 });
  t.true((await checkedOut(repo, 'net@1', 'one')).equals(files[0] as Buffer));
  await repo.json('remote', 'rename', 'origin', 'team');
  t.true((await checkedOut(repo, 'net@2', 'two')).equals(files[1] as Buffer));
  await repo.json('fetch', 'team', '--planes', 'all');
  await repo.json('gc', '--prune=now');
  await without(url, async () => {
    t.deepEqual((await isSound(t, repo)).promised, []);
    t.true((await checkedOut(repo, 'net@3', 'three')).equals(files[2] as Buffer));
  });
});

test('detach: fetches that follow take as many planes as stayed, and all when they are told to', async (t) => {
  const { repo, url, files } = await largeRemote(t);
  await repo.json('detach', '--planes', '2');
  await repo.json('gc', '--prune=now');
  const thin = await packBytes(repo);
  await repo.json('fetch');
  await repo.json('fetch', 'origin', 'net/main');
  await repo.json('pull');
  t.is(await packBytes(repo), thin, 'nothing that stayed away came');
  const { repo: other } = await cloned(path.dirname(repo.dir), url, 'other');
  await other.write('model.safetensors', safetensors(randomTensors(SHAPES, 9)));
  await other.commit('by another');
  await other.json('push');
  const whole = await packBytes(other);
  await repo.json('pull');
  t.true((await packBytes(repo)) < 0.7 * whole, 'of a new version as little');
  await repo.json('fetch', '--planes', 'all');
  await repo.json('gc', '--prune=now');
  await without(url, async () => isWholeHere(t, repo, files));
  await repo.json('fetch');
  await isSound(t, repo);
});

test('detach: what comes back is not here twice, and gc frees what it says', async (t) => {
  const { repo, url, files } = await largeRemote(t);
  const whole = await packBytes(repo);
  await repo.json('detach', '--planes', '2');
  await repo.json('gc', '--prune=now');
  const thin = await packBytes(repo);
  t.true(thin < 0.6 * whole);
  await checkedOut(repo, 'net@3', 'three');
  const used = await packBytes(repo);
  t.true(used <= whole, `${used} of ${whole}`);
  const { kept } = await repo.json<GcOpResult>('gc', '--prune=now');
  t.deepEqual(kept, []);
  await without(url, async () => {
    t.true((await checkedOut(repo, 'net@3', 'again')).equals(files[2] as Buffer));
  });
  await isSound(t, repo);
  await repo.json('detach', '--planes', '2');
  await repo.json('gc', '--prune=now');
  const second = await packBytes(repo);
  t.true(second < 1.02 * thin, `${second} after ${thin}`);
  await isWhole(t, repo, files);
  await isSound(t, repo);
});

test('detach: a remote with other bytes is refused, and nothing is given up', async (t) => {
  const { repo, url, files } = await largeRemote(t);
  const packs = path.join(url, 'packs');
  for (const name of await fs.readdir(packs)) {
    if (!name.endsWith('.hi')) continue;
    const file = path.join(packs, name);
    const bytes = await fs.readFile(file);
    // Low planes of inline records stand behind the others: most of the file.
    for (let at = 1000; at < bytes.length; at += 5000) bytes[at] = 255 - (bytes[at] as number);
    await fs.chmod(file, 0o644);
    await fs.writeFile(file, bytes);
  }
  const refused = await repo.fails(12, 'detach', '--planes', '2');
  t.is(refused.code, 'DLV_CORRUPT');
  await without(url, async () => {
    t.deepEqual((await isSound(t, repo)).promised, []);
    t.true((await checkedOut(repo, 'net@2', 'two')).equals(files[1] as Buffer));
  });
});

test('du: planes by class, whatever files they are in, and those that are here alone', async (t) => {
  const { top, url, repo } = await largeRemote(t);
  const whole = await repo.json<DuResult>('du');
  t.true(whole.planes.hi > 0 && whole.planes.mid > 0 && whole.planes.low > 0);
  const { repo: half } = await cloned(top, url, 'half', '--planes', '2');
  const { planes, packs } = await half.json<DuResult>('du');
  t.deepEqual([planes.mid, planes.low], [0, 0]);
  t.is(planes.hi, whole.planes.hi);
  t.true(planes.hi <= packs.hi);
  await half.json('fetch', '--planes', 'all');
  t.deepEqual((await half.json<DuResult>('du')).planes, whole.planes);
  // A small set has all classes in one file.
  const small = await TestRepository.create(t, await tempDir(t));
  await small.write('m.safetensors', safetensors(randomTensors({ a: [64, 128] }, 1)));
  await small.commit('one');
  const there = await small.json<DuResult>('du');
  t.deepEqual([there.packs.mid, there.packs.low], [0, 0]);
  t.true(there.planes.mid > 0 && there.planes.low > 0);
  t.regex((await small.dlv('du', '--verbose')).stdout, /last planes +[1-9]/);
});
