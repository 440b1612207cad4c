/** A line and a server that fail all the time, each time in another way. */
import type { Misbehave } from './web-server.js';

/** Every other request meets the next of many faults; each request gets through in the end. */
export function faulty(): Misbehave {
  return async (request, response, count) => {
    if (count % 2 === 0) return false;
    switch ((count >> 1) % 6) {
      case 0:
        response.writeHead(500).end('oh');
        return true;
      case 1:
        response.writeHead(429, { 'retry-after': '0' }).end();
        return true;
      case 2:
        request.socket.destroy();
        return true;
      case 3:
        if (request.headers.range !== undefined || request.method !== 'GET') {
          request.socket.destroy();
          return true;
        }
        // Promises more than it sends.
        response.writeHead(200, { 'content-length': 1000 });
        response.write('x'.repeat(10));
        setTimeout(() => request.socket.destroy(), 5);
        return true;
      case 4:
        await new Promise((resolve) => setTimeout(resolve, 20));
        return false;
      default:
        response.writeHead(503).end();
        return true;
    }
  };
}
