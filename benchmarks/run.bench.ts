/**
 * Question: how much slower is a training under `dlv run`?
 *
 *     npm run bench:run -- [--pairs N] [--seconds S] [--dir D] [--no-write]
 *
 * A trainer computes a fixed amount on all cores, prints ten lines a second, and writes a checkpoint in the middle: as many
 * bytes for each second as 90 MB a minute are. It is run by itself and under `dlv run`, by turns, and says itself how long it
 * took and how much processor time. What dlv and the process that stores took besides is told by the system. Every
 * checkpoint has to be a version in the end. Five pairs take five and a half minutes.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { endedChildrenSeconds } from '../lib/base/files/processes/process-tree.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  markdownTable,
  measureDlv,
  PROJECT_ROOT,
  publish,
  runProcess,
  settingOf,
  spreadOf,
} from './harness.js';

/** Bytes of checkpoints for each second of training: 90 MB a minute. */
const BYTES_PER_SECOND = 1_500_000;
const CHECKPOINTS = 1;

/** The trainer: arguments are rounds for each thread, bytes of a checkpoint, and how many of them. */
const TRAINER = `
const { Worker, isMainThread, workerData } = require('worker_threads');
const fs = require('fs');
function compute(rounds, each) {
  const a = new Float32Array(1 << 16).fill(1.0001);
  let sum = 0;
  for (let r = 0; r < rounds; r++) {
    for (let i = 0; i < a.length; i++) sum += a[i] * (i & 7);
    each(r);
  }
  return sum;
}
if (!isMainThread) compute(workerData, () => {});
else {
  const [rounds, bytes, count] = process.argv.slice(2).map(Number);
  const began = performance.now();
  const threads = Array.from({ length: require('os').availableParallelism() - 1 }, () => {
    const worker = new Worker(__filename, { workerData: rounds });
    return new Promise((resolve) => worker.once('exit', resolve));
  });
  const values = new Float32Array(bytes / 4);
  for (let i = 0, x = 1; i < values.length; i++) { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; values[i] = (x / 2 ** 32 - 0.5) * 0.05; }
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [values.length], data_offsets: [0, values.byteLength] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  let said = began;
  compute(rounds, (r) => {
    const now = performance.now();
    if (now - said > 100) { said = now; console.log('step ' + r + ' loss=' + (1 / (r + 1))); }
    // In the middle of its share: what stores it works beside the training, not after it.
    if ((r + 1) % Math.floor(rounds / count) !== Math.floor(rounds / count / 2)) return;
    for (let i = r & 63; i < values.length; i += 3) values[i] *= 1.0005;
    const name = 'out/step_' + (r + 1) + '.safetensors';
    fs.mkdirSync('out', { recursive: true });
    fs.writeFileSync(name + '.tmp', Buffer.concat([length, header, Buffer.from(values.buffer)]));
    fs.renameSync(name + '.tmp', name);
  });
  Promise.all(threads).then(() => {
    const { user, system } = process.cpuUsage();
    const seconds = (performance.now() - began) / 1000;
    fs.writeFileSync('took.json', JSON.stringify({ seconds, cpu: (user + system) / 1e6 }));
  });
}
`;

interface Took {
  /** Wall and processor time of the trainer, as it says. */
  seconds: number;
  cpu: number;
  /** Processor time of all processes: the trainer, dlv, and what stores. */
  all: number;
}

async function train(dir: string, command: readonly string[]): Promise<Took> {
  await fs.rm(path.join(dir, 'out'), { recursive: true, force: true });
  const before = endedChildrenSeconds() ?? Number.NaN;
  await runProcess(command[0] as string, command.slice(1), { cwd: dir });
  const all = (endedChildrenSeconds() ?? Number.NaN) - before;
  const own = JSON.parse(await fs.readFile(path.join(dir, 'took.json'), 'utf8')) as Took;
  return { ...own, all };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pairs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '30' },
      dir: { type: 'string', default: os.tmpdir() },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const setting = settingOf('npm run bench:run');
  const dir = await fs.mkdtemp(path.join(values.dir, 'run-'));
  const [pairs, wanted] = [Number(values.pairs), Number(values.seconds)];
  const bytes = Math.round((wanted * BYTES_PER_SECOND) / CHECKPOINTS / 4) * 4;
  const dlv = [process.execPath, path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs'), '-q', 'run', '--'];
  const rows: { bare: Took; under: Took }[] = [];
  try {
    await fs.writeFile(path.join(dir, 'train.cjs'), TRAINER);
    await measureDlv(['init', '--model', 'net'], dir);
    const trainer = (rounds: number): string[] => [
      process.execPath,
      'train.cjs',
      String(rounds),
      String(bytes),
      String(CHECKPOINTS),
    ];
    const probe = await train(dir, trainer(4000));
    const rounds = Math.round((4000 * wanted) / probe.seconds);
    for (let i = 0; i < pairs; i++) {
      const took: Record<string, Took> = {};
      for (const who of i % 2 === 0 ? ['bare', 'under'] : ['under', 'bare']) {
        const words = trainer(rounds);
        took[who] = await train(dir, who === 'bare' ? words : [...dlv, ...words]);
      }
      rows.push(took as unknown as { bare: Took; under: Took });
      process.stderr.write(`pair ${i + 1}: ${JSON.stringify(took)}\n`);
    }
    const { stdout } = await runProcess(
      process.execPath,
      [...dlv.slice(1, 2), '--json', 'run', 'list'],
      { cwd: dir },
    );
    for (const { versions } of JSON.parse(stdout) as { versions: number }[]) {
      if (versions !== CHECKPOINTS)
        throw new Error(`${versions} of ${CHECKPOINTS} checkpoints are versions`);
    }
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
  const line = (what: string, of: (took: Took) => number): string[] => {
    const ratios = spreadOf(rows.map(({ bare, under }) => of(under) / of(bare)));
    const percent = (share: number): string => `${((share - 1) * 100).toFixed(1)} %`;
    return [
      what,
      formatSeconds(spreadOf(rows.map(({ bare }) => of(bare))).median),
      formatSeconds(spreadOf(rows.map(({ under }) => of(under))).median),
      percent(ratios.median),
      `${percent(ratios.min)} to ${percent(ratios.max)}`,
    ];
  };
  const table = [
    ['', 'alone', 'under `dlv run`', 'more, median of pairs', 'least to most'],
    line('wall time of the training', (took) => took.seconds),
    line('processor time of the trainer', (took) => took.cpu),
    line('processor time of all: trainer, dlv, storing', (took) => took.all),
  ];
  const about = `${pairs} pairs, each training with a checkpoint of ${formatBytes(bytes)}, which is 90 MB a minute.`;
  const text = [about, '', markdownTable(table), '', describeSetting(setting)].join('\n');
  process.stdout.write(`${text}\n`);
  if (!values['no-write']) await publish('run', { setting, rows }, text);
}

await main();
