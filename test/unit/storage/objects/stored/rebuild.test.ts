/**
 * Goal: files whose chains have records in common are rebuilt from each record once, and byte for byte;
 * others one after another. Method: bytes read are counted where files are opened.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { AbortedError, CorruptError } from '../../../../../lib/base/errors.js';
import { WriteFile } from '../../../../../lib/base/files/files.js';
import { fitsGroup, weightOf } from '../../../../../lib/storage/objects/stored/file-groups.js';
import { rebuildFiles } from '../../../../../lib/storage/objects/stored/rebuild.js';
import { storedBytes } from '../../../../../lib/storage/store/types.js';
import { checkout } from '../../../../../lib/use/ops/checkout.js';
import { diff } from '../../../../../lib/use/ops/diff.js';
import type { Repository } from '../../../../../lib/use/repository.js';
import { countReads } from '../../../../helpers/count-reads.js';
import { tempDir } from '../../../../helpers/temp-dir.js';
import { checkpoint } from '../../../../trust/model-files.js';
import { hashFiles } from '../../../../trust/record.js';
import { WorkRepository } from '../work-repository.js';

const isPlanes = (file: string): boolean => /\.(hi|mid|low)$/.test(file);

/** Checkpoints of one run as files of one version. */
function steps(count: number): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (let step = 0; step < count; step++) {
    files[`step-${step}.safetensors`] = checkpoint(1, step, 8);
  }
  return files;
}

/** New files 0, 1, … in a folder. */
function newFiles(dir: string, count: number): Promise<WriteFile[]> {
  const names = Array.from({ length: count }, (_, i) => path.join(dir, `${i}`));
  return Promise.all(names.map((name) => WriteFile.create(name)));
}

async function segmentBytes(repo: Repository): Promise<number> {
  let bytes = 0;
  for await (const entry of repo.store.segments()) bytes += storedBytes(entry);
  return bytes;
}

test.serial(
  'checkout: files on one chain are rebuilt side by side, each record read once',
  async (t) => {
    const work = await WorkRepository.make(t);
    const { version } = await work.commit(steps(9));
    const expected = work.versions.get(version)!;
    const out = path.join(await tempDir(t), 'out');
    await work.open(async (repo, context) => {
      const all = await segmentBytes(repo);
      const reads = countReads();
      try {
        await checkout(repo, { revision: 'HEAD', out }, context);
      } finally {
        reads.stop();
      }
      t.is(reads.total(isPlanes), all);
    });
    t.deepEqual(await hashFiles(out), expected);
    for (const name of Object.keys(expected)) await fs.rm(work.file(name));
    await work.open((repo, context) => checkout(repo, { revision: 'HEAD' }, context));
    t.deepEqual(await hashFiles(work.dir), expected);
  },
);

test.serial(
  'checkout: a damaged file of a group leaves nothing behind but whole files',
  async (t) => {
    const work = await WorkRepository.make(t);
    await work.commit(steps(5));
    const before = await work.packs('.hi');
    await work.commit({ 'step-5.safetensors': checkpoint(1, 5, 8) });
    const [added] = (await work.packs('.hi')).filter((name) => !before.includes(name));
    await work.damage(`packs/${added}`, -9);
    const out = path.join(await tempDir(t), 'out');
    const error = await t.throwsAsync(
      work.open((repo, context) => checkout(repo, { revision: 'HEAD', out }, context)),
      { instanceOf: CorruptError },
    );
    t.true(error?.message.includes(added!), error?.message);
    for (const name of await fs.readdir(out)) {
      t.deepEqual(await fs.readFile(path.join(out, name)), await fs.readFile(work.file(name)));
    }
    t.deepEqual(await fs.readdir(work.file('.dlv/tmp')), []);
  },
);

test('rebuildFiles: any files in any order, with and without shared records', async (t) => {
  const work = await WorkRepository.make(t);
  const files = {
    ...steps(4),
    'other.safetensors': checkpoint(77, 0, 3),
    'notes.txt': Buffer.from('words'),
    'empty.bin': Buffer.alloc(0),
    'noise.bin': checkpoint(78, 0, 1).subarray(3),
  };
  const { version } = await work.commit(files);
  await work.open(async (repo) => {
    const entries = (await repo.tree(version)).files;
    for (const names of [Object.keys(files), ['other.safetensors', 'empty.bin'], ['notes.txt']]) {
      const chosen = entries.filter(({ path: name }) => names.includes(name)).reverse();
      const stored = await Promise.all(chosen.map((entry) => repo.openFile(entry)));
      const dir = await tempDir(t);
      const targets = await newFiles(dir, chosen.length);
      const written = chosen.map(() => 0);
      const ended = new Set<number>();
      const target = async (file: number): Promise<WriteFile> => targets[file]!;
      const how = { cacheBytes: 50_000 };
      for await (const { file, bytes } of rebuildFiles(repo, stored, target, how)) {
        t.false(ended.has(file));
        if (bytes === null) ended.add(file);
        else written[file]! += bytes;
      }
      t.is(ended.size, chosen.length);
      for (const [i, entry] of chosen.entries()) {
        const content = files[entry.path as keyof typeof files];
        await targets[i]!.close();
        t.is(Buffer.compare(await fs.readFile(path.join(dir, `${i}`)), content), 0, entry.path);
        t.is(written[i], content.length);
      }
    }
    const stop = new AbortController();
    const stored = await Promise.all(entries.map((entry) => repo.openFile(entry)));
    const targets = await newFiles(await tempDir(t), stored.length);
    const run = async (): Promise<void> => {
      const target = async (file: number): Promise<WriteFile> => targets[file]!;
      const how = { signal: stop.signal };
      for await (const _ of rebuildFiles(repo, stored, target, how)) stop.abort();
    };
    await t.throwsAsync(run, { instanceOf: AbortedError });
    for (const file of targets) await file.close();
    const member = { stored: stored[0]!, weight: weightOf(stored[0]!) };
    t.true(fitsGroup(new Array(15).fill(member), stored[1]!));
    t.false(fitsGroup(new Array(16).fill(member), stored[1]!));
    t.false(fitsGroup([{ ...member, weight: 8192 }], stored.find((file) => file.skeleton)!));
  });
});

test.serial('diff: a tensor and the delta of it are read from each record once', async (t) => {
  const work = await WorkRepository.make(t);
  const ids: Id[] = [];
  for (let step = 0; step < 3; step++) {
    ids.push((await work.commit({ 'a.safetensors': checkpoint(1, step, 8) })).version);
  }
  await work.open(async (repo, context) => {
    const reads = countReads();
    let numbers: unknown;
    try {
      const found = await diff(repo, { revisions: [ids[1]!, ids[2]!] }, context);
      numbers = found.snapshots[0]!.tensors.find(({ name }) => name === 'a.weight')!.numbers;
    } finally {
      reads.stop();
    }
    t.like(numbers, { equal: false, nonFinite: 0 });
    let chain = 0;
    let heads = 0;
    for await (const entry of repo.store.segments()) {
      if (entry.width !== 4) continue;
      chain += storedBytes(entry);
      heads += 2 * (storedBytes(entry) - entry.hiBytes - entry.midBytes - entry.lowBytes);
    }
    const read = reads.total(isPlanes);
    // Run hashes are read apart, to check the planes of both sides.
    t.true(read >= chain && read <= chain + heads, `${read} bytes of ${chain}`);
  });
});
