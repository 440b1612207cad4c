/** Counts the bytes that are read through lib/base/files/files.ts, by file: no clock, no guess. */
import { io } from '../../lib/base/files/files.js';
import type { Handle } from '../../lib/base/files/handle.js';

/** Bytes read of each file that was opened. */
export interface Reads {
  readonly bytes: ReadonlyMap<string, number>;
  /** Bytes read of the files for which `is` holds; of all by default. */
  total(is?: (file: string) => boolean): number;
  /** Opens files as before. */
  stop(): void;
}

/** Starts counting; one counter at a time, so tests that use it are serial. */
export function countReads(): Reads {
  const bytes = new Map<string, number>();
  const { open } = io;
  io.open = async (file, flags, mode) => {
    const handle = await open(file, flags, mode);
    const read = handle.read.bind(handle) as (...args: unknown[]) => Promise<{ bytesRead: number }>;
    const counted = async (...args: unknown[]): Promise<{ bytesRead: number }> => {
      const result = await read(...args);
      bytes.set(file, (bytes.get(file) ?? 0) + result.bytesRead);
      return result;
    };
    handle.read = counted as unknown as Handle['read'];
    return handle;
  };
  return {
    bytes,
    total(is = () => true) {
      let sum = 0;
      for (const [file, count] of bytes) if (is(file)) sum += count;
      return sum;
    },
    stop() {
      io.open = open;
    },
  };
}
