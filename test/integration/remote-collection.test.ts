/** `gc --remote`: what nothing needs goes, readers and pushes of the same time come to no harm, and nothing needed is lost. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openReader } from '../../lib/storage/exchange/open-remote.js';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import { readPart } from '../conformance/transport.js';
import { MINUTE, sound, withGarbage } from '../helpers/collection.js';
import { cloned, filesBelow, largeTensors, pushed, step } from '../helpers/remotes.js';
import { threeVersions } from '../helpers/repository.js';
import type { Tensors } from '../helpers/safetensors.js';

test('collection: what no ref needs is taken out at once and removed later', async (t) => {
  const { repo, top, url, packs, later } = await withGarbage(t);
  const before = packs().length;
  const dry = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--dry-run');
  const first = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(first.setsAfter < first.setsBefore);
  t.is(dry.setsAfter, first.setsAfter);
  t.is(dry.bytesAfter, first.bytesAfter);
  t.is(dry.waitingBytes, first.waitingBytes);
  t.true(first.waitingBytes > 100_000);
  t.is(first.removedBytes, 0);
  t.is(packs().length, before);

  later(10);
  const early = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.is(early.removedBytes, 0);
  t.is(packs().length, before);

  later(6);
  const second = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(second.removedBytes >= first.waitingBytes);
  t.true(packs().length < before);
  const { repo: copy } = await cloned(top, url, 'copy');
  t.deepEqual(await sound(copy), []);
  later(60);
  const last = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.is(last.setsAfter, last.setsBefore);
  await step(repo, largeTensors(6), 2);
  await repo.json('push');
  await copy.json('pull');
  t.deepEqual(await sound(copy), []);
});

test('collection: a reader who has seen the state before finds its packs for ten minutes', async (t) => {
  const { repo, top, url, packs, later, server } = await withGarbage(t);
  const reader = await openReader(url, { cwd: top, cache: null });
  t.teardown(() => reader.close());
  const { sets } = await reader.holdings();
  for (let run = 0; run < 3; run++) {
    await repo.json('gc', '--remote', 'origin', '--prune=now');
    later(5);
  }
  t.true(packs().length > 0);
  for (const { id, bytes } of sets) {
    const transport = { read: reader.read.bind(reader) } as Parameters<typeof readPart>[0];
    t.is((await readPart(transport, `packs/${id}.idx`, 0, bytes.idx)).length, bytes.idx);
  }
  t.true(server.requests > 0);
});

test('collection: garbage that is pushed again stays, and is not sent again', async (t) => {
  const { repo, top, url, later } = await withGarbage(t);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const again = await repo.json<PushResult>('push', 'origin', 'wide');
  t.true(again.bytes > 100_000);
  t.true(again.sentBytes < 64 * 1024, `${again.sentBytes}`);
  later(60);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const { repo: copy } = await cloned(top, url, 'copy', '--branch', 'wide');
  t.deepEqual(await sound(copy), []);
});

test('collection: a push that found packs which a collection then removed sends them again', async (t) => {
  const { repo, top, url, later, server, packs } = await withGarbage(t);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  later(60);
  const { repo: other } = await cloned(top, url, 'other');
  let ran = 0;
  // Right before the push makes itself visible, another clone collects: the packs that were there go.
  server.misbehave = async (request) => {
    if (request.method === 'PUT' && request.url?.endsWith('/remote') && ran++ === 0) {
      server.misbehave = null;
      await other.json('gc', '--remote', 'origin', '--prune=now');
    }
    return false;
  };
  const before = packs().length;
  const pushed = await repo.json<PushResult>('push', 'origin', 'wide');
  t.is(ran, 1);
  t.true(pushed.sentBytes > 100_000);
  t.true(packs().length >= before);
  later(60);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const { repo: copy } = await cloned(top, url, 'copy', '--branch', 'wide');
  t.deepEqual(await sound(copy), []);
});

test('collection: a push between its look and its swap is not lost', async (t) => {
  const { repo, top, url, server, tensors } = await withGarbage(t);
  const { repo: other } = await cloned(top, url, 'other');
  await step(other, tensors[2] as Tensors, 8);
  let ran = 0;
  server.misbehave = async (request) => {
    if (request.method === 'PUT' && request.url?.endsWith('/remote') && ran++ === 0) {
      server.misbehave = null;
      await other.json('push');
    }
    return false;
  };
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  t.is(ran, 1);
  const { repo: copy } = await cloned(top, url, 'copy');
  t.is((await copy.json<unknown[]>('log')).length, 4);
  t.deepEqual(await sound(copy), []);
});

test('collection: a folder is collected too; a web server and an address without a name are not', async (t) => {
  const { repo } = await threeVersions(t);
  const url = path.join(path.dirname(repo.dir), 'team.dlv');
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push');
  await repo.json('switch', '-c', 'wide');
  await step(repo, largeTensors(5), 1);
  await repo.json('push', 'origin', 'wide');
  await repo.json('push', 'origin', '--delete', 'wide');
  const done = await repo.json<GcRemoteResult>('gc', '--remote', 'origin');
  t.true(done.waitingBytes > 100_000);
  t.true(Date.parse(done.until ?? '') > Date.now() + 13 * 24 * 60 * MINUTE);
  t.regex((await repo.dlv('gc', '--remote', 'origin')).stdout, /nothing to take out[\s\S]*kept: /);
  t.is((await repo.dlv('gc', '--remote', url)).code, 1);
  await repo.json('remote', 'set-url', 'origin', 'http://127.0.0.1:9/net.dlv');
  t.is((await repo.dlv('gc', '--remote', 'origin')).code, 2);
});

test('collection: what a partial clone counts on is not taken from under it', async (t) => {
  const { repo, top, url } = await withGarbage(t);
  await repo.json('push', 'origin', 'wide');
  const { repo: part } = await cloned(top, url, 'part', '--planes', '2', '--no-checkout');
  await part.json('switch', '-c', 'kept', 'origin/net/wide');
  await repo.json('push', 'origin', '--delete', 'wide');
  const refused = await part.dlv('gc', '--remote', 'origin');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /'net\/kept' is here in part[\s\S]*push it first/);
  await part.json('push', 'origin', 'kept');
  await part.json('gc', '--remote', 'origin');
  await part.json('fetch', '--planes', 'all');
  t.deepEqual(await sound(part), []);
});

test('push and gc --remote look whether the packs are there that the remote lists', async (t) => {
  const { repo, url } = await pushed(t);
  const packs = path.join(url, 'packs');
  const whole = await filesBelow(packs);
  const lost = [...whole.keys()].find((name) => name.endsWith('.idx')) as string;
  for (const gone of [[lost], [...whole.keys()]]) {
    for (const name of gone) await fs.rm(path.join(packs, name));
    for (const args of [
      ['push', 'origin'],
      ['push', '--all', '--dry-run', 'origin'],
      ['gc', '--remote', 'origin'],
    ]) {
      const refused = await repo.fails(12, ...args);
      t.regex(refused.message, /'packs\/.*' at '.*' is damaged: it is missing/, args.join(' '));
    }
    for (const [name, bytes] of whole) await fs.writeFile(path.join(packs, name), bytes);
  }
  // A file that was cut is found by a collection, which asks for sizes.
  await fs.truncate(path.join(packs, lost), 10);
  t.is((await repo.fails(12, 'gc', '--remote', 'origin')).code, 'DLV_CORRUPT');
});
