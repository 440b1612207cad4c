/** How many examples the longest properties try. */

const SHARE = Number(process.env.DLV_TEST_SHARE ?? 1);
if (!(SHARE > 0 && SHARE <= 1)) throw new Error('DLV_TEST_SHARE has to be above 0 and at most 1');

/** `count` examples, or the part of them that DLV_TEST_SHARE says: under valgrind each takes a minute. */
export function runsOf(count: number): number {
  return Math.ceil(count * SHARE);
}
