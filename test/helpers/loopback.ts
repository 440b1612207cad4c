/** Servers of the loopback address, at a port that is free. */
import type http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

/** @returns the port at which it listens now. */
export async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Closes a web server and all that is connected to it. */
export function closeServer(server: http.Server): void {
  server.closeAllConnections();
  server.close();
}

/** Lets a web server listen until the test ends. @returns host and port. */
export async function listenUntilEnd(
  t: Pick<ExecutionContext, 'teardown'>,
  server: http.Server,
): Promise<string> {
  const port = await listen(server);
  t.teardown(() => closeServer(server));
  return `127.0.0.1:${port}`;
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
