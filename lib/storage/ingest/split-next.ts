/** From the bytes of a file to planes, without a copy in between. */
import { splitFast } from '../../pure/codec/planes.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import type { FileFeed } from './file-feed.js';

/**
 * Splits the next elements of a file where they lie in the blocks of its feed.
 * @param planes    what they are split into, plane 0 first: their lengths say how many elements.
 * @param byteSwap  true if the file has them big endian.
 * @throws {ChangedError} {IoError}
 */
export async function splitNext(
  feed: FileFeed,
  planes: readonly Uint8Array[],
  byteSwap: boolean,
): Promise<void> {
  const width = planes.length;
  const elements = (planes[0] as Uint8Array).length;
  const split = (bytes: Uint8Array, from: number): number => {
    const to = from + bytes.length / width;
    if (byteSwap) swapBytes(bytes, width);
    splitFast(
      bytes,
      planes.map((plane) => plane.subarray(from, to)),
    );
    return to;
  };
  for (let done = 0; done < elements; ) {
    const bytes = await feed.take((elements - done) * width);
    const whole = bytes.length - (bytes.length % width);
    if (whole > 0) done = split(bytes.subarray(0, whole), done);
    if (whole === bytes.length) continue;
    // An element that two blocks share.
    const shared = new Uint8Array(width);
    shared.set(bytes.subarray(whole));
    await feed.readInto(shared.subarray(bytes.length - whole));
    done = split(shared, done);
  }
}
