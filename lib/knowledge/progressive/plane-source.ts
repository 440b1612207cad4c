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

/** Where the elements of a parameter stand in the network's file, and how many of their planes count. */
export interface PlacedParameter {
  readonly offset: number;
  readonly planes: number;
}

/** Weights up to some depths. */
export interface LoadedWeights {
  readonly boundsOf: BoundsOf;
  /** Of a parameter of float32; null: it has to be taken from its bounds. */
  placeOf(parameter: string): PlacedParameter | null;
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

/** One plane more of each parameter; null: these are all of them. */
export function deeperThan(depths: Depths, parameters: readonly PlaneParameter[]): Depths | null {
  const next = depthsOf(parameters, ({ name }) => (depths.get(name) as number) + 1);
  return isWhole(parameters, next) ? null : next;
}

/** True if nothing is left to read. */
export function isWhole(parameters: readonly PlaneParameter[], depths: Depths): boolean {
  return parameters.every(({ name, planes }) => depths.get(name) === planes);
}

/** Bytes of all weights of which so small a share is read at once with the first depth. */
const CHEAP_SHARE = 0.02;

/**
 * The first depths: the least of each parameter, and a plane more of the smallest as long as these planes are few bytes
 * beside all.
 */
export function firstDepths(parameters: readonly PlaneParameter[]): Map<string, number> {
  const depths = depthsOf(parameters, ({ start }) => start);
  const all = parameters.reduce((sum, { elements, planes }) => sum + elements * planes, 0);
  let left = CHEAP_SHARE * all;
  for (const { name, elements, planes, start } of [...parameters].sort(
    (a, b) => a.elements - b.elements,
  )) {
    left -= elements;
    if (left < 0) break;
    // Behind it stands the network with all weights, which needs no bounds.
    if (start + 1 < planes) depths.set(name, start + 1);
  }
  return depths;
}
