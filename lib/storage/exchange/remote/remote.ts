/**
 * An open remote: what it says it holds, its objects by name, and the swap that makes a push visible.
 *
 * Start at `Remote.open`. Nothing here trusts what arrives: see fetching/arrival.ts for records.
 */

import { randomBytes } from 'node:crypto';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { ConflictError, FormatVersionError, RemoteError } from '../../../base/errors.js';
import { encodeFormat, type Format, isWritable, joinFormats } from '../../repo/format.js';
import { packName } from '../../store/names.js';
import { FILE_CLASSES } from '../../store/types.js';
import type {
  ByteRange,
  ReadOptions,
  Traffic,
  TransferOptions,
  Transport,
} from '../transports/transport.js';
import type { RemoteCache } from './remote-cache.js';
import { damagedFile } from './remote-damage.js';
import { decodeRemote, encodeRemote, type RemoteState } from './remote-file.js';
import { type Holdings, RemoteLists } from './remote-lists.js';
import { FORMAT_NAME, NO_WRITER, REMOTE_NAME, type ReadState, readState } from './remote-state.js';

/** What is read of a remote, or of a repository that serves as one. */
export interface RemoteReader {
  /** The address without passwords. */
  readonly shown: string;
  readonly traffic: Traffic;
  readonly concurrency: number;
  /** @see Transport.sendsWhole */
  readonly sendsWhole?: boolean | null;
  readonly format: Format;
  readonly state: Pick<RemoteState, 'head' | 'numbers' | 'refs'>;
  /** Versions that have to be here already, with all that they need: it holds only what came after them. */
  readonly needs: readonly Id[];
  holdings(options?: TransferOptions): Promise<Holdings>;
  /** Part of a file of a pack set. @throws {RemoteError} */
  read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options?: ReadOptions,
  ): Promise<void>;
  /** Reads again what it says of itself. @returns true if that changed since it was read. */
  renew(options?: TransferOptions): Promise<boolean>;
  close(): Promise<void>;
}

/** Swaps that are tried while others win. */
const SWAPS_MAX = 20;

export class Remote implements RemoteReader {
  readonly transport: Transport;
  /** What it holds, and the garbage of collections, in parts. */
  readonly lists: RemoteLists;
  readonly #cache: RemoteCache | null;
  #read: ReadState;

  private constructor(transport: Transport, cache: RemoteCache | null, read: ReadState) {
    this.transport = transport;
    this.lists = new RemoteLists(transport, cache);
    this.#cache = cache;
    this.#read = read;
  }

  /**
   * Reads what a remote says of itself: two small objects.
   * @param cache  keeps older parts of its list.
   * @throws {RemoteError} if it cannot be reached; {CorruptError} {FormatVersionError}
   */
  static async open(
    transport: Transport,
    cache: RemoteCache | null,
    options: TransferOptions = {},
  ): Promise<Remote> {
    return new Remote(transport, cache, await readState(transport, options));
  }

  get shown(): string {
    return this.transport.shown;
  }
  get traffic(): Traffic {
    return this.transport.traffic;
  }
  get concurrency(): number {
    return this.transport.concurrency;
  }
  get sendsWhole(): boolean | null {
    const { sendsWhole } = this.transport;
    return sendsWhole === undefined ? false : sendsWhole;
  }
  get needs(): readonly Id[] {
    return this.transport.needs ?? [];
  }
  get format(): Format {
    return this.#read.format.flags;
  }
  get state(): RemoteState {
    return this.#read.state;
  }
  /** True if nothing was ever pushed there. */
  get isNew(): boolean {
    return this.#read.tag === null;
  }

  /** @throws {RemoteError} if nothing is there. */
  checkThere(): void {
    if (!this.isNew) return;
    throw new RemoteError(`there is no dlv remote at '${this.shown}'`, {
      url: this.shown,
      // A bundle on this machine is told from a remote before.
      hint: this.shown.startsWith('http')
        ? "correct the address, or make the remote with 'dlv push'; a bundle is downloaded first and cloned as a file"
        : "correct the address, or make the remote with 'dlv push'",
    });
  }

  holdings(options: TransferOptions = {}): Promise<Holdings> {
    return this.lists.holdings(this.state, options);
  }

  /**
   * Compares what it lists with what is there.
   * @param has  true for a file that is there with so many bytes. @throws {CorruptError}
   */
  async checkFiles(
    has: (name: string, bytes: number) => boolean,
    options: TransferOptions = {},
  ): Promise<void> {
    for (const { id, bytes } of (await this.holdings(options)).sets) {
      for (const fileClass of FILE_CLASSES) {
        const name = packName(id, fileClass);
        if (bytes[fileClass] === 0 || has(name, bytes[fileClass])) continue;
        const what = `it is missing, or has other than ${bytes[fileClass]} bytes`;
        throw damagedFile(this.shown, name, what);
      }
    }
  }

  /** @throws {ConflictError} if a collection is removing the files of that name at this moment. */
  async checkStays(name: string): Promise<void> {
    const removing = await this.lists.readGarbage(this.state.collection?.removing ?? []);
    if (!removing.some((entry) => entry.name === name)) return;
    throw new ConflictError(`'${this.shown}' is being collected`, {
      url: this.shown,
      hint: "run the command again in ten minutes; if the collection was interrupted, 'dlv gc --remote' ends it",
    });
  }

  read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options?: ReadOptions,
  ): Promise<void> {
    return this.transport.read(name, range, take, options);
  }

  async renew(options: TransferOptions = {}): Promise<boolean> {
    const before = this.#read.tag;
    await this.refresh(options);
    return this.#read.tag !== before;
  }

  /** Reads the state again. */
  async refresh(options: TransferOptions = {}): Promise<void> {
    this.#read = await readState(this.transport, options);
  }

  /**
   * Makes sure, before anything is sent, that several may push here at once.
   * @throws {RemoteError} if the store does not keep them apart.
   */
  async prepare(options: TransferOptions = {}): Promise<void> {
    const { transport } = this;
    if (transport.proveSwaps === undefined) return;
    const fact = sha256Hex(Buffer.from(`swaps ${transport.shown}`));
    if (await this.#cache?.knows(fact)) return;
    // Without `remote` a lone `format` is no remote yet.
    if (this.#read.format.tag === null) await this.#addFlags(this.format, options);
    await transport.proveSwaps(FORMAT_NAME, encodeFormat(this.format, FORMAT_NAME), options);
    await this.#cache?.keepFact(fact);
  }

  /**
   * Puts a state in the place of what is there. All that it names is stored already.
   * @param change  makes the next state of the one that is there, which another push may have changed since it
   *   was read; may be called more than once.
   * @param flags   what readers and writers of it must know.
   * @throws {ConflictError} if others keep winning; what `change` throws.
   */
  async publish(
    change: (state: RemoteState) => Promise<RemoteState>,
    flags: Format,
    options: TransferOptions = {},
  ): Promise<void> {
    for (let attempt = 1; attempt <= SWAPS_MAX; attempt++) {
      throwIfAborted(options.signal);
      this.#checkWritable();
      const { generation } = this.state;
      const changed = { ...(await change(this.state)), generation: generation + 1 };
      const writer = this.#newWriter(changed);
      const next = { ...changed, writer };
      await this.#addFlags(flags, options);
      const state = await this.lists.storeFullParts(next, (name) => this.checkStays(name), options);
      const bytes = encodeRemote(state);
      decodeRemote(bytes, REMOTE_NAME);
      const tag = await this.transport.swap(REMOTE_NAME, bytes, this.#read.tag, options);
      if (tag !== null) {
        this.#read = { ...this.#read, state, tag };
        return;
      }
      await this.refresh(options);
      // An answer that was lost: it was this very writer who won.
      if (this.state.writer === writer) return;
      await pause(Math.random() * 50 * attempt);
    }
    throw new ConflictError(`other pushes to '${this.shown}' keep being faster`, {
      url: this.shown,
      hint: 'run the command again',
    });
  }

  /** What tells this writer from others; from what it writes where there are none. */
  #newWriter(state: RemoteState): string {
    if (this.transport.hasOneWriter !== true) return randomBytes(16).toString('hex');
    return sha256Hex(encodeRemote({ ...state, writer: NO_WRITER })).slice(0, NO_WRITER.length);
  }

  #checkWritable(): void {
    if (isWritable(this.format)) return;
    throw new FormatVersionError(`cannot push to '${this.shown}': a newer dlv wrote it`, {
      url: this.shown,
      hint: 'upgrade dlv',
    });
  }

  async #addFlags(flags: Format, options: TransferOptions): Promise<void> {
    for (let attempt = 1; attempt <= SWAPS_MAX; attempt++) {
      const next = joinFormats(this.format, flags);
      const { tag } = this.#read.format;
      if (tag !== null && JSON.stringify(next) === JSON.stringify(this.format)) return;
      const now = await this.transport.swap(
        FORMAT_NAME,
        encodeFormat(next, FORMAT_NAME),
        tag,
        options,
      );
      if (now !== null) {
        this.#read = { ...this.#read, format: { flags: next, tag: now } };
        return;
      }
      const { format } = await readState(this.transport, options);
      this.#read = { ...this.#read, format };
    }
  }

  close(): Promise<void> {
    return this.transport.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
