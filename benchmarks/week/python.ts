/** The day with the real Trainer: skipped, loudly, where Python lacks torch or transformers. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { PROJECT_ROOT } from '../harness.js';
import type { Machine } from './days.js';
import { Shell, sizeOf } from './shell.js';

const TRAIN = path.join(PROJECT_ROOT, 'benchmarks/week/train.py');
const DIGITS = path.join(PROJECT_ROOT, 'test/fixtures/digits');
const READ = `import sys; sys.path.insert(0, sys.argv[1]); import dlv
weights = dlv.load("HEAD")
weights[next(iter(weights))] += 1
print(len(weights), "arrays, the first changed in place")`;

export async function pythonDay({ report, dir, env }: Machine): Promise<void> {
  report.day('Another week: the Trainer of transformers');
  const python = process.env.DLV_PYTHON ?? 'python3';
  const probe = spawnSync(python, ['-c', 'import torch, transformers, accelerate'], {
    encoding: 'utf8',
  });
  if (probe.status !== 0) {
    const why = `${python} has no torch, transformers and accelerate; name one that has in DLV_PYTHON.`;
    report.skip('the Trainer, PEFT and the ONNX export', why);
    return;
  }
  const work = path.join(dir, 'trainer');
  await fs.mkdir(work);
  const dlv = `"${process.execPath}" "${path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs')}"`;
  const shell = new Shell(work, report, {
    ...env,
    DLV: dlv,
    DLV_COMMAND: dlv,
    HF_HUB_OFFLINE: '1',
  });
  const train = (line: string, more: readonly string[]) =>
    shell.program(`python train.py ${line}`, [python, TRAIN, work, DIGITS, `dlv=${dlv}`, ...more]);
  await shell.dlv('init --model digits-bert');
  await train('rate=5e-4 steps=24   # rotating checkpoints, a callback that commits', [
    'rate=5e-4',
    'steps=24',
  ]);
  await shell.dlv('log --oneline');
  await shell.dlv('show', { says: /checkpoint-\*: 2 checkpoints/ });
  await shell.dlv('diff --stat HEAD~1 HEAD');
  await shell.dlv('switch -c low-rate');
  await train('rate=1e-4 steps=16 from=final exports=yes', [
    'rate=1e-4',
    'steps=16',
    `from=${work}/final`,
    'exports=yes',
  ]);
  await shell.dlv('add -A .');
  await shell.dlv("commit -m 'low rate, exports, LoRA and its merge'");
  await shell.dlv('show');
  await shell.dlv('diff HEAD:final/model.safetensors HEAD:merged/model.safetensors');
  await shell.dlv('keep --best 1 --by eval_loss --last 1 --optimizer 1 --dry-run');
  await shell.dlv('du');
  await shell.program('python -c "dlv.load(…)"', [
    python,
    '-c',
    READ,
    path.join(PROJECT_ROOT, 'lib/python'),
  ]);
  await shell.dlv('fsck');
  const [all, packs] = [await sizeOf(work), await sizeOf(path.join(work, '.dlv'))];
  report.say(`The folder has ${megabytes(all - packs)} of files, and .dlv ${megabytes(packs)}.\n`);
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
