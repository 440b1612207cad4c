/** Splitting and merging planes by the fastest way there is: the addon, else lib/pure/tensor/planes.ts. */
import type { RunningSha256 } from '../../base/bytes/hash.js';
import { loadKernel } from '../../base/native/kernel.js';
import { mergePlanes, splitInto } from '../tensor/planes.js';

/** Splits little-endian elements into planes of the caller, each bytes.length / planes.length long. */
export function splitFast(bytes: Uint8Array, planes: readonly Uint8Array[]): void {
  const { native } = loadKernel();
  if (native === null) splitInto(bytes, planes);
  else native.splitInto(bytes, planes);
}

/** Joins all planes of elements into `target`, whose length is theirs together. */
export function mergeFast(planes: readonly Uint8Array[], target: Uint8Array): void {
  const { native } = loadKernel();
  if (native === null) mergePlanes(planes, planes.length, target);
  else native.merge(planes, target);
}

/** Planes of elements, and the order of their bytes in a file. */
export interface FilePlanes {
  readonly planes: readonly Uint8Array[];
  readonly bigEndian: boolean;
}

/**
 * Merges planes, hashes the bytes and appends up to `most` of them to a file, without a copy in between.
 * @returns as NativeKernel.writePlanes: −1 if nothing was done.
 */
export async function writeMerged(
  fd: number,
  { planes, bigEndian }: FilePlanes,
  hash: RunningSha256,
  most: number,
): Promise<number> {
  const { native } = loadKernel();
  if (native === null || hash.state === null) return -1;
  return native.writePlanes(fd, planes, bigEndian, hash.state, most);
}

/** A run of elements that is read from a file: where it stands, and what its hashes begin with. */
export interface FileRun extends FilePlanes {
  readonly offset: number;
  readonly prefix: Uint8Array;
}

/**
 * Reads elements from a file, hashes their bytes and splits them into planes, whose hashes are made too.
 * @returns as NativeKernel.readPlanes: no bytes if nothing was done.
 */
export async function readSplit(
  fd: number,
  { planes, bigEndian, offset, prefix }: FileRun,
  hash: RunningSha256,
): Promise<{ bytes: number; digests: Uint8Array }> {
  const { native } = loadKernel();
  if (native === null || hash.state === null) return { bytes: 0, digests: new Uint8Array(0) };
  return native.readPlanes(fd, offset, planes, bigEndian, hash.state, prefix);
}

/** Which kernel runs, for those who keep measurements of it: 'native avx2', 'wasm simd128'. */
export function kernelBuild(): string {
  const { kind, isa } = loadKernel().info;
  return `${kind} ${isa}`;
}
