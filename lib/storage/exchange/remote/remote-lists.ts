/**
 * The list of what a remote holds: its pack sets and notes, in parts named by their sha256.
 *
 * The newest lines stand in the state itself; once they are many, they move into a part. What collections note as
 * garbage stands in such parts, too.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import type { CorruptError } from '../../../base/errors.js';
import { REMOTE_LIST_BYTES_MAX, REMOTE_LIST_LINES } from '../../../base/limits.js';
import type { SetId, SetInfo } from '../../store/types.js';
import {
  decodeGarbage,
  encodeGarbage,
  GARBAGE_LINES,
  type Garbage,
} from '../collect/garbage-file.js';
import { bytesSource, type TransferOptions, type Transport } from '../transports/transport.js';
import type { RemoteCache } from './remote-cache.js';
import { damagedFile, parseAt } from './remote-damage.js';
import {
  decodeList,
  encodeList,
  type ListLine,
  type ListPart,
  listName,
  type RemoteState,
} from './remote-file.js';
import { REMOTE_NAME } from './remote-state.js';

/** What a remote holds. */
export interface Holdings {
  /** In the order of a manifest. */
  sets: SetInfo[];
  /** Ids of notes, by the version that they are about. */
  notes: Map<Id, Id[]>;
}

export class RemoteLists {
  readonly #transport: Transport;
  readonly #cache: RemoteCache | null;
  #last: { of: string; found: Promise<Holdings> } | null = null;

  /** @param cache  keeps parts that were read. */
  constructor(transport: Transport, cache: RemoteCache | null) {
    this.#transport = transport;
    this.#cache = cache;
  }

  /** What a state of the remote lists; the last answer is kept. @throws {CorruptError} {RemoteError} */
  holdings(state: RemoteState, options: TransferOptions = {}): Promise<Holdings> {
    const of = JSON.stringify([state.lists, state.generation]);
    if (this.#last?.of !== of) {
      const found = this.#readHoldings(state, options);
      this.#last = { of, found };
      found.catch(() => {
        this.#last = null;
      });
    }
    return this.#last.found;
  }

  async #readHoldings(state: RemoteState, options: TransferOptions): Promise<Holdings> {
    const sets = new Map<SetId, SetInfo>();
    const notes = new Map<Id, Id[]>();
    for await (const line of this.#lines(state, options)) {
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

  async *#lines(state: RemoteState, options: TransferOptions): AsyncGenerator<ListLine> {
    for (const part of state.lists) yield* await this.#readLines(part, options);
    yield* state.lines;
  }

  async #readLines(part: ListPart, options: TransferOptions): Promise<ListLine[]> {
    throwIfAborted(options.signal);
    const name = listName(part.sha256);
    const kept = await this.#cache?.list(part.sha256);
    if (kept) return decodeList(kept, part, name);
    const bytes = await this.#load(part, options);
    const lines = parseAt(this.#transport.shown, name, () => decodeList(bytes, part, name));
    await this.#cache?.keepList(part.sha256, bytes);
    return lines;
  }

  /** Garbage that stands in some parts. @throws {CorruptError} {RemoteError} */
  async readGarbage(parts: readonly ListPart[], options: TransferOptions = {}): Promise<Garbage[]> {
    const entries: Garbage[] = [];
    for (const part of parts) {
      const bytes = await this.#load(part, options);
      const name = listName(part.sha256);
      const parse = () => decodeGarbage(bytes, part, name);
      pushAll(entries, parseAt(this.#transport.shown, name, parse));
    }
    return entries;
  }

  async #load({ sha256 }: ListPart, options: TransferOptions): Promise<Uint8Array> {
    const name = listName(sha256);
    const loaded = await this.#transport.load(name, REMOTE_LIST_BYTES_MAX, options);
    if (loaded === null) throw damagedFile(this.#transport.shown, name, 'it is missing');
    return loaded.bytes;
  }

  async #store(bytes: Uint8Array, lines: number, options: TransferOptions): Promise<ListPart> {
    const sha256 = sha256Hex(bytes);
    await this.#transport.store(listName(sha256), bytesSource(bytes), options);
    return { sha256, lines, bytes: bytes.length };
  }

  /** Stores garbage in parts. @returns these, in the order of names. */
  async storeGarbage(entries: readonly Garbage[], options: TransferOptions): Promise<ListPart[]> {
    const parts: ListPart[] = [];
    const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (let at = 0; at < sorted.length; at += GARBAGE_LINES) {
      const lines = sorted.slice(at, at + GARBAGE_LINES);
      parts.push(await this.#store(encodeGarbage(lines), lines.length, options));
    }
    return parts;
  }

  /**
   * Stores the lines of a state as parts of their own, as long as there are enough for a whole one.
   * @param checkStays  throws if the file of that name is being removed.
   * @returns the state that names these parts.
   */
  async storeFullParts(
    state: RemoteState,
    checkStays: (name: string) => Promise<void>,
    options: TransferOptions,
  ): Promise<RemoteState> {
    if (state.lines.length < REMOTE_LIST_LINES) return state;
    const lists = [...state.lists];
    const lines = [...state.lines];
    while (lines.length >= REMOTE_LIST_LINES) {
      const moved = lines.splice(0, REMOTE_LIST_LINES);
      const bytes = encodeList(moved);
      await checkStays(listName(sha256Hex(bytes)));
      const part = await this.#store(bytes, moved.length, options);
      await this.#cache?.keepList(part.sha256, bytes);
      lists.push(part);
    }
    return { ...state, lists, lines };
  }

  #listedTwice(id: string): CorruptError {
    return damagedFile(this.#transport.shown, REMOTE_NAME, `it lists '${id}' twice`);
  }
}
