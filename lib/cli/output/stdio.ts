/**
 * stdout and stderr as the commands see them: a reader that goes away is not an error.
 *
 * After EPIPE (`dlv log | head`) writes are dropped, those who wait for the reader are let go, and
 * `closed` says that nobody listens any more; a command that changes something still ends its work.
 */
import type { Output } from './terminal.js';

/** One output of the process. */
export interface Stdio extends Output {
  write(chunk: string | Uint8Array): boolean;
  once(event: 'drain', listener: () => void): void;
  /** True once the reader has gone. */
  readonly closed: boolean;
}

/** Wraps a stream of the process. Errors other than a reader that left are thrown to `onError`. */
export function wrapStream(
  stream: NodeJS.WriteStream,
  onError: (error: NodeJS.ErrnoException) => void,
): Stdio {
  let closed = false;
  const waiting = new Set<() => void>();
  const release = (): void => {
    for (const listener of [...waiting]) {
      waiting.delete(listener);
      listener();
    }
  };
  stream.on('drain', release);
  stream.on('error', (error: NodeJS.ErrnoException) => {
    const left = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
    closed = true;
    if (!left) onError(error);
    release();
  });
  return {
    write: (chunk) => closed || stream.write(chunk),
    once: (_event, listener) => {
      if (closed) listener();
      else waiting.add(listener);
    },
    get closed() {
      return closed;
    },
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns;
    },
  };
}
