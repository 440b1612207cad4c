/**
 * `dlv archive --tier`: what is given up, what stays exact, who is told, and what is refused.
 *
 * The checkpoints are those of a network trained here; the oracle of bfloat16 is rounding written out.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { trainChain } from '../../benchmarks/train/chain.js';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import { readZip, readZipEntry } from '../../lib/pure/formats/zip/zip.js';
import type { VersionSummary } from '../../lib/use/history/versions.js';
import type { CatResult } from '../../lib/use/ops/cat.js';
import type { CheckoutResult } from '../../lib/use/ops/checkout.js';
import type { DiffResult } from '../../lib/use/ops/diff.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import type { TagEntry } from '../../lib/use/ops/tag.js';
import type { TierResult } from '../../lib/use/ops/tier.js';
import { madeOnce, TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { buildZip } from '../helpers/zip.js';

const FILE = 'model.safetensors';

interface Fixture {
  repo: TestRepository;
  /** Bytes of the model file of each version. */
  exact: Buffer[];
}

/** Four checkpoints of one network, a version each. */
const checkpoints = madeOnce(async (t): Promise<Fixture> => {
  const repo = await TestRepository.create(t);
  const chain = await trainChain({
    hidden: [128],
    seed: 3,
    steps: 80,
    checkpoints: [20, 40, 60, 80],
  });
  const exact: Buffer[] = [];
  for (const [i, { weights, optimizer }] of chain.entries()) {
    exact.push(Buffer.from(weights));
    await repo.write(FILE, weights);
    await repo.write('optimizer.safetensors', optimizer);
    await repo.write('notes.txt', `checkpoint ${i + 1}\n`);
    await repo.commit(`checkpoint ${i + 1}`);
  }
  return { repo, exact };
});

async function trained(t: ExecutionContext): Promise<Fixture> {
  const { repo, exact } = await checkpoints(t);
  return { repo, exact: exact.map((bytes) => Buffer.from(bytes)) };
}

/** The bytes of a safetensors file whose float32 tensors of 16 KiB and more are rounded to bfloat16. */
function roundedFile(bytes: Buffer): Buffer {
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const result = Buffer.from(bytes);
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__' || tensor.dtype !== 'F32') continue;
    const [from, to] = tensor.data_offsets;
    if (to - from < 16 * 1024) continue;
    for (let at = 8 + headerBytes + from; at < 8 + headerBytes + to; at += 4) {
      const word = bytes.readUInt32LE(at);
      const odd = (word >>> 16) & 1;
      result.writeUInt32LE(((word + 0x7fff + odd) & 0xffff0000) >>> 0, at);
    }
  }
  return result;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Extents of the files of versions, as they can be had. */
async function extentsOf(repo: TestRepository, revisions: string[]): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const revision of revisions) {
    const { version } = await repo.json<ShowResult>('show', revision);
    await repo.with(async (open) => {
      for (const entry of (await open.tree(version)).files) {
        for (const id of (await open.openFile(entry)).recipe?.extents ?? []) ids.add(id);
      }
    });
  }
  return ids;
}

async function packBytes(repo: TestRepository): Promise<number> {
  let total = 0;
  const dir = repo.file('.dlv/packs');
  for (const name of await fs.readdir(dir)) total += (await fs.stat(path.join(dir, name))).size;
  return total;
}

test('archive --tier: gives up the named versions, says so everywhere, and gc drops the exact bytes', async (t) => {
  const { repo, exact } = await trained(t);
  const before = await packBytes(repo);
  const dry = await repo.json<TierResult>(
    'archive',
    '--tier',
    'bf16',
    'net@1',
    'net@2',
    '--dry-run',
  );
  t.false(dry.done);
  t.is((await repo.json<ShowResult>('show', 'net@1')).tier, null);

  const done = await repo.json<TierResult>('archive', '--tier', 'bf16', '--yes', 'net@1', 'net@2');
  t.true(done.done);
  t.deepEqual(done.errors, dry.errors);
  t.is(done.replacedExtents, dry.replacedExtents);
  t.is(done.exactBytes, dry.exactBytes);
  t.true(done.tierBytes < done.exactBytes);
  t.true((done.errors.relative as number) > 0 && (done.errors.relative as number) < 2 ** -8);
  t.deepEqual(
    done.versions.map(({ number, files }) => [number, files.map((file) => file.path)]),
    [
      [1, [FILE, 'optimizer.safetensors']],
      [2, [FILE, 'optimizer.safetensors']],
    ],
  );

  const log = await repo.json<VersionSummary[]>('log');
  t.deepEqual(
    log.map(({ number, tier }) => [number, tier]),
    [
      [4, null],
      [3, null],
      [2, 'bf16'],
      [1, 'bf16'],
    ],
  );
  t.regex((await repo.dlv('log', '--oneline')).stdout, /net@1 \[bf16, not exact\]/);
  const shown = await repo.json<ShowResult>('show', 'net@1');
  t.is(shown.files.find((file) => file.path === FILE)?.sha256, sha256(exact[0] as Buffer));
  t.is(shown.files.find((file) => file.path === FILE)?.tier, 'bf16');
  t.is(shown.files.find((file) => file.path === 'notes.txt')?.tier, null);
  t.like(shown.tiers, [{ tier: 'bf16' }] as never);
  const rounded = roundedFile(exact[0] as Buffer);
  t.is(shown.tiers[0]?.files.find((file) => file.path === FILE)?.sha256, sha256(rounded));
  const diff = await repo.json<DiffResult>('diff', 'net@2', 'net@3');
  t.is(diff.before.tier, 'bf16');
  t.is(diff.after.tier, null);

  const needed = await extentsOf(repo, ['net@1', 'net@2', 'net@3', 'net@4']);
  const standIns = await extentsOf(repo, ['net@1', 'net@2']);
  await repo.with(async (open) => {
    for await (const { id, base } of open.store.segments()) {
      if (!standIns.has(id) || base === null) continue;
      t.true(needed.has(base), 'what is given up is not a base of what stands for it');
    }
  });
  await repo.json('archive', '--yes', '--budget', '2');
  await repo.json('gc', '--prune=now');
  t.true((await repo.json<{ ok: boolean }>('fsck', '--files')).ok);
  t.true((await packBytes(repo)) < before, 'the exact bytes take no room any more');

  const out = await tempDir(t);
  for (const number of [3, 4]) {
    const dir = path.join(out, String(number));
    await repo.json('checkout', `net@${number}`, '--out', dir);
    t.deepEqual(await fs.readFile(path.join(dir, FILE)), exact[number - 1]);
  }
  for (const number of [1, 2]) {
    const dir = path.join(out, String(number));
    await repo.json('checkout', `net@${number}`, '--accept-tier', '--out', dir);
    t.deepEqual(await fs.readFile(path.join(dir, FILE)), roundedFile(exact[number - 1] as Buffer));
    t.is(await fs.readFile(path.join(dir, 'notes.txt'), 'utf8'), `checkpoint ${number}\n`);
  }
});

test('archive --tier: nobody takes a tier for the exact bytes', async (t) => {
  const { repo, exact } = await trained(t);
  await repo.json('archive', '--tier', 'bf16', '--yes', 'net@1');
  const out = path.join(await tempDir(t), 'out');
  for (const args of [
    ['checkout', 'net@1'],
    ['checkout', 'net@1', FILE],
    ['checkout', 'net@1', '--out', out],
    ['cat', `net@1:${FILE}`],
    ['cat', 'net@1', '--format', 'safetensors'],
    ['copy', 'net@1', 'other'],
    ['restore', '--source', 'net@1', FILE],
    ['reset', '--hard', 'net@1'],
  ]) {
    const error = await repo.fails(1, ...args);
    t.is(error.code, 'DLV_TIER', args.join(' '));
    t.regex(error.data.hint ?? '', /--accept-tier/);
  }
  t.deepEqual(await repo.read(FILE), exact[3], 'nothing was written');
  t.deepEqual(await repo.changes(), []);
  await repo.json('checkout', 'net@1', 'notes.txt');
  t.is(await repo.text('notes.txt'), 'checkpoint 1\n', 'a file beside it is exact');
  await repo.json('checkout', 'net@4', '--force');

  const rounded = roundedFile(exact[0] as Buffer);
  const cat = await repo.dlv('cat', '--accept-tier', `net@1:${FILE}`);
  t.deepEqual(cat.stdoutBytes, rounded);
  t.regex(cat.stderr, /not byte for byte/);
  const tensor = await repo.json<CatResult>(
    'cat',
    '--accept-tier',
    'net@1',
    '--format',
    'safetensors',
  );
  t.true(tensor.tensors > 0);

  await repo.json<CheckoutResult>('checkout', 'net@1', '--accept-tier');
  t.deepEqual(await repo.read(FILE), rounded);
  t.deepEqual(await repo.changes(), [], 'the work tree is what the version can give');
  await repo.json('switch', '-c', 'from-tier');
  await repo.write('notes.txt', 'from the tier\n');
  const child = await repo.commit('goes on from the tier');
  await repo.json('copy', 'net@1', 'other', '--accept-tier');
  await repo.json('gc', '--prune=now');
  t.true((await repo.json<{ ok: boolean }>('fsck', '--files')).ok);
  const dir = path.join(out, 'child');
  await repo.json('checkout', child.version, '--out', dir);
  t.deepEqual(await fs.readFile(path.join(dir, FILE)), rounded, 'a child of it is exact itself');
});

test('archive --tier: what other versions, staging or an exact tag need stays exact', async (t) => {
  const { repo, exact } = await trained(t);
  await repo.write('notes.txt', 'the same weights again\n');
  await repo.commit('same weights');
  const tip = await repo.json<TierResult>('archive', '--tier', 'fp16', '--yes', 'net@5');
  t.false(tip.done);
  t.is(tip.replacedExtents, 0);
  t.true(tip.sharedExtents > 0, 'net@4 and staging have them');
  await repo.json('checkout', 'net@5', '--out', path.join(await tempDir(t), 'tip'));

  await repo.json('tag', '--exact', 'paper', 'net@2');
  t.deepEqual(
    (await repo.json<TagEntry[]>('tag')).map(({ tag, exact: is }) => [tag, is]),
    [['paper', true]],
  );
  const refused = await repo.fails(1, 'archive', '--tier', 'bf16', '--yes', 'net@1', 'net@2');
  t.is(refused.code, 'DLV_CONFLICT');
  t.regex(refused.message, /'paper'/);
  t.is((await repo.json<ShowResult>('show', 'net@1')).tier, null, 'not even the other one');
  await repo.json('tag', '-d', 'paper');
  t.true((await repo.json<TierResult>('archive', '--tier', 'bf16', '--yes', 'net@2')).done);
  const late = await repo.fails(1, 'tag', '--exact', 'late', 'net@2');
  t.is(late.code, 'DLV_TIER');
  await repo.json('tag', 'late', 'net@2');
  t.is((await repo.dlv('cat', `net@3:${FILE}`)).stdoutBytes.compare(exact[2] as Buffer), 0);
});

test('archive --tier: each scheme, one after another, with errors that grow', async (t) => {
  const { repo } = await trained(t);
  let last = 0;
  const labels: (string | null)[] = [];
  for (const tier of [
    ['normalised'],
    ['fixed14'],
    ['bf16'],
    ['quant6'],
    ['quant3', '--codebook', 'random', '--seed', '9'],
  ]) {
    const done = await repo.json<TierResult>('archive', '--yes', 'net@1', '--tier', ...tier);
    t.true(done.done, tier.join(' '));
    t.true(done.errors.rms > last, `${tier}: ${done.errors.rms} > ${last}`);
    last = done.errors.rms;
    labels.push(done.tier);
  }
  t.deepEqual(labels, ['fixed23', 'fixed14', 'bf16', 'quant6:uniform', 'quant3:random:9']);
  await repo.json('gc', '--prune=now');
  t.true((await repo.json<{ ok: boolean }>('fsck', '--files')).ok);
  const { tiers } = await repo.json<ShowResult>('show', 'net@1');
  t.is(
    tiers.filter(({ files }) => files.length > 0).length,
    1,
    'the last one stands for its files',
  );
});

test('archive --tier: a tier that changes nothing is not a tier', async (t) => {
  const { repo } = await trained(t);
  t.true((await repo.json<TierResult>('archive', '--yes', 'net@1', '--tier', 'bf16')).done);
  const again = await repo.json<TierResult>('archive', '--yes', 'net@1', '--tier', 'bf16');
  t.false(again.done);
  t.is(again.replacedExtents, 0);
  t.is((await repo.json<ShowResult>('show', 'net@1')).notes.length, 1);
});

test('archive --tier: checksums inside a file are those of its new values', async (t) => {
  const repo = await TestRepository.create(t);
  const save = async (seed: number): Promise<void> => {
    const values = new Float32Array(12_000).map((_, i) => Math.sin(seed + i / 7) / 3);
    const data = npy('<f4', new Uint8Array(values.buffer));
    const kept = npy('<i4', new Uint8Array(Int32Array.from({ length: 8000 }, (_, i) => i).buffer));
    const parts = [
      { name: 'w.npy', data },
      { name: 'v.npy', data: Buffer.from(data).reverse(), descriptor: true },
      { name: 'w2.npy', data, descriptor: true },
      { name: 'w3.npy', data, descriptor: 'bare' as const, zip64: true },
      { name: 'n.npy', data: kept },
    ];
    await repo.write('arrays.npz', buildZip(parts));
    await repo.commit(`arrays ${seed}`);
  };
  await save(1);
  await save(2);
  const done = await repo.json<TierResult>('archive', '--yes', 'net@1', '--tier', 'quant4');
  t.is(done.versions[0]?.files[0]?.extents, 1, 'three entries of one extent');
  const cat = await repo.dlv('cat', '--accept-tier', 'net@1:arrays.npz');
  const source = new MemorySource(cat.stdoutBytes, 'arrays.npz');
  const { entries } = await readZip(source);
  t.is(entries.length, 5);
  for (const entry of entries) {
    // Throws unless the data has the checksum of both headers.
    const content = await readZipEntry(source, entry, 1 << 20);
    if (!/^w/.test(entry.name)) continue;
    const values = new Float32Array(new Uint8Array(content.subarray(128)).buffer);
    t.true(new Set(values).size <= 16);
  }
});

/** Bytes of an npy file of one dimension, with a header of 128 bytes. */
function npy(descr: string, data: Uint8Array): Buffer {
  const header = Buffer.alloc(128, 0x20);
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(118, 8);
  const shape = `(${data.length / 4},)`;
  header.write(`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`, 10, 'latin1');
  header[127] = 0x0a;
  return Buffer.concat([header, data]);
}

test('archive --tier: without a terminal it wants --yes; bad names are told apart', async (t) => {
  const { repo } = await trained(t);
  const cases: [string[], RegExp][] = [
    [['--tier', 'bf16', 'net@1'], /for good/],
    [['--tier', 'bf16', '--yes'], /no version/],
    [['--tier', 'int4', '--yes', 'net@1'], /is not a tier/],
    [['--tier', 'bf16', '--yes', '--budget', '2', 'net@1'], /plans nothing/],
    [['--seed', '3', 'net@1'], /belong to --tier/],
  ];
  for (const [args, message] of cases) {
    const error = await repo.fails(2, 'archive', ...args);
    t.is(error.code, 'DLV_USAGE');
    t.regex(error.message, message);
  }
  t.is((await repo.json<ShowResult>('show', 'net@1')).notes.length, 0);
});

test('fsck: says what is not exact; --rebuild finds the notes of a version again', async (t) => {
  const { repo } = await trained(t);
  await repo.json('archive', '--tier', 'fixed10', '--yes', 'net@1', 'net@2');
  await repo.json('gc', '--prune=now');
  const sound = await repo.json<FsckOpResult>('fsck');
  t.true(sound.ok);
  t.true(sound.information.includes('2 versions are kept as fixed10: exact bytes were given up'));
  await fs.rm(repo.file('.dlv/refs/notes'), { recursive: true });
  const lost = JSON.parse((await repo.dlv('--json', 'fsck')).stdout) as FsckOpResult;
  t.false(lost.ok);
  t.is(
    lost.problems.filter(({ message }) => /does not list 1 of the tiers/.test(message)).length,
    2,
  );
  const back = await repo.json<FsckOpResult>('fsck', '--rebuild', '--files');
  t.true(back.ok, JSON.stringify(back.problems));
  t.is((await repo.json<ShowResult>('show', 'net@2')).tier, 'fixed10');
});
