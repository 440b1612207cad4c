/** Sends the files of pack sets to a remote, the index last, so that a set is there whole or not at all. */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { sha256Hex } from '../../../base/bytes/hash.js';
import type { Backend } from '../../store/backends/backend.js';
import { packName } from '../../store/names.js';
import { FILE_CLASSES, type FileClass, type SealedSet } from '../../store/types.js';
import { setName } from '../collect/garbage-names.js';
import type { Remote } from '../remote/remote.js';
import type { RemoteCache } from '../remote/remote-cache.js';
import type { TransferOptions, UploadSource } from '../transports/transport.js';
import type { PushEnds } from './push-ends.js';

/** Files of one set that are sent at once. */
const FILES_AT_ONCE = 4;

/** Brings a set to the remote, and keeps its index here. */
export async function sendSet(
  ends: PushEnds,
  sealed: SealedSet,
  options: TransferOptions,
): Promise<void> {
  const upload = new Upload(ends, options);
  await upload.send(sealed);
  await upload.keepIndex(sealed);
}

export class Upload {
  /** Sets that the remote has now. */
  readonly sent: SealedSet['info'][] = [];
  readonly #local: Backend;
  readonly #remote: Remote;
  readonly #cache: RemoteCache | null;
  readonly #options: TransferOptions;

  constructor({ repo, remote, cache }: PushEnds, options: TransferOptions) {
    this.#local = repo.store.backend;
    this.#remote = remote;
    this.#cache = cache;
    this.#options = options;
  }

  /** @param from  where its files are. @throws {ConflictError} if a collection is removing files of that name. */
  async send(sealed: SealedSet, from: Backend = this.#local): Promise<void> {
    const { info, files } = sealed;
    await this.#remote.checkStays(setName(info.id));
    const isNew = await this.#begin(info.id);
    const data = FILE_CLASSES.filter((name) => name !== 'idx' && info.bytes[name] > 0);
    const send = (name: FileClass): Promise<void> => {
      const file = files[name] as string;
      const source: UploadSource = {
        size: info.bytes[name],
        read: (offset, length) => from.read(file, offset, length),
      };
      const how = { ...this.#options, isNew };
      return this.#remote.transport.store(packName(info.id, name), source, how);
    };
    await forEachLimit(data, FILES_AT_ONCE, send);
    if (files.idx !== undefined) await send('idx');
    this.sent.push(info);
  }

  /**
   * Notes that a set is being sent, where a look at what is there costs a request.
   * @returns true if it cannot be there: as what an interrupted run left, or as garbage that is not removed yet.
   */
  async #begin(id: string): Promise<boolean> {
    if (this.#remote.transport.proveSwaps === undefined) return false;
    const fact = this.#begunFact(id);
    if (await this.#cache?.knows(fact)) return false;
    await this.#cache?.keepFact(fact);
    return (this.#remote.state.collection?.garbage.length ?? 0) === 0;
  }

  #begunFact(id: string): string {
    return sha256Hex(Buffer.from(`begun ${id} ${this.#remote.shown}`));
  }

  /** The sets that were sent are listed: nothing of them is left half done. */
  async forgetBegun(): Promise<void> {
    if (this.#remote.transport.proveSwaps === undefined) return;
    for (const { id } of this.sent) await this.#cache?.forgetFact(this.#begunFact(id));
  }

  /** Keeps the index of a set here: it tells what the remote has. */
  async keepIndex({ info, files }: SealedSet, from: Backend = this.#local): Promise<void> {
    if (files.idx === undefined || this.#cache === null) return;
    const bytes = await from.read(files.idx, 0, info.bytes.idx);
    await this.#cache.keepIndex(info.id, bytes);
  }
}
