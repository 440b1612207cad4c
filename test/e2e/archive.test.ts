/** `dlv archive`: plans, budgets, promises, what it leaves on disk. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Id, sha256Hex } from '../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { parseBudget } from '../../lib/pure/plan/budget-text.js';
import { ReencodedWriter } from '../../lib/storage/archive/reencoded-writer.js';
import { surveyRepository } from '../../lib/storage/archive/survey.js';
import { checkRepository } from '../../lib/storage/fsck/fsck.js';
import { recodedRecord, storedSegment } from '../../lib/storage/objects/recode.js';
import { type ArchiveResult, archive } from '../../lib/use/ops/archive.js';
import { Repository } from '../../lib/use/repository.js';
import { bytesOnDisk, checkVersions, line, run, SHAPES } from '../helpers/archive-runs.js';
import { packFiles } from '../helpers/pack-files.js';
import { madeOnce, TestRepository } from '../helpers/repository.js';
import { randomBytes } from '../helpers/rng.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';
import { safetensors as rawSafetensors } from '../trust/model-files.js';

/** Lists new encodings of a segment in front, as an archive run does that is killed afterwards. */
async function encodeInFront(
  repo: TestRepository,
  segment: number,
  edges: readonly { id: Id; base: Id | null; valuesOf?: Id }[],
): Promise<void> {
  await repo.with(async (open) => {
    const writer = new ReencodedWriter(open);
    for (const { id, base, valuesOf = id } of edges) {
      const stored = await storedSegment(open.store, id, segment);
      const { planes } = await open.planes.lend({ id: valuesOf, segment });
      const under = base === null ? null : await open.planes.lend({ id: base, segment });
      const coded = await encodeRans(planes, under?.planes ?? null);
      await writer.add(recodedRecord(stored, coded, base && { id: base }, 1));
    }
    await writer.flush();
  });
}

/** The one extent of each version of a line of two, of `count` bytes. The second stands on the first. */
async function makePair(t: ExecutionContext, count: number) {
  const repo = await TestRepository.create(t);
  const values = randomBytes(count, 5);
  const sums: string[] = [];
  const ids: Id[] = [];
  for (let number = 0; number < 2; number++) {
    for (let i = number; i < count; i += 50) values[i] = (values[i] as number) ^ 1;
    const bytes = rawSafetensors([{ name: 'w', dtype: 'U8', shape: [count], bytes: values }]);
    sums.push(sha256Hex(bytes));
    await repo.write('model.safetensors', bytes);
    await repo.commit(`version ${number}`);
    ids.push(
      await repo.with(async (open) => {
        const { extents } = await surveyRepository(open);
        return (extents.find(({ id }) => !ids.includes(id)) as { id: Id }).id;
      }),
    );
  }
  return { repo, sums, first: ids[0] as Id, second: ids[1] as Id };
}

/** Such a pair of 50,000 bytes each. */
const smallPair = madeOnce((t) => makePair(t, 50_000));

test('archive: keeps the budget to the byte and every version exact', async (t) => {
  const [repo, sums] = await line(t, 8);
  const unhurried = ['--yes', '--time-limit', '600'];
  const result = await repo.json<ArchiveResult>('archive', '--budget', '1.4', ...unhurried);
  t.true(result.within && result.optimal);
  t.is(result.snapshots.length, 8);
  t.true(result.deltas > 0 && result.deltas < result.extents);
  for (const { version, budget, planned, least, measured } of result.snapshots) {
    t.true(planned <= (budget as number));
    t.is(budget, 1.4 * least);
    const bytes = await bytesOnDisk(repo, version);
    t.true(bytes <= planned, 'what is read is what was planned');
    t.is(measured?.bytes, bytes);
  }
  await checkVersions(t, repo, sums);
});

test('archive: without a limit nothing is smaller; a factor of 1 has no slower snapshot', async (t) => {
  const [repo, sums] = await line(t, 6);
  const tight = await run(repo, { budgets: [1] });
  t.is(tight.deltas, 0);
  t.deepEqual(
    tight.snapshots.map(({ planned }) => planned),
    tight.snapshots.map(({ least }) => least),
  );
  const loose = await run(repo, { budgets: [parseBudget('none')] });
  t.true(loose.storedBytes < tight.storedBytes);
  t.true(loose.optimal);
  t.is(loose.deltas, 15, 'one version alone, five as deltas');
  await checkVersions(t, repo, sums);
});

test('archive: --dry-run says what the run does, and changes nothing', async (t) => {
  const [repo] = await line(t, 4);
  const manifest = await fs.readFile(path.join(repo.dir, '.dlv', 'manifest'));
  const dry = await repo.json<ArchiveResult>('archive', '--budget', '1.3', '--dry-run');
  t.deepEqual(await fs.readFile(path.join(repo.dir, '.dlv', 'manifest')), manifest);
  t.false(await repo.exists('.dlv/budgets'));
  const real = await repo.json<ArchiveResult>('archive', '--yes', '--budget', '1.3');
  for (const key of ['storedBytes', 'deltas', 'encodedExtents', 'lowerBound'] as const) {
    t.is(dry[key], real[key], key);
  }
  const promises = ({ snapshots }: ArchiveResult) =>
    snapshots.map((snapshot) => ({ ...snapshot, measured: null }));
  t.deepEqual(promises(dry), promises(real));
});

test('archive: what was promised is left alone when versions are added', async (t) => {
  const [repo, sums] = await line(t, 4);
  const first = await repo.json<ArchiveResult>('archive', '--yes', '--budget', '1.4');
  const again = await run(repo, {});
  t.is(again.encodedExtents, 0);
  t.deepEqual(again.budgets, ['1.4']);
  const tensors = nudge(randomTensors(SHAPES, 1), 1e-3, 99);
  await repo.write('model.safetensors', safetensors(tensors));
  await repo.commit('one more');
  const next = await run(repo, {});
  t.true(next.encodedExtents <= 3, 'only the new version');
  for (const [index, old] of first.snapshots.entries()) {
    const now = next.snapshots[index] as ArchiveResult['snapshots'][0];
    t.true(now.planned <= old.planned);
    t.is(now.budget, old.budget);
  }
  const added = next.snapshots.at(-1) as ArchiveResult['snapshots'][0];
  t.true(added.planned <= (added.budget as number));
  await checkVersions(t, repo, sums);
});

test('archive: budgets for a version and a model', async (t) => {
  const [repo] = await line(t, 5);
  await repo.json('tag', 'v1', 'net@5');
  const result = await repo.json<ArchiveResult>(
    'archive',
    ...['--yes', '--budget', 'none', '--budget', 'net=3', '--budget', 'v1=1'],
  );
  const [first, last] = [result.snapshots[0], result.snapshots.at(-1)];
  t.is(last?.planned, last?.least);
  t.is(first?.budget, 3 * (first?.least as number));
});

test('archive: a budget that cannot be kept changes nothing and ends with 1', async (t) => {
  const [repo] = await line(t, 3);
  const manifest = await fs.readFile(path.join(repo.dir, '.dlv', 'manifest'));
  const failed = await repo.dlv('archive', '--json', '--budget', '10KB');
  t.is(failed.code, 1);
  const result = JSON.parse(failed.stdout) as ArchiveResult;
  t.false(result.within);
  t.is(result.impossible, result.snapshots.length);
  t.deepEqual(await fs.readFile(path.join(repo.dir, '.dlv', 'manifest')), manifest);
});

test('archive: wrong words', async (t) => {
  const [repo] = await line(t, 1);
  for (const budget of [0.5, Number.NaN, Infinity, -1]) {
    await t.throwsAsync(run(repo, { budgets: [budget] }), { code: 'DLV_USAGE' }, `${budget}`);
  }
  for (const budget of ['0.5', 'x', '=2', '3 parsecs', '']) {
    await repo.fails(2, 'archive', '--budget', budget);
  }
  await repo.fails(2, 'archive', '--budget', '1GB', '--budget', 'net=3s');
  await repo.fails(1, 'archive', '--budget', 'nowhere=2');
  t.is((await repo.fails(1, 'archive', 'net@9')).code, 'DLV_NOT_FOUND');
  await repo.fails(2, 'archive', '--planner', 'guess');
  await repo.fails(2, 'archive', '--time-limit', '0');
});

test('archive: --no-prefix is smaller and can still be read whole', async (t) => {
  const [repo, sums] = await line(t, 4);
  const prefix = await run(repo, { budgets: [parseBudget('none')] });
  const whole = await repo.json<ArchiveResult>(
    'archive',
    '--budget',
    'none',
    '--all',
    '--no-prefix',
    '--yes',
  );
  t.true(whole.storedBytes <= prefix.storedBytes);
  await checkVersions(t, repo, sums);
});

test('archive: renamed tensors find their base by sketch', async (t) => {
  const repo = await TestRepository.create(t);
  const tensors = randomTensors({ 'a.weight': [256, 256] }, 7);
  await repo.write('old.safetensors', safetensors(tensors));
  await repo.commit('old');
  const moved = nudge(tensors, 1e-3, 8);
  await repo.json('rm', 'old.safetensors');
  const renamed = { 'z.kernel': moved['a.weight'] } as Tensors;
  await repo.write('new.safetensors', safetensors(renamed));
  await repo.commit('new');
  const result = await run(repo, { budgets: [parseBudget('none')], all: true });
  t.is(result.deltas, 1);
});

test('archive: after a kill segments of two extents may stand on one another', async (t) => {
  const { repo, sums, first, second } = await makePair(t, SEGMENT_ELEMENTS + 30_000);
  await encodeInFront(repo, 0, [
    { id: second, base: null },
    { id: first, base: second },
  ]);
  const { problems } = await repo.with((open) =>
    checkRepository(open.layout, { open: Repository.openForRepair }),
  );
  t.deepEqual(problems, []);
  const result = await repo.json<ArchiveResult>('archive', '--yes', '--budget', '1.5');
  t.true(result.within);
  await checkVersions(t, repo, sums);
});

test('archive: an encoding that would make a chain go in a circle is not listed', async (t) => {
  const { repo, sums, first, second } = await smallPair(t);
  const encode = encodeInFront(repo, 0, [{ id: first, base: second }]);
  await t.throwsAsync(encode, { code: 'DLV_CONFLICT', message: /chain of deltas would not end/ });
  await checkVersions(t, repo, sums);
});

test('archive: what a killed run left is rebuilt, and then what it hides is retired', async (t) => {
  const { repo, sums, second } = await smallPair(t);
  await encodeInFront(repo, 0, [{ id: second, base: null }]);
  const result = await repo.json<ArchiveResult>('archive', '--yes', '--budget', '1');
  t.is(result.encodedExtents, 0);
  t.true(result.retiredSets > 0);
  await repo.with(async (open) => {
    for await (const { entry, live } of open.store.records()) t.true(live, entry.id);
  });
  await checkVersions(t, repo, sums);
});

test('archive: an encoding that gives other values retires nothing', async (t) => {
  const { repo, first, second } = await smallPair(t);
  await encodeInFront(repo, 0, [{ id: second, base: null, valuesOf: first }]);
  t.is((await repo.fails(12, 'archive', '--yes', '--budget', '1')).code, 'DLV_CORRUPT');
  const hidden: Id[] = [];
  await repo.with(async (open) => {
    for await (const { entry, live } of open.store.records()) if (!live) hidden.push(entry.id);
  });
  t.deepEqual(hidden, [second]);
});

test('archive: a budget for named versions leaves the promises of the others', async (t) => {
  const [repo, sums] = await line(t, 5);
  const first = await run(repo, { budgets: [2] });
  const named = await run(repo, { budgets: [1], revisions: ['net@3'] });
  const next = await run(repo, {});
  t.deepEqual(next.budgets, ['2']);
  t.is(next.encodedExtents, 0);
  for (const [index, { budget, planned, least }] of next.snapshots.entries()) {
    const before = (index === 2 ? named : first).snapshots[index];
    t.is(budget, before?.budget as number);
    if (index === 2) t.is(planned, least);
  }
  const again = await run(repo, { revisions: ['net@3'], all: true });
  t.is(again.snapshots[0]?.budget, first.snapshots[0]?.budget as number);
  await checkVersions(t, repo, sums);
});

test('archive: equal snapshots are promised the tightest of their budgets', async (t) => {
  const [repo] = await line(t, 4);
  const budgets = ['none', 'net/main=1'].map(parseBudget);
  const third = nudge(nudge(randomTensors(SHAPES, 1), 1e-3, 2), 1e-3, 3);
  const before = await run(repo, { budgets });
  t.true((before.snapshots[2]?.planned as number) > 1.01 * (before.snapshots[2]?.least as number));
  await repo.write('model.safetensors', safetensors(third));
  await repo.commit('the weights of the third');
  const { snapshots } = await run(repo, { budgets });
  const last = snapshots.at(-1);
  t.is(last?.planned, last?.least);
});

test('archive: what is not stored as promised any more is planned again', async (t) => {
  const { repo, first, second } = await smallPair(t);
  await run(repo, { budgets: [1] });
  await encodeInFront(repo, 0, [{ id: second, base: first }]);
  const { snapshots, within } = await run(repo, {});
  t.true(within);
  for (const { planned, least, budget } of snapshots) {
    t.is(planned, least);
    t.is(budget, least);
    t.true(least < 1.1 * 50_000);
  }
});

test('archive: an abort ends every stage and leaves nothing behind', async (t) => {
  const [repo, sums] = await line(t, 4);
  for (const label of ['measuring encodings', 'planning', 'encoding', 'replacing packs']) {
    const controller = new AbortController();
    const progress = {
      start(name: string): void {
        if (name === label) setImmediate(() => controller.abort());
      },
      advance(): void {},
      finish(): void {},
    };
    const context = { ...repo.context, progress, signal: controller.signal };
    const aborted = repo.with((open) => archive(open, { budgets: [1.4] }, context));
    await t.throwsAsync(aborted, { code: 'DLV_ABORTED' }, label);
    const left = await fs.readdir(path.join(repo.dir, '.dlv/tmp'), { recursive: true });
    t.deepEqual(left, []);
  }
  await run(repo, { budgets: [1.4] });
  await checkVersions(t, repo, sums);
});

test('archive: words for what had no effect', async (t) => {
  const [repo] = await line(t, 2);
  const empty = await TestRepository.create(t);
  t.regex((await empty.dlv('archive')).stdout, /nothing to archive/);
  t.regex(
    (await repo.dlv('archive', '--budget', '10KB')).stdout,
    /2 budgets cannot be kept by any/,
  );
  await run(repo, { budgets: [1.5] });
  await run(repo, { level: 'max' });
  t.regex(repo.warnings.join(), /--all/);
});

test('archive: new packs that are damaged on disk are taken back', async (t) => {
  const [repo, sums] = await line(t, 4);
  const packs = path.join(repo.dir, '.dlv/packs');
  const before = new Set(await packFiles(packs));
  const progress = {
    start(name: string): void {
      if (name !== 'rebuilding what was encoded') return;
      for (const file of readdirSync(packs)) {
        if (before.has(file) || !file.endsWith('.hi')) continue;
        const bytes = readFileSync(path.join(packs, file));
        const at = bytes.length - 5;
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(path.join(packs, file), bytes);
      }
    },
    advance(): void {},
    finish(): void {},
  };
  const failed = repo.with((open) =>
    archive(open, { budgets: [1] }, { ...repo.context, progress }),
  );
  await t.throwsAsync(failed, { code: 'DLV_CORRUPT', message: /does not give back/ });
  t.deepEqual(new Set(await packFiles(packs)), before);
  await checkVersions(t, repo, sums);
});

test('archive: is known as a reader while it runs, so that its packs are left in place', async (t) => {
  const [repo] = await line(t, 2);
  const readers: number[] = [];
  const progress = {
    start: () => void readers.push(readdirSync(path.join(repo.dir, '.dlv/readers')).length),
    advance(): void {},
    finish(): void {},
  };
  await repo.with((open) => archive(open, { budgets: [2] }, { ...repo.context, progress }));
  t.true(readers.length > 3 && readers.every((count) => count === 1));
  t.deepEqual(await fs.readdir(path.join(repo.dir, '.dlv/readers')), []);
});
