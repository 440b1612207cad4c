/** The days of the week: what a practitioner does, and what dlv should answer. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROJECT_ROOT } from '../harness.js';
import { type Checkpoint, DEMO_CHAIN } from '../train/chain.js';
import { adapt, exportAs, Run } from './files.js';
import { type Report, Shell } from './shell.js';

export interface Machine {
  report: Report;
  /** Folder of everything. */
  dir: string;
  /** The terminal in the work tree. */
  shell: Shell;
  env: Record<string, string>;
}

/** A fine-tune with rotating checkpoints, committed as each is saved. */
export async function monday({ report, shell }: Machine): Promise<Checkpoint> {
  report.day('Monday: a fine-tune, three checkpoints at a time');
  await shell.dlv('--help');
  await shell.dlv('init --model encoder');
  const run = new Run(shell.dir, 3);
  const last = await run.train(DEMO_CHAIN, async ({ step, accuracy }) => {
    await shell.dlv('add -A .');
    await shell.dlv(`commit -m 'step ${step}' --metric accuracy@${step}=${accuracy.toFixed(4)}`);
  });
  await shell.dlv('status', { says: /Nothing to commit/ });
  await shell.dlv('log --oneline');
  await shell.dlv('show', { says: /checkpoint-\*: 3 checkpoints/ });
  await shell.dlv('diff --stat HEAD~1 HEAD', { says: /checkpoint-240/ });
  await shell.dlv('diff HEAD:checkpoint-200 HEAD:checkpoint-240');
  await shell.dlv(
    'diff HEAD~3:checkpoint-120/model.safetensors HEAD:checkpoint-240/model.safetensors',
  );
  const keep = 'keep --best 1 --by accuracy --last 2 --optimizer 1';
  await shell.dlv(`${keep} --dry-run`);
  await shell.dlv(keep);
  await shell.dlv("commit -m 'the best and the last two'");
  await shell.dlv('tag best');
  await shell.dlv('du');
  return last;
}

/** A second learning rate, on a branch of its own. */
export async function tuesday({ report, shell }: Machine, base: Checkpoint): Promise<void> {
  report.day('Tuesday: a second learning rate');
  await shell.dlv('switch -c low-rate');
  const run = new Run(path.join(shell.dir, 'low-rate'), 2);
  const chain = { seed: 21, steps: 80, checkpoints: [40, 80], from: base, rate: 0.0005 };
  await run.train(chain, async ({ step, accuracy }) => {
    await shell.dlv('add -A .');
    await shell.dlv(
      `commit -m 'low rate, step ${step}' --metric accuracy@${step}=${accuracy.toFixed(4)}`,
    );
  });
  await shell.dlv('log --graph --all --oneline');
  await shell.dlv('diff best HEAD -- low-rate', { codes: [0] });
  await shell.dlv('diff best:checkpoint-240 HEAD:low-rate/checkpoint-320');
  await shell.dlv('switch main');
  await shell.dlv('status', { says: /Nothing to commit/ });
  await shell.dlv('show encoder/low-rate');
}

/** Low-rank adapters, their merge, and exports in fewer bits. */
export async function wednesday({ report, shell }: Machine, base: Checkpoint): Promise<void> {
  report.day('Wednesday: LoRA, its merge, and exports');
  const { adapter, merged } = adapt(base, 3);
  const write = async (name: string, bytes: Uint8Array): Promise<void> => {
    await fs.mkdir(path.dirname(path.join(shell.dir, name)), { recursive: true });
    await fs.writeFile(path.join(shell.dir, name), bytes);
  };
  await shell.does('PEFT writes the adapter and the merged network', async () => {
    await write('adapter/adapter_model.safetensors', adapter);
    await write('adapter/adapter_config.json', Buffer.from('{"r":4,"peft_type":"LORA"}'));
    await write('merged/model.safetensors', merged);
  });
  await shell.dlv('add .');
  await shell.dlv("commit -m 'LoRA and its merge'");
  await shell.dlv('diff HEAD:checkpoint-240/model.safetensors HEAD:merged/model.safetensors');
  for (const dtype of ['F16', 'BF16', 'I8'] as const) {
    await shell.does(`an export in ${dtype}`, () =>
      write(`exports/model-${dtype.toLowerCase()}.safetensors`, exportAs(base, dtype)),
    );
  }
  await shell.dlv('add exports');
  await shell.dlv("commit -m 'exports'");
  await shell.dlv('show');
  await shell.dlv('diff HEAD:checkpoint-240/model.safetensors HEAD:exports/model-bf16.safetensors');
  await shell.dlv('du');
  const script = `import { open } from ${JSON.stringify(pathToFileURL(path.join(PROJECT_ROOT, 'dist/lib/index.js')).href)};
const repo = await open('.');
const { key, step, tensors, others } = await repo.load('best');
console.log(key, step, tensors.size, 'tensors;', others.length, 'others');
console.log(tensors.get('fc1.weight').values.constructor.name, tensors.get('fc1.weight').shape);
await repo.close();`;
  await shell.program('node -e "await repo.load(\'best\')"', [
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]);
}

/** Two models in one repository, two terminals, mistakes and their undoing. */
export async function thursday(machine: Machine, base: Checkpoint): Promise<void> {
  const { report, shell, env } = machine;
  report.day('Thursday: two models, two terminals, and mistakes');
  await shell.dlv('copy best student');
  await shell.dlv('list');
  await shell.does('two terminals commit to two branches at once', async () => {
    const second = new Shell(shell.dir, report, { ...env, DLV_BRANCH: 'encoder/second' });
    await fs.writeFile(path.join(shell.dir, 'first.txt'), 'from the first terminal');
    await fs.writeFile(path.join(shell.dir, 'second.txt'), 'from the second terminal');
    await shell.dlv('branch second');
    await Promise.all([shell.dlv('add first.txt'), second.dlv('add second.txt')]);
    await Promise.all([
      shell.dlv("commit -m 'from the first terminal'"),
      second.dlv("commit -m 'from the second terminal'"),
    ]);
  });
  await shell.dlv('log --graph --all --oneline');
  await shell.does('a file of 20 MB that nobody wanted is committed', async () => {
    const noise = Buffer.alloc(20_000_000);
    for (let at = 0; at < noise.length; at += 4)
      noise.writeUInt32LE(Math.imul(at + 1, 2654435761) >>> 0, at);
    await fs.writeFile(path.join(shell.dir, 'core.dump'), noise);
  });
  await shell.dlv('add .');
  await shell.dlv("commit -m 'exports, and a dump by mistake'");
  await shell.does('a checkpoint is deleted by hand, then got back', () =>
    fs.rm(path.join(shell.dir, 'merged'), { recursive: true }),
  );
  await shell.dlv('status');
  await shell.dlv('restore merged');
  await shell.dlv('rm core.dump');
  await shell.dlv("commit -m 'without the dump'");
  await undoing(machine, base);
  await shell.dlv('shwo', { codes: [2], says: /show/ });
  await shell.dlv('checkout encoder@1 --out ../old');
}

/** Versions and files that are taken out of history, and names that are mended. */
async function undoing({ report, shell }: Machine, base: Checkpoint): Promise<void> {
  for (const verb of ['forget', 'revert', 'model', 'reflog']) {
    if (await shell.knows(verb)) continue;
    report.skip('undoing in history', `This build has no 'dlv ${verb}'.`);
    return;
  }
  await shell.dlv('forget --path core.dump --dry-run');
  await shell.dlv('forget --path core.dump');
  await shell.dlv('gc --prune=now');
  await shell.does('a bad fine-tune is committed, and taken back', () =>
    fs.writeFile(path.join(shell.dir, 'merged/model.safetensors'), adapt(base, 99).merged),
  );
  await shell.dlv("commit -a -m 'a bad idea'");
  await shell.dlv('revert HEAD');
  await shell.dlv('diff --stat HEAD~2 HEAD', { says: /no differences/ });
  await shell.does('a model gets a wrong name', () => shell.dlv('copy best techer'));
  await shell.dlv('model rename techer teacher');
  await shell.dlv('reflog');
}

/** Ctrl-C, kill, a full disk; and whether all is still there. */
export async function friday(machine: Machine): Promise<void> {
  const { report, shell } = machine;
  report.day('Friday: Ctrl-C, a killed process, a full disk');
  await shell.does('120 MB are to be added', async () => {
    const values = new Float32Array(30_000_000);
    for (let i = 0; i < values.length; i++) values[i] = Math.sin(i) * Math.cos(i / 7);
    await fs.writeFile(path.join(shell.dir, 'large.bin'), values);
  });
  await shell.dlv('add large.bin', { codes: [130, -1], interrupt: 'SIGINT' });
  await shell.dlv('add large.bin', { codes: [-1], interrupt: 'SIGKILL' });
  await shell.dlv('fsck', { says: /no problems/ });
  await shell.does('it goes again', () => fs.rm(path.join(shell.dir, 'large.bin')));
  await shell.dlv('status', { codes: [0] });
  await fullDisk(machine);
  await shell.dlv('archive --budget 1.5 --dry-run');
  await shell.dlv('gc --dry-run');
  await shell.dlv('gc');
  await shell.dlv('fsck --files');
}

/** A repository on a disk of 12 MB, where the system lets us make one. */
async function fullDisk({ report, dir, shell, env }: Machine): Promise<void> {
  const disk = path.join(dir, 'disk');
  await fs.mkdir(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    report.skip(
      'the full disk',
      'It needs a tmpfs of its own: Linux, and the rights to mount one.',
    );
    return;
  }
  try {
    const small = new Shell(disk, report, env);
    await small.dlv('init --model small');
    const from = path.join(shell.dir, 'checkpoint-240/model.safetensors');
    await fs.copyFile(from, path.join(disk, 'model.safetensors'));
    await small.dlv('add .');
    await small.dlv("commit -m 'fits'");
    const bytes = Buffer.alloc(7_500_000);
    for (let at = 0; at < bytes.length; at += 4)
      bytes.writeUInt32LE(Math.imul(at + 7, 2654435761) >>> 0, at);
    await fs.writeFile(path.join(disk, 'noise.bin'), bytes);
    await small.dlv('add noise.bin', { codes: [1], says: /ENOSPC/ });
    await fs.rm(path.join(disk, 'noise.bin'));
    await small.dlv('fsck');
    await small.dlv('checkout HEAD -- model.safetensors');
  } finally {
    execFileSync('umount', [disk]);
  }
}
