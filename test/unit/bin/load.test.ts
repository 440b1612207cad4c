import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import {
  codeCacheFile,
  commandOf,
  layerFile,
  loadCommand,
  packCache,
  unpackCache,
} from '../../../bin/load.js';
import { PROJECT_ROOT } from '../../helpers/paths.js';
import { tempDir } from '../../helpers/temp-dir.js';

const SOURCE = '// 0a1b\nmodule.exports = 1;\n';
const DATA = Buffer.from('what V8 made');

test('a code cache comes back for the source that it was made for', (t) => {
  t.deepEqual(unpackCache(SOURCE, packCache(SOURCE, DATA)), DATA);
});

test('a code cache of another source of the same length is not used', (t) => {
  const other = SOURCE.replace('0a1b', '0a1c');
  t.is(unpackCache(other, packCache(SOURCE, DATA)), undefined);
});

test('a code cache that is damaged anywhere, or cut, is not used', (t) => {
  const file = packCache(SOURCE, DATA);
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const damaged = Buffer.from(file);
      damaged[at]! ^= mask;
      return (
        unpackCache(SOURCE, damaged) === undefined &&
        unpackCache(SOURCE, file.subarray(0, at)) === undefined
      );
    }),
  );
  t.pass();
});

test('code caches are read and made under the flags that V8 started with, and commands run under another', (t) => {
  // A cache names the flags that it was made under, as this number does.
  const loader = pathToFileURL(path.join(PROJECT_ROOT, 'dist/bin/load.js')).href;
  const script = `
    const { cachedDataVersionTag: tag } = require('node:v8');
    const first = tag();
    import('${loader}').then(({ loadCommand, withFirstFlag }) => {
      const { loaded } = loadCommand('${path.join(PROJECT_ROOT, 'dist/bin')}');
      const rejected = loaded().some(({ script }) => script.cachedDataRejected !== false);
      console.log(JSON.stringify({ first, rejected, running: tag(), loading: withFirstFlag(tag) }));
    });`;
  for (const command of ['log', 'status', 'add', 'commit']) {
    const { first, rejected, running, loading } = JSON.parse(
      execFileSync(process.execPath, ['-e', script, 'dlv', command], { encoding: 'utf8' }),
    );
    t.is(loading, first);
    t.not(running, first);
    t.false(rejected, command);
  }
});

test('status, add and commit have code caches of their own, which hold less than the one for all commands', (t) => {
  const layer = layerFile(path.join(PROJECT_ROOT, 'dist/bin'), 0);
  const all = statSync(codeCacheFile(layer)).size;
  for (const command of ['status', 'add', 'commit']) {
    const { size } = statSync(codeCacheFile(layer, command));
    t.true(size < all, `${command}: ${size} of ${all} bytes`);
  }
});

test('a cache of a command that is missing, damaged or of another source gives way to that of all; one that V8 refuses, to the source', async (t) => {
  const bin = path.join(PROJECT_ROOT, 'dist/bin');
  const folder = await tempDir(t);
  const layer = layerFile(folder, 0);
  copyFileSync(layerFile(bin, 0), layer);
  copyFileSync(codeCacheFile(layerFile(bin, 0)), codeCacheFile(layer));
  const source = readFileSync(layer, 'latin1');
  const cache = readFileSync(codeCacheFile(layerFile(bin, 0), 'status'));
  const data = unpackCache(source, cache) as Buffer;
  const other = Buffer.from(data);
  // Of another version of V8, as its second word says.
  other[4]! ^= 1;
  const script = `
    import('${pathToFileURL(path.join(bin, 'load.js')).href}').then(({ loadCommand }) => {
      const { main, loaded } = loadCommand('${folder}');
      console.log(JSON.stringify([typeof main.runCli, loaded()[0].script.cachedDataRejected ?? null]));
    });`;
  const load = () =>
    JSON.parse(
      execFileSync(process.execPath, ['-e', script, 'dlv', 'status'], { encoding: 'utf8' }),
    );
  const own = codeCacheFile(layer, 'status');
  t.deepEqual(load(), ['function', false], 'missing');
  for (const [bytes, isRejected] of [
    [cache, false],
    [cache.subarray(0, 1000), false],
    [Buffer.alloc(0), false],
    [packCache(source.replace('// ', '// 0'), data), false],
    [packCache(source, other), true],
  ] as const) {
    writeFileSync(own, bytes);
    t.deepEqual(load(), ['function', isRejected], `${bytes.length} bytes`);
  }
  rmSync(codeCacheFile(layer));
  writeFileSync(own, cache.subarray(0, 1000));
  t.deepEqual(load(), ['function', null], 'none');
});

test('the cache of a command is found by its name, wherever global options are', (t) => {
  t.is(commandOf(['add', '.']), 'add');
  t.is(commandOf(['-q', '--no-color', 'commit', '-m', 'add']), 'commit');
  t.is(commandOf(['-C', 'status', '-q', 'add', '.']), 'add');
  t.is(commandOf(['--version']), undefined);
});

test('the layers of the command: one is loaded for what is in it, and what stands in a later one is found', async (t) => {
  const bin = path.join(PROJECT_ROOT, 'dist/bin');
  const { main, loaded } = loadCommand(bin);
  const files = () => loaded().map(({ file }) => file);
  t.deepEqual(files(), [layerFile(bin, 0)]);
  const said: string[] = [];
  const stream = { isTTY: false, columns: 80, write: (text: string) => said.push(text) > 0 };
  const run = (...argv: string[]): Promise<number> =>
    main.runCli({
      ...{ argv, cwd: bin, env: {}, stdout: stream, stderr: stream },
      signal: new AbortController().signal,
    } as never);
  t.is(await run('status', '--help'), 0);
  t.deepEqual(files(), [layerFile(bin, 0)]);
  t.is(await run('--version'), 0);
  t.regex(said.join(''), /Usage: dlv status[\s\S]*dlv \d/);
  t.is(await run('query', '--help'), 0);
  t.true(files().includes(layerFile(bin, 3)));
  // What its modules need of other layers is there: each of them runs.
  for (const { table } of loaded()) for (const module of Object.values(table)) t.truthy(module());
  t.is(await run('archive', '--help'), 0);
});

for (const [layer, code, hint] of [
  [0, 'EMFILE', 'raise the limit of open files (ulimit -n)'],
  [0, 'EIO', 'install dlv again'],
  [1, 'EMFILE', 'raise the limit of open files (ulimit -n)'],
] as const) {
  test(`layer ${layer} that cannot be read, ${code}: one error with a remedy, and no stack`, async (t) => {
    const hook = path.join(await tempDir(t), 'hook.cjs');
    const script = `
      const fs = require('node:fs');
      const { openSync } = fs;
      fs.openSync = (file, ...how) => {
        if (!String(file).endsWith('command-${layer}.cjs')) return openSync(file, ...how);
        throw Object.assign(new Error('no'), { code: '${code}', syscall: 'open', path: file });
      };`;
    writeFileSync(hook, script);
    const argv = ['-r', hook, path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs'), 'commit', '-m', 'x'];
    const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
    t.is(status, 1);
    t.regex(stderr, new RegExp(`^dlv: cannot .*/command-${layer}\\.cjs': .*${code}`));
    t.is(stderr.split('\n')[1], `hint: ${hint}`);
    t.is(stderr.split('\n').length, 3);
  });
}
