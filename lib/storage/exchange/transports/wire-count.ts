/** Counts what crosses connections, headers included, as a proxy on the line would. */
import type { Socket } from 'node:net';
import type { Traffic } from './transport.js';

export class WireCount {
  readonly #traffic: Traffic;
  /** What was counted of each connection so far. */
  readonly #sockets = new Map<Socket, { read: number; written: number }>();

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  /** Counts a connection from its start on; asked once for each request that it carries. */
  watch(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.set(socket, { read: 0, written: 0 });
    socket.once('close', () => {
      this.#add(socket);
      this.#sockets.delete(socket);
    });
  }

  /** Brings the traffic up to date. */
  count(): void {
    for (const socket of this.#sockets.keys()) this.#add(socket);
  }

  #add(socket: Socket): void {
    const seen = this.#sockets.get(socket);
    if (seen === undefined) return;
    const read = socket.bytesRead ?? 0;
    const written = socket.bytesWritten ?? 0;
    this.#traffic.receivedBytes += Math.max(0, read - seen.read);
    this.#traffic.sentBytes += Math.max(0, written - seen.written);
    seen.read = Math.max(seen.read, read);
    seen.written = Math.max(seen.written, written);
  }
}
