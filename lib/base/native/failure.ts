/** What every build of the kernel fails with: an Error whose `kernel` is a number of native/kernel.h. */

/** Arguments that no caller may pass, or that do not fit the head. */
export const ERROR_ARGUMENT = -1;
export const ERROR_MEMORY = -2;
/** Bytes that contradict themselves. */
export const ERROR_CORRUPT = -3;
/** The head needs a base and none was given. */
export const ERROR_BASE = -4;
export const ERROR_ABORTED = -5;
/** A segment decodes to other planes than those it was made of. */
export const ERROR_DIFFERS = -7;

/** An Error with the number of its cause. */
export function failure(kernel: number, what: string): Error {
  return Object.assign(new Error(what), { kernel });
}
