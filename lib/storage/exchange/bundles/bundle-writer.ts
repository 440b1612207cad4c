/**
 * A bundle that is written, as a remote to which nothing was pushed before: what a push stores becomes entries, one
 * after the other, and `finish` puts the file in its place.
 *
 * Until then it has a temporary name beside its place. Nothing of what it holds depends on times or chance.
 */
import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { assert } from '../../../base/errors.js';
import {
  patchFile,
  removeFile,
  renameFile,
  syncDirectory,
  WriteFile,
} from '../../../base/files/files.js';
import { TRANSFER_PIECE_BYTES } from '../../../base/limits.js';
import {
  checksumPatch,
  directoryEntry,
  endRecords,
  localHeader,
  type WrittenEntry,
} from '../../../pure/formats/zip/zip-records.js';
import { removeUnfinished } from '../../repo/processes/abandoned.js';
import { missingObject } from '../transports/object-there.js';
import {
  bytesSource,
  type Loaded,
  type TransferOptions,
  type Transport,
  type UploadSource,
} from '../transports/transport.js';
import { encodeBundleHead, HEAD_NAME, isObjectName, STATE_NAMES } from './bundle-head.js';

export class BundleWriter implements Transport {
  readonly shown: string;
  readonly traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  readonly isWritable = true;
  readonly concurrency = 1;
  readonly hasOneWriter = true;
  readonly needs: readonly Id[];
  /** Null until something is stored. */
  #file: WriteFile | null = null;
  readonly #entries = new Map<string, WrittenEntry>();
  /** What may still be swapped: written last. */
  readonly #state = new Map<string, Uint8Array>();
  /** Turn of those that store. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param target  absolute. @param needs  versions that a reader has to have already. */
  constructor(target: string, needs: readonly Id[]) {
    this.shown = target;
    this.needs = needs;
  }

  async load(name: string): Promise<Loaded | null> {
    const bytes = this.#state.get(name);
    return bytes === undefined ? null : { bytes, tag: sha256Hex(bytes) };
  }

  async read(name: string): Promise<void> {
    throw missingObject(this.shown, name);
  }

  store(name: string, source: UploadSource, options: TransferOptions = {}): Promise<void> {
    const run = this.#turn.then(() => this.#add(name, source, options));
    this.#turn = run.catch(() => {});
    return run;
  }

  async #add(
    name: string,
    source: UploadSource,
    { signal, onBytes }: TransferOptions,
  ): Promise<void> {
    // A push that plans anew stores some objects twice.
    if (this.#entries.has(name)) return onBytes?.(source.size);
    assert(name === HEAD_NAME || isObjectName(name), `'${name}' is no name of a bundle`);
    const file = await this.#open();
    const entry = { name, size: source.size, offset: file.offset, crc: 0 };
    await file.write(localHeader(entry));
    for (let at = 0; at < source.size; at += TRANSFER_PIECE_BYTES) {
      throwIfAborted(signal);
      const bytes = await source.read(at, Math.min(TRANSFER_PIECE_BYTES, source.size - at));
      entry.crc = crc32(bytes, entry.crc);
      await file.write(bytes);
      this.traffic.sentBytes += bytes.length;
      onBytes?.(bytes.length);
    }
    this.#entries.set(name, entry);
  }

  /** The file, which begins with what the bundle needs. */
  async #open(): Promise<WriteFile> {
    if (this.#file !== null) return this.#file;
    await removeUnfinished(path.dirname(this.shown));
    const file = await WriteFile.createTemporary(this.shown);
    this.#file = file;
    await this.#add(HEAD_NAME, bytesSource(encodeBundleHead(this.needs)), {});
    return file;
  }

  async swap(name: string, bytes: Uint8Array, tag: string | null): Promise<string | null> {
    assert(STATE_NAMES.includes(name), `'${name}' is not swapped`);
    const now = await this.load(name);
    if ((now?.tag ?? null) !== tag) return null;
    this.#state.set(name, bytes);
    return sha256Hex(bytes);
  }

  /** Puts the bundle in its place, on the disk. @returns its bytes. */
  async finish(): Promise<number> {
    for (const name of [...STATE_NAMES].sort()) {
      const bytes = this.#state.get(name);
      assert(bytes !== undefined, `'${name}' was not pushed`);
      await this.store(name, bytesSource(bytes));
    }
    const file = await this.#open();
    const entries = [...this.#entries.values()];
    const at = file.offset;
    for (const entry of entries) await file.write(directoryEntry(entry));
    await file.write(endRecords(entries.length, at, file.offset - at));
    const bytes = file.offset;
    await patchFile(file.path, entries.map(checksumPatch));
    await file.syncAndClose();
    await renameFile(file.path, this.shown);
    this.#file = null;
    await syncDirectory(path.dirname(this.shown));
    return bytes;
  }

  /** Removes what was written, unless it is finished. */
  async close(): Promise<void> {
    await this.#turn;
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await file.close();
    await removeFile(file.path);
  }
}
