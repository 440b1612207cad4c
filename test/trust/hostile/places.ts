/** Things that are not files where files are looked for: named pipes, folders, links that lead away. */
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { packFiles } from '../../helpers/pack-files.js';
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
  const names = await packFiles(forge.layout.packs);
  return `packs/${names.find((name) => name.endsWith(`.${fileClass}`))}`;
}

/** Folders of a repository, each the place of a link. */
const FOLDERS = [
  'refs',
  'refs/heads',
  'refs/heads/m',
  'refs/tags',
  'refs/notes',
  'logs',
  'logs/refs',
  'logs/refs/heads/m',
  'packs',
  'trash',
  'tmp',
  'readers',
  'catalog',
  'catalog/sketches',
] as const;

/** From a place under .dlv to what stands beside the work tree. */
function outside(name: string, target: string): string {
  return path.join('../'.repeat(name.split('/').length + 1), target);
}

/** Links to what commands may not touch, relative and absolute, and to what is not there yet. */
const LINKS: readonly Hostile[] = [
  ...STATE_FILES.map(
    (name): Hostile => ({
      name: `a link to a file of the user in the place of ${name}`,
      make: (forge) =>
        forge.replace(name, (file) => fs.symlink(outside(name, 'canary/file'), file)),
    }),
  ),
  ...['config', 'logs/HEAD', 'logs/refs/heads/m/main', 'logs/deleted', 'catalog/reads'].map(
    (name): Hostile => ({
      name: `a link to a file that is not there yet in the place of ${name}`,
      make: (forge) =>
        forge.replace(name, (file) => fs.symlink(path.join(forge.dir, '../canary/new'), file)),
    }),
  ),
  ...FOLDERS.map(
    (name): Hostile => ({
      name: `a link to a folder of the user in the place of ${name}`,
      make: async (forge) => {
        // What it leads to looks as if dlv had made and left it long ago.
        const canary = path.join(forge.dir, '../canary');
        await fs.mkdir(path.join(canary, '1-1', '0'), { recursive: true });
        for (const file of ['1-1/0/set.hi', `${'ab'.repeat(16)}.blob`, '.tmp-1-0-main', '1-0']) {
          await fs.writeFile(path.join(canary, file), 'of the user\n');
          await fs.utimes(path.join(canary, file), 1000, 1000);
        }
        await forge.replace(name, (file) => fs.symlink(outside(name, 'canary'), file));
      },
    }),
  ),
  ...['idx', 'blob', 'hi'].map(
    (fileClass): Hostile => ({
      name: `a link in the place of a pack file (${fileClass})`,
      make: async (forge) => {
        const name = await packFile(forge, fileClass);
        await forge.replace(name, (file) => fs.symlink(outside(name, 'canary/file'), file));
      },
    }),
  ),
  {
    name: 'a .dlv that is a link to another repository',
    make: async (forge) => {
      await fs.rename(forge.layout.dir, path.join(forge.dir, '../canary/.dlv'));
      await fs.symlink('../canary/.dlv', forge.layout.dir);
    },
  },
  {
    name: 'a .dlv that is a file',
    make: async (forge) => {
      await fs.rm(forge.layout.dir, { recursive: true });
      await fs.writeFile(forge.layout.dir, 'dlvdir: ../canary\n');
    },
  },
];

export const PLACES: readonly Hostile[] = [
  ...LINKS,
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
