/** Small histories of every kind that `dlv import` takes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { TestRepository } from './repository.js';
import { nudge, randomTensors, safetensors } from './safetensors.js';

const BASE = randomTensors({ 'a.weight': [256, 256], 'b.weight': [128, 64] }, 1);

function weights(step: number): Buffer {
  return safetensors(nudge(BASE, 0.01, step));
}

/** How many versions each has. */
export const STEPS = 6;

type Maker = (t: ExecutionContext, dir: string) => Promise<void>;

function git(dir: string, ...args: string[]): void {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  const { status, stderr } = spawnSync('git', [...identity, ...args], { cwd: dir, env });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
}

async function write(file: string, content: Buffer | string): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true });
  await fs.writeFile(file, content);
}

/** Commits; `store` keeps the weights of a step and gives the files of the commit. */
async function commits(
  dir: string,
  store: (step: number) => Promise<Record<string, Buffer | string>>,
): Promise<void> {
  await fs.mkdir(dir);
  git(dir, 'init', '-q', '-b', 'main');
  for (let step = 1; step <= STEPS; step++) {
    for (const [name, content] of Object.entries(await store(step))) {
      await write(path.join(dir, name), content);
    }
    git(dir, 'add', '-A');
    git(dir, 'commit', '-q', '-m', `step ${step}`);
    if (step === 3) git(dir, 'branch', 'side');
  }
  git(dir, 'tag', 'v1', 'side');
}

export const SOURCES: Record<string, Maker> = {
  git: (_t, dir) => commits(dir, async (step) => ({ 'model.safetensors': weights(step) })),
  lfs: (_t, dir) =>
    commits(dir, async (step) => {
      const content = weights(step);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const place = `.git/lfs/objects/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
      await write(path.join(dir, place), content);
      const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${content.length}\n`;
      return { 'model.safetensors': text };
    }),
  dvc: (_t, dir) =>
    commits(dir, async (step) => {
      const content = weights(step);
      const md5 = createHash('md5').update(content).digest('hex');
      await write(
        path.join(dir, `.dvc/cache/files/md5/${md5.slice(0, 2)}/${md5.slice(2)}`),
        content,
      );
      const outs = `outs:\n- md5: ${md5}\n  size: ${content.length}\n  hash: md5\n  path: model.safetensors\n`;
      return { '.gitignore': '.dvc/cache\n', 'model.safetensors.dvc': outs };
    }),
  checkpoints: async (_t, dir) => {
    for (let step = 1; step <= STEPS; step++) {
      await write(path.join(dir, `checkpoint-${step}`, 'model.safetensors'), weights(step));
    }
  },
  'hub-cache': async (_t, dir) => {
    for (let step = 1; step <= STEPS; step++) {
      const commit = `${step}`.repeat(40);
      await write(path.join(dir, 'blobs', `blob-${step}`), weights(step));
      await fs.mkdir(path.join(dir, 'snapshots', commit), { recursive: true });
      const link = path.join(dir, 'snapshots', commit, 'model.safetensors');
      await fs.symlink(`../../blobs/blob-${step}`, link);
      if (step === STEPS) await write(path.join(dir, 'refs', 'main'), commit);
    }
  },
  bundle: async (t, dir) => {
    const repo = await TestRepository.create(t, path.dirname(dir));
    for (let step = 1; step <= STEPS; step++) {
      await repo.write('model.safetensors', weights(step));
      await repo.commit(`step ${step}`);
    }
    await repo.json('tag', 'v1', 'net@3');
    await repo.json('export', '--all', '-o', dir);
  },
};
