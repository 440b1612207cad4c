/**
 * Question: what do add + commit and checkout cost, in time and memory, against `cp` plus sha256 of
 * the same file? First version, fine-tuned second version, status, and a commit without a change.
 *
 *     npm run bench:ingest -- [--bytes N] [--runs N] [--dir D] [--no-write] [parent child]
 *
 * Without files it makes a checkpoint (benchmarks/data/checkpoint.ts) and keeps it in the folder for
 * temporary files. Every command is a process of its own; the runs of all commands take turns, and
 * every file that comes back is compared by its sha256.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { writeCheckpoint } from './data/checkpoint.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  type Measured,
  markdownTable,
  measureDlv,
  measureNode,
  PROJECT_ROOT,
  publish,
  runProcess,
  settingOf,
  spreadOf,
  sumOf,
} from './harness.js';

const DEFAULT_BYTES = 4 * 2 ** 30;
const DEFAULT_RUNS = 3;
/** Size of the update of the made child, relative to the spread of each tensor. */
const CHANGE = 0.002;
const HASH_FILE = path.join(PROJECT_ROOT, 'dist/benchmarks/hash-file.js');

const STEPS = [
  'cp',
  'sha256',
  'commit 1',
  'commit 2',
  'checkout 1',
  'checkout 2',
  'status',
  'no-change commit',
] as const;
type Step = (typeof STEPS)[number];
type Samples = Record<Step, Measured[]>;

interface Inputs {
  parent: string;
  child: string;
  what: string;
}

async function makeInputs(bytes: number, dir: string): Promise<Inputs> {
  const make = async (name: string, change: number): Promise<string> => {
    const file = path.join(dir, `${name}-${bytes}.safetensors`);
    if ((await fs.stat(file).catch(() => null)) === null) {
      await fs.rm(`${file}.part`, { force: true });
      await writeCheckpoint(`${file}.part`, { bytes, change });
      await fs.rename(`${file}.part`, file);
    }
    return file;
  };
  return {
    parent: await make('parent', 0),
    child: await make('child', CHANGE),
    what:
      'fp32 tensors of a transformer, Gaussian with spread 1/√fan-in; ' +
      `the child adds Gaussian updates of ${CHANGE} of that spread to every value`,
  };
}

async function onceThrough(inputs: Inputs, dir: string): Promise<[Record<Step, Measured>, object]> {
  const work = await fs.mkdtemp(path.join(dir, 'run-'));
  try {
    const repo = path.join(work, 'model');
    const file = path.join(repo, 'model.safetensors');
    const none = { peakBytes: 0, cpuSeconds: 0, readBytes: 0 };
    const copied = path.join(work, 'copy');
    const cp = { ...(await runProcess('cp', [inputs.parent, copied])), ...none };
    await fs.rm(copied);
    const sha = await measureNode([HASH_FILE, inputs.parent]);
    const childSha = (await measureNode([HASH_FILE, inputs.child])).stdout;
    await fs.mkdir(repo);
    await measureDlv(['init'], repo);
    await fs.link(inputs.parent, file);
    const add1 = await measureDlv(['add', 'model.safetensors'], repo);
    const commit1 = await measureDlv(['commit', '-m', 'first'], repo);
    await fs.rm(file);
    await fs.link(inputs.child, file);
    const add2 = await measureDlv(['add', 'model.safetensors'], repo);
    const commit2 = await measureDlv(['commit', '-m', 'second'], repo);
    const status = await measureDlv(['status'], repo);
    const again = await measureDlv(['commit', '--all', '-m', 'none'], repo, [1]);
    const out = path.join(work, 'out');
    const checkout: Measured[] = [];
    for (const [revision, expected] of [
      ['model@1', sha.stdout],
      ['model@2', childSha],
    ] as const) {
      checkout.push(await measureDlv(['checkout', revision, '--out', out], repo));
      const found = (await measureNode([HASH_FILE, path.join(out, 'model.safetensors')])).stdout;
      if (found !== expected) throw new Error(`${revision} came back with another sha256`);
      await fs.rm(out, { recursive: true });
    }
    const stored = {
      first: JSON.parse(commit1.stdout) as object,
      second: JSON.parse(commit2.stdout) as object,
    };
    const steps: Record<Step, Measured> = {
      cp,
      sha256: sha,
      'commit 1': sumOf(add1, commit1),
      'commit 2': sumOf(add2, commit2),
      'checkout 1': checkout[0] as Measured,
      'checkout 2': checkout[1] as Measured,
      status,
      'no-change commit': again,
    };
    return [steps, stored];
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

interface Stored {
  storedBytes: number;
  metadataBytes: number;
  logicalBytes: number;
}

function tableOf(samples: Samples, stored: { first: Stored; second: Stored }): string {
  const baseline = spreadOf(
    samples.cp.map((cp, i) => cp.seconds + (samples.sha256[i] as Measured).seconds),
  ).median;
  const rows = [
    ['step', 'median', 'min … max', '× (cp + sha256)', 'cpu', 'peak memory', 'stored', 'ratio'],
  ];
  for (const step of STEPS) {
    const runs = samples[step];
    const seconds = spreadOf(runs.map((run) => run.seconds));
    const peak = Math.max(...runs.map((run) => run.peakBytes));
    const cost =
      step === 'commit 1' ? stored.first : step === 'commit 2' ? stored.second : undefined;
    rows.push([
      step.startsWith('commit') ? `add + ${step}` : step,
      formatSeconds(seconds.median),
      `${formatSeconds(seconds.min)} … ${formatSeconds(seconds.max)}`,
      (seconds.median / baseline).toFixed(2),
      step === 'cp' ? '' : formatSeconds(spreadOf(runs.map((run) => run.cpuSeconds)).median),
      step === 'cp' ? '' : formatBytes(peak),
      cost ? formatBytes(cost.storedBytes + cost.metadataBytes) : '',
      cost ? (cost.logicalBytes / (cost.storedBytes + cost.metadataBytes)).toFixed(2) : '',
    ]);
  }
  return markdownTable(rows);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      bytes: { type: 'string', default: String(DEFAULT_BYTES) },
      runs: { type: 'string', default: String(DEFAULT_RUNS) },
      dir: { type: 'string', default: path.join(os.tmpdir(), 'dlv-bench') },
      'no-write': { type: 'boolean', default: false },
    },
  });
  await fs.mkdir(values.dir, { recursive: true });
  const bytes = Number(values.bytes);
  const [parent, child] = positionals.map((file) => path.resolve(file));
  const inputs: Inputs =
    parent && child
      ? { parent, child, what: `${path.basename(parent)} and ${path.basename(child)}` }
      : await makeInputs(bytes, values.dir);
  const setting = settingOf(`npm run bench:ingest -- --bytes ${bytes} --runs ${values.runs}`);
  const samples = Object.fromEntries(STEPS.map((step) => [step, [] as Measured[]])) as Samples;
  let stored: object = {};
  for (let run = 0; run < Number(values.runs); run++) {
    const [steps, commits] = await onceThrough(inputs, values.dir);
    for (const step of STEPS) samples[step].push(steps[step]);
    stored = commits;
    process.stderr.write(`run ${run + 1} of ${values.runs} done\n`);
  }
  const size = (await fs.stat(inputs.parent)).size;
  const text = [
    `${formatBytes(size)}, ${inputs.what}; n = ${values.runs}.`,
    '',
    tableOf(samples, stored as { first: Stored; second: Stored }),
    '',
    describeSetting(setting),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  const steps = Object.fromEntries(
    STEPS.map((step) => [step, samples[step].map(({ stdout: _, code: __, ...rest }) => rest)]),
  );
  if (!values['no-write']) {
    await publish(
      'ingest',
      { setting, input: { bytes: size, what: inputs.what }, steps, stored },
      text,
    );
  }
}

await main();
