/**
 * The demo: trains a network on real digits, versions its checkpoints with the real command, deletes
 * them, gets them back byte for byte, and shows what that costs. Fails loudly if anything differs.
 *
 *     npm run demo
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { loadDigits } from './train/digits.js';
import { accuracy, makeLayers, makeMoments, type TrainOptions, train } from './train/mlp.js';
import { encodeWeights } from './train/safetensors.js';

const DLV = path.join(path.dirname(fileURLToPath(import.meta.url)), '../bin/dlv.js');
const run = promisify(execFile);
const FILE = 'model.safetensors';

interface Checkpoint {
  branch: string;
  step: number;
  accuracy: number;
  loss: number;
  bytes: Uint8Array;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One network with 6 checkpoints, a fine-tune of all layers at a small rate, one of the last layer. */
async function makeCheckpoints(): Promise<Checkpoint[]> {
  const { train: digits, test } = await loadDigits();
  const found: Checkpoint[] = [];
  const layers = makeLayers([64, 512, 512, 10], 7);
  const part = async (
    branch: string,
    first: number,
    options: Partial<TrainOptions>,
  ): Promise<void> => {
    const steps = options.steps as number;
    await train(layers, makeMoments(layers), digits, {
      steps,
      batch: 32,
      rate: 0.05,
      optimizer: 'sgd',
      seed: first + 1,
      checkpoints: options.checkpoints ?? [steps],
      ...options,
      onCheckpoint(step, loss) {
        const at = first + step;
        const rounded = { loss: loss.toFixed(6), step: String(at) };
        const right = accuracy(layers, test);
        const bytes = encodeWeights(layers, rounded);
        found.push({ branch, step: at, accuracy: right, loss, bytes });
        say(
          `  ${branch}, step ${String(at).padStart(3)}: loss ${loss.toFixed(4)}, test accuracy ${(right * 100).toFixed(1)} %`,
        );
      },
    });
  };
  await part('main', 0, { steps: 240, checkpoints: [40, 80, 120, 160, 200, 240] });
  const trained = layers.map((layer) => ({
    weight: layer.weight.slice(),
    bias: layer.bias.slice(),
  }));
  await part('low-rate', 240, { steps: 40, rate: 0.002 });
  for (const [i, layer] of layers.entries()) {
    layer.weight.set(trained[i]?.weight as Float32Array);
    layer.bias.set(trained[i]?.bias as Float32Array);
  }
  await part('head-only', 240, { steps: 40, rate: 0.02, headOnly: true });
  return found;
}

async function main(): Promise<void> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-demo-'));
  const env = { ...process.env, DLV_AUTHOR_NAME: 'Demo', DLV_AUTHOR_EMAIL: 'demo@example.org' };
  const dlv = async (...args: string[]): Promise<string> => {
    say(`\n$ dlv ${args.map((arg) => (/[ ']/.test(arg) ? `"${arg}"` : arg)).join(' ')}`);
    const { stdout, stderr } = await run(process.execPath, [DLV, '-C', dir, ...args], {
      env,
      maxBuffer: 1 << 26,
    });
    for (const text of [stdout, stderr]) if (text.trim() !== '') say(text.trimEnd());
    return stdout;
  };
  try {
    say('Training a 64-512-512-10 network on 1,437 real digits:');
    const checkpoints = await makeCheckpoints();
    await dlv('init', '--model', 'digits');
    const versions = new Map<Checkpoint, string>();
    let stored = 0;
    for (const checkpoint of checkpoints) {
      const { branch, step } = checkpoint;
      if (branch !== 'main') await dlv('switch', '-c', branch, 'digits/main');
      await fs.writeFile(path.join(dir, FILE), checkpoint.bytes);
      if (versions.size === 0) await dlv('add', FILE);
      const metrics = ['--metric', `accuracy=${checkpoint.accuracy.toFixed(4)}`];
      const json = await dlv(
        'commit',
        '-a',
        '-m',
        `${branch}, step ${step}`,
        '--step',
        String(step),
        ...metrics,
        '--json',
      );
      const answer = JSON.parse(json) as { version: string; storedBytes: number };
      versions.set(checkpoint, answer.version);
      stored += answer.storedBytes;
    }
    await dlv('log', '--graph', '--all');
    await dlv('diff', 'digits/main', 'digits/head-only');

    say('\nDeleting the file and getting every version back:');
    for (const [checkpoint, version] of versions) {
      await fs.rm(path.join(dir, FILE), { force: true });
      await run(process.execPath, [DLV, '-C', dir, '-q', 'checkout', '--force', version], { env });
      const found = sha256(await fs.readFile(path.join(dir, FILE)));
      if (found !== sha256(checkpoint.bytes)) {
        throw new Error(
          `${checkpoint.branch}, step ${checkpoint.step}: sha256 differs after checkout`,
        );
      }
      say(`  ${version.slice(0, 10)}  ${checkpoint.branch}, step ${checkpoint.step}: sha256 equal`);
    }
    await dlv('fsck');
    report(checkpoints, stored);
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

/** What was saved, beside what general tools make of the same files. */
function report(checkpoints: readonly Checkpoint[], stored: number): void {
  const total = checkpoints.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const zipped = checkpoints.reduce(
    (sum, { bytes }) => sum + gzipSync(bytes, { level: 6 }).length,
    0,
  );
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2).padStart(7)} MiB`;
  say(`\n${checkpoints.length} checkpoints, every one byte-exact:`);
  say(`  files as they are         ${mib(total)}    1.00 ×`);
  say(`  zlib, level 6 (as in git) ${mib(zipped)}    ${(total / zipped).toFixed(2)} ×`);
  say(`  dlv                       ${mib(stored)}    ${(total / stored).toFixed(2)} ×`);
}

await main();
