/**
 * The demo: trains a network on real digits, versions its checkpoints with the real command, deletes
 * them, gets them back byte for byte, and shows what that costs. Fails loudly if anything differs.
 *
 *     npm run demo
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync, gzipSync } from 'node:zlib';
import { type Checkpoint, DEMO_CHAIN, trainChain } from './train/chain.js';

const DLV = path.join(path.dirname(fileURLToPath(import.meta.url)), '../bin/dlv.cjs');
const FILE = 'model.safetensors';

/** A checkpoint and the branch that it goes to. */
interface Saved extends Checkpoint {
  branch: string;
}

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Six checkpoints of one network, a fine-tune of all layers at a small rate, one of the last layer. */
async function makeCheckpoints(): Promise<Saved[]> {
  say('Training a 64-512-512-10 network on 1,437 images of handwritten digits:');
  const saved: Saved[] = [];
  const keep = (branch: string) => (checkpoint: Checkpoint) => {
    saved.push({ ...checkpoint, branch });
    const share = (checkpoint.accuracy * 100).toFixed(1);
    const step = String(checkpoint.step).padStart(4);
    say(`  ${branch.padEnd(9)} step ${step}  loss ${checkpoint.loss.toFixed(4)}  test ${share} %`);
  };
  const trained = (await trainChain(DEMO_CHAIN, keep('main'))).at(-1);
  const tune = { seed: 21, steps: 40, checkpoints: [40], from: trained };
  await trainChain({ ...tune, rate: 0.0005 }, keep('low-rate'));
  await trainChain({ ...tune, rate: 0.02, headOnly: true }, keep('head-only'));
  return saved;
}

/** The command, run in `dir` as a user would run it. */
class Shell {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** Shows the command line and what it prints. */
  async dlv(...args: string[]): Promise<void> {
    say(`\n$ dlv ${args.map((arg) => (/[^\w@./=:~^-]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
    const { stdout, stderr } = await this.#run(args);
    for (const text of [stdout, stderr]) if (text.trim() !== '') say(text.trimEnd());
  }

  /** Runs it without showing it. */
  async quietly(...args: string[]): Promise<void> {
    await this.#run(['-q', ...args]);
  }

  async #run(args: string[]): Promise<{ stdout: string; stderr: string }> {
    const env = {
      ...process.env,
      DLV_AUTHOR_NAME: 'Demo',
      DLV_AUTHOR_EMAIL: 'demo@example.org',
      DLV_CONFIG: path.join(this.dir, 'no-config'),
    };
    const child = spawn(process.execPath, [DLV, ...args], { cwd: this.dir, env });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`dlv ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
    return { stdout, stderr };
  }
}

/** Commits every checkpoint to one path, the fine-tunes on branches of their own. */
async function commitAll(shell: Shell, checkpoints: readonly Saved[]): Promise<void> {
  await shell.dlv('init', '--model', 'digits');
  for (const [index, { branch, step, accuracy, loss, weights }] of checkpoints.entries()) {
    if (branch !== 'main') await shell.dlv('switch', '-c', branch, 'digits/main');
    await fs.writeFile(path.join(shell.dir, FILE), weights);
    if (index === 0) await shell.dlv('add', FILE);
    const metrics = [`accuracy=${accuracy.toFixed(4)}`, `loss=${loss.toFixed(4)}`];
    const flags = ['--step', String(step), ...metrics.flatMap((metric) => ['--metric', metric])];
    await shell.dlv('commit', '-a', '-m', `${branch}, step ${step}`, ...flags);
  }
}

/** Deletes the file and checks every version out, comparing sha256 itself. */
async function restoreAll(shell: Shell, checkpoints: readonly Saved[]): Promise<void> {
  const file = path.join(shell.dir, FILE);
  say(`\n$ rm ${FILE}`);
  await fs.rm(file);
  await shell.dlv('status');
  await shell.dlv('checkout', 'digits@1');
  say('\nEvery version, checked out after the file was deleted, against what was trained:');
  let mainCount = 0;
  for (const { branch, step, weights } of checkpoints) {
    const revision = branch === 'main' ? `digits@${++mainCount}` : `digits/${branch}`;
    await fs.rm(file, { force: true });
    await shell.quietly('checkout', revision);
    const found = await fs.readFile(file);
    if (sha256(found) !== sha256(weights) || !found.equals(weights)) {
      throw new Error(`${revision} (${branch}, step ${step}) differs after checkout`);
    }
    say(`  ${revision.padEnd(16)}  sha256 ${sha256(found).slice(0, 16)}…  equal`);
  }
}

/** Bytes of all files under a folder. */
async function folderBytes(folder: string): Promise<number> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const stats = await Promise.all(
    files.map((entry) => fs.stat(path.join(entry.parentPath, entry.name))),
  );
  return stats.reduce((sum, { size }) => sum + size, 0);
}

/** What was saved, beside what general tools make of the same files. */
async function report(shell: Shell, checkpoints: readonly Saved[]): Promise<void> {
  const sum = (size: (bytes: Uint8Array) => number): number =>
    checkpoints.reduce((total, { weights }) => total + size(weights), 0);
  const total = sum((bytes) => bytes.length);
  const rows: [string, number][] = [
    ['files as they are', total],
    ['gzip -6 of each', sum((bytes) => gzipSync(bytes, { level: 6 }).length)],
    ['git, each whole (zlib)', sum((bytes) => deflateSync(bytes).length)],
    ['dlv, all of .dlv', await folderBytes(path.join(shell.dir, '.dlv'))],
  ];
  say(`\n${checkpoints.length} checkpoints, every one byte-exact:`);
  for (const [name, bytes] of rows) {
    const mib = (bytes / 2 ** 20).toFixed(2).padStart(6);
    say(`  ${name.padEnd(24)} ${mib} MiB  ${((100 * bytes) / total).toFixed(0).padStart(4)} %`);
  }
}

async function main(): Promise<void> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-demo-'));
  const shell = new Shell(dir);
  try {
    const checkpoints = await makeCheckpoints();
    await commitAll(shell, checkpoints);
    await shell.dlv('log', '--graph', '--all', '--oneline');
    await shell.dlv('diff', 'digits@6', 'digits/head-only');
    await shell.dlv('list');
    await restoreAll(shell, checkpoints);
    await shell.dlv('fsck');
    await shell.dlv('du');
    await report(shell, checkpoints);
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`\nthe demo failed: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
