/** A web server over a folder that sends so many bytes a second and no more, over all connections. */
import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const PIECE_BYTES = 64 * 1024;

export interface SlowServer {
  url: string;
  /** Bytes of bodies that were sent. */
  readonly bytes: number;
  close(): void;
}

/** Serves a folder on the loopback address. @param rate  bytes a second. */
export async function serveSlowly(root: string, rate: number): Promise<SlowServer> {
  let sent = 0;
  /** When what was sent so far has passed the line, in milliseconds. */
  let free = 0;
  const pass = async (bytes: number): Promise<void> => {
    free = Math.max(free, performance.now()) + (1000 * bytes) / rate;
    const ahead = free - performance.now();
    // Timers are of whole milliseconds.
    if (ahead > 1) await wait(ahead);
  };
  const answer = async (
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const file = path.join(root, decodeURIComponent(pathname));
    const bytes = await fs.readFile(file).catch(() => null);
    if (bytes === null) {
      response.writeHead(404).end('nothing');
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0);
    const end = to === undefined ? bytes.length : Math.min(bytes.length, Number(to) + 1);
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': Math.max(0, end - start),
      ...(from === undefined
        ? {}
        : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
    });
    for (let at = start; at < end; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, Math.min(end, at + PIECE_BYTES));
      await pass(piece.length);
      sent += piece.length;
      response.write(piece);
    }
    response.end();
  };
  const server = http.createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get bytes() {
      return sent;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
