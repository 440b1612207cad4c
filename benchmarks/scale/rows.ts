/** What is measured of one size after the other: a row for each command and size. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Id } from '../../lib/base/bytes/hash.js';
import { io } from '../../lib/base/files/files.js';
import { FolderBackend } from '../../lib/storage/store/backends/folder-backend.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../lib/storage/store/packs/pack-writer.js';
import { add } from '../../lib/use/ops/add.js';
import { createBranch } from '../../lib/use/ops/branch.js';
import { commit } from '../../lib/use/ops/commit.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { type Measured, measureDlv, measureNode, type Spread, spreadOf } from '../harness.js';
import { CommitCost } from './commit-cost.js';

function rowOf(what: string, samples: readonly Measured[], notes: string): Row {
  const peakBytes = Math.max(...samples.map((sample) => sample.peakBytes));
  const cpuSeconds = spreadOf(samples.map((sample) => sample.cpuSeconds)).median;
  const seconds = spreadOf(samples.map((sample) => sample.seconds));
  return { what, seconds, cpuSeconds, peakBytes, notes };
}

export interface Row {
  what: string;
  seconds: Spread;
  /** Median processor time; null where no process was measured. */
  cpuSeconds: number | null;
  peakBytes: number | null;
  notes: string;
}

async function repeat(
  what: string,
  runs: number,
  notes: string,
  run: () => Promise<Measured>,
): Promise<Row> {
  await run();
  const samples: Measured[] = [];
  for (let i = 0; i < runs; i++) samples.push(await run());
  return rowOf(what, samples, notes);
}

export async function statusRows(dir: string, runs: number): Promise<Row[]> {
  for (let i = 0; i < 1000; i++) {
    const file = path.join(dir, `part-${i % 10}`, `file-${i}.bin`);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, `content ${i}`);
  }
  await measureDlv(['init'], dir);
  await measureDlv(['add', '.'], dir);
  await measureDlv(['commit', '-m', 'all'], dir);
  const none = ['commit', '--all', '-m', 'none'];
  return [
    await repeat('node, no program', runs, '', () => measureNode(['-e', '0'])),
    await repeat('dlv --version', runs, '', () => measureDlv(['--version'], dir)),
    await repeat('dlv status', runs, '1,000 files', () => measureDlv(['status'], dir)),
    await repeat('no-change dlv commit --all', runs, '1,000 files', () =>
      measureDlv(none, dir, [1]),
    ),
  ];
}

export async function logRow(dir: string, runs: number, commits: number): Promise<Row[]> {
  const context = { cwd: dir, progress: noProgress, warn() {} };
  const repo = await Repository.init(dir);
  const bytes = Buffer.alloc(10_000);
  const started = performance.now();
  for (let version = 1; version <= commits; version++) {
    // A new quarter of the file each time, as a configuration or a small adapter changes.
    const noise = createHash('sha512').update(`${version}`).digest();
    for (let i = 0; i < 2_500; i++) bytes[(version * 977 + i) % 10_000] = noise[i % 64]! ^ (i >> 6);
    await fs.writeFile(path.join(dir, 'config.bin'), bytes);
    await add(repo, { paths: ['config.bin'] }, context);
    await commit(repo, { message: `version ${version}` }, context);
  }
  await repo.close();
  const each = (performance.now() - started) / 1000 / commits;
  const files = (await fs.readdir(path.join(dir, '.dlv/packs'))).length;
  const notes = `${commits} commits of 10 KB, ${files} files under packs/`;
  const row = await repeat('dlv log', runs, notes, () => measureDlv(['log'], dir));
  const one: Spread = { median: each, min: each, max: each, n: 1 };
  const what = 'add + commit in one process';
  return [
    row,
    { what, seconds: one, cpuSeconds: null, peakBytes: null, notes: 'mean of those commits' },
  ];
}

/** Makes what is measured later without waiting for the disk: it would take longer than all that is measured. */
async function unsynced(make: () => Promise<void>): Promise<void> {
  const { fsync } = io;
  io.fsync = async () => {};
  try {
    await make();
  } finally {
    io.fsync = fsync;
  }
}

/** Branches are made by the library: 8,000 processes would take longer than all that is measured. */
export async function branchRows(dir: string, runs: number, branches: number): Promise<Row[]> {
  const context = { cwd: dir, progress: noProgress, warn() {} };
  const repo = await Repository.init(dir, 'm');
  for (let version = 1; version <= 5; version++) {
    await fs.writeFile(path.join(dir, 'config.txt'), `version ${version}`);
    await add(repo, { paths: ['config.txt'] }, context);
    await commit(repo, { message: `version ${version}` }, context);
  }
  await unsynced(async () => {
    for (let i = 0; i < branches; i++) {
      await createBranch(repo, { name: `exp-${i}`, start: `m@${1 + (i % 5)}` }, context);
    }
  });
  await repo.close();
  const rows: Row[] = [];
  for (const verb of ['branch', 'list', 'gc', 'status']) {
    rows.push(
      await repeat(`dlv ${verb}`, runs, `${branches} branches`, () => measureDlv([verb], dir)),
    );
  }
  return rows;
}

/** Steps of ten: linear if each takes ten times the one before, less what every process takes. */
export async function fileRows(dir: string, runs: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of [1_000, 10_000, 100_000]) {
    const at = path.join(dir, String(count));
    for (let i = 0; i < count; i++) {
      const file = path.join(at, `part-${i % 100}`, `file-${i}.txt`);
      if (i < 100) await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, `content ${i}`);
    }
    await measureDlv(['init'], at);
    const notes = `${count} files`;
    const once = async (what: string, args: string[]): Promise<Row> => {
      const { seconds, cpuSeconds, peakBytes } = await measureDlv(args, at);
      const one: Spread = { median: seconds, min: seconds, max: seconds, n: 1 };
      return { what, seconds: one, cpuSeconds, peakBytes, notes };
    };
    rows.push(await once('dlv add', ['add', '.']));
    rows.push(await once('dlv commit', ['commit', '-m', 'all']));
    rows.push(await repeat('dlv status', runs, notes, () => measureDlv(['status'], at)));
    rows.push(await once('dlv checkout --out', ['checkout', 'HEAD', '--out', 'copy']));
    await fs.rm(at, { recursive: true, force: true });
  }
  return rows;
}

/** A repository that grows version by version, nothing of it flushed to the disk. @param describe  the n-th version. */
async function growing(dir: string, describe: (n: number) => Parameters<typeof commit>[1]) {
  const context = { cwd: dir, progress: noProgress, warn() {} };
  const repo = await Repository.init(dir, 'm');
  let made = 0;
  const upTo = (count: number): Promise<void> =>
    unsynced(async () => {
      for (; made < count; made++) {
        await fs.writeFile(path.join(dir, 'config.txt'), `version ${made}`);
        await add(repo, { paths: ['config.txt'] }, context);
        await commit(repo, describe(made), context);
      }
    });
  return { repo, upTo };
}

/** The n-th version of a sweep, with its hyperparameters and metrics. */
function swept(n: number): Parameters<typeof commit>[1] {
  const at = (i: number): number => ((n * 7919 + i * 104729) % 10007) / 10007;
  const params = { lr: 10 ** (-5 * at(0)), batch: 2 ** (4 + (n % 5)), opt: n % 3 ? 'adam' : 'sgd' };
  const metrics = [100, 200, 300].flatMap((step) => [
    { name: 'acc', step, value: at(step) },
    { name: 'loss', step, value: 3 * at(step + 1) },
  ]);
  return { message: `run ${n}`, params, metrics };
}

/** @param counts  after how many versions the commands are measured. */
export async function versionRows(
  dir: string,
  runs: number,
  counts: readonly number[],
): Promise<Row[]> {
  const rows: Row[] = [];
  const { repo, upTo } = await growing(dir, (n) => ({ message: `version ${n}` }));
  for (const count of counts) {
    await upTo(count);
    for (const verb of ['log', 'list', 'branch', 'gc', 'fsck', 'du']) {
      const notes = `${count} versions`;
      rows.push(await repeat(`dlv ${verb}`, runs, notes, () => measureDlv([verb], dir)));
    }
  }
  await repo.close();
  return rows;
}

/** Versions with the metrics and hyperparameters of a sweep, listed by processes that know nothing yet. */
export async function tableRows(
  dir: string,
  runs: number,
  counts: readonly number[],
): Promise<Row[]> {
  const rows: Row[] = [];
  const { repo, upTo } = await growing(dir, swept);
  for (const count of counts) {
    await upTo(count);
    const notes = `${count} versions`;
    const ask = [
      'list',
      '--where',
      "acc > 0.5 and lr < 1e-2 and opt = 'adam'",
      '--sort',
      '-best(acc)',
    ];
    await measureDlv(['list', '--versions'], dir);
    const what = 'dlv list --where … --sort';
    rows.push(await repeat(what, runs, notes, () => measureDlv(ask, dir)));
    rows.push(await repeat('dlv log', runs, notes, () => measureDlv(['log'], dir)));
    rows.push(await repeat('dlv list', runs, notes, () => measureDlv(['list'], dir)));
    const catalog = repo.layout.versionRows;
    for (const [name, args] of [
      [what, ask],
      ['dlv list', ['list']],
    ] as const) {
      rows.push(
        await repeat(`${name}, without its catalog`, runs, notes, async () => {
          await fs.rm(catalog, { recursive: true, force: true });
          return measureDlv(args, dir);
        }),
      );
    }
  }
  await repo.close();
  return rows;
}

/** How many of each there are when one more version is measured. */
const CROWDS = {
  versions: [1, 10, 100, 1_000],
  tensors: [1_000, 10_000, 100_000],
  files: [10, 1_000, 5_000, 10_000],
} as const;

/** One more version of a small model, when there is ever more else. */
export async function commitRows(dir: string, runs: number, shrink: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of ['versions', 'tensors', 'files'] as const) {
    const at = path.join(dir, kind);
    await fs.mkdir(at);
    const cost = await CommitCost.make(at);
    const crowd = cost[kind]();
    for (const full of CROWDS[kind]) {
      const count = Math.max(1, full / shrink);
      await unsynced(() => crowd.grow(count));
      const notes = `${count} ${crowd.what}`;
      const samples = new Map<string, Measured[]>();
      await cost.measure();
      for (let run = 0; run < runs; run++) {
        for (const [command, measured] of Object.entries(await cost.measure())) {
          samples.set(command, [...(samples.get(command) ?? []), measured]);
        }
      }
      for (const [command, each] of samples) rows.push(rowOf(`dlv ${command}`, each, notes));
    }
    await fs.rm(at, { recursive: true, force: true });
  }
  return rows;
}

function extentId(number: number): Id {
  return createHash('sha256').update(`extent ${number}`).digest('hex') as Id;
}

export async function lookUpRow(dir: string, runs: number, extents: number): Promise<Row> {
  const backend = new FolderBackend(dir);
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const none = new Uint8Array(0);
  const fixed = { segment: 0, segments: 1, width: 4, base: null, depth: 0, mid: none, low: none };
  for (let next = 0, set = 0; next < extents; set++) {
    const writer = await PackSetWriter.create(backend, `tmp/1-1/${set}`);
    while (next < extents && !writer.isFull) {
      const id = extentId(next++);
      await writer.addSegment({ ...fixed, id, count: 1, head: none, hi: Buffer.of(next & 255) });
    }
    await store.publish([await writer.finish()]);
  }
  const sets = store.sets().length;
  await store.close();
  const samples: number[] = [];
  for (let run = 0; run < 10 * runs; run++) {
    const id = extentId((run * 7_919) % extents);
    const started = performance.now();
    const cold = await ObjectStore.open(new FolderBackend(dir));
    const found = await cold.findSegment(id, 0);
    samples.push((performance.now() - started) / 1000);
    await cold.close();
    if (found === null) throw new Error('an extent was not found');
  }
  const notes = `${extents} extents in ${sets} sets, store opened anew`;
  return {
    what: 'look-up of an extent',
    seconds: spreadOf(samples.slice(1)),
    cpuSeconds: null,
    peakBytes: null,
    notes,
  };
}
