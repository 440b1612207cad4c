/**
 * A remote in a folder, also one that other machines mount.
 *
 * Files appear whole: written below incoming/, synced, renamed. A file that arrived in part is compared
 * with what is to be sent, and resumed. `remote` is swapped under a lock. Below the folder no link
 * is followed.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { sha256Hex } from '../../../base/bytes/hash.js';
import { payloadMemory, recyclePayload } from '../../../base/bytes/memory/memory.js';
import { assert, DlvError, LimitError, RemoteError } from '../../../base/errors.js';
import {
  isMissing,
  listDirectory,
  makeDurableDirectory,
  ReadFile,
  readSmallFile,
  removeFile,
  renameFile,
  statOrNull,
  syncDirectory,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { guardBelow } from '../../../base/files/gate.js';
import { PatchFile } from '../../../base/files/patch-file.js';
import { leadsTo } from '../../../base/files/places/user-paths.js';
import { TRANSFER_PIECE_BYTES } from '../../../base/limits.js';
import { withLockFile } from '../../repo/processes/lock.js';
import type { LineOptions } from './http-client.js';
import { checkObject, missingObject, shortObject } from './object-there.js';
import { RateLimit } from './rate-limit.js';
import type {
  ByteRange,
  Loaded,
  RemoteObject,
  TransferOptions,
  Transport,
  TransportUpkeep,
  UploadSource,
} from './transport.js';

/** Largest object that is swapped. */
const SWAPPED_BYTES_MAX = 1 << 24;
const INCOMING = 'incoming';
const NAME = /^[0-9A-Za-z][0-9A-Za-z._-]*$/;

export type FolderOptions = Pick<LineOptions, 'rate' | 'connections'>;

export class FolderTransport implements Transport {
  readonly shown: string;
  readonly traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  readonly isWritable = true;
  readonly concurrency: number;
  readonly #root: string;
  readonly #rate: RateLimit;
  readonly #pieceBytes: number;

  /** @param root  absolute. It may not be there yet: the first thing stored makes it. */
  constructor(root: string, { rate, connections = 2 }: FolderOptions = {}) {
    this.#root = root;
    this.#rate = rate ?? new RateLimit(Number.POSITIVE_INFINITY);
    this.#pieceBytes = Math.min(TRANSFER_PIECE_BYTES, this.#rate.pieceBytes);
    this.concurrency = Math.min(2, connections);
    this.shown = root;
    guardBelow(root);
  }

  async load(name: string, maxBytes: number): Promise<Loaded | null> {
    this.traffic.requests++;
    try {
      const bytes = await this.#named(() => readSmallFile(this.#path(name), maxBytes));
      this.traffic.receivedBytes += bytes.length;
      return { bytes, tag: sha256Hex(bytes) };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async read(
    name: string,
    { start, end }: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    { signal, onBytes }: TransferOptions = {},
  ): Promise<void> {
    this.traffic.requests++;
    const file = await ReadFile.open(this.#path(name)).catch((error: unknown) => {
      throw isMissing(error) ? missingObject(this.shown, name) : error;
    });
    let room: Uint8Array | null = null;
    try {
      if (file.size < end) throw shortObject(this.shown, name, end, file.size);
      room = payloadMemory(Math.max(0, Math.min(this.#pieceBytes, end - start)));
      for (let at = start; at < end; at += this.#pieceBytes) {
        throwIfAborted(signal);
        const bytes = room.subarray(0, end - at);
        await file.readInto(bytes, at);
        await this.#rate.pass(bytes.length, signal);
        this.traffic.receivedBytes += bytes.length;
        await take(bytes);
        onBytes?.(bytes.length);
      }
    } finally {
      if (room !== null) recyclePayload(room);
      await file.close();
    }
  }

  async store(name: string, source: UploadSource, options: TransferOptions = {}): Promise<void> {
    this.traffic.requests++;
    const target = this.#path(name);
    if (await this.#isThere(name, source, options)) return;
    await this.#makeRoot();
    await makeDurableDirectory(path.dirname(target));
    const partial = this.#path(`${INCOMING}/${path.basename(target)}`);
    await makeDurableDirectory(path.dirname(partial));
    await this.#fill(partial, source, options);
    try {
      await renameFile(partial, target);
    } catch (error) {
      // Another push of the same content may have been faster.
      if (!isMissing(error)) throw error;
      const { signal } = options;
      if (!(await this.#isThere(name, source, signal ? { signal } : {}))) throw error;
    }
    await syncDirectory(path.dirname(target));
  }

  /** Writes what `partial` has not of a source, and puts it on the disk. */
  async #fill(partial: string, source: UploadSource, options: TransferOptions): Promise<void> {
    const { signal, onBytes } = options;
    const from = await arrivedBytes(partial, source, signal);
    onBytes?.(from);
    const file = await PatchFile.open(partial);
    try {
      for (let at = from; at < source.size; at += this.#pieceBytes) {
        throwIfAborted(signal);
        const bytes = await source.read(at, Math.min(this.#pieceBytes, source.size - at));
        await this.#rate.pass(bytes.length, signal);
        await file.write(bytes, at);
        this.traffic.sentBytes += bytes.length;
        onBytes?.(bytes.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** True if an object has arrived whole. @throws {RemoteError} if its bytes are others. */
  async #isThere(name: string, source: UploadSource, options: TransferOptions): Promise<boolean> {
    const there = await statOrNull(this.#path(name));
    if (there === null) return false;
    await checkObject(this, { name, bytes: Number(there.stat.size) }, source, options);
    return true;
  }

  async swap(name: string, bytes: Uint8Array, tag: string | null): Promise<string | null> {
    this.traffic.requests++;
    await this.#makeRoot();
    const place = { file: this.#path('lock'), what: `remote '${this.shown}'` };
    return withLockFile(place, async (assertHeld) => {
      const now = await this.load(name, SWAPPED_BYTES_MAX);
      if ((now?.tag ?? null) !== tag) return null;
      assertHeld();
      await writeFileAtomic(this.#path(name), bytes);
      this.traffic.sentBytes += bytes.length;
      return sha256Hex(bytes);
    });
  }

  readonly upkeep: TransportUpkeep = {
    now: async () => {
      // The clock of the file system, which may be another machine's.
      const name = `${INCOMING}/clock-${randomBytes(8).toString('hex')}`;
      const file = this.#path(name);
      await makeDurableDirectory(path.dirname(file));
      await writeFileAtomic(file, new Uint8Array(0));
      const there = await statOrNull(file);
      await removeFile(file);
      if (there === null) throw missingObject(this.shown, name);
      return modifiedMs(there);
    },
    list: (folder) => this.#filesIn(folder),
    remove: async (name) => {
      this.traffic.requests++;
      const file = this.#path(name);
      if ((await statOrNull(file)) !== null) await removeFile(file);
    },
    removeUnfinished: async (beforeMs, { dryRun = false } = {}) => {
      let bytes = 0;
      for (const one of await this.#filesIn(INCOMING)) {
        if (one.modifiedMs >= beforeMs) continue;
        bytes += one.bytes;
        if (!dryRun) await removeFile(this.#path(one.name));
      }
      return bytes;
    },
  };

  async names(folder: string): Promise<string[]> {
    this.traffic.requests++;
    const found = await listDirectory(this.#path(folder));
    return found.filter((file) => NAME.test(file)).map((file) => `${folder}/${file}`);
  }

  async #filesIn(folder: string): Promise<RemoteObject[]> {
    this.traffic.requests++;
    const found: RemoteObject[] = [];
    for (const file of await listDirectory(this.#path(folder))) {
      if (!NAME.test(file)) continue;
      const name = `${folder}/${file}`;
      const there = await statOrNull(this.#path(name));
      if (!there?.isFile) continue;
      found.push({ name, bytes: there.stat.size, modifiedMs: modifiedMs(there) });
    }
    return found;
  }

  async close(): Promise<void> {}

  /** Makes the folder, if the one that it is in is there. */
  async #makeRoot(): Promise<void> {
    if (!(await canBeMade(this.#root))) return;
    await makeDurableDirectory(this.#root);
  }

  /** Runs an action whose damage concerns a file of the remote. */
  async #named<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof LimitError || error instanceof DlvError) error.data.url = this.shown;
      throw error;
    }
  }

  #path(name: string): string {
    const parts = name.split('/');
    assert(
      parts.every((part) => NAME.test(part)),
      `'${name}' is no name of a remote`,
    );
    return path.join(this.#root, ...parts);
  }
}

/** Milliseconds since 1970. */
function modifiedMs({ stat }: { stat: { mtimeNs: string } }): number {
  return Number(BigInt(stat.mtimeNs) / 1_000_000n);
}

/** How much of a source stands in a file already, from its start. */
async function arrivedBytes(
  partial: string,
  source: UploadSource,
  signal: AbortSignal | undefined,
): Promise<number> {
  const there = await statOrNull(partial);
  if (there === null) return 0;
  if (there.stat.size > source.size) {
    await removeFile(partial);
    return 0;
  }
  const file = await ReadFile.open(partial);
  try {
    const size = Math.min(file.size, source.size);
    for (let at = 0; at < size; at += TRANSFER_PIECE_BYTES) {
      throwIfAborted(signal);
      const length = Math.min(TRANSFER_PIECE_BYTES, size - at);
      const [have, want] = [await file.read(at, length), await source.read(at, length)];
      if (Buffer.compare(have, want) !== 0) return at;
    }
    return size;
  } finally {
    await file.close();
  }
}

/** False if a folder is there. @throws {RemoteError} if it is not, and the one that it would be in is not either. */
export async function canBeMade(folder: string): Promise<boolean> {
  if ((await leadsTo(folder)) === 'folder') return false;
  const above = path.dirname(folder);
  if ((await leadsTo(above)) === 'folder') return true;
  throw new RemoteError(`cannot make the remote '${folder}': there is no folder '${above}'`, {
    url: folder,
    hint: "mount or make that folder, or correct the address, that of a remote with 'dlv remote set-url'",
  });
}
