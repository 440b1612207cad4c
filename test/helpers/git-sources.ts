/** Git repositories that tests make, with what git-lfs and DVC keep beside them, and what versions hold. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { TestRepository } from './repository.js';
import { tempDir } from './temp-dir.js';

export function run(dir: string, program: string, ...args: string[]): string {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: dir,
    env,
    encoding: 'latin1',
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

export function isThere(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

/** A git repository; null, said loudly, without git. */
export async function gitRepository(t: ExecutionContext): Promise<string | null> {
  if (!isThere('git', '--version')) {
    t.log('SKIPPED: there is no git: importing its histories is NOT tested');
    t.pass();
    return null;
  }
  const dir = path.join(await tempDir(t), 'source');
  await fs.mkdir(dir);
  run(dir, 'git', 'init', '-q', '-b', 'main');
  for (const [name, value] of [
    ['user.name', 'Ada L'],
    ['user.email', 'ada@example.org'],
  ] as const) {
    run(dir, 'git', 'config', name, value);
  }
  return dir;
}

export async function commit(dir: string, message: string, files: Record<string, Buffer | string>) {
  for (const [name, content] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await fs.writeFile(path.join(dir, name), content);
  }
  run(dir, 'git', 'add', '-A');
  run(dir, 'git', 'commit', '-q', '-m', message);
  return run(dir, 'git', 'rev-parse', 'HEAD').trim();
}

/** Puts content among the objects of git-lfs. @returns its pointer. */
export async function pointer(dir: string, content: Buffer): Promise<string> {
  const oid = createHash('sha256').update(content).digest('hex');
  const folder = path.join(dir, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4));
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(path.join(folder, oid), content);
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`;
}

/** Where DVC keeps an object. @param layout  'old': of versions before 3. */
export function placeInCache(dir: string, md5: string, layout: 'new' | 'old' = 'new'): string {
  const cache = path.join(dir, '.dvc/cache', layout === 'new' ? 'files/md5' : '');
  return path.join(cache, md5.slice(0, 2), md5.slice(2));
}

/** Puts content into the cache of DVC. @returns its md5. */
export async function cached(dir: string, content: Buffer | string, suffix = ''): Promise<string> {
  const md5 = createHash('md5').update(content).digest('hex') + suffix;
  const file = placeInCache(dir, md5);
  await fs.mkdir(path.dirname(file), { recursive: true });
  await fs.writeFile(file, content);
  return md5;
}

/** Content of all files of a version. */
export async function contents(
  repo: TestRepository,
  revision: string,
): Promise<Record<string, Buffer>> {
  const out = path.join(repo.dir, '..', `out-${revision.replace(/\W/g, '-')}`);
  await repo.json('checkout', revision, '--out', out);
  const found: Record<string, Buffer> = {};
  for (const name of (await fs.readdir(out, { recursive: true })).sort()) {
    const file = path.join(out, name);
    if ((await fs.stat(file)).isFile()) found[name] = await fs.readFile(file);
  }
  return found;
}
