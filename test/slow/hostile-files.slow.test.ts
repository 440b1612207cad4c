/**
 * Goal: no single file ends the process, and none takes more memory than its structure explains.
 * Method: every hostile file of the helpers is read in a process with a small heap; the worst of each
 * kind, ten times larger, is added by the command with the heap that limits.ts promises to suffice.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { FILE_HEAP_BYTES } from '../../lib/base/limits.js';
import type { AddResult } from '../../lib/use/ops/add.js';
import { dlvJson } from '../helpers/dlv.js';
import { type HostileFile, hostileFiles } from '../helpers/hostile-files.js';
import { checkMemory } from '../helpers/hostile-memory.js';
import { tempDir } from '../helpers/temp-dir.js';
import { inSeedOrder, isOver } from '../trust/budget.js';

const MINUTES = 60_000;

for (const [what, make] of inSeedOrder(Object.entries(hostileFiles()))) {
  test.serial(`memory: bounded for ${what}`, async (t) => {
    t.timeout(5 * MINUTES);
    if (isOver(t)) return;
    await checkMemory(t, make());
  });
}

/** File name by what it holds: some of these are read, some are kept as blobs, all are stored. */
const WORST: Record<string, string> = {
  'safetensors: tiny tensors': 'a.safetensors',
  'npz: tiny arrays': 'b.npz',
  'pickle: marks': 'c.pt',
  'pickle: one storage seen by many names': 'd.pt',
  'onnx: tiny initializers': 'e.onnx',
};

for (const [what, name] of Object.entries(WORST)) {
  test.serial(`add: a heap of FILE_HEAP_BYTES stores ${what}, by the million`, async (t) => {
    t.timeout(20 * MINUTES);
    if (isOver(t)) return;
    const cwd = await tempDir(t);
    const env = { NODE_OPTIONS: `--max-old-space-size=${FILE_HEAP_BYTES >> 20}` };
    await dlvJson(['init', '--model', 'm'], { cwd });
    const { bytes } = (hostileFiles(10)[what] as () => HostileFile)();
    await fs.writeFile(path.join(cwd, name), bytes);
    const added = await dlvJson<AddResult>(['add', name], { cwd, env });
    t.is(added.files[0]?.bytes, bytes.length);
    await dlvJson(['commit', '-m', 'x'], { cwd, env });
    await dlvJson(['fsck', '--files'], { cwd, env });
  });
}
