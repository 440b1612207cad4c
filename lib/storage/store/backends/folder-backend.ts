/**
 * The backend over a folder of the file system.
 *
 * All file access goes through lib/base/files/files.ts, so that the fault harness sees it. Files that are
 * read stay open in a bounded cache; renaming or removing a name forgets its handle, and a reader in
 * another process keeps reading what it opened, which POSIX leaves in place.
 */

import path from 'node:path';
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { payloadMemory } from '../../../base/bytes/memory/memory.js';
import { assert } from '../../../base/errors.js';
import {
  ioError,
  listDirectory,
  makeDirectory,
  ReadFile,
  readSmallFile,
  removeFile,
  renameFile,
  statOrNull,
  syncDirectory,
  WriteFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { guardBelow } from '../../../base/files/gate.js';
import { BLOCK_CACHE_BYTES, OPEN_FILES_MAX } from '../../../base/limits.js';
import { PACKS_DIR, TMP_DIR } from '../names.js';
import type { Backend, BackendWriter, LentFile } from './backend.js';

/** One cached handle; closed when it was dropped from the cache and nobody reads from it. */
interface OpenFile {
  file: Promise<ReadFile>;
  readers: number;
  dropped: boolean;
}

/** Small records of blob files stand close together: they are read by blocks of this many bytes. */
const BLOCK_BYTES = 64 * 1024;
const SMALL_READ_BYTES = 16 * 1024;
/** Longer reads take longer than the trip to a thread. */
const WRITTEN_READ_BYTES = 128 * 1024;
/** Files that never change under their name; those in tmp/ are read while they grow. */
const BLOCK_FILES = /^packs\/.*\.blob$/;
/** Files of segments, whose payloads the kernel decodes. */
const PAYLOAD_FILES = /\.(hi|mid|low)$/;

export class FolderBackend implements Backend {
  readonly root: string;
  readonly #open: LruCache<string, OpenFile>;
  readonly #folders = new Set<string>();
  /** Blocks by file, then offset. */
  readonly #blocks = new LruCache<string, Promise<Uint8Array>>(BLOCK_CACHE_BYTES);

  /** @param root the `.dlv` folder. */
  constructor(root: string, options: { openFilesMax?: number } = {}) {
    this.root = root;
    guardBelow(root);
    const openFiles = Math.max(1, options.openFilesMax ?? OPEN_FILES_MAX);
    this.#open = new LruCache(openFiles, (open, name) => this.#forget(open, name));
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const { open, file } = await this.#acquire(name);
    try {
      if (offset + length <= file.size) {
        const isSmall = offset >= 0 && length <= SMALL_READ_BYTES && BLOCK_FILES.test(name);
        return isSmall
          ? await this.#readSmall(open, file, { name, offset, length })
          : await readRange(file, name, offset, length);
      }
    } finally {
      this.#release(open);
    }
    // The file may have grown since it was opened: packs in tmp/ are read while they are written.
    this.#drop(name);
    const again = await this.#acquire(name);
    try {
      return await readRange(again.file, name, offset, length);
    } finally {
      this.#release(again.open);
    }
  }

  async readWritten(name: string, offset: number, length: number): Promise<Uint8Array> {
    if (length > WRITTEN_READ_BYTES) return this.read(name, offset, length);
    const { open, file } = await this.#acquire(name);
    try {
      if (offset + length <= file.size) {
        return PAYLOAD_FILES.test(name)
          ? await file.readNow(offset, length, payloadMemory)
          : await file.readNow(offset, length);
      }
    } finally {
      this.#release(open);
    }
    return this.read(name, offset, length);
  }

  async lendFile(name: string, end: number): Promise<LentFile | null> {
    const lent = await this.#lend(name, end);
    if (lent !== null) return lent;
    // As above: it may have grown.
    this.#drop(name);
    return this.#lend(name, end);
  }

  async #lend(name: string, end: number): Promise<LentFile | null> {
    const { open, file } = await this.#acquire(name);
    if (end <= file.size) return { fd: file.fd, release: () => this.#release(open) };
    this.#release(open);
    return null;
  }

  /** Reads through the block that holds the range, or past all blocks if two hold it. */
  async #readSmall(
    open: OpenFile,
    file: ReadFile,
    { name, offset, length }: { name: string; offset: number; length: number },
  ): Promise<Uint8Array> {
    const start = offset - (offset % BLOCK_BYTES);
    if (offset + length > start + BLOCK_BYTES) return file.read(offset, length);
    const key = `${name}\0${start}`;
    const block =
      this.#blocks.get(key) ?? file.read(start, Math.min(BLOCK_BYTES, file.size - start));
    // A file that was dropped meanwhile may have been replaced: its blocks must not outlive it.
    if (open.dropped) this.#blocks.delete(key);
    else this.#blocks.set(key, block, BLOCK_BYTES);
    try {
      // The caller owns what it gets, and a Buffer's own slice would be a view.
      return Uint8Array.prototype.slice.call(await block, offset - start, offset - start + length);
    } catch (error) {
      if (this.#blocks.peek(key) === block) this.#blocks.delete(key);
      throw error;
    }
  }

  async size(name: string): Promise<number> {
    const file = this.#path(name);
    const found = await statOrNull(file);
    if (found === null) {
      throw ioError('open', file, Object.assign(new Error('no such file'), { code: 'ENOENT' }));
    }
    return found.stat.size;
  }

  async exists(name: string): Promise<boolean> {
    return (await statOrNull(this.#path(name))) !== null;
  }

  list(dir: string): Promise<string[]> {
    return listDirectory(this.#path(dir));
  }

  async createWriter(name: string): Promise<BackendWriter> {
    await this.#makeFolder(name);
    const file = this.#path(name);
    // What is written in tmp/ becomes a pack.
    const shown = name.startsWith(`${TMP_DIR}/`) ? this.#path(PACKS_DIR) : file;
    return new FolderWriter(name, await WriteFile.create(file, 0o666, shown));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#makeFolder(to);
    this.#drop(from);
    await renameFile(this.#path(from), this.#path(to));
    this.#drop(to);
  }

  async remove(name: string): Promise<void> {
    this.#drop(name);
    await removeFile(this.#path(name));
  }

  async writeAtomic(name: string, bytes: Uint8Array): Promise<void> {
    await this.#makeFolder(name);
    await writeFileAtomic(this.#path(name), bytes);
    this.#drop(name);
  }

  readAll(name: string, maxBytes: number): Promise<Uint8Array> {
    return readSmallFile(this.#path(name), maxBytes);
  }

  syncDir(dir: string): Promise<void> {
    return syncDirectory(this.#path(dir));
  }

  async refresh(): Promise<void> {
    this.#open.clear();
  }

  async close(): Promise<void> {
    const open = this.#open.keys().map((name) => this.#open.peek(name) as OpenFile);
    this.#open.clear();
    await Promise.all(open.map((one) => one.file.then((file) => file.close()).catch(() => {})));
  }

  #path(name: string): string {
    const parts = name.split('/');
    assert(
      parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0]/.test(part)),
      `'${name}' is not a name of the store`,
    );
    return path.join(this.root, ...parts);
  }

  async #makeFolder(name: string): Promise<void> {
    const folder = path.dirname(this.#path(name));
    if (this.#folders.has(folder)) return;
    await makeDirectory(folder);
    // Folders below tmp/ are removed by others; only the fixed ones are remembered.
    if (!folder.startsWith(path.join(this.root, TMP_DIR))) this.#folders.add(folder);
  }

  async #acquire(name: string): Promise<{ open: OpenFile; file: ReadFile }> {
    let open = this.#open.get(name);
    if (open === undefined) {
      open = { file: ReadFile.open(this.#path(name)), readers: 0, dropped: false };
      this.#open.set(name, open);
    }
    open.readers++;
    try {
      return { open, file: await open.file };
    } catch (error) {
      if (this.#open.peek(name) === open) this.#open.delete(name);
      throw error;
    }
  }

  #release(open: OpenFile): void {
    open.readers--;
    if (open.dropped && open.readers === 0) closeQuietly(open);
  }

  /** Closes a file and forgets what was read of it. */
  #drop(name: string): void {
    this.#open.delete(name);
    this.#forgetBlocks(name);
  }

  #forget(open: OpenFile, name: string): void {
    this.#forgetBlocks(name);
    open.dropped = true;
    if (open.readers === 0) closeQuietly(open);
  }

  #forgetBlocks(name: string): void {
    for (const key of this.#blocks.keys()) {
      if (key.startsWith(`${name}\0`)) this.#blocks.delete(key);
    }
  }
}

function readRange(
  file: ReadFile,
  name: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  return PAYLOAD_FILES.test(name)
    ? file.read(offset, length, payloadMemory)
    : file.read(offset, length);
}

/** Closing a file that was only read cannot lose anything, so a failure is not an error. */
function closeQuietly(open: OpenFile): void {
  open.file.then((file) => file.close()).catch(() => {});
}

class FolderWriter implements BackendWriter {
  readonly name: string;
  readonly #file: WriteFile;

  constructor(name: string, file: WriteFile) {
    this.name = name;
    this.#file = file;
  }

  get offset(): number {
    return this.#file.offset;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#file.write(bytes);
  }

  overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#file.overwrite(offset, bytes);
  }

  takeBack(offset: number): Promise<void> {
    return this.#file.takeBack(offset);
  }

  syncAndClose(): Promise<void> {
    return this.#file.syncAndClose();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
