/**
 * Remotes on servers written by others: the conformance suites, whole histories pushed, cloned and compared, bytes
 * counted on the line, lines that break, and both ends killed.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HttpTransport } from '../../lib/storage/exchange/transports/http-transport.js';
import { S3Transport } from '../../lib/storage/exchange/transports/s3/s3-transport.js';
import type { CloneResult } from '../../lib/use/ops/clone.js';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import { checkPartialRemote } from '../conformance/partial-remote.js';
import { transportSuite, writableSuite } from '../conformance/transport.js';
import { DLV_BIN, dlv, dlvJson } from '../helpers/dlv.js';
import { commitWithState } from '../helpers/partial.js';
import { NO_SETTINGS } from '../helpers/paths.js';
import {
  countedLine,
  isInstalled,
  putObject,
  type RealServer,
  startNginx,
  startStore,
} from '../helpers/real-servers.js';
import { cloned, largeTensors, step } from '../helpers/remotes.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const KILLS = Number(process.env.DLV_REMOTE_KILLS ?? 12);
const STORES = ['moto_server', 'versitygw'] as const;
let places = 0;

async function sound(repo: TestRepository): Promise<unknown[]> {
  return (await repo.json<{ problems: unknown[] }>('fsck')).problems;
}

/** The credentials of the stores of these tests are in this process's environment. */
function useKeys({ AWS_ENDPOINT_URL: _, ...keys }: Record<string, string>): void {
  Object.assign(process.env, keys);
}

for (const name of STORES.filter(isInstalled)) {
  const make = async (t: ExecutionContext) => {
    const { env } = await startStore(t, name);
    const address = `s3://models/place ${places++}/net+1`;
    return {
      transport: await S3Transport.open(address, { env }),
      put: (object: string, bytes: Uint8Array) => putObject(env, address, object, bytes),
    };
  };
  transportSuite(name, make);
  // moto looks and writes in two steps, between which another of its threads may write.
  writableSuite(name, make, { isAtomic: name !== 'moto_server' });

  test(`${name}: checks conditions of writes`, async (t) => {
    const { transport } = await make(t);
    t.teardown(() => transport.close());
    await transport.swap('format', Buffer.from('flags'), null);
    await t.notThrowsAsync(transport.proveSwaps('format', Buffer.from('flags')));
  });

  test(`${name}: a history goes there and back, and the line counts what the report says`, async (t) => {
    const { env, url } = await startStore(t, name);
    useKeys(env);
    const line = await countedLine(t, url);
    const { repo, tensors } = await threeVersions(t);
    const top = path.dirname(repo.dir);
    const address = `s3://models/net?endpoint=${line.url}`;
    await repo.json('remote', 'add', 'origin', address);
    const first = await repo.json<PushResult>('push', '-u');
    t.is(first.sentBytes, line.received);
    t.is(first.receivedBytes, line.sent);
    let before = { ...line };
    const { repo: copy, result } = await cloned(top, address, 'copy');
    t.is(result.receivedBytes, line.sent - before.sent);
    t.is(result.sentBytes, line.received - before.received);
    let values = largeTensors(2);
    for (let seed = 0; seed < 4; seed++) {
      values = await step(copy, values, seed);
      before = { ...line };
      const pushed = await copy.json<PushResult>('push');
      t.is(pushed.sentBytes, line.received - before.received);
      t.is(pushed.receivedBytes, line.sent - before.sent);
      t.true(pushed.sentBytes <= pushed.bytes + 64 * 1024);
      t.true(pushed.requests <= 12);
    }
    await repo.json('pull');
    t.is(Buffer.compare(await repo.read('model.safetensors'), safetensors(values)), 0);
    for (const [i, one] of tensors.entries()) {
      await copy.json('checkout', `net@${i + 1}`, '--out', `out-${i}`);
      t.is(Buffer.compare(await copy.read(`out-${i}/model.safetensors`), safetensors(one)), 0);
    }
    // On a line that breaks every connection after some bytes, all arrives all the same.
    const rng = seededRandom(3);
    line.breakAfter = () => 300_000 + rng() * 2_000_000;
    for (let seed = 10; seed < 13; seed++) values = await step(copy, values, seed);
    await copy.json('push');
    const { repo: last } = await cloned(top, address, 'last');
    t.is(Buffer.compare(await last.read('model.safetensors'), safetensors(values)), 0);
    line.breakAfter = () => Number.POSITIVE_INFINITY;
    await copy.json('push', '--force', 'origin', 'net@1:main').catch(() => {});
    const collected = await copy.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
    t.true(collected.setsAfter <= collected.setsBefore);
    t.deepEqual(await sound((await cloned(top, address, 'again')).repo), []);
  });
}

if (isInstalled('nginx')) {
  transportSuite('nginx', async (t) => {
    const root = await tempDir(t);
    await fs.chmod(root, 0o755);
    const { url } = await startNginx(t, root);
    return {
      transport: new HttpTransport(`${url}/net.dlv`),
      put: async (name, bytes) => {
        const file = path.join(root, 'net.dlv', name);
        await fs.mkdir(path.dirname(file), { recursive: true });
        await fs.writeFile(file, bytes);
      },
    };
  });

  test('nginx: a folder that is pushed to is cloned and fetched from it', async (t) => {
    const { repo, tensors } = await threeVersions(t);
    const top = path.dirname(repo.dir);
    await repo.json('remote', 'add', 'origin', path.join(top, 'net.dlv'));
    await repo.json('push', '-u');
    const { url } = await startNginx(t, top);
    const line = await countedLine(t, url);
    const { repo: copy } = await cloned(top, `${line.url}/net.dlv`, 'copy');
    const next = await step(repo, tensors[2] as Tensors, 1);
    await repo.json('push');
    const before = { ...line };
    const [fetched] = await copy.json<{ receivedBytes: number; sentBytes: number }[]>('fetch');
    t.is(fetched?.receivedBytes, line.sent - before.sent);
    t.is(fetched?.sentBytes, line.received - before.received);
    await copy.json('pull');
    t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(next)), 0);
    t.deepEqual(await sound(copy), []);
  });
}

/** Versions with a state of the optimiser, at a remote. */
async function inParts(t: ExecutionContext, address: string) {
  const repo = await TestRepository.create(t);
  const files = await commitWithState(repo);
  const top = path.dirname(repo.dir);
  await repo.json('push', address === '' ? path.join(top, 'team.dlv') : address);
  return { top, files };
}

function wireOf(line: { received: number; sent: number }) {
  return () => ({ received: line.received, sent: line.sent });
}

for (const name of STORES.filter(isInstalled)) {
  test(`${name}: clones in parts, and every byte of them is reported`, async (t) => {
    const { env, url } = await startStore(t, name);
    useKeys(env);
    const line = await countedLine(t, url);
    const address = `s3://models/parts?endpoint=${line.url}`;
    const made = await inParts(t, address);
    await checkPartialRemote(t, { ...made, address, wire: wireOf(line) });
  });
}

if (isInstalled('nginx')) {
  test('nginx: clones in parts, and every byte of them is reported', async (t) => {
    const made = await inParts(t, '');
    const line = await countedLine(t, (await startNginx(t, made.top)).url);
    const address = `${line.url}/team.dlv`;
    await checkPartialRemote(t, { ...made, address, wire: wireOf(line) });
  });
}

/** Runs a command and kills it, or the store, after so many milliseconds. @returns true if it did not end by itself. */
async function killed(
  args: readonly string[],
  cwd: string,
  { afterMs, store }: { afterMs: number; store: RealServer | null },
): Promise<boolean> {
  const env = { ...process.env, DLV_CONFIG: NO_SETTINGS };
  const child = spawn(process.execPath, [DLV_BIN, ...args], { cwd, env, stdio: 'ignore' });
  let isEnded = false;
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      isEnded = true;
      resolve();
    });
  });
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, afterMs))]);
  if (isEnded) return false;
  if (store !== null) {
    await store.kill();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await store.start();
  } else child.kill('SIGKILL');
  await ended;
  return true;
}

if (isInstalled('versitygw')) {
  test('versitygw: both ends are killed again and again, and every command goes on', async (t) => {
    t.timeout(1_800_000);
    const store = await startStore(t, 'versitygw');
    useKeys(store.env);
    const top = await tempDir(t);
    const url = `s3://models/net?endpoint=${store.url}`;
    await fs.mkdir(path.join(top, 'net'));
    const repo = new TestRepository(path.join(top, 'net'));
    await repo.json('init');
    await repo.json('remote', 'add', 'origin', url);
    let tensors = randomTensors({ 'a.weight': [1024, 1024], 'b.weight': [512, 512] }, 1);
    const rng = seededRandom(7);
    const when = () => ({ afterMs: 200 + rng() * 600, store: rng() < 0.4 ? store : null });
    let looks = 0;
    for (let kills = 0; kills < KILLS; ) {
      tensors = nudge(tensors, 1e-3, 100 + kills);
      await repo.write('model.safetensors', safetensors(tensors));
      await repo.commit(`version ${kills}`);
      for (let i = 0; i < 3; i++) {
        if (await killed(['push'], repo.dir, when())) kills++;
        const look = await dlv(['--json', 'clone', url, `look-${looks++}`], { cwd: top });
        if (look.code !== 0) t.regex(look.stdout, /no dlv remote/);
        else {
          const copy = new TestRepository((JSON.parse(look.stdout) as CloneResult).path);
          t.deepEqual(await sound(copy), []);
          await fs.rm(copy.dir, { recursive: true });
        }
      }
      await repo.json('push');
      for (let i = 0; i < 2; i++) {
        if (await killed(['gc', '--remote', 'origin', '--prune=now'], repo.dir, when())) kills++;
      }
      const target = path.join(top, 'copy');
      for (let i = 0; i < 3; i++) if (await killed(['clone', url, 'copy'], top, when())) kills++;
      if ((await dlv(['log'], { cwd: target }).catch(() => ({ code: 1 }))).code !== 0) {
        await dlvJson(['clone', url, 'copy'], { cwd: top });
      }
      const copy = new TestRepository(target);
      for (let i = 0; i < 2; i++) if (await killed(['fetch'], target, when())) kills++;
      await copy.json('fetch');
      await copy.json('reset', '--hard', 'origin/net/main');
      t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(tensors)), 0);
      t.deepEqual(await sound(copy), []);
      for (let i = 0; i < 2; i++) {
        if (await killed(['detach', '--planes', '2', '--to', 'origin'], target, when())) kills++;
        t.deepEqual(await sound(copy), []);
      }
      await copy.json('detach', '--planes', '2', '--to', 'origin');
      for (let i = 0; i < 2; i++) {
        if (await killed(['fetch', '--planes', 'all'], target, when())) kills++;
        t.deepEqual(await sound(copy), []);
      }
      const whole = await copy.dlv('cat', 'net/main:model.safetensors');
      t.is(whole.code, 0, whole.stderr);
      t.is(Buffer.compare(whole.stdoutBytes, safetensors(tensors)), 0);
      await fs.rm(target, { recursive: true });
    }
  });
}
