/**
 * How objects of a remote are reached: a folder, a web server, a bucket.
 *
 * Names are those of docs/format/remote.md, with '/' between parts. Every transport passes the one suite in
 * test/conformance/transport.ts.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { UsageError } from '../../../base/errors.js';

/** What crossed the line so far. Requests of a folder are its opened files. */
export interface Traffic {
  requests: number;
  receivedBytes: number;
  sentBytes: number;
}

/** A small object that may be swapped. */
export interface Loaded {
  bytes: Uint8Array;
  /** Tells this content from any other that the object had or will have. */
  tag: string;
}

/** Bytes that are to be stored, read once or more. */
export interface UploadSource {
  readonly size: number;
  /** Bytes from `offset`; not kept by the transport. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Part of an object, in bytes; `end` is not in it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** How a piece of work is watched and stopped. */
export interface TransferOptions {
  signal?: AbortSignal;
  /** Called with bytes that arrived, were sent, or were found to be there. */
  onBytes?(bytes: number): void;
}

/** How a part of an object is read. */
export interface ReadOptions extends TransferOptions {
  /** Takes what came beside the part, where all of the object came: bytes, and their place in it. */
  onBeside?(bytes: Uint8Array, at: number): Promise<void>;
}

/** An object at a remote. */
export interface RemoteObject {
  /** Such as `packs/….hi`. */
  readonly name: string;
  readonly bytes: number;
  /** When it was written, by the clock of the remote; milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** How an object is stored. */
export interface StoreOptions extends TransferOptions {
  /** True if no earlier run of ours can have begun to store it: it is sent without a look whether it is there. */
  isNew?: boolean;
}

/** What a collection of a remote needs of a transport, and nothing else does. */
export interface TransportUpkeep {
  /** The clock by which objects get their times; milliseconds since 1970. */
  now(options?: TransferOptions): Promise<number>;
  /** All objects of a folder whose names can be those of a remote. */
  list(folder: 'packs' | 'lists', options?: TransferOptions): Promise<RemoteObject[]>;
  /** Removes an object, if it is there. */
  remove(name: string, options?: TransferOptions): Promise<void>;
  /** Removes what uploads left that were begun before a time. @returns their bytes, as far as they are known. */
  removeUnfinished(
    beforeMs: number,
    options?: TransferOptions & { dryRun?: boolean },
  ): Promise<number>;
}

export interface Transport {
  /** The address without passwords, for messages. */
  readonly shown: string;
  readonly traffic: Traffic;
  /** False if `store` and `swap` always fail. */
  readonly isWritable: boolean;
  /** Versions that whoever reads what is there has to have already, with all that they need. Absent: none. */
  readonly needs?: readonly Id[];
  /** True if nobody else can write there: what is written depends on what is pushed alone. */
  readonly hasOneWriter?: boolean;
  /** Parts that are worth being fetched at once. */
  readonly concurrency: number;
  /** True once all of an object came where a part was asked for; null: it cannot be told yet. Absent: never. */
  readonly sendsWhole?: boolean | null;
  /** A small object; null if there is none. @throws {RemoteError} {LimitError} above `maxBytes`. */
  load(name: string, maxBytes: number, options?: TransferOptions): Promise<Loaded | null>;
  /**
   * Gives a part of an object piece by piece, in order. `take` may keep a piece until its promise is fulfilled.
   * @throws {RemoteError} with `data.missing` if there is no such object; if it ends before the part does.
   */
  read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options?: ReadOptions,
  ): Promise<void>;
  /**
   * Stores an object that never changes, whole or not at all. One that is there is not sent again, and one
   * that arrived in part is continued. @throws {RemoteError}
   */
  store(name: string, source: UploadSource, options?: StoreOptions): Promise<void>;
  /**
   * Puts `bytes` in the place of what has `tag`; null: of nothing.
   * @returns the tag of what is there now; null if something else was there.
   */
  swap(
    name: string,
    bytes: Uint8Array,
    tag: string | null,
    options?: TransferOptions,
  ): Promise<string | null>;
  /**
   * Makes sure that `swap` is safe where a store might not keep its promise.
   * @param bytes  what `name` holds now. @throws {RemoteError}
   */
  proveSwaps?(name: string, bytes: Uint8Array, options?: TransferOptions): Promise<void>;
  /** Names of all objects of a folder. Absent where looking costs much, or needs a right that pushing does not. */
  names?(folder: 'packs'): Promise<string[]>;
  /** Bytes of an object; null if there is none. Absent where `upkeep` lists them, or there is nothing to ask. */
  size?(name: string, options?: TransferOptions): Promise<number | 'unknown' | null>;
  /** Absent: a remote of this kind cannot be collected. */
  readonly upkeep?: TransportUpkeep;
  close(): Promise<void>;
}

/** That a remote takes nothing, and what does. */
export function readOnlyError(shown: string, why: string): UsageError {
  return new UsageError(`cannot push to '${shown}': ${why}`, {
    url: shown,
    hint: 'push to the folder that it serves',
  });
}

/** What a server that knows no parts of files means for its user. */
export function wholeFilesWarning(shown: string): string {
  return `'${shown}' sends whole files where parts of them are asked for: a partial clone saves nothing on the line`;
}

/** A source of bytes that are in memory. */
export function bytesSource(bytes: Uint8Array): UploadSource {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}
