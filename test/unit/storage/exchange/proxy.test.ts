/** Proxies: which address goes through which, and that requests and tunnels work. */
import http from 'node:http';
import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { HttpTransport } from '../../../../lib/storage/exchange/transports/http-transport.js';
import { proxyFor } from '../../../../lib/storage/exchange/transports/proxy.js';
import { listen, listenUntilEnd } from '../../../helpers/loopback.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { serveFolder } from '../../../helpers/web-server.js';

function hostFor(target: string, env: Record<string, string>): string | null {
  return proxyFor(new URL(target), env)?.url.host ?? null;
}

test('proxy: the variables are read as other programs read them', (t) => {
  const env = {
    HTTP_PROXY: 'http://a:1',
    HTTPS_PROXY: 'b:2',
    NO_PROXY: 'x.org, .y.org,z.org:8080 [::1]',
  };
  t.is(hostFor('http://h/', env), 'a:1');
  t.is(hostFor('https://h/', env), 'b:2');
  t.is(hostFor('https://h/', { ALL_PROXY: 'http://c:3' }), 'c:3');
  t.is(hostFor('http://h/', { ...env, http_proxy: 'http://small:4' }), 'small:4');
  t.is(hostFor('http://h/', {}), null);
  for (const out of [
    'http://x.org',
    'http://a.x.org',
    'http://y.org',
    'http://a.y.org',
    'http://z.org:8080',
    'http://[::1]/',
  ]) {
    t.is(hostFor(out, env), null, out);
  }
  for (const through of ['http://ax.org', 'http://z.org', 'http://x.org.evil']) {
    t.is(hostFor(through, env), 'a:1', through);
  }
  t.is(hostFor('http://h/', { HTTP_PROXY: 'http://a:1', NO_PROXY: '*' }), null);
  t.throws(() => hostFor('http://h/', { HTTP_PROXY: 'socks5://a:1' }), { code: 'DLV_USAGE' });
});

/** What each entry of NO_PROXY excepts, and what it does not. */
const EXCEPTIONS: [entry: string, excepted: string[], through: string[]][] = [
  ['*', ['h', '1.2.3.4', '[::1]'], []],
  ['x.org', ['x.org', 'a.x.org', 'A.X.ORG', 'x.org.', 'x.org:99'], ['ax.org', 'x.org.evil']],
  ['.x.org', ['x.org', 'a.x.org'], ['ax.org']],
  ['*.x.org', ['x.org', 'a.b.x.org'], ['ax.org']],
  ['x.org.', ['x.org', 'a.x.org'], []],
  ['X.org:8080', ['x.org:8080', 'a.x.org:8080'], ['x.org', 'x.org:80', 'x.org:8081']],
  ['x.org:80', ['x.org'], ['x.org:8080']],
  ['b\u00fccher.de', ['xn--bcher-kva.de', 'b\u00fccher.de'], ['bucher.de']],
  ['10.1.2.3', ['10.1.2.3', '10.1.2.3:9', '0x0a010203'], ['10.1.2.4', 'a.10.1.2.3.x']],
  ['1.2.3', [], ['10.1.2.3', '1.2.3.4']],
  ['.2.3', [], ['10.1.2.3']],
  ['10.1.2.3:81', ['10.1.2.3:81'], ['10.1.2.3']],
  ['10.0.0.0/8', ['10.0.0.0', '10.255.1.2', '10.1.2.3:99'], ['11.0.0.1', '9.255.255.255', 'h']],
  ['10.9.9.9/8', ['10.1.1.1'], ['11.1.1.1']],
  ['192.168.4.0/22', ['192.168.7.255'], ['192.168.8.0', '192.168.3.255']],
  ['10.1.2.3/32', ['10.1.2.3'], ['10.1.2.2']],
  ['0.0.0.0/0', ['1.2.3.4'], ['h', '[::1]']],
  ['10.0.0.0/33', [], ['10.0.0.0']],
  ['10.0.0.0/', [], ['10.0.0.0']],
  ['10.0.0/8', [], ['10.0.0.1']],
  ['::1', ['[::1]', '[0:0:0:0:0:0:0:1]', '[::1]:99'], ['[::2]']],
  ['[::1]', ['[::1]'], ['[::2]']],
  ['[::1]:81', ['[::1]:81'], ['[::1]']],
  ['0:0::1', ['[::1]'], []],
  ['fe80::/10', ['[fe80::1]', '[febf::1]'], ['[fec0::1]', '10.0.0.1', 'fe80.org']],
  ['[2001:DB8::]/32', ['[2001:db8:1::1]'], ['[2001:db9::1]']],
  ['10.0.0.0/8', ['[::ffff:10.1.2.3]'], ['[::ffff:11.1.2.3]']],
  ['/', [], ['h', '1.2.3.4']],
  ['.', [], ['h', '1.2.3.4']],
  [',, ,', [], ['h']],
];

for (const [entry, excepted, through] of EXCEPTIONS) {
  test(`proxy: NO_PROXY '${entry}' excepts ${excepted.join(' ')}`, (t) => {
    for (const list of [entry, `a.b.example, ${entry}`, `${entry} 8.8.8.8/31`]) {
      const env = { HTTP_PROXY: 'http://a:1', no_proxy: list };
      for (const host of excepted) t.is(hostFor(`http://${host}/`, env), null, `${list}: ${host}`);
      for (const host of through) t.is(hostFor(`http://${host}/`, env), 'a:1', `${list}: ${host}`);
    }
  });
}

test('proxy: a port of NO_PROXY is that of https where none is written', (t) => {
  const env = { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'x.org:443' };
  t.is(hostFor('https://x.org/', env), null);
  t.is(hostFor('https://x.org:80/', env), 'a:1');
});

interface TestProxy {
  url: string;
  asked: string[];
  secrets: (string | undefined)[];
  /** Bytes that came from clients and went to them. */
  wire(): { received: number; sent: number };
}

async function runProxy(t: ExecutionContext): Promise<TestProxy> {
  const state: TestProxy = {
    url: '',
    asked: [],
    secrets: [],
    wire: () => ({
      received: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
      sent: sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    }),
  };
  const sockets: net.Socket[] = [];
  const server = http.createServer((request, response) => {
    state.asked.push(`${request.method} ${request.url}`);
    state.secrets.push(request.headers['proxy-authorization']);
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = http.request(
      request.url ?? '',
      { method: request.method ?? 'GET', headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(onward);
  });
  server.on('connection', (socket) => void sockets.push(socket));
  server.on('connect', (request, socket: net.Socket) => {
    state.asked.push(`CONNECT ${request.url}`);
    state.secrets.push(request.headers['proxy-authorization']);
    if (request.url?.startsWith('forbidden')) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = net.connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [onward, socket]) end.on('error', () => socket.destroy());
  });
  state.url = await listenUntilEnd(t, server);
  return state;
}

const QUICK = { firstPauseMs: 1, lowSpeed: { bytesPerSecond: 1, seconds: 60 } };

test('proxy: a web server is asked through it, the password only by the proxy, and its count is the report', async (t) => {
  const root = await tempDir(t);
  const server = await serveFolder(t, root);
  const proxy = await runProxy(t);
  const env = { HTTP_PROXY: `http://ada:p%40ss@${proxy.url}` };
  const transport = new HttpTransport(`${server.url}/net.dlv`, { ...QUICK, env });
  t.teardown(() => transport.close());
  t.is(await transport.load('remote', 10), null);
  t.is(await transport.load('format', 10), null);
  t.deepEqual(proxy.asked, [
    `GET ${server.url}/net.dlv/remote`,
    `GET ${server.url}/net.dlv/format`,
  ]);
  t.is(
    Buffer.from((proxy.secrets[0] ?? '').replace('Basic ', ''), 'base64').toString(),
    'ada:p@ss',
  );
  t.is(server.seen[0]?.['proxy-authorization'], undefined);
  const { received, sent } = proxy.wire();
  t.deepEqual(transport.traffic, { requests: 2, receivedBytes: sent, sentBytes: received });
});

test('proxy: https goes through a tunnel; a proxy that forbids it is named', async (t) => {
  const proxy = await runProxy(t);
  const env = { HTTPS_PROXY: proxy.url };
  // Nobody speaks TLS there: what is looked at is that the tunnel was asked for, and the error.
  const plain = await serveFolder(t, await tempDir(t));
  const { port } = new URL(plain.url);
  const transport = new HttpTransport(`https://127.0.0.1:${port}/net.dlv`, { ...QUICK, env });
  t.teardown(() => transport.close());
  await t.throwsAsync(transport.load('remote', 10), { code: 'DLV_REMOTE' });
  t.is(proxy.asked[0], `CONNECT 127.0.0.1:${port}`);
  const forbidden = new HttpTransport('https://forbidden.example/net.dlv', { ...QUICK, env });
  t.teardown(() => forbidden.close());
  await t.throwsAsync(forbidden.load('remote', 10), { message: /the proxy answers 403/ });
});

test('proxy: one that takes connections and says nothing is given up', async (t) => {
  const silent = net.createServer(() => {});
  const port = await listen(silent);
  t.teardown(() => silent.close());
  const env = { ALL_PROXY: `http://127.0.0.1:${port}` };
  const lowSpeed = { bytesPerSecond: 1, seconds: 0.3 };
  for (const url of ['http://models.example/net', 'https://models.example/net']) {
    const transport = new HttpTransport(url, { env, firstPauseMs: 1, lowSpeed });
    t.teardown(() => transport.close());
    const message = new RegExp(
      `does not answer: nothing in 0.3 .*through the proxy '127.0.0.1:${port}'`,
    );
    await t.throwsAsync(transport.load('remote', 10), { code: 'DLV_REMOTE', message });
  }
});

test('proxy: one that does not answer is named', async (t) => {
  // Nobody listens there; a port that was free a moment ago may be another test's by now.
  const port = 1;
  const env = { HTTP_PROXY: `http://127.0.0.1:${port}` };
  const transport = new HttpTransport('http://models.example/net', { env, firstPauseMs: 1 });
  t.teardown(() => transport.close());
  const expected = new RegExp(`ECONNREFUSED.*through the proxy '127.0.0.1:${port}'`);
  await t.throwsAsync(transport.load('remote', 10), { message: expected });
});
