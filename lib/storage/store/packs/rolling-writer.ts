/**
 * Writes records into one pack set after another: a set that is full is finished and handed on before
 * the next record is added, or while the next set is written.
 *
 * Calls may overlap: they take turns. After a failure the open set is gone, and nothing of it is
 * handed on.
 */
import type { Backend } from '../backends/backend.js';
import type {
  AbsentPlanes,
  BlobRecord,
  PlaneClass,
  RecordSink,
  SealedSet,
  SegmentRecord,
} from '../types.js';
import { PackSetWriter } from './pack-writer.js';

export interface RollingWriterOptions {
  readonly backend: Backend;
  /** A name under tmp/ for the files of the next set, another at every call. */
  tmpName(): string;
  /**
   * Takes a finished set: its files are still in tmp/, and are the receiver's from now on. One at a time.
   * @param set  what wrote it.
   */
  onSealed(sealed: SealedSet, set: PackSetWriter): Promise<void> | void;
  /** True: the next set is written while one is finished and handed on. Default: records wait for that. */
  readonly overlaps?: boolean;
  /** Bytes of its largest file from which a set is full; default PACK_BYTES_TARGET. */
  readonly fullBytes?: number;
  /** Classes of planes that get no file. */
  readonly absent?: readonly PlaneClass[];
}

export class RollingWriter implements RecordSink {
  readonly #options: RollingWriterOptions;
  #open: PackSetWriter | null = null;
  /** The set that is handed on while the next one is written, until that is over. */
  #behind: { readonly set: PackSetWriter; readonly over: Promise<void> } | null = null;
  /** What a set behind failed with, until somebody was told. */
  #failure: { readonly error: unknown } | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  /** What writing failed with first; null if nothing failed. It is why records are not there that later ones rely on. */
  firstFailure: { readonly error: unknown } | null = null;
  /** True once records were given up, by a failure or an abort: what relies on them must not be handed on. */
  hasLost = false;

  constructor(options: RollingWriterOptions) {
    this.#options = options;
  }

  /** The set that is being written, or being handed on before the next one is; null if there is none. */
  get open(): PackSetWriter | null {
    return this.#open;
  }

  /** The open set, and the one that is handed on while that is written: what was added and is listed nowhere yet. */
  get unlisted(): readonly PackSetWriter[] {
    return [this.#open, this.#behind?.set ?? null].filter((set) => set !== null);
  }

  /** Waits until the set is handed on that was full before the open one, or failed to be. */
  async behind(): Promise<void> {
    await this.#behind?.over;
  }

  /** The same, in its turn. @throws what that failed with, unless somebody was told. */
  settle(): Promise<void> {
    return this.#inTurn(() => this.#handedOn());
  }

  addBlob(record: BlobRecord): Promise<void> {
    return this.write((set) => set.addBlob(record));
  }

  addSegment(record: SegmentRecord, absent?: AbsentPlanes): Promise<void> {
    return this.write((set) => set.addSegment(record, absent));
  }

  /** Runs `add` on the open set, in its turn, and hands the set on if it is full then. */
  write(add: (set: PackSetWriter) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      const { backend, tmpName, fullBytes, absent = [], overlaps = false } = this.#options;
      if (this.#failure !== null) await this.#fail();
      const how = { absent, ...(fullBytes === undefined ? {} : { fullBytes }) };
      this.#open ??= await PackSetWriter.create(backend, tmpName(), how);
      await add(this.#open);
      if (!this.#open.isFull) return;
      if (overlaps) await this.#leaveBehind(this.#open);
      else await this.#finish(this.#open);
    });
  }

  /** Finishes the open set, unless it is empty, and hands it on. */
  flush(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#handedOn();
      if (this.#open?.isEmpty) await this.#drop();
      else if (this.#open !== null) await this.#finish(this.#open);
    });
  }

  /** Removes the open set. */
  abort(): Promise<void> {
    return this.#inTurn(async () => {
      await this.behind();
      this.#failure = null;
      await this.#drop();
    });
  }

  /** Finishes the open set while the next one is written: what that relies on may be in it. */
  async #leaveBehind(set: PackSetWriter): Promise<void> {
    await this.#handedOn();
    const handOn = async (): Promise<void> => {
      try {
        await this.#options.onSealed(await set.finish(), set);
      } catch (error) {
        this.#failure = { error };
        this.firstFailure ??= this.#failure;
        this.hasLost = true;
        await set.abort();
      }
      this.#behind = null;
    };
    this.#open = null;
    this.#behind = { set, over: handOn() };
  }

  /** Waits for the set behind. @throws what it failed with. */
  async #handedOn(): Promise<void> {
    await this.behind();
    if (this.#failure !== null) await this.#fail();
  }

  /** Removes the open set, which may rely on one that is gone. @throws what that one failed with. */
  async #fail(): Promise<never> {
    const { error } = this.#failure as { error: unknown };
    this.#failure = null;
    await this.#drop();
    throw error;
  }

  async #finish(set: PackSetWriter): Promise<void> {
    try {
      await this.#options.onSealed(await set.finish(), set);
      this.#open = null;
    } catch (error) {
      await this.#drop();
      throw error;
    }
  }

  async #drop(): Promise<void> {
    const set = this.#open;
    this.#open = null;
    if (set?.isEmpty === false) this.hasLost = true;
    await set?.abort();
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch((error: unknown) => {
      this.firstFailure ??= { error };
    });
    return done;
  }
}

/** Removes the files of finished sets that were not published; those of published ones are elsewhere. */
export async function removeSealed(backend: Backend, sets: readonly SealedSet[]): Promise<void> {
  for (const { files } of sets) {
    for (const name of Object.values(files)) await backend.remove(name).catch(() => {});
  }
}
