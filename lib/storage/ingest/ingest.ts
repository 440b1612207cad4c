/**
 * Ingest: one file → recipe, extents and literals in a pack session.
 *
 * The file is read once from start to end: its sha256 (and git's sha1), the hashes of every extent,
 * the literals. Segments of an extent are encoded from memory, and written, while more of it is read; what was not is read
 * again and hashed again, so that what is stored is what was hashed. Every encoded
 * segment is decoded and compared before it counts (invariant 5 of ARCHITECTURE.md).
 *
 * The kernel reads, hashes and splits on one thread of Node's pool, while a base of the extent before is looked
 * for and that one is encoded and written on others. What is in flight is bounded by bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Id, RunningSha256 } from '../../base/bytes/hash.js';
import { LimitError } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import { FILE_BYTES_MAX, GIT_SHA1_BYTES_MAX } from '../../base/limits.js';
import type { CodecLevel } from '../../pure/codec/segment.js';
import type { FileParts, PlacedPart } from '../../pure/tensor/file-parts.js';
import type { ChunkRef } from '../../pure/tensor/recipe.js';
import type { PackSession } from '../objects/session.js';
import type { ExtentView } from './bases/derived-extent.js';
import { type BaseFinder, tensorKey, viewOf } from './bases/named-bases.js';
import { storeChunks } from './chunks.js';
import { FileFeed } from './file-feed.js';
import { Literals } from './literals.js';
import { ExtentStore } from './store-extents.js';
import { storeRecipe } from './store-recipe.js';

/** What ingest says about a file. */
export interface IngestedFile {
  size: number;
  /** Hex sha256 of the file, no domain: the oid of LFS and Hugging Face. */
  sha256: string;
  /** git's blob sha1 for files up to GIT_SHA1_BYTES_MAX. */
  gitSha1: string | null;
  /** A whole file that is one blob, or a recipe blob. */
  recipe: { kind: 'blob' | 'recipe'; id: Id };
  extents: number;
  tensors: number;
}

export interface IngestOptions {
  bases: BaseFinder;
  /** Longest chain in links, and its cost as a multiple of the materialized bytes. */
  chainDepth: number;
  chainCost: number;
  level: CodecLevel;
  /** False for extents that must not become bases; default: all may. */
  isUsable?: (id: Id) => boolean;
  /** Called with the bytes read since the last call. */
  onBytes?: (count: number) => void;
  signal?: AbortSignal;
}

/**
 * Stores one file.
 * @param file  the source, cut by `cutFile`; its layout is not needed any more and should not be held.
 * @throws {ChangedError} if it changes meanwhile; nothing of it is listed then.
 */
export async function ingestFile(
  session: PackSession,
  source: ReadFile,
  file: FileParts,
  options: IngestOptions,
): Promise<IngestedFile> {
  if (source.size > FILE_BYTES_MAX) {
    throw new LimitError(`'${source.name}' has ${source.size} bytes, more than ${FILE_BYTES_MAX}`, {
      file: source.name,
      limit: 'FILE_BYTES_MAX',
      value: source.size,
      max: FILE_BYTES_MAX,
    });
  }
  return new FileIngest(session, source, file, options).run();
}

/** The hashes of a whole file, fed block by block. */
class FileHashes {
  readonly sha256 = new RunningSha256();
  readonly #gitSha1: Hash | null;

  constructor(size: number) {
    this.#gitSha1 = size <= GIT_SHA1_BYTES_MAX ? createHash('sha1').update(`blob ${size}\0`) : null;
  }

  update(block: Uint8Array): void {
    this.sha256.update(block);
    this.#gitSha1?.update(block);
  }

  /** True if sha256 is all that is hashed, so that the kernel can do it. */
  get isPlain(): boolean {
    return this.#gitSha1 === null && this.sha256.state !== null;
  }

  finish(): Pick<IngestedFile, 'sha256' | 'gitSha1'> {
    return { sha256: this.sha256.digest(), gitSha1: this.#gitSha1?.digest('hex') ?? null };
  }
}

/** How tensors name and see an extent. */
interface ExtentViews {
  readonly keys: string[];
  view: ExtentView | null;
}

/** Names under which bases of an extent are looked for, and its view, by the place of its part. */
function viewsOf(file: FileParts): Map<number, ExtentViews> {
  const views = new Map<number, ExtentViews>();
  for (const tensor of file.tensors) {
    const placed = file.parts[tensor.part]?.part;
    // Only extents have bases of their own.
    if (placed?.kind !== 'extent') continue;
    const known = views.get(tensor.part) ?? { keys: [], view: null };
    known.keys.push(tensorKey(tensor.role, tensor.name));
    known.view ??= viewOf(tensor, placed);
    views.set(tensor.part, known);
  }
  return views;
}

/** Shorter extents are split where they lie in a block: a call of the kernel for each would take longer. */
const DIRECT_BYTES_MIN = 256 * 1024;

/** Where extents begin that the kernel reads. */
function directStarts(file: FileParts): number[] {
  return file.parts
    .filter(({ part, length }) => part.kind === 'extent' && length >= DIRECT_BYTES_MIN)
    .map(({ offset }) => offset);
}

class FileIngest {
  readonly #session: PackSession;
  readonly #source: ReadFile;
  readonly #file: FileParts;
  readonly #hashes: FileHashes;
  readonly #feed: FileFeed;
  readonly #literals: Literals;
  readonly #extents: ExtentStore;
  readonly #views: ReadonlyMap<number, ExtentViews>;
  readonly #ids: { readonly extents: Id[]; readonly chunks: ChunkRef[][] } = {
    extents: [],
    chunks: [],
  };

  constructor(session: PackSession, source: ReadFile, file: FileParts, options: IngestOptions) {
    this.#session = session;
    this.#source = source;
    this.#file = file;
    this.#hashes = new FileHashes(source.size);
    const onBytes = (count: number): void => {
      throwIfAborted(options.signal);
      options.onBytes?.(count);
    };
    const onBlock = (block: Uint8Array): void => {
      onBytes(block.length);
      this.#hashes.update(block);
    };
    const direct = { starts: directStarts(file), hash: this.#hashes.sha256, onBytes };
    const feed = new FileFeed(source, onBlock, this.#hashes.isPlain ? direct : null);
    this.#feed = feed;
    this.#literals = new Literals({ session, feed, bases: options.bases }, file);
    this.#extents = new ExtentStore({ session, source, feed, options });
    this.#views = viewsOf(file);
  }

  async run(): Promise<IngestedFile> {
    try {
      for (const [index, part] of this.#file.parts.entries()) await this.#readPart(part, index);
    } finally {
      await this.#settle();
    }
    await this.#source.checkUnchanged();
    this.#extents.check();
    const streams = { ...this.#literals.streams(), ...this.#ids };
    return {
      size: this.#source.size,
      ...this.#hashes.finish(),
      recipe: await storeRecipe(this.#session, this.#file, streams),
      extents: this.#ids.extents.length,
      tensors: this.#file.tensors.length,
    };
  }

  async #settle(): Promise<void> {
    try {
      await this.#extents.settle();
    } finally {
      await this.#feed.settle();
    }
  }

  async #readPart({ part, offset, length }: PlacedPart, index: number): Promise<void> {
    switch (part.kind) {
      case 'fixed':
        return this.#literals.readFixed(length);
      case 'variable':
        return this.#literals.readVariable(length, part.length === null);
      case 'data':
        return this.#literals.readData(part.width, length);
      case 'chunks':
        this.#ids.chunks.push(await storeChunks(this.#session, this.#feed, length));
        return;
      case 'extent':
        this.#ids.extents.push(
          await this.#extents.read({
            ...part,
            offset,
            ...(this.#views.get(index) ?? { keys: [], view: null }),
          }),
        );
    }
  }
}
