/** Splitting and merging planes by the fastest way there is: the addon, else lib/pure/tensor/planes.ts. */
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

/** Which kernel runs, for those who keep measurements of it: 'native avx2', 'wasm simd128'. */
export function kernelBuild(): string {
  const { kind, isa } = loadKernel().info;
  return `${kind} ${isa}`;
}
