/**
 * Names of files that are not finished yet: who makes them, and that no two calls meet in one.
 *
 *     .tmp-<pid>-<start>-<boot>-<pid namespace>-<16 random hex digits>
 *
 * A process that is killed leaves its file. In a container the next one has the same pid, so a name
 * holds random digits, and one that is taken all the same is given up for another.
 */
import path from 'node:path';
import { newOwnName, type OwnerMark, parseOwnName } from './process.js';

/** Beginning of the names. */
export const TEMPORARY_PREFIX = '.tmp-';

/** Names tried before a call gives up: each meets an existing one with odds of 1 in 2^64. */
const ATTEMPTS = 4;

/** A new name for an unfinished file. */
export function newTemporaryName(): string {
  return TEMPORARY_PREFIX + newOwnName();
}

/** Who made an unfinished file, by its name; null if the name is of another form. */
export function parseTemporaryName(name: string): OwnerMark | null {
  return name.startsWith(TEMPORARY_PREFIX)
    ? parseOwnName(name.slice(TEMPORARY_PREFIX.length))
    : null;
}

/**
 * Makes a file under a new name.
 * @param make  makes it, and fails with EEXIST if the name is taken.
 */
export function withTemporaryName<T>(
  folder: string,
  make: (file: string) => Promise<T>,
): Promise<T> {
  return retryTaken(() => make(path.join(folder, newTemporaryName())));
}

/** Runs `make`, which takes a new name each time, again if that name is taken. */
export async function retryTaken<T>(make: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make();
    } catch (error) {
      if (attempt === ATTEMPTS || !isTaken(error)) throw error;
    }
  }
}

function isTaken(error: unknown): boolean {
  const errno = (error as { data?: { errno?: unknown } })?.data?.errno;
  return errno === 'EEXIST' || (error as NodeJS.ErrnoException)?.code === 'EEXIST';
}
