/** Numbers that are given to an evaluation. */
import { UsageError } from '../../base/errors.js';
import { RUN_THREADS_MAX } from '../../base/limits.js';

/** @param counts  by what errors call them. @throws {UsageError} unless each is a whole number above 0; for too many threads. */
export function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (!(Number.isSafeInteger(value) && value > 0)) {
      throw new UsageError(`the ${name} is ${value}, not a whole number above 0`);
    }
    if (name !== 'threads' || value <= RUN_THREADS_MAX) continue;
    throw new UsageError(`${value} threads are more than ${RUN_THREADS_MAX}`, {
      option: '--threads',
      hint: 'more threads than the machine has cores make nothing faster',
    });
  }
}
