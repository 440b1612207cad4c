/**
 * The garbage that the state of a remote notes: what is listed no more and waits, and what is being removed.
 *
 * Every time is one of the remote's clock, in whole seconds since 1970.
 */
import type { PushEnds } from '../pushing/push-ends.js';
import type { Remote } from '../remote/remote.js';
import type { ListPart, RemoteState } from '../remote/remote-file.js';
import { flagsToPush } from '../remote/remote-flags.js';
import type { TransferOptions, TransportUpkeep } from '../transports/transport.js';
import type { Garbage } from './garbage-file.js';

/** What a collection works with. */
export interface CollectionParts {
  readonly ends: PushEnds;
  readonly upkeep: TransportUpkeep;
  readonly options: TransferOptions & {
    /** How long garbage is kept once nothing names it. */
    readonly graceMs: number;
  };
}

export class GarbageLists {
  readonly #ends: PushEnds;
  readonly #remote: Remote;
  readonly #upkeep: TransportUpkeep;
  readonly #options: CollectionParts['options'];
  /** Options of what tells of no bytes. */
  readonly #quiet: TransferOptions;

  constructor({ ends, upkeep, options }: CollectionParts) {
    this.#ends = ends;
    this.#remote = ends.remote;
    this.#upkeep = upkeep;
    this.#options = options;
    this.#quiet = options.signal ? { signal: options.signal } : {};
  }

  /** The remote's clock. */
  async now(): Promise<number> {
    return Math.floor((await this.#upkeep.now(this.#quiet)) / 1000);
  }

  /** True if the grace period of what became garbage at `since` is over. */
  isOver(since: number, nowMs: number): boolean {
    return since * 1000 + this.#options.graceMs <= nowMs;
  }

  /** What waits. */
  waiting(state: RemoteState): Promise<Garbage[]> {
    return this.#remote.lists.readGarbage(state.collection?.garbage ?? [], this.#options);
  }

  /** What is being removed, by this run or another; `since` is when that began. */
  async removing(state: RemoteState): Promise<Map<string, Garbage>> {
    const names = new Map<string, Garbage>();
    for (const part of state.collection?.removing ?? []) {
      for (const one of await this.read(part)) names.set(one.name, one);
    }
    return names;
  }

  read(part: ListPart): Promise<Garbage[]> {
    return this.#remote.lists.readGarbage([part], this.#options);
  }

  store(entries: readonly Garbage[]): Promise<ListPart[]> {
    return this.#remote.lists.storeGarbage(entries, this.#quiet);
  }

  /** Swaps the state of the remote, unless `change` gives none. */
  async publish(change: (state: RemoteState) => Promise<RemoteState | null>): Promise<void> {
    const nothing = new Error('nothing to change');
    try {
      await this.#remote.publish(
        async (state) => {
          const next = await change(state);
          if (next === null) throw nothing;
          return next;
        },
        await flagsToPush(this.#ends.repo.layout),
        this.#quiet,
      );
    } catch (error) {
      if (error !== nothing) throw error;
    }
  }
}
