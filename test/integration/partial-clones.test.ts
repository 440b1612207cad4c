/** Partial clones: what is left out is promised, and comes when it is needed, and not before. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { CloneResult } from '../../lib/use/ops/clone.js';
import type { DescResult } from '../../lib/use/ops/desc.js';
import type { DetachResult } from '../../lib/use/ops/detach.js';
import type { FetchResult } from '../../lib/use/ops/fetch.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { checkPartialRemote } from '../conformance/partial-remote.js';
import { dlv } from '../helpers/dlv.js';
import {
  checkedOut,
  isSound,
  isWhole,
  largeRemote,
  packBytes,
  SHAPES,
  without,
} from '../helpers/partial.js';
import { cloned, pushed } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { s3Env, serveBuckets } from '../helpers/s3-server.js';
import { randomTensors, type Tensors } from '../helpers/safetensors.js';
import { serveFolder } from '../helpers/web-server.js';

test('clone --planes: under half of the bytes, history and approximate copies without the remote', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const whole = await cloned(top, url, 'whole');
  const { repo, result } = await cloned(top, url, 'half', '--planes', '2');
  t.true(result.receivedBytes < 0.5 * whole.result.receivedBytes, `${result.receivedBytes}`);
  t.deepEqual(result.written, []);
  await without(url, async () => {
    t.is((await repo.json<unknown[]>('log')).length, 3);
    for (const n of [1, 2, 3]) {
      await repo.json('checkout', `net@${n}`, '--planes', '2', '--out', `../rough${n}`);
      const rough = await fs.readFile(path.join(top, `rough${n}`, 'model.safetensors'));
      t.false(rough.equals(files[n - 1] as Buffer));
    }
    const found = await isSound(t, repo);
    t.is(found.promised[0]?.remote, 'origin');
    t.true((found.promised[0]?.bytes ?? 0) > 1_000_000);
    const refused = await repo.fails(1, 'checkout', 'HEAD', '--out', '../none');
    t.is(refused.code, 'DLV_REMOTE');
    t.regex(refused.message, /[\d.]+ [KM]iB that are needed are at the remote 'origin' alone/);
  });
  const forbidden = await repo.fails(1, '--no-fetch', 'checkout', 'HEAD', '--out', '../none');
  t.regex(forbidden.message, /at the remote 'origin' alone, and --no-fetch forbids/);
});

test('clone --planes: exact files come when they are asked for, all of it with fetch --planes all', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  t.true((await checkedOut(repo, 'net@2', 'two')).equals(files[1] as Buffer));
  await isSound(t, repo);
  await without(url, async () => {
    t.true((await checkedOut(repo, 'net@2', 'again')).equals(files[1] as Buffer));
  });
  const [fetched] = await repo.json<FetchResult[]>('fetch', '--planes', 'all');
  t.true((fetched?.receivedBytes ?? 0) > 0);
  await without(url, async () => {
    for (const n of [1, 2, 3]) {
      t.true((await checkedOut(repo, `net@${n}`, `all${n}`)).equals(files[n - 1] as Buffer));
    }
    t.deepEqual((await isSound(t, repo)).promised, []);
    await repo.json('gc', '--prune=now');
    t.true((await checkedOut(repo, 'net@1', 'last')).equals(files[0] as Buffer));
  });
  // No promise is left, only what keeps git from deleting them.
  t.deepEqual(await fs.readdir(path.join(repo.dir, '.dlv', 'promised')), ['.git']);
});

test('a web server: clones in parts, and every byte of them is reported', async (t) => {
  const { top, files } = await largeRemote(t);
  const server = await serveFolder(t, top);
  await checkPartialRemote(t, {
    top,
    files,
    address: `${server.url}/team.dlv`,
    wire: () => server.wire(),
  });
});

test('clone --only: fetch --only brings more files, and what the hint says brings all', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'some', '--only', '*.none');
  const refused = await repo.fails(1, '--no-fetch', 'cat', 'HEAD:state.opt');
  t.regex(refused.message, /alone/);
  const [, hinted = ''] =
    /'dlv (fetch [^']+)' brings everything/.exec(String(refused.data.hint)) ?? [];
  await repo.json('fetch', '--only', 'state.*');
  await repo.json('--no-fetch', 'checkout', 'net@1', '--out', '../state', '--', 'state.opt');
  t.is((await repo.dlv('--no-fetch', 'cat', 'HEAD:model.safetensors')).code, 1);
  await repo.json(...hinted.split(' '));
  await without(url, async () => {
    for (const n of [1, 2, 3]) await checkedOut(repo, `net@${n}`, `all${n}`);
    t.deepEqual((await isSound(t, repo)).promised, []);
  });
});

test('bytes that are needed: recipes that are not here leave an upper bound, which is not below what comes', async (t) => {
  const { top, url } = await largeRemote(t);
  for (const [dir, ...flags] of [
    ['depth', '--depth', '1'],
    ['only', '--only', '*.opt'],
  ] as const) {
    const { repo } = await cloned(top, url, dir, ...flags);
    const refused = await repo.fails(1, '--no-fetch', 'checkout', 'net@2', '--out', '../none');
    t.regex(refused.message, /\([\d.]+ [KM]?i?B, with what they name at most [\d.]+ MiB\)/);
    const [least, most] = [Number(refused.data.bytes), Number(refused.data.bytesMax)];
    const before = (await isSound(t, repo)).promised[0];
    t.is(before?.bytesMax, most, dir);
    t.true(least < most, dir);
    const [dry] = await repo.json<FetchResult[]>(
      ...['fetch', '--dry-run', '--depth', 'all', '--only', 'all'],
    );
    t.true(most >= (dry?.bytes ?? 0), `${dir}: ${most} of ${dry?.bytes}`);
    t.true(most < 1.1 * (dry?.bytes ?? 0), `${dir}: ${most} of ${dry?.bytes}`);
    await checkedOut(repo, 'net@2', `${dir}-two`);
    const after = (await isSound(t, repo)).promised[0];
    t.true((after?.bytesMax ?? 0) < most, `${dir}: ${after?.bytesMax} after ${most}`);
  }
});

test('a web server without ranges: each file comes once, and a warning says that nothing is saved', async (t) => {
  const { top, files } = await largeRemote(t);
  const server = await serveFolder(t, top);
  server.noRanges = true;
  const asked = new Map<string, number>();
  server.misbehave = (request) => {
    const name = request.url ?? '';
    // 'dlv detach' looks at indexes afresh.
    if (/\/packs\/.*\.(blob|hi|mid|low)$/.test(name)) asked.set(name, (asked.get(name) ?? 0) + 1);
    return false;
  };
  const once = async (cwd: string, ...args: string[]) => {
    asked.clear();
    const done = await dlv(args, { cwd });
    t.is(done.code, 0, done.stderr);
    t.deepEqual(
      [...asked].filter(([, count]) => count > 1),
      [],
      args.join(' '),
    );
    t.true(asked.size > 0, args.join(' '));
    return done.stderr;
  };
  const warned = /sends whole files.*saves nothing on the line/;
  const address = `${server.url}/team.dlv`;
  t.regex(await once(top, 'clone', address, 'half', '--planes', '2'), warned);
  const half = new TestRepository(path.join(top, 'half'));
  t.regex(await once(half.dir, 'checkout', 'net@1', '--out', '../one'), warned);
  t.deepEqual(await fs.readdir(path.join(half.dir, '.dlv', 'incoming')).catch(() => []), []);
  t.regex(await once(half.dir, 'fetch', '--planes', 'all'), warned);
  await isWhole(t, half, files);
  await once(half.dir, 'detach', '--planes', '2', '--to', 'origin');
  await once(top, 'clone', address, 'new', '--depth', '1');
  await isWhole(t, new TestRepository(path.join(top, 'new')), files);
});

test.serial('a bucket: clones in parts, and every byte of them is reported', async (t) => {
  const { repo, top, files } = await largeRemote(t);
  const server = await serveBuckets(t);
  const { AWS_ENDPOINT_URL: endpoint, ...keys } = s3Env(server.url);
  Object.assign(process.env, keys);
  const address = `s3://models/net?endpoint=${endpoint}`;
  await repo.json('push', address);
  await checkPartialRemote(t, { top, files, address, wire: () => server.wire() });
});

test('diff in a planes clone: numbers with bounds and no bytes; --exact fetches', async (t) => {
  const { repo: source, top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  const NUMBERS = ['relativeL2', 'cosine', 'maxAbs'] as const;
  type Told = Record<(typeof NUMBERS)[number], number>;
  type Numbers = Told & { bound: (Told & { planes: number }) | null };
  type Cell = Told & { bound: number; cosineBound: number; maxAbsBound: number };
  interface Diffed {
    layers: { name: string; cells: (Cell | null)[] }[];
    snapshots: { tensors: { name: string; numbers: Numbers }[] }[];
  }
  const args = ['diff', 'net@1', 'net@3', '--exact'];
  const boundsOf = ({ bound, cosineBound, maxAbsBound }: Cell): number[] => [
    bound,
    cosineBound,
    maxAbsBound,
  ];
  const numbersOf = ({ snapshots }: Diffed): Map<string, Numbers> =>
    new Map(
      snapshots.flatMap(({ tensors }) => tensors.map(({ name, numbers }) => [name, numbers])),
    );
  const whole = await source.json<Diffed>(...args);
  const exact = numbersOf(whole);
  await without(url, async () => {
    const answer = await repo.json<Diffed>('diff', 'net@1', 'net@3');
    for (const [name, { bound, ...told }] of numbersOf(answer)) {
      if (name === 'a.weight') t.is(bound?.planes, 2);
      for (const number of NUMBERS) {
        const right = exact.get(name)?.[number] as number;
        const off = Math.abs(told[number] - right);
        t.true(off <= (bound?.[number] ?? 0) + 1e-12, `${number} of ${name}`);
      }
    }
    for (const [at, { name, cells }] of answer.layers.entries()) {
      const [cell, right] = [cells[1] as Cell, whole.layers[at]?.cells[1] as Cell];
      if (name === 'a') for (const bound of boundsOf(cell)) t.true(bound > 0);
      t.deepEqual(boundsOf(right), [0, 0, 0]);
      for (const [i, number] of NUMBERS.entries()) {
        const off = Math.abs(cell[number] - right[number]);
        t.true(off <= (boundsOf(cell)[i] as number) + 1e-12, `${number} of layer ${name}`);
      }
    }
    // What is shown of it says so, number by number.
    const { stdout } = await repo.dlv('diff', 'net@1', 'net@3', '--layers');
    const lines = stdout.split('\n').filter((line) => /^ +a(\.weight)? /.test(line));
    t.is(lines.length, 2, stdout);
    for (const line of lines) t.is(line.match(/±/g)?.length, NUMBERS.length, line);
    t.is((await repo.fails(1, ...args)).code, 'DLV_REMOTE');
  });
  const fetched = numbersOf(await repo.json<Diffed>(...args));
  t.is(fetched.get('a.weight')?.relativeL2, exact.get('a.weight')?.relativeL2);
});

test('desc --weights in a planes clone: numbers with bounds and no bytes; --exact fetches', async (t) => {
  const { repo: source, top, url } = await largeRemote(t);
  const made = await dlv(['clone', url, 'half', '--planes', '2'], { cwd: top });
  t.regex(made.stderr, /'dlv checkout --planes 2 --out <dir>'/);
  const repo = new TestRepository(path.join(top, 'half'));
  const args = ['desc', 'net@3', '--weights', '--all'];
  const normsOf = ({ statistics }: DescResult) =>
    new Map(
      statistics.flatMap(({ tensors }) =>
        tensors.flatMap(({ name, statistics: one }) =>
          one === null ? [] : [[name, one] as const],
        ),
      ),
    );
  const exact = normsOf(await source.json<DescResult>(...args));
  await without(url, async () => {
    const rough = normsOf(await repo.json<DescResult>(...args));
    t.deepEqual([...rough.keys()], [...exact.keys()]);
    t.true((rough.get('a.weight')?.bound ?? 0) > 0);
    for (const [name, { l2, bound }] of rough) {
      const right = exact.get(name)?.l2 as number;
      t.true(
        Math.abs((l2 ?? Number.NaN) - right) <= bound * right * 1.001,
        `${name} ${l2} ${right} ${bound}`,
      );
    }
    t.is((await repo.fails(1, ...args, '--exact')).code, 'DLV_REMOTE');
  });
  const fetched = normsOf(await repo.json<DescResult>(...args, '--exact'));
  t.is(fetched.get('a.weight')?.l2, exact.get('a.weight')?.l2);
});

test('clone --planes: refining does not fetch leading planes again', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const whole = await cloned(top, url, 'whole');
  const { repo, result } = await cloned(top, url, 'half', '--planes', '2');
  const [fetched] = await repo.json<FetchResult[]>('fetch', '--planes', 'all');
  const sum = result.receivedBytes + (fetched?.receivedBytes ?? 0);
  t.true(sum < 1.05 * whole.result.receivedBytes, `${sum} of ${whole.result.receivedBytes}`);
  // All records of the thin set are whole now: a set of the same name.
  t.deepEqual((await isSound(t, repo)).promised, []);
  await without(url, () => isWhole(t, repo, files));
  // And the other way round, also from sets with a file for each class.
  const size = await packBytes(repo);
  const { bytes } = await repo.json<DetachResult>('detach', '--planes', '2');
  t.true(bytes > 1_000_000 && size - (await packBytes(repo)) > 0.95 * bytes, `${bytes}`);
  t.true(((await isSound(t, repo)).promised[0]?.objects ?? 0) > 0);
  await isWhole(t, repo, files);
  await isSound(t, repo);
});

test('adding the exact file to a planes clone makes its tensors whole here', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  await without(url, async () => {
    await repo.write('copy.safetensors', files[1] as Buffer);
    await repo.json('add', 'copy.safetensors');
    await repo.json('commit', '-m', 'the exact file');
    t.true((await checkedOut(repo, 'HEAD', 'none').catch(() => Buffer.alloc(0))).length === 0);
    const copy = await repo.dlv('cat', 'HEAD:copy.safetensors');
    t.true(copy.stdoutBytes.equals(files[1] as Buffer));
    await isSound(t, repo);
    // Of a set that is whole now, nothing is said to be missing.
    const said = await fs.readFile(path.join(repo.dir, '.dlv', 'promised', 'origin'), 'utf8');
    const packs = new Set(await fs.readdir(path.join(repo.dir, '.dlv', 'packs')));
    for (const [, id, classes] of said.matchAll(/^thin (\S+) (.+)$/gm)) {
      t.false(classes?.split(' ').every((plane) => packs.has(`${id}.${plane}`)));
    }
  });
});

test('clone --depth: the history is whole, files of older versions come when they are needed', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const whole = await cloned(top, url, 'whole');
  const { repo, result } = await cloned(top, url, 'shallow', '--depth', '1');
  t.true(result.receivedBytes <= whole.result.receivedBytes);
  await without(url, async () => {
    t.is((await repo.json<unknown[]>('log')).length, 3);
    t.true((await checkedOut(repo, 'HEAD', 'head')).equals(files[2] as Buffer));
    await isSound(t, repo);
    await repo.json('gc', '--prune=now');
    await isSound(t, repo);
    t.is((await repo.fails(1, 'checkout', 'net@1', '--out', '../old')).code, 'DLV_REMOTE');
  });
  t.true((await checkedOut(repo, 'net@1', 'old')).equals(files[0] as Buffer));
  await repo.json('fetch', '--depth', 'all');
  await without(url, async () => {
    t.true((await checkedOut(repo, 'net@2', 'middle')).equals(files[1] as Buffer));
    t.deepEqual((await isSound(t, repo)).promised, []);
  });
  const { repo: other } = await cloned(top, url, 'git', '--depth', '1');
  await other.fails(2, 'fetch', '--unshallow', '--depth', '2');
  await other.json('fetch', '--unshallow');
  t.deepEqual((await isSound(t, other)).promised, []);
});

test('clone --only: files that match; the others come when they are named', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo, result } = await cloned(top, url, 'weights', '--only', '*.safetensors');
  t.deepEqual(result.written, ['model.safetensors']);
  t.false(await repo.exists('state.opt'));
  await isSound(t, repo);
  await without(url, async () => {
    t.is((await repo.fails(1, 'cat', 'HEAD:state.opt')).code, 'DLV_REMOTE');
  });
  const state = await repo.dlv('cat', 'HEAD:state.opt');
  t.is(state.code, 0);
  t.true(state.stdoutBytes.length > 200_000);
  await isSound(t, repo);
});

test('clone --only: a glob that matches nothing is warned of, one that matches is not', async (t) => {
  const { top, url } = await largeRemote(t);
  for (const flags of [[], ['--no-checkout'], ['--planes', '2']]) {
    const name = `few${flags.join('')}`;
    const globs = ['--only', '*.opt', '--only', '*.safetensor'];
    const { code, stderr } = await dlv(['clone', url, name, ...globs, ...flags], { cwd: top });
    t.is(code, 0, stderr);
    t.regex(stderr, /--only '\*\.safetensor' matches no file of 'net\/main'/);
    t.notRegex(stderr, /'\*\.opt' matches/);
  }
});

test('clone --model: one that the remote has not leaves nothing behind', async (t) => {
  const { top, url } = await largeRemote(t);
  const { code, stderr } = await dlv(['clone', url, 'none', '--model', 'nett'], { cwd: top });
  t.is(code, 1);
  t.regex(stderr, /has no branch or model 'nett'[\s\S]*did you mean net/);
  await t.throwsAsync(fs.stat(path.join(top, 'none')), { code: 'ENOENT' });
});

test('clone --model and --single-branch take these lines, and so do later fetches', async (t) => {
  const { repo: source, top, url } = await pushed(t);
  await source.json('branch', 'wider');
  await source.json('copy', 'HEAD', 'other');
  await source.json('push', '--all', 'origin');
  const { repo, result } = await cloned(top, url, 'one', '--single-branch');
  const names = (refs: CloneResult['refs']): string[] =>
    refs.filter(({ kind }) => kind === 'branch').map(({ name }) => name);
  t.deepEqual(names(result.refs), ['net/main']);
  const [fetched] = await repo.json<FetchResult[]>('fetch');
  t.deepEqual(names(fetched?.refs ?? []), ['net/main']);
  const model = await cloned(top, url, 'model', '--model', 'other');
  t.true(names(model.result.refs).every((name) => name.startsWith('other/')));
  t.is(model.result.model, 'other');
  await isSound(t, model.repo);
});

test('a damaged record of promises, and what asks for nonsense', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  for (const args of [
    ['--planes', '9'],
    ['--depth', '0'],
    ['--planes', 'x'],
  ]) {
    const failed = await repo.dlv('clone', url, '../bad', ...args);
    t.is(failed.code, 2, args.join(' '));
  }
  t.is((await repo.fails(2, 'fetch', '--planes', '1')).code, 'DLV_USAGE');
  const file = path.join(repo.dir, '.dlv', 'promised', 'origin');
  const text = await fs.readFile(file, 'utf8');
  await fs.writeFile(file, text.replace('planes 2', 'planes 3'));
  const found = await repo.dlv('--json', 'fsck');
  t.is(found.code, 12);
  t.regex(found.stdout, /promised\/origin/);
});

test('tensors of a planes clone: readTensor, load', async (t) => {
  const { top, url } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  const exact: Tensors = randomTensors(SHAPES, 1);
  await repo.with(async (opened) => {
    t.not(opened.promises, null);
    t.is(opened.promises?.planes, 2);
  });
  const one = await repo.dlv('cat', 'net@1:model.safetensors#a.weight');
  t.deepEqual(
    new Float32Array(new Uint8Array(one.stdoutBytes).buffer),
    exact['a.weight']?.values as Float32Array,
  );
});

test('fsck --repair: damaged and lost packs are mended from a remote', async (t) => {
  const { top, url, files } = await largeRemote(t);
  for (const [how, flags] of [
    ['flip', []],
    ['remove', []],
    ['flip', ['--planes', '2']],
  ] as const) {
    const { repo } = await cloned(top, url, `${how}-${flags.length}`, ...flags);
    const packs = path.join(repo.dir, '.dlv', 'packs');
    for (const name of await fs.readdir(packs)) {
      const file = path.join(packs, name);
      if (!name.endsWith('.hi') && !(name.endsWith('.blob') && how === 'remove')) continue;
      await fs.chmod(file, 0o644);
      if (how === 'remove') {
        if (name.endsWith('.hi')) await fs.rm(file);
        continue;
      }
      const bytes = await fs.readFile(file);
      for (let at = 2000; at < bytes.length; at += 20_000) bytes[at] = 255 - (bytes[at] as number);
      await fs.writeFile(file, bytes);
    }
    const found = await repo.dlv('--json', 'fsck');
    t.is(found.code, 12, how);
    // Whatever is wrong with packs, the first remedy is the one that loses nothing.
    for (const { area, remedy, message } of (JSON.parse(found.stdout) as FsckOpResult).problems) {
      if (area === 'pack') t.regex(remedy, /^run 'dlv fsck --repair origin'/, message);
    }
    const mended = await repo.json<FsckOpResult>('fsck', '--repair', 'origin');
    t.deepEqual(mended.problems, [], `${how} ${flags.join(' ')}`);
    t.true((mended.repaired?.objects ?? 0) > 0);
    await isSound(t, repo);
    for (const n of [1, 2, 3]) {
      const out = `${how}-${flags.length}-${n}`;
      t.true((await checkedOut(repo, `net@${n}`, out)).equals(files[n - 1] as Buffer), out);
    }
  }
});

test('clone --model: that files of other models came too is said, with what leaves them out', async (t) => {
  const { repo, top, url } = await pushed(t);
  await repo.json('copy', 'net@3', 'head', '--empty');
  await repo.json('push', '--all');
  const args = ['clone', url, 'part', '--model', 'head'];
  const { code, stderr } = await dlv(args, { cwd: top });
  t.is(code, 0, stderr);
  t.regex(
    stderr,
    /'head' derives from versions of other models, .*\(3 of 'net'\): with '--depth 1'/,
  );
  const shallow = await dlv([...args.with(2, 'less'), '--depth', '1'], { cwd: top });
  t.notRegex(shallow.stderr, /derives from/);
  const own = await dlv(['clone', url, 'own', '--model', 'net'], { cwd: top });
  t.notRegex(own.stderr, /derives from/);
});
