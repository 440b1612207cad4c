/**
 * stdout and stderr as the commands see them: a reader that goes away is not an error.
 *
 * After EPIPE (`dlv log | head`) writes are dropped, those who wait for the reader are let go, and
 * `closed` says that nobody listens any more; a command that changes something still ends its work.
 */
import { fstatSync, statSync } from 'node:fs';
import type { Output } from './terminal.js';

/** One output of the process. */
export interface Stdio extends Output {
  write(chunk: string | Uint8Array): boolean;
  once(event: 'drain', listener: () => void): void;
  /** True once the reader has gone. */
  readonly closed: boolean;
}

/** False for files, pipes and /dev/null. */
function mayBeTerminal(fd: number): boolean {
  try {
    const found = fstatSync(fd);
    const nothing = statSync('/dev/null', { throwIfNoEntry: false });
    return found.isCharacterDevice() && found.rdev !== nothing?.rdev;
  } catch {
    return true; // the stream knows
  }
}

/**
 * Wraps a stream of the process, which Node makes when it is first asked for: not for commands that say nothing.
 * @param onError  gets errors other than of a reader that left.
 */
export function wrapStream(
  name: 'stdout' | 'stderr',
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
  let made: NodeJS.WriteStream | null = null;
  const stream = (): NodeJS.WriteStream => {
    if (made !== null) return made;
    made = process[name];
    made.on('drain', release);
    made.on('error', (error: NodeJS.ErrnoException) => {
      const left = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
      closed = true;
      if (!left) onError(error);
      release();
    });
    return made;
  };
  return {
    write: (chunk) => closed || stream().write(chunk),
    once: (_event, listener) => {
      if (closed) listener();
      else waiting.add(listener);
    },
    get closed() {
      return closed;
    },
    get isTTY() {
      return mayBeTerminal(name === 'stdout' ? 1 : 2) && stream().isTTY === true;
    },
    get columns() {
      return stream().columns;
    },
  };
}
