/**
 * A stored file: its recipe and skeleton opened, the objects that it names.
 *
 * rebuild.ts gives its bytes back, tensors.ts its tensors.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { LITERAL_BLOB_BYTES } from '../../../base/limits.js';
import {
  dataBlobLengths,
  decodeRecipe,
  type Part,
  type Recipe,
  type Skeleton,
} from '../../../pure/tensor/recipe.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import { decodeSkeleton } from '../../../pure/tensor/skeleton.js';
import type { FileTombstone } from '../../repo/version/file-page.js';
import type { Blobs } from '../blobs.js';
import type { PlaneReader } from '../planes/plane-reader.js';
import type { RunHashes } from '../planes/run-hashes.js';
import { checkKept } from '../tombstones.js';

/** What is needed to rebuild: a repository's readers, or those of a session. */
export interface Readers {
  readonly blobs: Blobs;
  readonly planes: PlaneReader;
  readonly hashes: RunHashes;
}

/** The parts of a FileEntry that rebuilding needs. */
export interface FileRef {
  path: string;
  size: number;
  sha256: string;
  recipe: { kind: 'blob' | 'recipe'; id: Id };
  /** Set if nothing can be read of it. */
  tombstone?: FileTombstone;
}

export interface StoredFile {
  ref: FileRef;
  /** null for a file that is one blob. */
  recipe: Recipe | null;
  skeleton: Skeleton | null;
  /** Blobs of kind 'ids' that the recipe's list of extents is kept in. */
  pages: Id[];
}

/** Reads recipe and skeleton of a file. @throws {CorruptError} {NotFoundError}; {GivenUpError} if a tombstone has it. */
export async function openStoredFile(
  readers: Pick<Readers, 'blobs'>,
  ref: FileRef,
): Promise<StoredFile> {
  checkKept(ref);
  if (ref.recipe.kind === 'blob') return { ref, recipe: null, skeleton: null, pages: [] };
  const pages: Id[] = [];
  const name = `recipe of ${ref.path}`;
  const recipe = await decodeRecipe(
    await readers.blobs.readBlob(ref.recipe.id, 'recipe'),
    name,
    (id) => {
      pages.push(id);
      return readers.blobs.readBlob(id, 'ids');
    },
  );
  const skeleton =
    recipe.skeleton === null
      ? null
      : skeletonOf(
          await readers.blobs.readBlob(recipe.skeleton, 'skeleton'),
          `skeleton of ${ref.path}`,
        );
  checkFit(recipe, skeleton, name);
  checkSize(recipe, skeleton, ref);
  return { ref, recipe, skeleton, pages };
}

/** Skeletons by their bytes, as long as a cache of blobs holds these: all versions of a file share one. */
const skeletons = new WeakMap<Uint8Array, Skeleton>();

function skeletonOf(bytes: Uint8Array, file: string): Skeleton {
  const known = skeletons.get(bytes);
  if (known !== undefined) return known;
  const skeleton = decodeSkeleton(bytes, file);
  skeletons.set(bytes, skeleton);
  return skeleton;
}

/** @throws {CorruptError} unless the recipe gives each stream of the skeleton exactly what it takes. */
function checkFit(recipe: Recipe, skeleton: Skeleton | null, file: string): void {
  const parts: readonly Part[] = skeleton?.parts ?? [{ kind: 'chunks' }];
  const count = (kind: Part['kind']) => parts.filter((p) => p.kind === kind).length;
  const open = parts.filter((p) => p.kind === 'variable' && p.length === null).length;
  const fits =
    count('extent') === recipe.extents.length &&
    count('chunks') === recipe.chunks.length &&
    open === recipe.variableLengths.length &&
    count('variable') > 0 === (recipe.variable !== null);
  if (!fits) throw new CorruptError(`'${file}' does not fit its skeleton`, { file });
  for (const width of [1, 2, 4, 8]) {
    const cuts = dataBlobLengths(parts, width, LITERAL_BLOB_BYTES);
    const ids = recipe.data.find((d) => d.width === width)?.ids ?? [];
    if (cuts.length !== ids.length) {
      throw new CorruptError(
        `'${file}' has ${ids.length} data literals of width ${width}, not ${cuts.length}`,
        { file },
      );
    }
  }
}

/**
 * Compares the size of a file with the sum of its parts before anything is rebuilt: a recipe of a few
 * bytes can name one chunk a million times.
 * @throws {CorruptError}
 */
function checkSize(recipe: Recipe, skeleton: Skeleton | null, ref: FileRef): void {
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
  let bytes = sum(recipe.variableLengths);
  for (const run of recipe.chunks) bytes += sum(run.map((chunk) => chunk.length));
  for (const part of skeleton?.parts ?? []) {
    if (part.kind === 'extent') bytes += part.width * part.count;
    else if (part.kind !== 'chunks') bytes += part.length ?? 0;
  }
  if (bytes === ref.size) return;
  throw new CorruptError(
    `'${ref.path}' cannot be rebuilt: its parts have ${bytes} bytes, the version says ${ref.size}`,
    { file: ref.path, expected: ref.size, actual: bytes, hint: "run 'dlv fsck'" },
  );
}

/** Every blob and extent that a stored file names, for gc and fsck; its own recipe included. */
export function* namedObjects(
  file: StoredFile,
): Generator<{ kind: 'blob' | 'extent'; id: Id; width?: number; count?: number }> {
  yield { kind: 'blob', id: file.ref.recipe.id };
  const { recipe } = file;
  if (recipe === null) return;
  for (const id of file.pages) yield { kind: 'blob', id };
  if (recipe.skeleton !== null) yield { kind: 'blob', id: recipe.skeleton };
  if (recipe.variable !== null) yield { kind: 'blob', id: recipe.variable };
  for (const { ids } of recipe.data) for (const id of ids) yield { kind: 'blob', id };
  for (const run of recipe.chunks) for (const { id } of run) yield { kind: 'blob', id };
  for (const { id, width, count } of extentsOf(file)) yield { kind: 'extent', id, width, count };
}
