/**
 * The server of dlv ui: its answers are the commands' documents, and it answers nobody but the page that was let
 * in: not without the key, for another Host, from another page, with another method, nor beyond its folder.
 */
import http from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { UiServer } from '../../lib/cli/serve/server.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { appendRows } from '../../lib/storage/repo/runs/run-metrics.js';
import { writeRun } from '../../lib/storage/repo/runs/run-record.js';
import { readAsset, stateOf } from '../../lib/use/ops/ui.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';
import { runRecord } from '../helpers/run-record.js';

interface Got {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A server over a repository, and who may ask it. */
class Running {
  readonly server: UiServer;
  key: Record<string, string> = {};

  constructor(server: UiServer) {
    this.server = server;
  }

  get token(): string {
    return new URL(this.server.address).hash.slice('#token='.length);
  }

  ask(path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Got> {
    return new Promise((resolve, reject) => {
      const request = http.request(
        { host: '127.0.0.1', port: this.server.port, path, method, headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Asks as the page does. */
  api(path: string, headers: Record<string, string> = {}): Promise<Got> {
    return this.ask(`/api/${path}`, { headers: { ...this.key, ...headers } });
  }

  async open(): Promise<void> {
    const { headers, text } = await this.ask('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: this.token }),
    });
    const [cookie = ''] = headers['set-cookie'] ?? [];
    const { key } = JSON.parse(text) as { key: string };
    this.key = { cookie: cookie.split(';')[0] as string, 'x-dlv-key': key };
  }
}

async function start(t: ExecutionContext): Promise<{ running: Running; repo: TestRepository }> {
  const { repo } = await threeVersions(t);
  const layout = new Layout(repo.dir);
  const server = new UiServer({
    cwd: repo.dir,
    state: (of) => stateOf(layout, of),
    asset: readAsset,
  });
  await server.listen(0);
  t.teardown(() => server.close());
  return { running: new Running(server), repo };
}

test('ui server: answers are the documents of the commands, errors too', async (t) => {
  const { running, repo } = await start(t);
  await running.open();
  const pairs: [string, string[]][] = [
    ['list', ['list']],
    [
      'list?versions&where=number%3E1&sort=-number',
      ['list', '--versions', '--where=number>1', '--sort=-number'],
    ],
    ['log?all', ['log', '--all']],
    ['show?rev=net@2', ['show', 'net@2']],
    ['diff?rev=net@1&rev=net@3', ['diff', 'net@1', 'net@3']],
    ['query?q=select+m+where+m.files+%3E+0', ['query', 'select m where m.files > 0']],
    ['du?versions', ['du', '--versions']],
  ];
  for (const [path, args] of pairs) {
    const { status, text } = await running.api(path);
    t.is(status, 200, path);
    t.deepEqual(JSON.parse(text), await repo.json(...args), path);
  }
  const gone = await running.api('show?rev=nope');
  t.is(gone.status, 404);
  t.deepEqual(
    (JSON.parse(gone.text) as { error: unknown }).error,
    await repo.fails(1, 'show', 'nope'),
  );
  const makes = await running.api('query?q=slice+x+from+m+where+m.files%3E0');
  t.is(makes.status, 400, makes.text);
  const before = await repo.json('log', '--all');
  t.is((await running.api('query?q=construct+n+as+INPUT(1,8,8)->FULL(units=1)')).status, 400);
  t.deepEqual(await repo.json('log', '--all'), before, 'nothing was made');
});

test('ui server: an answer is kept until the repository changes, and then pages are told', async (t) => {
  const { running, repo } = await start(t);
  await running.open();
  const first = await running.api('list?versions');
  const tag = String(first.headers.etag);
  t.is((await running.api('list?versions', { 'if-none-match': tag })).status, 304);
  const states: string[] = [];
  const request = http.get(
    { host: '127.0.0.1', port: running.server.port, path: '/api/events', headers: running.key },
    (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => {
        for (const [, state] of chunk.matchAll(/^data: (\w+) \w+$/gm)) states.push(state as string);
      });
    },
  );
  request.on('error', () => {});
  t.teardown(() => request.destroy());
  const has = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await has(() => states.length > 0);
  t.is(`"${states[0]}"`, tag);
  await repo.write('note.txt', 'more');
  await repo.commit('more');
  const now = await stateOf(new Layout(repo.dir), 'repository');
  await has(() => states.includes(now));
  const next = await running.api('list?versions', { 'if-none-match': tag });
  t.is(next.status, 200);
  const fitting = ({ text }: Got): number => (JSON.parse(text) as { fit: number }).fit;
  t.is(fitting(next), fitting(first) + 1);
});

test('ui server: a run that measures something changes the answers about runs alone', async (t) => {
  const { running, repo } = await start(t);
  await running.open();
  t.deepEqual(JSON.parse((await running.api('run/list')).text), []);
  const layout = new Layout(repo.dir);
  const record = runRecord({ process: null });
  await writeRun(layout, record, { durable: false });
  const list = await running.api('run/list');
  const [first] = JSON.parse(list.text) as { run: string; state: string }[];
  t.is(first?.run, record.id);
  const versions = String((await running.api('list?versions')).headers.etag);
  const row = { step: 1, time: null, source: 'output', values: new Map([['loss', 0.5]]) };
  await appendRows(layout, record.id, [row]);
  t.is((await running.api('run/list', { 'if-none-match': String(list.headers.etag) })).status, 200);
  t.is((await running.api('list?versions', { 'if-none-match': versions })).status, 304);
  const shown = await running.api(`run/show?run=${record.id.slice(0, 4)}&thin`);
  const { series } = JSON.parse(shown.text) as { series: unknown };
  t.deepEqual(series, [{ name: 'loss', steps: [1], values: [0.5] }]);
  const { text, status } = await running.api('run/log?run=nope');
  t.is(status, 404, text);
});

test('ui server: nothing is answered without both halves of the key', async (t) => {
  const { running } = await start(t);
  t.is((await running.api('list')).status, 401);
  const wrong = await running.ask('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: `${running.token}x` }),
  });
  t.is(wrong.status, 401);
  t.is(wrong.headers['set-cookie'], undefined);
  await running.open();
  const { cookie = '', 'x-dlv-key': key = '' } = running.key;
  t.is((await running.api('list')).status, 200);
  const halves: Record<string, string>[] = [
    { cookie },
    { 'x-dlv-key': key },
    { cookie: `${cookie}x`, 'x-dlv-key': key },
  ];
  for (const headers of halves) {
    t.is((await running.ask('/api/list', { headers })).status, 401);
    t.is((await running.ask('/api/events', { headers })).status, 401);
  }
  const opened = await running.ask('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: running.token }),
  });
  t.regex(String(opened.headers['set-cookie']), /HttpOnly; SameSite=Strict/);
});

test('ui server: other hosts, pages, methods and addresses are refused', async (t) => {
  const { running } = await start(t);
  await running.open();
  const { port } = running.server;
  const self = `127.0.0.1:${port}`;
  const strangers: Record<string, string>[] = [
    { host: 'evil.example' },
    { host: `evil.example:${port}` },
    { host: '127.0.0.1:1' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${port + 1}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];
  for (const headers of strangers) {
    t.is((await running.api('list', headers)).status, 403, JSON.stringify(headers));
    const opened = await running.ask('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ token: running.token }),
    });
    t.is(opened.status, 403, JSON.stringify(headers));
  }
  for (const host of [self, `localhost:${port}`, `[::1]:${port}`]) {
    t.is((await running.api('list', { host, origin: `http://${host}` })).status, 200, host);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    t.is((await running.ask('/api/list', { method, headers: running.key })).status, 405, method);
    t.is((await running.ask('/', { method })).status, 405, method);
  }
  t.is((await running.ask('/session')).status, 405);
  const outside = [
    '/../package.json',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/x',
    '/app.js/..',
    '//etc/passwd',
    '/.dlv/HEAD',
    '/api',
    '/api/',
    '/api/../list',
  ];
  for (const path of outside) {
    const { status, text } = await running.ask(path, { headers: running.key });
    t.true(status >= 400 || text.startsWith('<!doctype html>'), `${path}: ${status}`);
    t.false(text.includes('root:'), path);
  }
  t.is((await running.api(`list?where=${'x'.repeat(20_000)}`)).status, 414);
  const huge = await running
    .ask('/api/list', { headers: { ...running.key, 'x-a': 'y'.repeat(100_000) } })
    .catch(() => null);
  t.true(huge === null || huge.status === 431);
  const long = await running.ask('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: 'x'.repeat(5000) }),
  });
  t.is(long.status, 413);
  t.is((await running.ask('/session', { method: 'POST', body: 'token=x' })).status, 415);
});

test('ui server: a page may run its own script alone, and be in no frame', async (t) => {
  const { running } = await start(t);
  for (const path of ['/', '/versions', '/app.js', '/app.css']) {
    const { status, headers } = await running.ask(path);
    t.is(status, 200, path);
    const policy = String(headers['content-security-policy']);
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      t.true(policy.includes(part), `${path}: ${part}`);
    }
    t.notRegex(policy, /unsafe|http:|\*/);
    t.is(headers['x-content-type-options'], 'nosniff');
    t.is(headers['access-control-allow-origin'], undefined);
  }
});

test('ui server: what a page no longer waits for is stopped, and others are answered', async (t) => {
  const { running } = await start(t);
  await running.open();
  const left = http.get({
    host: '127.0.0.1',
    port: running.server.port,
    path: '/api/du?versions',
    headers: running.key,
  });
  left.on('error', () => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  left.destroy();
  t.is((await running.api('show?rev=net@1')).status, 200);
  t.is((await running.api('list')).status, 200);
});
