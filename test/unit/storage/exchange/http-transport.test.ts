/** A web server as a remote: the suite, also on a line that fails all the time, and servers that lie. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { HttpTransport } from '../../../../lib/storage/exchange/transports/http-transport.js';
import type { Clock } from '../../../../lib/storage/exchange/transports/low-speed.js';
import { isNear } from '../../../../lib/storage/exchange/transports/redirects.js';
import { bytesSource } from '../../../../lib/storage/exchange/transports/transport.js';
import {
  type MakeTransport,
  pattern,
  readPart,
  type TestedTransport,
  transportSuite,
} from '../../../conformance/transport.js';
import { faulty } from '../../../helpers/faulty.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { serveFolder, type WebServer } from '../../../helpers/web-server.js';

const QUICK = { firstPauseMs: 1, lowSpeed: { bytesPerSecond: 1, seconds: 60 } };

/** A clock that stands still until seconds are passed, and then calls whom it has to on the way. */
function movedClock(): { clock: Clock; pass(seconds: number): void } {
  let now = 0;
  const looks = new Set<{ next: number; ms: number; call: () => void }>();
  return {
    clock: {
      now: () => now,
      every: (ms, call) => {
        const look = { next: now + ms, ms, call };
        looks.add(look);
        return () => looks.delete(look);
      },
    },
    pass: (seconds) => {
      const end = now + seconds * 1000;
      while (now < end) {
        now += 1;
        for (const look of looks) {
          if (look.next > now) continue;
          look.next += look.ms;
          look.call();
        }
      }
    },
  };
}

async function served(
  t: ExecutionContext,
): Promise<TestedTransport & { server: WebServer; root: string }> {
  const root = await tempDir(t);
  const server = await serveFolder(t, root);
  const transport = new HttpTransport(`${server.url}/models/net.dlv`, QUICK);
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    const file = path.join(root, 'models', 'net.dlv', name);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, bytes);
  };
  return { transport, put, server, root };
}

transportSuite('http', served);

const PACK = `packs/${'a'.repeat(32)}.hi`;

const onBadLine: MakeTransport = async (t) => {
  const tested = await served(t);
  tested.server.misbehave = faulty();
  return tested;
};
transportSuite('http on a bad line', onBadLine);

const withoutRanges: MakeTransport = async (t) => {
  const tested = await served(t);
  tested.server.noRanges = true;
  return tested;
};
transportSuite('http without ranges', withoutRanges);

test('http: what broke off is gone on with, not begun again', async (t) => {
  const { transport, put, server } = await served(t);
  const bytes = pattern(2_000_000);
  await put(PACK, bytes);
  server.misbehave = (request, response) => {
    const [, from = '0', to = '0'] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), Number(to) + 1];
    response.writeHead(206, {
      'content-length': end - start,
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    });
    const part = bytes.subarray(start, Math.min(end, start + 300_000));
    server.bytes += part.length;
    response.write(part, () => {
      if (start + part.length < end) setTimeout(() => request.socket.destroy(), 5);
      else response.end();
    });
    return true;
  };
  t.is(Buffer.compare(await readPart(transport, PACK, 0, bytes.length), bytes), 0);
  t.true(server.bytes < 2_400_000, `${server.bytes}`);
  t.is(transport.traffic.requests, server.requests);
});

test('http: connections are kept, and the report is what the server counted', async (t) => {
  const { transport, put, server } = await served(t);
  await put(PACK, pattern(100_000));
  for (let i = 0; i < 20; i++) await readPart(transport, PACK, i * 1000, i * 1000 + 500);
  t.is(server.connections, 1);
  const { received, sent } = server.wire();
  t.deepEqual(transport.traffic, { requests: 20, receivedBytes: sent, sentBytes: received });
  t.true(sent > server.bytes);
});

test('http: a server that keeps failing is an error that says so', async (t) => {
  const { transport, server } = await served(t);
  server.misbehave = (_request, response) => {
    response.writeHead(503).end();
    return true;
  };
  const error = await t.throwsAsync(transport.load('remote', 10), { code: 'DLV_REMOTE' });
  t.regex(error?.message ?? '', /503/);
  t.true(server.requests > 2);
});

test('http: a server that closes every connection is told in words', async (t) => {
  const { transport, server } = await served(t);
  const load = (): Promise<unknown> => transport.load('remote', 1000);
  server.misbehave = (request) => {
    request.socket.destroy();
    return true;
  };
  await t.throwsAsync(load(), {
    message: /^cannot reach '.*': the connection was closed before an answer/,
  });
  server.misbehave = (request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => setTimeout(() => request.socket.destroy(), 5));
    return true;
  };
  await t.throwsAsync(load(), {
    message: /: the connection was closed before the answer was whole$/,
  });
});

test('http: redirects are followed a few times, and not everywhere', async (t) => {
  const { transport, put, server } = await served(t);
  await put('moved', Buffer.from('moved'));
  let to = '/models/net.dlv/moved';
  server.misbehave = (request, response) => {
    if (!request.url?.endsWith('/remote')) return false;
    response.writeHead(302, { location: to }).end();
    return true;
  };
  t.is(Buffer.from((await transport.load('remote', 10))?.bytes ?? []).toString(), 'moved');
  for (const bad of [
    'remote',
    'file:///etc/passwd',
    'ftp://example.org/x',
    'http://[',
    'gopher:x',
  ]) {
    to = bad;
    await t.throwsAsync(transport.load('remote', 10), { code: 'DLV_REMOTE' }, bad);
  }
});

test('http: passwords go to the server that was named alone, and into no message', async (t) => {
  const { put, server, root } = await served(t);
  await put('remote', Buffer.from('x'));
  const other = await serveFolder(t, root);
  const withSecret = server.url.replace('http://', 'http://ada:s3cret@');
  const transport = new HttpTransport(`${withSecret}/models/net.dlv`, QUICK);
  t.teardown(() => transport.close());
  await transport.load('remote', 10);
  const sent = server.seen.at(-1)?.authorization ?? '';
  t.is(Buffer.from(sent.replace('Basic ', ''), 'base64').toString(), 'ada:s3cret');
  server.misbehave = (request, response) => {
    response.writeHead(307, { location: `${other.url}${request.url}` }).end();
    return true;
  };
  await transport.load('remote', 10);
  t.is(other.seen.length, 1);
  t.is(other.seen[0]?.authorization, undefined);
  server.misbehave = (_request, response) => {
    response.writeHead(403).end('s3cret');
    return true;
  };
  const error = await t.throwsAsync(transport.load('remote', 10));
  t.notRegex(JSON.stringify(error), /s3cret/);
  t.false(transport.shown.includes('s3cret'));
});

test('http: an answer with another part than was asked for is refused', async (t) => {
  const { transport, put, server } = await served(t);
  await put(PACK, pattern(1000));
  server.misbehave = (_request, response) => {
    response.writeHead(206, { 'content-range': 'bytes 0-9/1000', 'content-length': 10 });
    response.end(Buffer.alloc(10));
    return true;
  };
  await t.throwsAsync(readPart(transport, PACK, 500, 510), { code: 'DLV_REMOTE' });
});

test('http: a server that sends without end is cut off', async (t) => {
  const { transport, server } = await served(t);
  let sent = 0;
  server.misbehave = (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      if (response.destroyed || sent > 1 << 26) return;
      sent += 65_536;
      response.write(Buffer.alloc(65_536), more);
    };
    more();
    return true;
  };
  await t.throwsAsync(transport.load('remote', 100_000), { code: 'DLV_LIMIT' });
  t.true(sent < 1 << 26);
});

test('http: a server that is silent, or dribbles, is given up soon and named', async (t) => {
  const { put, server } = await served(t);
  await put(PACK, pattern(100_000));
  const lowSpeed = { bytesPerSecond: 100, seconds: 0.4 };
  const transport = new HttpTransport(`${server.url}/models/net.dlv`, {
    firstPauseMs: 1,
    lowSpeed,
  });
  t.teardown(() => transport.close());
  const named = {
    code: 'DLV_REMOTE',
    message: /models\/net\.dlv' does not answer: (nothing|\d+ bytes) in 0\.4/,
  };
  server.misbehave = () => true;
  const silent = await t.throwsAsync(transport.load('remote', 10), named);
  t.regex(
    String((silent as unknown as { data: { hint: string } }).data.hint),
    /transfer\.lowSpeedTime/,
  );
  t.is(server.requests, 2);
  server.misbehave = (request, response) => {
    const [from = 0, to = 0] = (request.headers.range ?? '').match(/\d+/g)?.map(Number) ?? [];
    const range = {
      'content-range': `bytes ${from}-${to}/100000`,
      'content-length': to + 1 - from,
    };
    response.writeHead(206, range);
    const timer = setInterval(() => response.write('x'), 50);
    response.once('close', () => clearInterval(timer));
    return true;
  };
  await t.throwsAsync(readPart(transport, PACK, 0, 100_000), named);
  t.true(server.requests < 8, `${server.requests}`);
});

test('http: what takes its time here is not held against the server', async (t) => {
  const { put, server } = await served(t);
  const bytes = pattern(3_000_000);
  await put(PACK, bytes);
  const { clock, pass } = movedClock();
  const transport = new HttpTransport(`${server.url}/models/net.dlv`, {
    firstPauseMs: 1,
    lowSpeed: { bytesPerSecond: 1_000_000, seconds: 1 },
    clock,
  });
  t.teardown(() => transport.close());
  const got: Uint8Array[] = [];
  await transport.read(PACK, { start: 0, end: bytes.length }, async (piece) => {
    got.push(Buffer.from(piece));
    await setImmediate();
    pass(5);
  });
  t.is(Buffer.compare(Buffer.concat(got), bytes), 0);
  t.is(server.requests, 1);

  // The same time, while the server is waited for, is too much.
  server.misbehave = () => {
    pass(5);
    return true;
  };
  const named = { code: 'DLV_REMOTE', message: /does not answer: nothing in 1 seconds/ };
  await t.throwsAsync(transport.load('remote', 10), named);
});

test('http: takes nothing', async (t) => {
  const { transport } = await served(t);
  t.false(transport.isWritable);
  t.throws(() => transport.store(PACK, bytesSource(pattern(1))), { code: 'DLV_USAGE' });
});

test('http: what is near is known', (t) => {
  for (const host of [
    'localhost',
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.1',
    '172.20.0.1',
    '169.254.169.254',
    '[::1]',
    '[fd00::1]',
    'metadata.internal',
  ]) {
    t.true(isNear(host), host);
  }
  for (const host of ['example.org', '8.8.8.8', '172.32.0.1', '[2001:db8::1]'])
    t.false(isNear(host), host);
});
