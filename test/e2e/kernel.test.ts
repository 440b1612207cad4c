/**
 * Which kernel runs, and that the command says so: each one forced, and WebAssembly in a copy of dlv
 * without the addon.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { About } from '../../lib/use/ops/about.js';
import { dlv } from '../helpers/dlv.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';

const hasAddon = existsSync(path.join(PROJECT_ROOT, 'native/build/kernel.node'));

test('kernel: --version --json names the one that DLV_KERNEL forces', async (t) => {
  const cwd = await tempDir(t);
  const forced = hasAddon ? ['native', 'portable', 'wasm'] : ['wasm'];
  for (const kind of forced) {
    const { code, stdout, stderr } = await dlv(['--version', '--json'], {
      cwd,
      env: { DLV_KERNEL: kind },
    });
    t.is(code, 0, stderr);
    t.is(stderr, '', 'what was asked for is no news');
    t.is((JSON.parse(stdout) as About).kernel.kind as string, kind);
  }
  // Also by commands that code nothing.
  for (const line of [['--version'], ['init'], ['log'], ['config', '--list']]) {
    const unknown = await dlv(line, { cwd, env: { DLV_KERNEL: 'gpu' } });
    t.is(unknown.code, 2, line.join(' '));
    t.regex(unknown.stderr, /DLV_KERNEL is 'gpu', not one of native, portable, wasm/);
  }
  t.deepEqual(await fs.readdir(cwd), []);
});

test('kernel: where the addon was not built, one line says that WebAssembly runs', async (t) => {
  const dir = await tempDir(t);
  const copy = path.join(dir, 'dlv');
  const filter = (from: string): boolean => !/\.(d\.ts|map)$/.test(from);
  for (const part of ['dist/bin', 'dist/lib', 'native/kernel.wasm', 'package.json']) {
    await fs.cp(path.join(PROJECT_ROOT, part), path.join(copy, part), { recursive: true, filter });
  }
  await fs.symlink(path.join(PROJECT_ROOT, 'node_modules'), path.join(copy, 'node_modules'));
  const env: NodeJS.ProcessEnv = { ...process.env, DLV_AUTHOR_NAME: 'A', DLV_AUTHOR_EMAIL: 'a@b' };
  env.XDG_CACHE_HOME = path.join(dir, 'cache');
  delete env.DLV_KERNEL;
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(copy, 'dist/bin/dlv.cjs'), '-C', dir, ...args], {
      encoding: 'utf8',
      env,
    });
  const version = run('--version', '--json');
  t.deepEqual((JSON.parse(version.stdout) as About).kernel, { kind: 'wasm', isa: 'simd128' });
  const line = /^.*native kernel was not built, the slower WebAssembly one ran.*\n$/;
  t.regex(version.stderr, line);
  t.is(run('-q', '--version').stderr, '');

  const floats = new Float32Array(8192).map((_, i) => Math.sin(i));
  const shape = '{"w":{"dtype":"F32","shape":[8192],"data_offsets":[0,32768]}}  ';
  const header = Buffer.alloc(8);
  header.writeBigUInt64LE(BigInt(shape.length));
  const bytes = Buffer.concat([header, Buffer.from(shape), new Uint8Array(floats.buffer)]);
  await fs.writeFile(path.join(dir, 'a.safetensors'), bytes);
  t.is(run('-q', 'init').status, 0);
  const added = run('--no-progress', 'add', 'a.safetensors');
  t.is(added.status, 0, added.stderr);
  t.is(added.stderr.match(/WebAssembly/g)?.length, 1, added.stderr);
  const again = run('--no-progress', 'fsck');
  t.is(again.stderr.match(/WebAssembly/g), null, 'once a day is enough');
  const notice = path.join(dir, 'cache/dlv/kernel-notice');
  await fs.utimes(notice, new Date(), new Date(Date.now() - 25 * 3600 * 1000));
  t.is(run('--no-progress', 'fsck').stderr.match(/WebAssembly/g)?.length, 1, 'a day later');
  t.is(run('--no-progress', 'fsck').stderr.match(/WebAssembly/g), null);
  t.is(run('-q', 'commit', '-m', 'one').stderr, '');
  t.is(run('-q', 'fsck').stderr, '');
});
