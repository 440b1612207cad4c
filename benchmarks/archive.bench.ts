/**
 * Question: does an archive keep its promises at real size, in bytes and in milliseconds, and what does
 * a run take? Snapshots in two chains, archived under one budget after the other, each snapshot then
 * rebuilt several times and checked out.
 *
 *     npm run bench:archive -- [--snapshots N] [--mb N] [--repeat N] [--dir <folder>] [--no-write]
 *
 * `dlv archive` and `dlv checkout` are processes of their own. Files are read from the page cache.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { ArchiveResult } from '../lib/use/ops/archive.js';
import { writeCheckpoint } from './data/checkpoint.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  type Measured,
  markdownTable,
  measureDlv,
  publish,
  settingOf,
} from './harness.js';

/** Size of one update, as a share of a tensor's spread: a fine-tune at a small rate. */
const CHANGE = 0.003;
/** What may be over the promise in time: other work of the machine. */
const TIME_SLACK = 1.1;

interface Plan {
  name: string;
  args: string[];
}

const PLANS: readonly Plan[] = [
  { name: '1.5 x the bytes', args: ['--budget', '1.5', '--unit', 'bytes'] },
  { name: '4 x the time', args: ['--budget', '4', '--unit', 'ms'] },
];

interface PlanRow {
  name: string;
  result: ArchiveResult;
  seconds: number;
  peakBytes: number;
  /** Snapshots whose median recreation is within the promise, and the worst share of a promise. */
  kept: number;
  worst: number;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 22 })) {
    hash.update(bytes as Buffer);
  }
  return hash.digest('hex');
}

/** Commits the chains: two thirds on main, the rest on a branch off its third version. */
async function makeRepository(dir: string, snapshots: number, bytes: number): Promise<string[]> {
  const file = path.join(dir, 'model.safetensors');
  const sums: string[] = [];
  await measureDlv(['init', '--model', 'net'], dir);
  const onMain = Math.ceil((2 * snapshots) / 3);
  for (let i = 0; i < snapshots; i++) {
    if (i === onMain) await measureDlv(['switch', '-c', 'side', 'net@3'], dir);
    await fs.rm(file, { force: true });
    await writeCheckpoint(file, { bytes, change: i === 0 ? 0 : CHANGE, steps: i });
    sums.push(await sha256Of(file));
    await measureDlv(['add', 'model.safetensors'], dir);
    await measureDlv(['commit', '-m', `version ${i + 1}`], dir);
    process.stderr.write(`committed ${i + 1} of ${snapshots}\n`);
  }
  return sums;
}

async function runPlan(dir: string, plan: Plan, repeat: number): Promise<PlanRow> {
  const args = ['archive', '--yes', ...plan.args, '--all', '--measure', String(repeat)];
  const run: Measured = await measureDlv(args, dir);
  const result = JSON.parse(run.stdout) as ArchiveResult;
  const shares = result.snapshots.map(({ budget, measured }) => {
    const cost = result.unit === 'bytes' ? measured?.bytes : measured?.ms;
    return (cost as number) / (budget as number);
  });
  const slack = result.unit === 'bytes' ? 1 : TIME_SLACK;
  await measureDlv(['gc', '--prune=now'], dir);
  return {
    name: plan.name,
    result,
    seconds: run.seconds,
    peakBytes: run.peakBytes,
    kept: shares.filter((share) => share <= slack).length,
    worst: Math.max(...shares),
  };
}

/** Checks every version out. @returns how many have the sum that they were committed with. */
async function checkVersions(dir: string, sums: readonly string[]): Promise<number> {
  let equal = 0;
  const onMain = Math.ceil((2 * sums.length) / 3);
  for (const [i, sum] of sums.entries()) {
    const out = path.join(dir, 'out');
    const revision = i < onMain ? `net/main~${onMain - 1 - i}` : `net/side~${sums.length - 1 - i}`;
    await measureDlv(['checkout', revision, '--out', out], dir);
    if ((await sha256Of(path.join(out, 'model.safetensors'))) === sum) equal++;
    await fs.rm(out, { recursive: true });
  }
  return equal;
}

function describe(rows: readonly PlanRow[], before: number): string {
  const share = (part: number, whole: number): string => `${Math.round((100 * part) / whole)} %`;
  return markdownTable([
    ['budget', 'extents', 'deltas', 'of now', 'gap', 'promises kept', 'worst', 'run', 'peak'],
    ...rows.map(({ name, result, kept, worst, seconds, peakBytes }) => [
      name,
      formatBytes(result.storedBytes),
      share(result.deltas, result.extents),
      share(result.storedBytes, before),
      `${(100 * result.gap).toFixed(2)} %`,
      `${kept} of ${result.snapshots.length}`,
      `${(100 * worst).toFixed(1)} %`,
      formatSeconds(seconds),
      formatBytes(peakBytes),
    ]),
  ]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      snapshots: { type: 'string', default: '10' },
      mb: { type: 'string', default: '256' },
      repeat: { type: 'string', default: '9' },
      dir: { type: 'string', default: os.tmpdir() },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const [snapshots, mb, repeat] = [values.snapshots, values.mb, values.repeat].map(Number) as [
    number,
    number,
    number,
  ];
  const setting = settingOf('npm run bench:archive');
  const dir = await fs.mkdtemp(path.join(values.dir, 'dlv-archive-'));
  try {
    const sums = await makeRepository(dir, snapshots, mb * 1e6);
    const rows: PlanRow[] = [];
    for (const plan of PLANS) {
      rows.push(await runPlan(dir, plan, repeat));
      const { result, kept } = rows.at(-1) as PlanRow;
      process.stderr.write(`${plan.name}: ${kept} of ${result.snapshots.length} promises kept\n`);
    }
    const equal = await checkVersions(dir, sums);
    await measureDlv(['fsck'], dir);
    const before = (rows[0] as PlanRow).result.storedBytesBefore;
    const text = [
      describeSetting(setting),
      '',
      `${snapshots} snapshots of ${mb} MB in two chains, each ${CHANGE} of a tensor's spread from the`,
      `one before; as committed they take ${formatBytes(before)}. "Worst" is the largest share of a`,
      `promise that the median of ${repeat} recreations took (time may be ${Math.round(100 * (TIME_SLACK - 1))} % over).`,
      `All versions checked out afterwards: ${equal} of ${snapshots} byte-exact, fsck clean.`,
      '',
      describe(rows, before),
    ].join('\n');
    process.stdout.write(`${text}\n`);
    if (!values['no-write']) await publish('archive', { setting, rows, equal }, text);
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

await main();
