/** Things that are no files where files are looked for: named pipes, folders. */
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Hostile } from '../hostile-repositories.js';
import type { Forge } from './forge.js';

const run = promisify(execFile);

/** A pipe that nobody writes to: whoever opens it to read waits for ever. */
export function makePipe(file: string): Promise<unknown> {
  return run('mkfifo', [file]);
}

const STATE_FILES = [
  'HEAD',
  'format',
  'config',
  'staging',
  'manifest',
  'refs/heads/m/main',
  'logs/HEAD',
  'logs/refs/heads/m/main',
  'budgets',
  'catalog/reads',
  'catalog/calibration',
  '.gitignore',
  'lock',
  'readers/1-0',
  'tmp/1-1/x',
  'trash/x',
] as const;

/** Name of a file of the first set. */
async function packFile(forge: Forge, fileClass: string): Promise<string> {
  const names = (await fs.readdir(forge.layout.packs)).sort();
  return `packs/${names.find((name) => name.endsWith(`.${fileClass}`))}`;
}

export const PLACES: readonly Hostile[] = [
  ...STATE_FILES.map(
    (name): Hostile => ({
      name: `a pipe in the place of ${name}`,
      needsPipes: true,
      make: (forge) => forge.replace(name, makePipe),
    }),
  ),
  ...['idx', 'blob', 'hi'].map(
    (fileClass): Hostile => ({
      name: `a pipe in the place of a pack file (${fileClass})`,
      needsPipes: true,
      make: async (forge) => forge.replace(await packFile(forge, fileClass), makePipe),
    }),
  ),
  {
    name: 'a pipe in the place of a tracked work file, and beside it',
    needsPipes: true,
    make: async (forge) => {
      const file = path.join(forge.dir, 'notes.txt');
      await fs.rm(file);
      await makePipe(file);
      await makePipe(path.join(forge.dir, 'pipe.safetensors'));
    },
  },
  ...STATE_FILES.map(
    (name): Hostile => ({
      name: `a folder in the place of ${name}`,
      make: (forge) =>
        forge.replace(name, async (file) => {
          await fs.mkdir(file);
          await fs.writeFile(path.join(file, 'x'), 'x');
        }),
    }),
  ),
];
