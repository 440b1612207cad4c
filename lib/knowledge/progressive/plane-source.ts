/** Where the cascade gets weights from: the leading planes of each parameter, as deep as it asks. */
import type { BoundsOf } from '../../pure/bounds/weights.js';

/** Parameter → leading planes. */
export type Depths = ReadonlyMap<string, number>;

/** A parameter that has planes to leave out. */
export interface PlaneParameter {
  readonly name: string;
  readonly elements: number;
  /** Planes of an element, and the least that is worth reading. */
  readonly planes: number;
  readonly start: number;
}

/** Weights up to some depths. */
export interface LoadedWeights {
  readonly boundsOf: BoundsOf;
  /** File of the network with these weights, unread bits in the middle of what they can be. */
  readonly path: string;
}

export interface PlaneSource {
  readonly parameters: readonly PlaneParameter[];
  /** Bytes of stored records that a cold reader of these depths reads. */
  bytesAt(depths: Depths): Promise<number>;
  /** Reads what is not read yet. @throws {PromisedError} {RemoteError} {CorruptError} {AbortedError} */
  load(depths: Depths): Promise<LoadedWeights>;
}

/** All parameters at their least depth, or whole. */
export function depthsOf(
  parameters: readonly PlaneParameter[],
  depth: (parameter: PlaneParameter) => number,
): Map<string, number> {
  return new Map(parameters.map((one) => [one.name, Math.min(one.planes, depth(one))]));
}

/** True if nothing is left to read. */
export function isWhole(parameters: readonly PlaneParameter[], depths: Depths): boolean {
  return parameters.every(({ name, planes }) => depths.get(name) === planes);
}
