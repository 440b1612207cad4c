/**
 * The pack sets of a remote as an object store: what is read of them arrives first.
 *
 * Indexes are taken from packs/ here, from copies that earlier transfers left, or from the remote; parts of
 * packs from what has arrived, which grows as needed.
 */
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { BugError } from '../../../base/errors.js';
import { isMissing } from '../../../base/files/files.js';
import {
  BLOCK_CACHE_BYTES,
  TRANSFER_BLOCK_BYTES,
  TRANSFER_WHOLE_BYTES,
} from '../../../base/limits.js';
import type { Backend, BackendWriter } from '../../store/backends/backend.js';
import { encodeManifest } from '../../store/manifest.js';
import { MANIFEST_NAME, packName } from '../../store/names.js';
import { FILE_CLASSES, type FileClass, type SetInfo } from '../../store/types.js';
import type { Incoming, RemoteFile } from '../incoming.js';
import type { RemoteCache } from './remote-cache.js';

/** Where pack sets are found. */
export interface RemoteStorePlaces {
  /** The repository's own files. */
  readonly local: Backend;
  /** Sets that its manifest lists: their files are the same here and there. */
  readonly listed: readonly SetInfo[];
  /** Null: there are no copies. */
  readonly cache: RemoteCache | null;
  /** Null: nothing is fetched, and only indexes can be read. */
  readonly incoming: Incoming | null;
}

/** TRANSFER_BLOCK_BYTES is so many of them, so whatever part of one arrives, all of it does. */
const BLOCK_BYTES = 64 * 1024;

/** A file of a set at a remote. */
export function remoteFile(info: SetInfo, fileClass: FileClass): RemoteFile {
  return { name: packName(info.id, fileClass), size: info.bytes[fileClass] };
}

/** A backend that only reads. @see ObjectStore.open */
export class RemoteBackend implements Backend {
  readonly #sets: readonly SetInfo[];
  readonly #files = new Map<string, { info: SetInfo; file: RemoteFile; fileClass: FileClass }>();
  readonly #places: RemoteStorePlaces;
  readonly #listed: ReadonlySet<string>;
  /** Parts of blob files that have arrived, by file and place. */
  readonly #blocks = new LruCache<string, Uint8Array>(BLOCK_CACHE_BYTES);

  constructor(sets: readonly SetInfo[], places: RemoteStorePlaces) {
    this.#sets = sets;
    this.#places = places;
    this.#listed = new Set(places.listed.map(({ id }) => id));
    for (const info of sets) {
      for (const fileClass of FILE_CLASSES) {
        const file = remoteFile(info, fileClass);
        if (file.size > 0) this.#files.set(file.name, { info, file, fileClass });
      }
    }
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const { info, file, fileClass } = this.#file(name);
    const { local, incoming } = this.#places;
    if (this.#listed.has(info.id)) {
      try {
        return await local.read(name, offset, length);
      } catch (error) {
        // Another command may have merged it away.
        if (!isMissing(error) || incoming === null) throw error;
      }
    }
    if (fileClass === 'idx') {
      const kept = (await this.#places.cache?.index(info)) ?? null;
      if (kept !== null) return local.read(kept, offset, length);
    }
    if (incoming === null) throw new BugError(`'${name}' is read of a remote that is not fetched`);
    const wanted = rounded(fileClass, file.size, offset, length);
    const block = offset - (offset % BLOCK_BYTES);
    const end = Math.min(block + BLOCK_BYTES, file.size);
    if (fileClass !== 'blob' || offset + length > end) {
      await incoming.need(file, [wanted]);
      return incoming.read(file, offset, length);
    }
    // Versions and recipes are small and stand close together.
    const key = `${name} ${block}`;
    let bytes = this.#blocks.get(key);
    if (bytes === undefined) {
      await incoming.need(file, [wanted]);
      bytes = await incoming.read(file, block, end - block);
      this.#blocks.set(key, bytes, bytes.length);
    }
    return Uint8Array.prototype.slice.call(bytes, offset - block, offset - block + length);
  }

  async size(name: string): Promise<number> {
    return this.#file(name).file.size;
  }

  async exists(name: string): Promise<boolean> {
    return this.#files.has(name);
  }

  async readAll(name: string): Promise<Uint8Array> {
    if (name === MANIFEST_NAME) return encodeManifest({ generation: 0, sets: [...this.#sets] });
    const { file } = this.#file(name);
    return this.read(name, 0, file.size);
  }

  #file(name: string) {
    const found = this.#files.get(name);
    if (found === undefined) throw new BugError(`'${name}' is no file of the remote`);
    return found;
  }

  async list(): Promise<string[]> {
    return [];
  }
  createWriter(): Promise<BackendWriter> {
    throw onlyRead();
  }
  rename(): Promise<void> {
    throw onlyRead();
  }
  remove(): Promise<void> {
    throw onlyRead();
  }
  writeAtomic(): Promise<void> {
    throw onlyRead();
  }
  syncDir(): Promise<void> {
    throw onlyRead();
  }
  async refresh(): Promise<void> {}
  async close(): Promise<void> {}
}

function onlyRead(): BugError {
  return new BugError('the packs of a remote are only read here');
}

/** What is fetched for a read: whole indexes, whole small blob files, blocks of large ones. */
function rounded(
  fileClass: FileClass,
  size: number,
  offset: number,
  length: number,
): { start: number; end: number } {
  const isWhole = fileClass === 'idx' || (fileClass === 'blob' && size <= TRANSFER_WHOLE_BYTES);
  if (isWhole) return { start: 0, end: size };
  const block = fileClass === 'blob' ? TRANSFER_BLOCK_BYTES : 1;
  const start = offset - (offset % block);
  return { start, end: Math.min(size, Math.ceil((offset + length) / block) * block) };
}
