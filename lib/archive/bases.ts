/**
 * Candidate bases: which stored extent a new one is probably close to.
 *
 * By name: same path and role in the parent, then the snapshot of the same role with
 * the latest step not after this one. A base has equal width and count. Chains stay within the
 * configured depth and cost by going to an ancestor of the candidate or by materializing.
 */
import type { Id } from '../bytes/hash.js';
import type { Role } from '../tensor/layout.js';
import type { Recipe, Skeleton } from '../tensor/recipe.js';

/** A stored file that may serve bases. */
export interface BaseFile {
  path: string;
  step: number | null;
  recipe: Recipe;
  skeleton: Skeleton;
}

interface NamedExtent {
  id: Id;
  width: number;
  count: number;
}

/** Extents of one stored file by role and tensor name. */
export function extentsByName(recipe: Recipe, skeleton: Skeleton): Map<string, NamedExtent> {
  const byPart = new Map<number, NamedExtent>();
  let next = 0;
  for (const [index, part] of skeleton.parts.entries()) {
    if (part.kind !== 'extent') continue;
    const id = recipe.extents[next++];
    if (id !== undefined) byPart.set(index, { id, width: part.width, count: part.count });
  }
  const names = new Map<string, NamedExtent>();
  for (const tensor of skeleton.tensors) {
    const extent = byPart.get(tensor.part);
    if (extent) names.set(tensorKey(tensor.role, tensor.name), extent);
  }
  return names;
}

export function tensorKey(role: Role, name: string): string {
  return `${role}\0${name}`;
}

/** Finds bases for the extents and data literals of one new file. */
export class BaseFinder {
  readonly #files: { file: BaseFile; names: Map<string, NamedExtent> }[];

  /** @param files  candidates, best first: see `orderBaseFiles`. */
  constructor(files: readonly BaseFile[]) {
    this.#files = files.map((file) => ({ file, names: extentsByName(file.recipe, file.skeleton) }));
  }

  /** The base for an extent that the tensors of these keys view, or null. */
  extent(keys: readonly string[], width: number, count: number): Id | null {
    for (const { names } of this.#files) {
      for (const key of keys) {
        const found = names.get(key);
        if (found && found.width === width && found.count === count) return found.id;
      }
    }
    return null;
  }

  /** The stored blob that holds the same cut of the data literal of this width, or null. */
  dataBlob(width: number, index: number): Id | null {
    const first = this.#files[0]?.file;
    return first?.recipe.data.find((d) => d.width === width)?.ids[index] ?? null;
  }
}

/** Orders candidate files for a new file: same path first, then by step not after `step`, latest first. */
export function orderBaseFiles(
  files: readonly BaseFile[],
  path: string,
  step: number | null,
): BaseFile[] {
  const rank = (file: BaseFile): number => {
    if (file.path === path) return Number.POSITIVE_INFINITY;
    if (step === null || file.step === null) return file.step ?? -1;
    return file.step <= step ? file.step : -2 - file.step;
  };
  return [...files].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    if (x !== y) return x < y ? 1 : -1;
    if (a.path === b.path) return 0;
    return a.path < b.path ? -1 : 1;
  });
}

/** One link of a chain: its base, and the bytes that reading it costs. */
export interface ChainLink {
  base: Id | null;
  bytes: number;
}

/**
 * Goes from a candidate towards the root of its chain until a delta against it keeps the limits.
 * @param lookup    gives the link of an extent's segment, or null if it is not stored.
 * @param maxDepth  longest chain, in links.
 * @param maxCost   bytes read along the chain as a multiple of the materialized root's bytes.
 * @returns         the base and the depth a delta against it has, or null: materialize.
 */
export async function fitBase(
  candidate: Id,
  lookup: (id: Id) => Promise<ChainLink | null>,
  maxDepth: number,
  maxCost: number,
): Promise<{ id: Id; depth: number } | null> {
  const chain: { id: Id; bytes: number }[] = [];
  let next: Id | null = candidate;
  while (next !== null) {
    const link: ChainLink | null = await lookup(next);
    if (link === null || chain.length > 4 * maxDepth + 16) return null;
    chain.push({ id: next, bytes: link.bytes });
    next = link.base;
  }
  const rootBytes = (chain.at(-1) as { bytes: number }).bytes;
  // What the new delta will cost is not known yet: the one before it is the best guess.
  const deltaBytes = (chain[0] as { bytes: number }).bytes;
  const fits = (from: number, depth: number, cost: number): boolean => {
    const bytes = chain.slice(from).reduce((sum, link) => sum + link.bytes, deltaBytes);
    return chain.length - from <= depth && bytes <= cost * rootBytes;
  };
  if (fits(0, maxDepth, maxCost)) return { id: candidate, depth: chain.length };
  // Go back to the middle of what both limits allow rather than just below one of them, so that the
  // next versions find room again instead of all hanging off one ancestor.
  const half = { depth: Math.min(maxDepth, Math.max(1, maxDepth >> 1)), cost: (1 + maxCost) / 2 };
  for (let from = 1; from < chain.length; from++) {
    if (fits(from, half.depth, half.cost))
      return { id: (chain[from] as { id: Id }).id, depth: chain.length - from };
  }
  return null;
}
