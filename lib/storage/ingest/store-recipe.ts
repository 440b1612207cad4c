/** The recipe of a file from the streams that ingest read: skeleton, literals, id pages, recipe. */
import { type Id, objectId } from '../../base/bytes/hash.js';
import { checkReadable } from '../../base/bytes/sealed.js';
import type { FileParts } from '../../pure/tensor/file-parts.js';
import {
  type ChunkRef,
  decodeRecipe,
  encodeRecipe,
  type Recipe,
} from '../../pure/tensor/recipe.js';
import { checkSkeleton, encodeSkeleton } from '../../pure/tensor/skeleton.js';
import type { PackSession } from '../objects/session.js';
import { OBJECTS_FLAG } from '../repo/format.js';

/** What the parts of a file gave, in file order. */
export interface FileStreams {
  /** The bytes of all fixed parts, and of all variable ones. */
  fixed: Uint8Array;
  variable: Uint8Array;
  /** Lengths of the variable parts whose length the skeleton leaves open. */
  variableLengths: number[];
  data: Recipe['data'];
  extents: Id[];
  chunks: ChunkRef[][];
}

/** Stores what rebuilds a file. A file of no format that is one blob needs no recipe. */
export async function storeRecipe(
  session: PackSession,
  file: FileParts,
  streams: FileStreams,
): Promise<{ kind: 'blob' | 'recipe'; id: Id }> {
  const { fixed, variable, variableLengths, data, extents, chunks } = streams;
  const parts = file.parts.map((placed) => placed.part);
  if (parts.length === 0) {
    return { kind: 'blob', id: await session.putBlob('blob', new Uint8Array(0)) };
  }
  const run = chunks[0];
  const { format, tensors } = file;
  const isPlain = format === 'blob';
  const onlyChunks =
    isPlain && parts.every((part) => part.kind === 'chunks') && chunks.length === 1;
  if (onlyChunks && run?.length === 1) return { kind: 'blob', id: (run[0] as ChunkRef).id };
  if (isPlain && parts.length === 1 && parts[0]?.kind === 'fixed') {
    return { kind: 'blob', id: await session.putBlob('blob', fixed) };
  }
  const skeleton = encodeSkeleton({ format, fixed, parts, tensors });
  if (!onlyChunks) checkReadable('skeleton', () => checkSkeleton(skeleton, 'skeleton'));
  if (parts.some((part) => part.kind === 'data' && part.byteSwap)) session.needsFlag(OBJECTS_FLAG);
  const recipe: Recipe = {
    skeleton: onlyChunks ? null : await session.putBlob('skeleton', skeleton),
    variableLengths,
    variable: variable.length === 0 ? null : await session.putBlob('blob', variable),
    data,
    extents,
    chunks,
  };
  const pageIds = new Map<Id, Uint8Array>();
  const stored = encodeRecipe(recipe, (page) => {
    const id = objectId('ids', page);
    pageIds.set(id, page);
    return id;
  });
  await checkReadable('recipe', () =>
    decodeRecipe(stored.recipe, 'recipe', async (id) => pageIds.get(id) as Uint8Array),
  );
  for (const page of stored.pages) await session.putBlob('ids', page);
  return { kind: 'recipe', id: await session.putBlob('recipe', stored.recipe) };
}
