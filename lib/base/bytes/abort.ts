import { AbortedError } from '../errors.js';

/** @throws {AbortedError} if the signal was raised: called between chunks of long work. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new AbortedError();
}
