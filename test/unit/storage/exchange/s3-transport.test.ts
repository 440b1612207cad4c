/** A bucket as a remote: the suites, also on a line that fails all the time, and what only buckets do. */
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RemoteCache } from '../../../../lib/storage/exchange/remote/remote-cache.js';
import { S3Transport } from '../../../../lib/storage/exchange/transports/s3/s3-transport.js';
import { PART_BYTES } from '../../../../lib/storage/exchange/transports/s3/s3-upload.js';
import { bytesSource } from '../../../../lib/storage/exchange/transports/transport.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import {
  type MakeTransport,
  pattern,
  readPart,
  type TestedTransport,
  transportSuite,
  writableSuite,
} from '../../../conformance/transport.js';
import { faulty } from '../../../helpers/faulty.js';
import {
  ACCESS_KEY,
  type S3Server,
  SECRET_KEY,
  s3Env,
  serveBuckets,
} from '../../../helpers/s3-server.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const QUICK = { firstPauseMs: 1, lowSpeed: { bytesPerSecond: 1, seconds: 60 } };
const PACK = `packs/${'a'.repeat(32)}.hi`;

interface Bucket {
  transport: S3Transport;
  server: S3Server;
  open(): Promise<S3Transport>;
}

async function bucket(
  t: ExecutionContext,
  options: { address?: string; env?: Record<string, string> } = {},
): Promise<TestedTransport & Bucket> {
  const server = await serveBuckets(t);
  const memory = new RemoteCache(new Layout(await tempDir(t)));
  const env = { ...s3Env(server.url), ...options.env };
  const open = (): Promise<S3Transport> =>
    S3Transport.open(options.address ?? 's3://models/team a/net+1', { ...QUICK, env, memory });
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    const key = `models/team a/net+1/${name}`;
    const etag = `"${Buffer.from(bytes).toString('base64').slice(0, 40)}"`;
    server.objects.set(key, { bytes: Buffer.from(bytes), etag, modified: 0 });
  };
  return { transport: await open(), put, server, open };
}

transportSuite('bucket', bucket);
writableSuite('bucket', bucket);

const onBadLine: MakeTransport = async (t) => {
  const tested = await bucket(t);
  tested.server.misbehave = faulty();
  return tested;
};
transportSuite('bucket on a bad line', onBadLine);
writableSuite('bucket on a bad line', onBadLine);

test('bucket: a large object goes in parts, and an interrupted upload goes on with those that are there', async (t) => {
  const { transport, server, open } = await bucket(t);
  const size = 3 * PART_BYTES + 5;
  const bytes = pattern(size);
  const stop = new AbortController();
  let sent = 0;
  server.misbehave = (request) => {
    if (request.method === 'PUT' && ++sent === 3) stop.abort();
    return false;
  };
  const signal = stop.signal;
  await t.throwsAsync(transport.store(PACK, bytesSource(bytes), { signal }), {
    code: 'DLV_ABORTED',
  });
  t.is(await transport.load('remote', 10), null);
  t.is(server.objects.size, 0);
  const [begun] = server.uploads.values();
  const kept = [...(begun?.parts.values() ?? [])].reduce((sum, part) => sum + part.bytes.length, 0);
  t.true(kept > 0);
  await transport.close();

  server.misbehave = null;
  const next = await open();
  t.teardown(() => next.close());
  let told = 0;
  await next.store(PACK, bytesSource(bytes), { onBytes: (count) => (told += count) });
  t.is(told, size);
  t.true(next.traffic.sentBytes < size - kept + 20_000);
  t.is(Buffer.compare(await readPart(next, PACK, 0, size), bytes), 0);
  t.is(server.uploads.size, 0);
});

test('bucket: what an ETag says is not read again, in one part or in several', async (t) => {
  const { transport, server } = await bucket(t);
  for (const size of [300_000, PART_BYTES + 5]) {
    const bytes = pattern(size);
    await transport.store(PACK, bytesSource(bytes));
    const before = transport.traffic.receivedBytes;
    await transport.store(PACK, bytesSource(bytes));
    t.true(transport.traffic.receivedBytes - before < 10_000);
    server.objects.clear();
  }
});

test('bucket: an upload that the store has forgotten is begun again', async (t) => {
  const { transport, server } = await bucket(t);
  const bytes = pattern(PART_BYTES + 1);
  const broken = {
    size: bytes.length,
    read: async (offset: number, length: number) => {
      if (offset > 0) throw new Error('the disk failed');
      return bytes.subarray(0, length);
    },
  };
  await t.throwsAsync(transport.store(PACK, broken), { message: /the disk failed/ });
  server.uploads.clear();
  await transport.store(PACK, bytesSource(bytes));
  t.is(Buffer.compare(await readPart(transport, PACK, 0, bytes.length), bytes), 0);
});

test('bucket: the answer to the last request of an upload may be lost', async (t) => {
  const { transport, server } = await bucket(t);
  const bytes = pattern(PART_BYTES + 1);
  let lost = 0;
  server.misbehave = (request, response) => {
    if (request.method === 'POST' && request.url?.includes('uploadId') && lost++ === 0) {
      response.end = (() => {
        request.socket.destroy();
        return response;
      }) as typeof response.end;
    }
    return false;
  };
  await transport.store(PACK, bytesSource(bytes));
  t.true(lost > 1);
  t.is((await readPart(transport, PACK, 0, bytes.length)).length, bytes.length);
});

test('bucket: what crossed the line is what the server counted', async (t) => {
  const { transport, server } = await bucket(t);
  await transport.store(PACK, bytesSource(pattern(300_000)));
  await transport.swap('remote', Buffer.from('x'), null);
  for (let i = 0; i < 5; i++) await readPart(transport, PACK, i * 1000, i * 1000 + 500);
  const { received, sent } = server.wire();
  t.deepEqual(transport.traffic, {
    requests: server.requests,
    receivedBytes: sent,
    sentBytes: received,
  });
});

test('bucket: a store that ignores conditions is named and takes no push; nothing is lost by the question', async (t) => {
  const { transport, server } = await bucket(t);
  const tag = await transport.swap('format', Buffer.from('flags'), null);
  t.truthy(tag);
  await transport.proveSwaps('format', Buffer.from('flags'));
  server.conditions = false;
  const error = await t.throwsAsync(transport.proveSwaps('format', Buffer.from('flags')), {
    code: 'DLV_REMOTE',
  });
  t.regex(error?.message ?? '', /s3:\/\/models\/team a\/net\+1.*If-Match/);
  t.is(Buffer.from((await transport.load('format', 10))?.bytes ?? []).toString(), 'flags');
  server.misbehave = (request, response) => {
    if (request.method !== 'PUT') return false;
    response.writeHead(501).end('<Error><Code>NotImplemented</Code></Error>');
    return true;
  };
  await t.throwsAsync(transport.swap('remote', Buffer.from('x'), null), { message: /If-Match/ });
});

test('bucket: refusals say what is wrong and what to do', async (t) => {
  const server = await serveBuckets(t);
  const load = async (address: string, env: Record<string, string>): Promise<unknown> => {
    const transport = await S3Transport.open(address, { ...QUICK, env });
    try {
      return await transport.load('remote', 10);
    } finally {
      await transport.close();
    }
  };
  const env = s3Env(server.url);
  for (const [address, changed, expected] of [
    ['s3://no-such-bucket/x', {}, /no such bucket/],
    ['s3://models', { AWS_ACCESS_KEY_ID: 'other' }, /access key is unknown/],
    ['s3://models', { AWS_SECRET_ACCESS_KEY: 'other' }, /secret key is not/],
    ['s3://models', { AWS_ACCESS_KEY_ID: '' }, /no credentials/],
    ['s3://models', { AWS_PROFILE: 'ada' }, /no profile 'ada'/],
    ['s3://models?region=eu-west-9', {}, /another region/],
  ] as const) {
    const error = await t.throwsAsync(load(address, { ...env, ...changed }), {
      code: 'DLV_REMOTE',
      message: expected,
    });
    t.notRegex(JSON.stringify(error), new RegExp(SECRET_KEY.slice(0, 12)));
    t.truthy((error as { data?: { hint?: string } }).data?.hint);
  }
});

test('bucket: the clock of the store counts where ours is wrong', async (t) => {
  const { transport, server } = await bucket(t);
  let seen = '';
  server.misbehave = (request, response) => {
    seen = String(request.headers['x-amz-date']);
    if (seen.startsWith('2031')) return false;
    response.writeHead(403, { date: 'Wed, 01 Jan 2031 00:00:00 GMT' });
    response.end('<Error><Code>RequestTimeTooSkewed</Code></Error>');
    return true;
  };
  // All of them are sent before the first is answered.
  const names = ['remote', 'format', 'packs/x'];
  const loaded = await Promise.all(names.map((name) => transport.load(name, 10)));
  t.deepEqual(loaded, [null, null, null]);
  t.regex(seen, /^20310101T0000/);
  t.is(server.requests, 6);
});

test('bucket: credentials that end are asked for again; those of a process are taken', async (t) => {
  const server = await serveBuckets(t);
  const dir = await tempDir(t);
  const config = path.join(dir, 'config');
  const { writeFile } = await import('node:fs/promises');
  const soon = new Date(Date.now() + 30_000).toISOString();
  const said = JSON.stringify({
    Version: 1,
    AccessKeyId: ACCESS_KEY,
    SecretAccessKey: SECRET_KEY,
    SessionToken: 'token',
    Expiration: soon,
  });
  await writeFile(
    path.join(dir, 'say.mjs'),
    `process.stdout.write(${JSON.stringify(said)}); process.stderr.write('x'); (await import('node:fs')).appendFileSync(${JSON.stringify(path.join(dir, 'runs'))}, '.');`,
  );
  await writeFile(
    config,
    `[profile lab]\ncredential_process = "${process.execPath}" "${path.join(dir, 'say.mjs')}"\nregion = us-east-1\nendpoint_url = ${server.url}\n`,
  );
  const env = {
    AWS_PROFILE: 'lab',
    AWS_CONFIG_FILE: config,
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
  const transport = await S3Transport.open('s3://models', { ...QUICK, env });
  t.teardown(() => transport.close());
  let token: unknown;
  server.misbehave = (request) => {
    token = request.headers['x-amz-security-token'];
    return false;
  };
  t.is(await transport.load('remote', 10), null);
  t.is(await transport.load('remote', 10), null);
  t.is(token, 'token');
  const { readFile } = await import('node:fs/promises');
  t.is(await readFile(path.join(dir, 'runs'), 'utf8'), '..');
});
