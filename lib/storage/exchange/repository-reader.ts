/**
 * A repository with a work tree, read as a remote: its refs are listed, its manifest is the list of sets.
 * It takes no push.
 */
import type { Id } from '../../base/bytes/hash.js';
import { isDamage, RemoteError } from '../../base/errors.js';
import { CURRENT_FORMAT, type Format, readFormat } from '../repo/format.js';
import { Layout } from '../repo/layout.js';
import { readNumbers } from '../repo/numbers.js';
import { leavesOut, readPromised } from '../repo/promised.js';
import { readHead } from '../repo/refs/head.js';
import { listNotedVersions, listRefs, readNotes } from '../repo/refs/refs.js';
import { FolderBackend } from '../store/backends/folder-backend.js';
import { ObjectStore } from '../store/object-store.js';
import type { RemoteReader } from './remote/remote.js';
import type { RemoteState } from './remote/remote-file.js';
import type { Holdings } from './remote/remote-lists.js';
import { type FolderOptions, FolderTransport } from './transports/folder-transport.js';
import type { ByteRange, TransferOptions } from './transports/transport.js';

export class RepositoryReader implements RemoteReader {
  readonly shown: string;
  readonly concurrency = 2;
  readonly needs: readonly Id[] = [];
  readonly #layout: Layout;
  readonly #files: FolderTransport;
  /** Number of the manifest that was read last; -1 before. */
  #generation = -1;
  format: Format = CURRENT_FORMAT;
  state: Pick<RemoteState, 'head' | 'numbers' | 'refs'> = {
    head: null,
    numbers: new Map(),
    refs: new Map(),
  };

  private constructor(layout: Layout, line: FolderOptions) {
    this.#layout = layout;
    this.shown = layout.workTree;
    this.#files = new FolderTransport(layout.dir, line);
  }

  /** @param folder  the work tree. @throws {CorruptError} {FormatVersionError} */
  static async open(folder: string, line: FolderOptions = {}): Promise<RepositoryReader> {
    const reader = new RepositoryReader(new Layout(folder), line);
    await reader.#read();
    return reader;
  }

  get traffic() {
    return this.#files.traffic;
  }

  async #read(): Promise<void> {
    const layout = this.#layout;
    this.format = await readFormat(layout);
    await this.#checkWhole();
    const refs: RemoteState['refs'] = new Map();
    for (const prefix of ['refs/heads', 'refs/tags']) {
      for (const { name, id } of await listRefs(layout, prefix)) refs.set(name, id);
    }
    const head = await readHead(layout);
    this.state = {
      head: head.kind === 'branch' ? { model: head.model, branch: head.branch } : null,
      numbers: (await readNumbers(layout)) ?? new Map(),
      refs,
    };
  }

  /** @throws {RemoteError} if some of its content is at a remote alone. */
  async #checkWhole(): Promise<void> {
    for (const [remote, { filter, thin }] of await readPromised(this.#layout)) {
      if (!leavesOut(filter) && thin.size === 0) continue;
      throw new RemoteError(
        `'${this.shown}' is a partial clone: some of its content is at '${remote}'`,
        {
          url: this.shown,
          hint: `use the address of '${remote}', which 'dlv remote -v' shows there`,
        },
      );
    }
  }

  async holdings(): Promise<Holdings> {
    const store = await ObjectStore.open(new FolderBackend(this.#layout.dir));
    const notes: Holdings['notes'] = new Map();
    try {
      // What its sets are without was promised before they were listed: it may be since it was opened.
      await this.#checkWhole();
      this.#generation = store.generation;
      for (const version of await listNotedVersions(this.#layout)) {
        notes.set(version, await readNotes(this.#layout, version));
      }
      return { sets: [...store.sets()], notes };
    } catch (error) {
      if (!isDamage(error)) throw error;
      throw new RemoteError(`cannot read the notes of '${this.shown}'`, {
        url: this.shown,
        hint: "run 'dlv fsck' there",
      });
    } finally {
      await store.close();
    }
  }

  async renew(): Promise<boolean> {
    const before = this.#generation;
    const store = await ObjectStore.open(new FolderBackend(this.#layout.dir));
    this.#generation = store.generation;
    await store.close();
    await this.#read();
    return this.#generation !== before;
  }

  read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options?: TransferOptions,
  ): Promise<void> {
    return this.#files.read(name, range, take, options);
  }

  async close(): Promise<void> {}
}
