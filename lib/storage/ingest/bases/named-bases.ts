/**
 * Candidate bases by name: same path and role in the parent, then the snapshot of the same role with
 * the latest step not after this one. A base has equal width and count. Chains stay within the
 * configured depth and cost by going to an ancestor of the candidate or by materializing.
 *
 * choose-base.ts compares them with what is close whatever its name.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { LITERAL_BLOB_BYTES } from '../../../base/limits.js';
import { byCanonicalName, canonicalName } from '../../../pure/tensor/canonical-name.js';
import { DTYPES } from '../../../pure/tensor/dtype.js';
import { elementCount, type Role } from '../../../pure/tensor/layout.js';
import {
  dataBlobLengths,
  type Recipe,
  type Skeleton,
  type SkeletonTensor,
} from '../../../pure/tensor/recipe.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import { linksOf } from '../../objects/chain.js';
import type { NamedExtent } from '../../objects/planes/plane-reader.js';
import type { ExtentView, ViewedExtent } from './derived-extent.js';

/** A stored file that may serve bases. */
export interface BaseFile {
  path: string;
  step: number | null;
  recipe: Recipe;
  skeleton: Skeleton;
}

/** Extents of one name that are compared: the parent's and those of earlier snapshots. */
const NAMESAKES_MAX = 3;

/** How a tensor sees its extent if it is all of it, in order; else null. */
export function viewOf(
  { dtype, shape, strides, byteOffset }: SkeletonTensor,
  { width, count }: Omit<NamedExtent, 'id'>,
): ExtentView | null {
  if (byteOffset !== 0 || strides !== null || DTYPES[dtype].bits !== 8 * width) return null;
  return elementCount(shape) === count ? { dtype, shape } : null;
}

/** Extents of one stored file by role and tensor name. */
export function extentsByName(recipe: Recipe, skeleton: Skeleton): Map<string, ViewedExtent> {
  const byPart = new Map<number, NamedExtent>();
  for (const extent of extentsOf({ recipe, skeleton })) byPart.set(extent.part, extent);
  const names = new Map<string, ViewedExtent>();
  for (const tensor of skeleton.tensors) {
    const extent = byPart.get(tensor.part);
    if (extent === undefined) continue;
    const view = viewOf(tensor, extent);
    names.set(tensorKey(tensor.role, tensor.name), { ...extent, view });
  }
  return names;
}

export function tensorKey(role: Role, name: string): string {
  return `${role}\0${name}`;
}

/** A candidate with its extents by role and tensor name. */
interface NamedFile {
  file: BaseFile;
  names: Map<string, ViewedExtent>;
  /** Keys by their canonical form, made when first needed. */
  canonical: Map<string, string> | null;
}

/** A key with the canonical form of its name. */
function canonicalKey(key: string): string {
  const end = key.indexOf('\0');
  return `${key.slice(0, end)}\0${canonicalName(key.slice(end + 1))}`;
}

/** Finds bases for the extents and data literals of one new file. */
export class BaseFinder {
  readonly #files: NamedFile[];

  /** @param files  candidates, best first: see `orderBaseFiles`. */
  constructor(files: readonly BaseFile[]) {
    this.#files = files.map((file) => {
      return { file, names: extentsByName(file.recipe, file.skeleton), canonical: null };
    });
  }

  /**
   * Extents of the same size that tensors of these keys view, the best first, none twice. If there are
   * none, those whose names differ only by prefixes that frameworks add.
   */
  namesakes(keys: readonly string[], width: number, count: number): Id[] {
    const isAlike = (extent: ViewedExtent) => extent.width === width && extent.count === count;
    return this.#named(keys, isAlike).map(({ id }) => id);
  }

  /** The same of those that differ in size or shape, of any. */
  relatives(keys: readonly string[], extent: Omit<ViewedExtent, 'id'>): ViewedExtent[] {
    const { width, count, view } = extent;
    const shape = String(view?.shape);
    return this.#named(keys, (other) => {
      return other.width !== width || other.count !== count || String(other.view?.shape) !== shape;
    });
  }

  #named(keys: readonly string[], isWanted: (extent: ViewedExtent) => boolean): ViewedExtent[] {
    const exact = this.#withKeys(isWanted, () => keys);
    if (exact.length > 0) return exact;
    const wanted = keys.map(canonicalKey);
    return this.#withKeys(isWanted, (file) => {
      file.canonical ??= byCanonicalName(file.names.keys(), canonicalKey);
      return wanted.map((key) => file.canonical?.get(key) ?? '');
    });
  }

  #withKeys(
    isWanted: (extent: ViewedExtent) => boolean,
    keysOf: (file: NamedFile) => readonly string[],
  ): ViewedExtent[] {
    const found = new Map<Id, ViewedExtent>();
    for (const file of this.#files) {
      for (const key of keysOf(file)) {
        const extent = file.names.get(key);
        if (extent && !found.has(extent.id) && isWanted(extent)) found.set(extent.id, extent);
        if (found.size === NAMESAKES_MAX) return [...found.values()];
      }
    }
    return [...found.values()];
  }

  /**
   * The stored blob that holds the same cut of the data literal of this width, or null.
   * @param lengths  of all blobs of the literal: a file that is cut alike says most.
   */
  dataBlob(width: number, index: number, lengths: readonly number[]): Id | null {
    for (const { file } of this.#files) {
      const stored = file.recipe.data.find((d) => d.width === width)?.ids;
      if (stored?.length !== lengths.length) continue;
      const parts = file.skeleton.parts;
      const theirs = dataBlobLengths(parts, width, LITERAL_BLOB_BYTES);
      if (theirs[index] === lengths[index]) return stored[index] ?? null;
    }
    return null;
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
  /** True if something is done to its base first; asked for only where the chain is too long. */
  isDerived?(): Promise<boolean>;
}

/** A base that keeps the limits, and the depth of a delta against it. */
export interface FittedBase {
  id: Id;
  depth: number;
}

/** How long chains may be. */
export interface ChainLimits {
  /** In links. */
  readonly maxDepth: number;
  /** Bytes read along the chain, as a multiple of the bytes of its materialized root. */
  readonly maxCost: number;
}

/**
 * Goes from a candidate towards the root of its chain until a delta against it keeps the limits, or
 * to a link whose base is of another kind.
 * @param lookup    gives the link of an extent's segment, or null if it is not stored.
 * @param self      the extent that is to be stored: a chain through it would go in a circle.
 * @returns         the base and the depth a delta against it has, or null: materialize.
 */
export async function fitBase(
  candidate: Id,
  lookup: (id: Id) => Promise<ChainLink | null>,
  { maxDepth, maxCost }: ChainLimits,
  self: Id | null = null,
): Promise<FittedBase | null> {
  const chain: ({ id: Id } & ChainLink)[] = [];
  for await (const { id, entry } of linksOf(candidate, lookup)) {
    if (id === self || entry === null || chain.length > 4 * maxDepth + 16) return null;
    chain.push({ id, ...entry });
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
    if (await chain[from - 1]?.isDerived?.()) return null;
    if (fits(from, half.depth, half.cost))
      return { id: (chain[from] as { id: Id }).id, depth: chain.length - from };
  }
  return null;
}
