/**
 * An open repository: packs, refs and configuration behind one handle.
 *
 * Owns no rules of its own; ops ask it for readers, sessions and the lock. Start at `open`.
 */
import path from 'node:path';
import type { BlobKind, Id } from '../base/bytes/hash.js';
import { LruCache } from '../base/bytes/lru-cache.js';
import {
  ConfigError,
  ConflictError,
  ExistsError,
  FormatVersionError,
  IoError,
  isDamage,
  LockedError,
} from '../base/errors.js';
import { io, listDirectory } from '../base/files/files.js';
import { VERSION_CACHE_BYTES } from '../base/limits.js';
import type { FetchMode, Promises } from '../storage/exchange/partial/promises.js';
import { wholeFilesWarning } from '../storage/exchange/transports/transport.js';
import { Blobs } from '../storage/objects/blobs.js';
import { ChainReader } from '../storage/objects/planes/chain-reader.js';
import type { PlaneReader } from '../storage/objects/planes/plane-reader.js';
import { RunHashes } from '../storage/objects/planes/run-hashes.js';
import { PackSession } from '../storage/objects/session.js';
import { Sketches } from '../storage/objects/sketches/sketches.js';
import {
  openStoredFile,
  type Readers,
  type StoredFile,
} from '../storage/objects/stored/stored-file.js';
import { readTier, type VersionTier } from '../storage/objects/tiers.js';
import { checkTrusted, findRepository } from '../storage/repo/find-repository.js';
import {
  CURRENT_FORMAT,
  checkWritable,
  type Format,
  PROMISED_FLAG,
  readFormat,
  requireReadFlag,
} from '../storage/repo/format.js';
import { initRepository } from '../storage/repo/init.js';
import { Layout } from '../storage/repo/layout.js';
import { finishMoves, hasMoves } from '../storage/repo/moves/carry-out.js';
import {
  type LockOptions,
  type LockWait,
  type RepositoryLock,
  withLock,
} from '../storage/repo/processes/lock.js';
import { hasOwnFolder, newWorkName } from '../storage/repo/processes/made-names.js';
import { forgetWholeSets, leavesOut, readPromised } from '../storage/repo/promised.js';
import { type Head, readHead } from '../storage/repo/refs/head.js';
import { modelNameProblem, takenByRevision } from '../storage/repo/refs/ref-name.js';
import { Config, readConfig } from '../storage/repo/settings/config.js';
import { lowSpeedOf } from '../storage/repo/settings/rate.js';
import type { FileEntry, FilePage } from '../storage/repo/version/file-page.js';
import { type KnownFiles, readTree } from '../storage/repo/version/file-tree.js';
import { shortId } from '../storage/repo/version/short-id.js';
import { isOfRole } from '../storage/repo/version/snapshots.js';
import type { Version } from '../storage/repo/version/version.js';
import { decodeVersion } from '../storage/repo/version/version-bytes.js';
import { FolderBackend } from '../storage/store/backends/folder-backend.js';
import { PACKS_DIR } from '../storage/store/names.js';
import { ObjectStore } from '../storage/store/object-store.js';
import { FETCH_ALL_FLAGS } from '../storage/store/promised.js';

export interface RepositoryOptions {
  signal?: AbortSignal;
  /** How long to wait for another holder of the lock. */
  lockTimeoutMs?: number;
  /** Takes one sentence each that the user should see. */
  warn?: (message: string) => void;
  /** What is done about objects that a remote promised; default: they are fetched when they are read. */
  promised?: FetchMode;
  /** Folder that relative addresses of remotes start from. */
  cwd?: string;
  /** Is told when something is fetched that a command needs. */
  onFetch?(remote: string, bytes: number): void;
  /** Is told of bytes of it that arrived. */
  onFetched?(bytes: number): void;
}

/** What a decoded version takes in memory, by the bytes that it is stored as. */
const VERSION_OBJECT_BYTES = 1024;
const VERSION_MEMORY_FACTOR = 4;

/** What is opened before there is a repository. */
interface OpenedParts {
  layout: Layout;
  format: Format;
  store: ObjectStore;
  config: Config;
  options: RepositoryOptions;
}

export class Repository implements Readers {
  readonly layout: Layout;
  readonly format: Format;
  readonly store: ObjectStore;
  readonly blobs: Blobs;
  readonly planes: PlaneReader;
  readonly hashes: RunHashes;
  /** Which extents are close to which, in all sets. */
  readonly sketches: Sketches;
  readonly options: RepositoryOptions;
  #config: Config;
  #promises: Promises | null = null;
  readonly #versions = new LruCache<Id, Version>(VERSION_CACHE_BYTES);

  private constructor({ layout, format, store, config, options }: OpenedParts) {
    this.layout = layout;
    this.format = format;
    this.store = store;
    this.#config = config;
    this.options = options;
    this.blobs = new Blobs(store);
    this.planes = new ChainReader(store, options.signal ? { signal: options.signal } : {});
    this.hashes = new RunHashes(store);
    this.sketches = new Sketches(store, layout);
  }

  /**
   * Makes a repository in `dir`.
   * @param model  name of the first model; default: the folder's name.
   * @throws {ExistsError} DLV_EXISTS if there is one already; {UnsafeError} DLV_UNSAFE in a folder of
   *   another user.
   */
  static async init(
    dir: string,
    model?: string,
    options: RepositoryOptions = {},
  ): Promise<Repository> {
    const layout = new Layout(dir);
    // Said before anything is made, rather than by every command afterwards.
    await checkTrusted(layout);
    const backend = new FolderBackend(layout.dir);
    await initRepository(layout, {
      model: model ?? defaultModelName(layout.workTree),
      branch: (await readConfig(null)).get('init.branch'),
      prepare: async () => {
        await ObjectStore.init(backend).catch((error: unknown) => {
          // An init that was interrupted left its manifest behind: it lists nothing yet.
          if (!(error instanceof ExistsError)) throw error;
        });
      },
    });
    await backend.close();
    return Repository.open(dir, options);
  }

  /** Opens the repository that `startDir` lies in. @throws {NoRepositoryError} {FormatVersionError} */
  static async open(startDir: string, options: RepositoryOptions = {}): Promise<Repository> {
    const layout = await findRepository(startDir);
    const format = await readFormat(layout);
    const config = await readConfig(layout);
    const store = await ObjectStore.open(new FolderBackend(layout.dir));
    const repo = new Repository({ layout, format, store, config, options });
    await repo.#openPromises();
    store.readPromises = () => repo.readPromises();
    if (await hasMoves(layout)) await repo.#finishMoves();
    return repo;
  }

  /**
   * Opens a repository whose format or config may be unreadable, for fsck: their defaults stand in.
   * @throws {CorruptError} {IoError} if the manifest cannot be read; {FormatVersionError}.
   */
  static async openForRepair(layout: Layout, options: RepositoryOptions = {}): Promise<Repository> {
    const format = await readFormat(layout).catch((error: unknown): Format => {
      if (isDamage(error)) return CURRENT_FORMAT;
      throw error;
    });
    const config = await readConfig(layout).catch((error: unknown): Config => {
      if (isDamage(error) || error instanceof ConfigError) return new Config([]);
      throw error;
    });
    const store = await ObjectStore.open(new FolderBackend(layout.dir));
    const repo = new Repository({ layout, format, store, config, options });
    const unlessDamaged = (error: unknown): void => {
      if (!isDamage(error)) throw error;
    };
    await repo.#openPromises().catch(unlessDamaged);
    store.readPromises = () => repo.readPromises().catch(unlessDamaged);
    return repo;
  }

  /** @throws {ConflictError} if some of the content is at a remote alone. @param what  needs all of it. */
  requireWhole(what: string): void {
    const promises = this.#promises;
    if (promises === null) return;
    for (const [remote, { filter, thin }] of promises.byRemote) {
      if (!leavesOut(filter) && thin.size === 0) continue;
      throw new ConflictError(
        `${what} needs all content, and some of it is at the remote '${remote}' alone`,
        {
          remote,
          hint: `bring it here first: 'dlv fetch ${FETCH_ALL_FLAGS} ${remote}', or work in a whole clone`,
        },
      );
    }
  }

  /** What remotes promised; null in a repository that is whole. */
  get promises(): Promises | null {
    return this.#promises;
  }

  async #openPromises(): Promise<void> {
    if (this.format.readRequired.includes(PROMISED_FLAG)) await this.readPromises();
  }

  /** Finds out what remotes promised, again after it changed. @throws {CorruptError} */
  async readPromises(): Promise<void> {
    if (this.#promises !== null) {
      await this.#promises.reload();
      return;
    }
    // Most repositories are whole: these need not load what fetches.
    if ((await readPromised(this.layout)).size === 0) return;
    const { Promises: Opened } = await import('../storage/exchange/partial/promises.js');
    const {
      promised: mode = 'fetch',
      cwd = this.layout.workTree,
      signal,
      onFetch,
      onFetched,
    } = this.options;
    this.#promises = await Opened.open(this, {
      mode,
      cwd,
      limitRate: this.config.get('transfer.limitRate'),
      jobs: this.config.get('transfer.jobs'),
      lowSpeed: lowSpeedOf(this.config),
      ...(signal ? { signal } : {}),
      ...(onFetch ? { onFetch } : {}),
      ...(onFetched ? { onBytes: onFetched } : {}),
      onWhole: (shown) => this.warn(wholeFilesWarning(shown)),
    });
    this.store.promised = this.#promises;
  }

  /** The settings, as they were read last. */
  get config(): Config {
    return this.#config;
  }

  /** Reads the settings again, after they were changed. */
  async readSettings(): Promise<void> {
    this.#config = await readConfig(this.layout);
  }

  /** Warns whoever opened it. */
  warn(message: string): void {
    this.options.warn?.(message);
  }

  head(): Promise<Head> {
    return readHead(this.layout);
  }

  /** Bytes of a blob: what lib/repo reads through. */
  readBlob(id: Id, kind: BlobKind): Promise<Uint8Array> {
    return this.blobs.readBlob(id, kind);
  }

  /** A version; cached. @throws {NotFoundError} {CorruptError} */
  async version(id: Id): Promise<Version> {
    const hit = this.#versions.get(id);
    if (hit) return hit;
    const bytes = await this.readBlob(id, 'version');
    const version = decodeVersion(bytes, `version ${shortId(id)}`);
    this.#versions.set(id, version, VERSION_OBJECT_BYTES + bytes.length * VERSION_MEMORY_FACTOR);
    return version;
  }

  /** Files and snapshots of a version; files whose exact bytes were given up as they can be read now. */
  async tree(id: Id, known: KnownFiles | null = null): Promise<FilePage> {
    const tier = await this.tier(id);
    const { tree } = await this.version(id);
    const { files, snapshots: stored } = await readTree(tree, this, tier === null ? known : null);
    // Older versions call the tensors of every file weights, those of 'rng_state.pth' too.
    const snapshots = stored.filter(({ key, role }) => isOfRole(key, role));
    if (tier === null) return { files, snapshots };
    return { files: files.map((file) => tier.entryOf(file)), snapshots };
  }

  /** Which files of a version are not exact any more; null if all are. @throws {CorruptError} */
  tier(id: Id): Promise<VersionTier | null> {
    return readTier(this, id);
  }

  openFile(entry: Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>): Promise<StoredFile> {
    return openStoredFile(this, entry);
  }

  /** Runs `action` under the lock, for milliseconds. @throws {LockedError} {FormatVersionError} */
  async locked<T>(
    action: (lock: RepositoryLock) => Promise<T>,
    { toEnd = false }: LockWait = {},
  ): Promise<T> {
    checkWritable(this.layout, this.format);
    const lockOptions: LockOptions = {
      ...(this.options.signal && !toEnd ? { signal: this.options.signal } : {}),
      timeoutMs: this.options.lockTimeoutMs ?? this.config.get('core.lockTimeoutMs'),
    };
    return withLock(
      this.layout,
      async (lock) => {
        await finishMoves(lock);
        return action(lock);
      },
      lockOptions,
    );
  }

  /**
   * Carries out the moves of a command that was killed. Where that cannot be done now, because another
   * process does it or nothing may be written, every ref is still one that was or will be.
   */
  async #finishMoves(): Promise<void> {
    try {
      await this.locked(async () => {});
    } catch (error) {
      const isHarmless =
        error instanceof LockedError ||
        error instanceof IoError ||
        error instanceof FormatVersionError ||
        isDamage(error);
      if (!isHarmless) throw error;
    }
  }

  /** A new pack session. Flush or abort it. */
  session(): PackSession {
    return new PackSession({
      store: this.store,
      sketches: this.sketches,
      chainDepth: this.config.get('chain.depth'),
      ...(this.options.signal ? { signal: this.options.signal } : {}),
      locked: (action, how) => {
        return this.locked(async (lock) => {
          const result = await action((flag) => requireReadFlag(lock, flag));
          await this.#forgetWholeSets(lock);
          return result;
        }, how);
      },
      tmpName: () => newWorkName('add'),
    });
  }

  /** What was stored may be a set that was here without some of its files: nothing of it is missing now. */
  async #forgetWholeSets(lock: RepositoryLock): Promise<void> {
    if (this.#promises === null) return;
    const files = new Set(await this.store.backend.list(PACKS_DIR));
    if (await forgetWholeSets(lock, files)) await this.readPromises();
  }

  async close(): Promise<void> {
    await this.#promises?.close();
    await this.store.close();
    await this.store.backend.close();
    await this.#removeEmptyTmp();
  }

  /** Sessions leave their empty folders behind. Best effort: gc removes what stays. */
  async #removeEmptyTmp(): Promise<void> {
    if (!hasOwnFolder()) return;
    const dir = this.layout.ownTmp;
    const ignore = (): void => {};
    for (const name of await listDirectory(dir).catch(() => [])) {
      await io.rmdir(path.join(dir, name)).catch(ignore);
    }
    await io.rmdir(dir).catch(ignore);
  }
}

/** The model named after a folder, with what a model name cannot hold replaced. */
function defaultModelName(dir: string): string {
  const base = dir.split(/[\\/]/).filter(Boolean).at(-1) ?? 'model';
  const name = base.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
  return (modelNameProblem(name) ?? takenByRevision(name)) === null ? name : 'model';
}
