/** A web server over a folder that sends so many bytes a second and no more, over all connections. */
import http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { closeServer, listen } from '../../test/helpers/loopback.js';
import { startAnswer } from '../../test/helpers/web-server.js';

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
    const body = await startAnswer(root, request, response);
    if (body === null) return;
    for (let at = 0; at < body.length; at += PIECE_BYTES) {
      const piece = body.subarray(at, at + PIECE_BYTES);
      await pass(piece.length);
      sent += piece.length;
      response.write(piece);
    }
    response.end();
  };
  const server = http.createServer((request, response) => void answer(request, response));
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    get bytes() {
      return sent;
    },
    close: () => closeServer(server),
  };
}
