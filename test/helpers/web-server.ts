/** A web server over a folder, for tests: serves ranges, counts bytes, and can be told to misbehave. */
import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

/** What the server does with a request; undefined: what it should. */
export type Misbehave = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  count: number,
) => boolean | Promise<boolean>;

export interface WebServer {
  url: string;
  /** Requests, and bytes of bodies that were sent. */
  requests: number;
  bytes: number;
  /** Connections that were opened. */
  connections: number;
  /** Bytes of all connections, headers included. */
  wire(): { received: number; sent: number };
  /** Headers of the requests. */
  seen: http.IncomingHttpHeaders[];
  /** True if a request was dealt with. */
  misbehave: Misbehave | null;
  /** Answers requests for ranges with the whole file. */
  noRanges: boolean;
}

/** Serves a folder until the test ends. */
export async function serveFolder(t: ExecutionContext, root: string): Promise<WebServer> {
  const server = http.createServer();
  const sockets: Socket[] = [];
  const state: WebServer = {
    url: '',
    requests: 0,
    bytes: 0,
    connections: 0,
    wire: () => ({
      received: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
      sent: sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    }),
    seen: [],
    misbehave: null,
    noRanges: false,
  };
  server.on('connection', (socket) => {
    state.connections++;
    sockets.push(socket);
  });
  server.on('request', (request, response) => void answer(request, response));
  async function answer(
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    state.requests++;
    state.seen.push(request.headers);
    if (await state.misbehave?.(request, response, state.requests)) return;
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const file = path.join(root, decodeURIComponent(pathname));
    const bytes = await fs.readFile(file).catch(() => null);
    if (bytes === null) {
      response.writeHead(404).end('nothing');
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const start = from === undefined || state.noRanges ? 0 : Number(from);
    const end =
      to === undefined || state.noRanges ? bytes.length : Math.min(bytes.length, Number(to) + 1);
    if (start >= bytes.length && bytes.length > 0) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const body = bytes.subarray(start, end);
    state.bytes += body.length;
    const isPart = from !== undefined && !state.noRanges;
    response.writeHead(isPart ? 206 : 200, {
      'content-length': body.length,
      ...(isPart ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
    });
    response.end(body);
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}
