/** Push, clone, fetch and pull over a bucket, from the command line down: also races, faults, and stores that are not safe. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { PushResult } from '../../lib/use/ops/push.js';
import { faulty } from '../helpers/faulty.js';
import { cloned, filesBelow, largeTensors, step } from '../helpers/remotes.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { type S3Server, SECRET_KEY, s3Env, serveBuckets } from '../helpers/s3-server.js';
import { safetensors, type Tensors } from '../helpers/safetensors.js';

/** A store of the test's own, and the address of a bucket there. The credentials are in this process's environment. */
async function store(t: ExecutionContext): Promise<{ server: S3Server; url: string }> {
  const server = await serveBuckets(t);
  const { AWS_ENDPOINT_URL: endpoint, ...credentials } = s3Env(server.url);
  Object.assign(process.env, credentials);
  return { server, url: `s3://models/team/net?endpoint=${endpoint}` };
}

async function sound(repo: TestRepository): Promise<unknown[]> {
  return (await repo.json<{ problems: unknown[] }>('fsck')).problems;
}

test('bucket: versions go there and come back byte for byte, and each costs little', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  const top = path.dirname(repo.dir);
  const { server, url } = await store(t);
  await repo.json('remote', 'add', 'origin', url);
  const first = await repo.json<PushResult>('push', '-u');
  t.true(first.created);
  t.true(first.requests <= 12, `${first.requests}`);
  const { repo: copy, result } = await cloned(top, url, 'copy');
  t.is(result.versions, 3);
  t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(tensors[2] as Tensors)), 0);
  t.deepEqual(await sound(copy), []);

  let values = largeTensors(1);
  for (let seed = 1; seed < 4; seed++) {
    values = await step(copy, values, seed);
    const before = server.wire();
    const [asked, requests] = [server.asked.length, server.requests];
    const dry = await copy.json<PushResult>('push', '--dry-run');
    t.true(server.asked.slice(asked).every((line) => line.startsWith('GET ')));
    const done = await copy.json<PushResult>('push');
    t.is(dry.bytes, done.bytes);
    t.is(done.requests + dry.requests, server.requests - requests);
    t.is(done.sentBytes + dry.sentBytes, server.wire().received - before.received);
    t.is(done.receivedBytes + dry.receivedBytes, server.wire().sent - before.sent);
    t.true(done.sentBytes <= done.bytes + 64 * 1024, `${done.sentBytes} for ${done.bytes}`);
    // The first of a clone also asks whether the store checks conditions.
    t.true(done.requests <= (seed === 1 ? 10 : 8), `${done.requests}`);
  }
  await repo.json('pull');
  t.is(Buffer.compare(await repo.read('model.safetensors'), safetensors(values)), 0);
  t.false(
    server.asked.some((line) => /^GET models\/?\?/.test(line)),
    'nothing is listed',
  );
  for (const [file, bytes] of await filesBelow(path.join(repo.dir, '.dlv'))) {
    t.false(bytes.includes(SECRET_KEY), file);
  }
});

test('bucket: of two pushes at once both land, on other branches; on one the slower is refused', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  const top = path.dirname(repo.dir);
  const { url } = await store(t);
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u');
  const { repo: copy } = await cloned(top, url, 'copy');
  await copy.json('switch', '-c', 'wide', 'net/main');
  await step(copy, tensors[2] as Tensors, 1);
  await step(repo, tensors[2] as Tensors, 2);
  const [a, b] = await Promise.all([
    repo.json<PushResult>('push'),
    copy.json<PushResult>('push', 'origin', 'wide'),
  ]);
  t.is(a.refs[0]?.status, 'updated');
  t.is(b.refs[0]?.status, 'new');
  const { repo: both } = await cloned(top, url, 'both');
  t.regex((await both.dlv('branch', '-r')).stdout, /net\/main[\s\S]*net\/wide/);
  await copy.json('switch', 'main');
  await step(copy, tensors[2] as Tensors, 3);
  const refused = await copy.dlv('push');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /dlv pull/);
  t.deepEqual(await sound(both), []);
});

test('bucket: a store that does not check conditions is refused before anything is sent, and can be read', async (t) => {
  const { repo } = await threeVersions(t);
  const top = path.dirname(repo.dir);
  const { server, url } = await store(t);
  await repo.json('remote', 'add', 'origin', url);
  server.conditions = false;
  const refused = await repo.dlv('push');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /If-Match/);
  t.deepEqual(
    [...server.objects.keys()].filter((key) => key.startsWith('models/')),
    ['models/team/net/format'],
  );
  server.conditions = true;
  await repo.json('push');
  server.conditions = false;
  const { repo: copy } = await cloned(top, url, 'copy');
  t.deepEqual(await sound(copy), []);
});

test('bucket: on a line where every other request fails, all goes well', async (t) => {
  const { repo } = await threeVersions(t);
  const top = path.dirname(repo.dir);
  const { server, url } = await store(t);
  server.misbehave = faulty();
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push');
  const { repo: copy } = await cloned(top, url, 'copy');
  t.is(await copy.text('note.txt'), 'version 3\n');
  t.deepEqual(await sound(copy), []);
});

test('bucket: addresses that are none are refused when they are named', async (t) => {
  const repo = await TestRepository.create(t);
  const { server } = await store(t);
  for (const [url, said] of [
    ['s3://', /no address|names no bucket/],
    ['s3://ab', /names no bucket/],
    ['s3://key:secret@models/x', /credentials/],
    ['s3://models/../x', /'\.\.'/],
    ['s3://models/x?endpoint=ftp://host', /endpoint/],
    ['s3://models/x?endpoint=https://a:b@host', /endpoint/],
    ['s3://models/x?token=1', /unknown part 'token'/],
    ['s3://models/x?style=odd', /style/],
  ] as const) {
    const refused = await repo.dlv('remote', 'add', 'origin', url);
    t.is(refused.code, 2, url);
    t.regex(refused.stderr, said);
    t.notRegex(refused.stderr, /secret/);
  }
  await repo.json('remote', 'add', 'origin', `s3://models/x?endpoint=${server.url}&style=path`);
  t.regex(await fs.readFile(repo.file('.dlv/remotes'), 'utf8'), /endpoint=/);
});
