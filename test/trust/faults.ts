/** Makes the n-th primitive of lib/base/files/files.ts fail, as a full disk or a broken device would. */
import { io } from '../../lib/base/files/files.js';
import type { Handle } from '../../lib/base/files/handle.js';

/** The primitives that fail. `open` counts opens to read too. */
export const FAULTY = [
  'open',
  'write',
  'writeBy',
  'writeAt',
  'truncate',
  'fsync',
  'rename',
  'link',
  'mkdir',
  'unlink',
] as const;
export type Faulty = (typeof FAULTY)[number];

/** What the n-th call does: an errno, or write only some of the bytes. */
export type Fault = 'EIO' | 'ENOSPC' | 'short';

// No power is cut here, and thousands of runs would wait for the disk: nothing is really synced.
io.fsync = async () => {};
const real = { ...io };

function failure(fault: Fault, what: string): Error {
  return Object.assign(new Error(`${fault}: injected, ${what}`), { code: fault, syscall: what });
}

/** What an injection did. */
export interface Injection {
  /** Calls seen so far. */
  calls: number;
  /** The primitive that failed, or null if fewer than n calls were made. */
  hit: Faulty | null;
}

/**
 * Replaces the primitives until `restore` is called.
 * @param n     the call that fails, from 1, counted over those in `among`.
 */
export function injectFault(
  fault: Fault,
  n: number,
  among: readonly Faulty[],
): Injection & { restore(): void } {
  const injection = {
    calls: 0,
    hit: null as Faulty | null,
    restore: () => Object.assign(io, real),
  };
  const count = (name: Faulty): boolean => {
    if (!among.includes(name)) return false;
    injection.calls++;
    if (injection.calls !== n) return false;
    injection.hit = name;
    return true;
  };
  const wrapped: Record<string, unknown> = {};
  for (const name of FAULTY) {
    const call = real[name] as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = async (...args: unknown[]) => {
      if (!count(name)) return call(...args);
      if (fault !== 'short') throw failure(fault, name);
      if (name === 'writeBy') {
        const [handle, write, most] = args as Parameters<typeof io.writeBy>;
        return real.writeBy(handle, write, most >> 1);
      }
      const [handle, bytes, offset] = args as [Handle, Uint8Array, number];
      if (name === 'writeAt')
        return real.writeAt(handle, bytes.subarray(0, Math.max(1, bytes.length >> 1)), offset);
      return real.write(handle, bytes.subarray(0, Math.max(1, bytes.length >> 1)));
    };
  }
  Object.assign(io, wrapped);
  return injection;
}
