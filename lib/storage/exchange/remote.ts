/**
 * An open remote: what it says it holds, its objects by name, and the swap that makes a push visible.
 *
 * Start at `Remote.open`. Nothing here trusts what arrives: see fetching/arrival.ts for records.
 */

import { randomBytes } from 'node:crypto';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import {
  ConflictError,
  CorruptError,
  FormatVersionError,
  isDamage,
  RemoteError,
} from '../../base/errors.js';
import {
  REMOTE_BYTES_MAX,
  REMOTE_LIST_BYTES_MAX,
  REMOTE_LIST_LINES,
  STATE_FILE_BYTES_MAX,
} from '../../base/limits.js';
import {
  CURRENT_FORMAT,
  encodeFormat,
  type Format,
  isWritable,
  joinFormats,
  parseRemoteFormat,
  REMOTE_FLAG,
} from '../repo/format.js';
import { packName } from '../store/names.js';
import { FILE_CLASSES, type SetId, type SetInfo } from '../store/types.js';
import { decodeGarbage, type Garbage } from './collect/garbage-file.js';
import type { RemoteCache } from './remote-cache.js';
import {
  decodeList,
  decodeRemote,
  encodeList,
  encodeRemote,
  type ListLine,
  type ListPart,
  listName,
  type RemoteState,
} from './remote-file.js';
import {
  type ByteRange,
  bytesSource,
  type ReadOptions,
  type Traffic,
  type TransferOptions,
  type Transport,
} from './transports/transport.js';

/** What a remote holds. */
export interface Holdings {
  /** In the order of a manifest. */
  sets: SetInfo[];
  /** Ids of notes, by the version that they are about. */
  notes: Map<Id, Id[]>;
}

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

const REMOTE = 'remote';
const FORMAT = 'format';
const NO_WRITER = '0'.repeat(32);
/** Swaps that are tried while others win. */
const SWAPS_MAX = 20;

const NEW_FORMAT: Format = {
  ...CURRENT_FORMAT,
  readRequired: [...CURRENT_FORMAT.readRequired, REMOTE_FLAG].sort(),
};

export class Remote implements RemoteReader {
  readonly transport: Transport;
  readonly #cache: RemoteCache | null;
  #format: { flags: Format; tag: string | null };
  #state: RemoteState;
  /** Null while there is none. */
  #tag: string | null;
  #holdings: { lists: string; found: Promise<Holdings> } | null = null;

  private constructor(
    transport: Transport,
    cache: RemoteCache | null,
    read: Awaited<ReturnType<typeof readState>>,
  ) {
    this.transport = transport;
    this.#cache = cache;
    this.#format = read.format;
    this.#state = read.state;
    this.#tag = read.tag;
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
    return this.#format.flags;
  }
  get state(): RemoteState {
    return this.#state;
  }
  /** True if nothing was ever pushed there. */
  get isNew(): boolean {
    return this.#tag === null;
  }

  /** @throws {RemoteError} if nothing is there. */
  checkThere(): void {
    if (!this.isNew) return;
    throw new RemoteError(`there is no dlv remote at '${this.shown}'`, {
      url: this.shown,
      hint: "correct the address, or make the remote with 'dlv push'",
    });
  }

  holdings(options: TransferOptions = {}): Promise<Holdings> {
    const lists = JSON.stringify([this.#state.lists, this.#state.generation]);
    if (this.#holdings?.lists !== lists) {
      const found = this.#readHoldings(options);
      this.#holdings = { lists, found };
      found.catch(() => {
        this.#holdings = null;
      });
    }
    return this.#holdings.found;
  }

  async #readHoldings(options: TransferOptions): Promise<Holdings> {
    const sets = new Map<SetId, SetInfo>();
    const notes = new Map<Id, Id[]>();
    for await (const line of this.#lines(options)) {
      if (line.kind === 'set') {
        if (sets.has(line.info.id)) throw this.#listedTwice(line.info.id);
        sets.set(line.info.id, line.info);
      } else {
        const known = notes.get(line.version) ?? [];
        if (known.includes(line.note)) throw this.#listedTwice(line.note);
        notes.set(line.version, [...known, line.note]);
      }
    }
    return { sets: [...sets.values()], notes };
  }

  async *#lines(options: TransferOptions): AsyncGenerator<ListLine> {
    for (const part of this.#state.lists) yield* await this.#list(part, options);
    yield* this.#state.lines;
  }

  async #list(part: ListPart, options: TransferOptions): Promise<ListLine[]> {
    throwIfAborted(options.signal);
    const name = listName(part.sha256);
    const kept = await this.#cache?.list(part.sha256);
    if (kept) return decodeList(kept, part, name);
    const loaded = await this.transport.load(name, REMOTE_LIST_BYTES_MAX, options);
    if (loaded === null) throw this.#damaged(name, 'it is missing');
    const lines = decodeList(loaded.bytes, part, name);
    await this.#cache?.keepList(part.sha256, loaded.bytes);
    return lines;
  }

  #listedTwice(id: string): CorruptError {
    return this.#damaged(REMOTE, `it lists '${id}' twice`);
  }

  #damaged(name: string, what: string): CorruptError {
    return new CorruptError(`'${name}' at '${this.shown}' is damaged: ${what}`, {
      file: name,
      url: this.shown,
      hint: 'nothing was taken from it; push again from a repository that is whole, to a new address',
    });
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
        throw this.#damaged(name, `it is missing, or has other than ${bytes[fileClass]} bytes`);
      }
    }
  }

  /** @throws {ConflictError} if a collection is removing the files of that name at this moment. */
  async checkStays(name: string): Promise<void> {
    for (const part of this.#state.collection?.removing ?? []) {
      const entries = decodeGarbage(await this.part(part), part, listName(part.sha256));
      if (!entries.some((entry) => entry.name === name)) continue;
      throw new ConflictError(`'${this.shown}' is being collected`, {
        url: this.shown,
        hint: "run the command again in ten minutes; if the collection was interrupted, 'dlv gc --remote' ends it",
      });
    }
  }

  /** What collections took from the list and no run has begun to remove, as one state of the remote says. */
  async garbage(state: RemoteState, options: TransferOptions = {}): Promise<Garbage[]> {
    const entries: Garbage[] = [];
    for (const part of state.collection?.garbage ?? []) {
      const bytes = await this.part(part, options);
      pushAll(entries, decodeGarbage(bytes, part, listName(part.sha256)));
    }
    return entries;
  }

  /** Bytes of a part of a list, whatever it lists. @throws {CorruptError} if it is missing. */
  async part(part: ListPart, options: TransferOptions = {}): Promise<Uint8Array> {
    const name = listName(part.sha256);
    const loaded = await this.transport.load(name, REMOTE_LIST_BYTES_MAX, options);
    if (loaded === null) throw this.#damaged(name, 'it is missing');
    return loaded.bytes;
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
    const before = this.#tag;
    await this.refresh(options);
    return this.#tag !== before;
  }

  /** Reads the state again. */
  async refresh(options: TransferOptions = {}): Promise<void> {
    const read = await readState(this.transport, options);
    this.#format = read.format;
    this.#state = read.state;
    this.#tag = read.tag;
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
    if (this.#format.tag === null) await this.#addFlags(this.format, options);
    await transport.proveSwaps(FORMAT, encodeFormat(this.format, FORMAT), options);
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
      const { generation } = this.#state;
      const changed = { ...(await change(this.#state)), generation: generation + 1 };
      const writer = this.#newWriter(changed);
      const next = { ...changed, writer };
      await this.#addFlags(flags, options);
      const state = await this.#withFullLists(next, options);
      const bytes = encodeRemote(state);
      decodeRemote(bytes, REMOTE);
      const tag = await this.transport.swap(REMOTE, bytes, this.#tag, options);
      if (tag !== null) {
        this.#state = state;
        this.#tag = tag;
        return;
      }
      await this.refresh(options);
      // An answer that was lost: it was this very writer who won.
      if (this.#state.writer === writer) return;
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

  /** Moves the newest lines into a list of their own once there are many. */
  async #withFullLists(state: RemoteState, options: TransferOptions): Promise<RemoteState> {
    if (state.lines.length < REMOTE_LIST_LINES) return state;
    const lists = [...state.lists];
    const lines = [...state.lines];
    while (lines.length >= REMOTE_LIST_LINES) {
      const part = lines.splice(0, REMOTE_LIST_LINES);
      const bytes = encodeList(part);
      const sha256 = sha256Hex(bytes);
      await this.checkStays(listName(sha256));
      await this.transport.store(listName(sha256), bytesSource(bytes), options);
      await this.#cache?.keepList(sha256, bytes);
      lists.push({ sha256, lines: part.length, bytes: bytes.length });
    }
    return { ...state, lists, lines };
  }

  async #addFlags(flags: Format, options: TransferOptions): Promise<void> {
    for (let attempt = 1; attempt <= SWAPS_MAX; attempt++) {
      const next = joinFormats(this.format, flags);
      const { tag } = this.#format;
      if (tag !== null && JSON.stringify(next) === JSON.stringify(this.format)) return;
      const now = await this.transport.swap(FORMAT, encodeFormat(next, FORMAT), tag, options);
      if (now !== null) {
        this.#format = { flags: next, tag: now };
        return;
      }
      this.#format = (await readState(this.transport, options)).format;
    }
  }

  close(): Promise<void> {
    return this.transport.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function readState(
  transport: Transport,
  options: TransferOptions,
): Promise<{
  format: { flags: Format; tag: string | null };
  state: RemoteState;
  tag: string | null;
}> {
  const [remote, format] = await Promise.all([
    transport.load(REMOTE, REMOTE_BYTES_MAX, options),
    transport.load(FORMAT, STATE_FILE_BYTES_MAX, options),
  ]);
  const { shown } = transport;
  const read = <T>(name: string, parse: () => T): T => parseAt(shown, name, parse);
  const flags =
    format === null ? NEW_FORMAT : read(FORMAT, () => parseRemoteFormat(format.bytes, FORMAT));
  if (remote !== null && format === null) {
    throw new CorruptError(`'${FORMAT}' is missing at '${transport.shown}'`, {
      file: FORMAT,
      url: transport.shown,
      hint: 'put it back from a backup, or push to a new address',
    });
  }
  if (format !== null && !flags.readRequired.includes(REMOTE_FLAG)) {
    throw new RemoteError(`'${transport.shown}' is the inside of a repository, not a remote`, {
      url: transport.shown,
      hint: 'name the folder that holds it, or push to an address of its own',
    });
  }
  return {
    format: { flags, tag: format?.tag ?? null },
    state: remote === null ? emptyState() : read(REMOTE, () => decodeRemote(remote.bytes, REMOTE)),
    tag: remote?.tag ?? null,
  };
}

/** @throws {CorruptError} {FormatVersionError} that names the remote: nothing here is damaged. */
function parseAt<T>(shown: string, name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatVersionError) {
      const message = error.message.replace('this repository', `the remote '${shown}'`);
      throw new FormatVersionError(message, { ...error.data, url: shown });
    }
    if (!isDamage(error)) throw error;
    const what = error.message.replace(/^.*?is damaged: /, '');
    const isWeb = /^https?:/.test(shown);
    const page = 'look at the address with a browser: a page to log in may stand there; else ';
    throw new CorruptError(`'${name}' at '${shown}' is not what a remote holds there: ${what}`, {
      file: name,
      url: shown,
      hint: `${isWeb ? page : ''}push again from a repository that is whole, to a new address`,
    });
  }
}

function emptyState(): RemoteState {
  return {
    generation: 0,
    writer: NO_WRITER,
    head: null,
    numbers: new Map(),
    refs: new Map(),
    lists: [],
    collection: null,
    lines: [],
  };
}
