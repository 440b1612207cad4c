/** The extents of a file: its recipe has their ids, its skeleton their sizes and what views them. */
import type { Id } from '../../base/bytes/hash.js';
import type { Recipe, Skeleton } from './recipe.js';

/** An extent of a file. */
export interface PlacedExtent {
  readonly id: Id;
  /** Bytes of one element, and elements. */
  readonly width: number;
  readonly count: number;
  /** True if the file has it big-endian. */
  readonly byteSwap: boolean;
  /** Its place among the parts of the skeleton, by which tensors name it. */
  readonly part: number;
}

/** Extents in the order of the file; one that is in it twice comes twice. */
export function* extentsOf(file: {
  readonly recipe: Pick<Recipe, 'extents'> | null;
  readonly skeleton: Pick<Skeleton, 'parts'> | null;
}): Generator<PlacedExtent> {
  let next = 0;
  for (const [index, part] of file.skeleton?.parts.entries() ?? []) {
    if (part.kind !== 'extent') continue;
    const { width, count, byteSwap } = part;
    const id = file.recipe?.extents[next++] as Id;
    yield { id, width, count, byteSwap, part: index };
  }
}
