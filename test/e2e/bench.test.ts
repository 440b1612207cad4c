/**
 * Goal: `dlv bench` measures what it says and changes nothing. Method: relations that hold whatever
 * the machine (sums, orders, bounds), on a repository of three versions and on files in none.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { sweepPlans } from '../../lib/use/measure/bench-plans.js';
import type { BenchResult } from '../../lib/use/ops/bench.js';
import { noProgress } from '../../lib/use/progress.js';
import { checkPlans, packsOf, UNHURRIED } from '../helpers/bench-runs.js';
import { dlv, dlvJson } from '../helpers/dlv.js';
import { pageProblems } from '../helpers/page.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { toyGraph } from '../helpers/storage-graphs.js';
import { tempDir } from '../helpers/temp-dir.js';

test('bench: the short answer fits together and fits on a screen', async (t) => {
  const { repo } = await threeVersions(t);
  const before = await packsOf(repo);
  const { brief, snapshots, ...full } = await repo.json<BenchResult>('bench', ...UNHURRIED);
  t.deepEqual(await packsOf(repo), before);
  t.deepEqual([full.storage, full.recovery, full.plans], [null, null, null]);
  const raw = snapshots.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0);
  const stored = snapshots.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  t.is(brief?.rawBytes, raw);
  t.is(brief?.storedBytes, stored);
  const bytesOf = (how: string) => brief?.stores.find((store) => store.how === how)?.bytes;
  t.is(bytesOf('kept whole'), raw);
  t.is(bytesOf('dlv now'), stored);
  t.true((bytesOf('gzip -6') as number) > stored);
  t.deepEqual(
    brief?.reads.map(({ which, snapshot }) => [which, snapshot]),
    [
      ['newest', 2],
      ['oldest', 0],
    ],
  );
  t.is(brief?.reads[1]?.readBytes, snapshots[0]?.storedBytes, 'the oldest is not a delta');
  t.is(brief?.reads[0]?.readBytes, stored, 'the newest needs all');
  t.deepEqual(
    brief?.plans.map(({ budget }) => budget),
    [1.5, 2, 4],
  );
  for (const { bytes, lowerBound } of brief?.plans ?? []) t.true(lowerBound <= bytes);

  const shown = await repo.dlv('bench', 'net@1', 'net@3', '--budgets', '3', ...UNHURRIED);
  t.is(shown.code, 0, shown.stderr);
  const lines = shown.stdout.split('\n');
  t.true(lines.length <= 24 && lines.every((line) => line.length <= 80), shown.stdout);
  for (const word of ['2 snapshots', 'net@3', 'gzip', 'dlv now', '--budget 3']) {
    t.true(shown.stdout.includes(word), word);
  }
});

test('bench: what there is no time for is named, the rest is measured', async (t) => {
  const { repo } = await threeVersions(t);
  const { brief } = await repo.json<BenchResult>('bench', '--time-limit', '0.000001');
  t.is(brief?.stores.find(({ how }) => how === 'dlv now')?.isExact, true);
  t.is(brief?.stores.find(({ how }) => how === 'gzip -6')?.bytes, null);
  t.true((brief?.leftOut.length ?? 0) >= 3, brief?.leftOut.join());
  t.true(brief?.leftOut.some((what) => /candidate encodings/.test(what)));
});

test('bench: revisions, --only and the tables of the terminal', async (t) => {
  const { repo } = await threeVersions(t);
  const result = await repo.json<BenchResult>(
    'bench',
    'net@2',
    '--only',
    'recovery',
    '--repeat',
    '1',
  );
  t.deepEqual([result.storage, result.plans], [null, null]);
  t.deepEqual(
    result.snapshots.map(({ number }) => number),
    [2],
  );
  t.true(result.recovery?.rows.every(({ snapshot }) => snapshot === 0));
  const shown = await repo.dlv('bench', '--last', '2', '--only', 'storage,plans', '--budgets', '2');
  t.is(shown.code, 0, shown.stderr);
  for (const word of ['2 snapshots', 'net@3, step 300', 'zlib by plane', 'lmg-all', '× 2']) {
    t.true(shown.stdout.includes(word), word);
  }
  t.false(shown.stdout.includes('Recovery'));
  const ms = await repo.json<BenchResult>('bench', '--only', 'plans', '--unit', 'ms');
  t.is(ms.plans?.unit, 'ms');
  t.deepEqual(checkPlans(ms.plans?.points ?? [], ms.plans?.bounds ?? []), []);
});

test('bench: --files needs no repository and leaves nothing behind', async (t) => {
  const cwd = await tempDir(t);
  const tmp = path.join(cwd, 'tmp');
  await fs.mkdir(tmp);
  const base = randomTensors({ w: [80, 100] }, 1);
  await fs.writeFile(path.join(cwd, 'a.safetensors'), safetensors(base));
  await fs.writeFile(path.join(cwd, 'b.safetensors'), safetensors(nudge(base, 1e-3, 2)));
  const options = { cwd, env: { TMPDIR: tmp } };
  const files = ['--files', 'a.safetensors', 'b.safetensors'];
  const result = await dlvJson<BenchResult>(['bench', ...files, '--repeat', '1'], options);
  t.deepEqual(
    result.snapshots.map(({ message, maxDepth }) => [message, maxDepth]),
    [
      ['a.safetensors', 0],
      ['b.safetensors', 1],
    ],
  );
  t.is(result.storage?.deltaShare, 0.5);
  t.deepEqual(checkPlans(result.plans?.points ?? [], result.plans?.bounds ?? []), []);
  t.deepEqual(await fs.readdir(tmp), []);
  t.deepEqual((await fs.readdir(cwd)).sort(), ['a.safetensors', 'b.safetensors', 'tmp']);
});

test('bench: --html writes a page that needs nothing else', async (t) => {
  const { repo } = await threeVersions(t);
  const more = safetensors(randomTensors({ '<b>&"': [80, 100] }, 5));
  await repo.write('<i>.safetensors', more);
  await repo.commit('<script>alert(1)</script>');
  await repo.json('bench', '--repeat', '1', '--budgets', '1.5,2', '--html', 'out.html');
  const page = (await repo.text('out.html')) as string;
  t.is(page.match(/<svg class="plot"/g)?.length, 3);
  t.regex(page, /lower bound/);
  const body = page.slice(page.indexOf('<body>'), page.lastIndexOf('<script>'));
  t.notRegex(body, /NaN|undefined|Infinity/);
  t.deepEqual(pageProblems(page), []);
});

test('bench: says what it cannot do', async (t) => {
  const { repo } = await threeVersions(t);
  const usage = [
    ['net@1', '--files', 'model.safetensors'],
    ['--only', 'speed'],
    ['--budgets', '0.5'],
    ['--budgets', 'x'],
    ['--repeat', '1.5'],
    ['--last', '0'],
    ['--files', '.'],
  ];
  for (const args of usage) {
    t.is((await repo.fails(2, 'bench', ...args)).code, 'DLV_USAGE', args.join(' '));
  }
  t.is((await repo.fails(1, 'bench', 'net@9')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(1, 'bench', '--files', 'none.npy')).code, 'DLV_NOT_FOUND');
  const cwd = await tempDir(t);
  t.is((await dlv(['bench'], { cwd })).code, 10);
  const empty = await TestRepository.create(t);
  await empty.write('note.txt', 'no tensor');
  await empty.commit('text');
  t.regex((await empty.fails(1, 'bench')).message, /no tensor/);
});

test('bench: the sweep of the paper’s toy graph has the optimum and its bound', async (t) => {
  const context = { cwd: '.', progress: noProgress, warn() {} };
  const options = { budgets: [1, 1.5, 2, 4], timeLimitMs: 5000 };
  const { points, bounds } = await sweepPlans(toyGraph(), options, context);
  t.deepEqual(checkPlans(points, bounds), []);
  for (const { budget, storage, optimal } of bounds) {
    t.true(optimal);
    const auto = points.find((p) => p.planner === 'auto' && p.budget === budget);
    t.is(auto?.storage, storage);
  }
  t.is(bounds.at(-1)?.storage, 19);
});

test('bench: snapshots of one version are told apart by their files', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b'])
    await repo.write(`${name}.safetensors`, safetensors(randomTensors({ w: [64, 128] }, 3)));
  await repo.commit('two');
  const { stdout } = await repo.dlv('bench');
  t.regex(stdout, /in 2 snapshots: net@1, a\.safetensors … net@1, b\.safetensors/);
  t.regex(stdout, /newest, net@1, b\.safetensors/);
  t.regex(stdout, /oldest, net@1, a\.safetensors/);
});
