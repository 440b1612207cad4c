/** A web server over a folder, for tests: serves ranges, counts bytes, and can be told to misbehave. */
import fs from 'node:fs/promises';
import http from 'node:http';
import type { Socket } from 'node:net';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { listenUntilEnd } from './loopback.js';

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

/**
 * Answers a request for a file of `root`, or for a range of it, up to its headers.
 * @returns the body, which is still to be sent; null if it was refused.
 */
export async function startAnswer(
  root: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  noRanges = false,
): Promise<Buffer | null> {
  const { pathname } = new URL(request.url ?? '/', 'http://x');
  const bytes = await fs.readFile(path.join(root, decodeURIComponent(pathname))).catch(() => null);
  if (bytes === null) {
    response.writeHead(404).end('nothing');
    return null;
  }
  const range = noRanges ? null : /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range === null) {
    response.writeHead(200, { 'content-length': bytes.length });
    return bytes;
  }
  const start = Number(range[1]);
  const end = Math.min(bytes.length, Number(range[2]) + 1);
  if (start >= bytes.length && bytes.length > 0) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return null;
  }
  const body = bytes.subarray(start, end);
  response.writeHead(206, {
    'content-length': body.length,
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
  });
  return body;
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
    const body = await startAnswer(root, request, response, state.noRanges);
    state.bytes += body?.length ?? 0;
    if (body !== null) response.end(body);
  }
  state.url = `http://${await listenUntilEnd(t, server)}`;
  return state;
}
