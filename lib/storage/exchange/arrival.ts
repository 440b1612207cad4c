/**
 * What has arrived is compared with its checksums and its ids before anything can see it.
 *
 * The sets stand in incoming/ or tmp/; a store over them and the listed sets decodes every blob and
 * every plane of every extent. Deltas without an end, records of another content and files with bytes of no
 * record are refused here.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { NotFoundError } from '../../base/errors.js';
import { checkBlobs, checkExtents } from '../fsck/check-objects.js';
import { Findings } from '../fsck/report.js';
import type { ReadAccess } from '../objects/access.js';
import { Blobs } from '../objects/blobs.js';
import { ChainReader } from '../objects/planes/chain-reader.js';
import { RunHashes } from '../objects/planes/run-hashes.js';
import { Sketches } from '../objects/sketches/sketches.js';
import type { Backend, BackendWriter, LentFile } from '../store/backends/backend.js';
import { encodeManifest } from '../store/manifest.js';
import { MANIFEST_NAME, packName } from '../store/names.js';
import { ObjectStore } from '../store/object-store.js';
import { type Need, type Promised, type PromisedBy, PromisedError } from '../store/promised.js';
import {
  type BlobEntry,
  FILE_CLASSES,
  type PlaneClass,
  type SealedSet,
  type SetId,
  type SetInfo,
} from '../store/types.js';
import { type VerifyOptions, verifySet } from '../store/verify.js';
import type { Reachable } from '../upkeep/reachable.js';
import { damagedRemote } from './fetch-plan.js';
import type { TransferOptions } from './transports/transport.js';

export interface ArrivalOptions extends TransferOptions {
  /** The address, for messages. */
  readonly shown: string;
}

/** Sets that are finished and not listed. */
export interface Arrived {
  readonly sealed: readonly SealedSet[];
  /** The first of them, which were taken as they are. */
  readonly whole: readonly SealedSet[];
  /** What they hold. */
  readonly needed: Pick<Reachable, 'blobs' | 'extents'>;
  /** True for blobs of `whole` that were decoded and compared with their ids since they are here. */
  wasRead?(entry: BlobEntry): boolean;
  /** Classes of planes that some of them are without; then they are listed in front of all others. */
  readonly thin?: ReadonlyMap<SetId, readonly PlaneClass[]>;
}

/** @throws {CorruptError} if a byte is not what it should be. */
export async function checkArrived(
  repo: ReadAccess,
  { sealed, whole, needed, wasRead, thin }: Arrived,
  options: ArrivalOptions,
): Promise<void> {
  const { shown, signal } = options;
  const backend = new ArrivedBackend(repo.store.backend, sealed);
  const verify = async (info: SetInfo, how?: VerifyOptions): Promise<void> => {
    throwIfAborted(signal);
    for await (const problem of verifySet(backend, info, [], how)) {
      throw damagedRemote(shown, problem.message, problem.blob ?? problem.extent);
    }
  };
  // Bytes of records of each set that were read, with their checksums compared, further below.
  const read = new Map<SetId, number>();
  const scanned = new Map<SetId, number>();
  for (const { info } of whole) {
    await verify(info, { onUnread: (bytes) => scanned.set(info.id, bytes) });
  }
  const listed = repo.store.sets();
  const here = new Set(listed.map(({ id }) => id));
  const arrived = new Set(sealed.map(({ info }) => info.id));
  const fresh = sealed.map(({ info }) => info);
  // As they will be listed.
  const sets =
    thin === undefined
      ? [...listed, ...fresh.filter(({ id }) => !here.has(id))]
      : [...fresh, ...listed.filter(({ id }) => !arrived.has(id))];
  backend.useManifest(encodeManifest({ generation: 0, sets }));
  const store = await ObjectStore.open(backend);
  const known = repo.store.promised;
  if (known !== null || thin !== undefined) {
    // A set that arrived whole may have the name of one here that is not.
    const whole = sealed.map(({ info }): [SetId, PlaneClass[]] => [info.id, []]);
    store.promised = new ArrivedPromises(known, new Map([...whole, ...(thin ?? [])]), shown);
  }
  const access = {
    store,
    blobs: new Blobs(store),
    planes: new ChainReader(store, signal ? { signal } : {}),
    hashes: new RunHashes(store),
    sketches: new Sketches(store),
  };
  const findings = new Findings();
  // Bases that were here before are decoded, too, and are no part of what arrived.
  const onBytes = (count: number, set: SetId): void => {
    if (arrived.has(set)) options.onBytes?.(count);
  };
  const onRecord = (count: number, set: SetId): void => {
    read.set(set, (read.get(set) ?? 0) + count);
    onBytes(count, set);
  };
  const kept = new Set(whole.map(({ info }) => info.id));
  const isChecked = (entry: BlobEntry): boolean => kept.has(entry.set) && wasRead?.(entry) === true;
  const how = { onBytes, isChecked, ...(signal ? { signal } : {}) };
  await checkBlobs(access, needed.blobs, findings, how);
  await checkExtents(access, needed.extents, findings, { ...how, onBytes: onRecord });
  const [first] = findings.problems;
  if (first !== undefined) throw damagedRemote(shown, first.message);
  // A record that nothing needed was not read.
  for (const { info } of whole) {
    if ((read.get(info.id) ?? 0) !== scanned.get(info.id)) await verify(info);
  }
}

/** Planes that stay at the remote: they need not have arrived. */
class ArrivedPromises implements Promised {
  readonly #known: Promised | null;
  readonly #thin: ReadonlyMap<SetId, readonly PlaneClass[]>;
  readonly #shown: string;

  constructor(
    known: Promised | null,
    thin: ReadonlyMap<SetId, readonly PlaneClass[]>,
    shown: string,
  ) {
    this.#known = known;
    this.#thin = thin;
    this.#shown = shown;
  }

  async of(need: Need): Promise<PromisedBy | null> {
    const isThin = need.kind === 'extent' && need.whole;
    return isThin ? { remote: this.#shown, bytes: 0 } : null;
  }
  absent(set: SetId): readonly PlaneClass[] {
    return this.#thin.get(set) ?? this.#known?.absent(set) ?? [];
  }
  async bring(): Promise<void> {
    throw new PromisedError('a plane', { remote: this.#shown, bytes: 0 }, '');
  }
}

/** Files of sets that are not listed yet, under the names that they will have. */
class ArrivedBackend implements Backend {
  readonly #local: Backend;
  readonly #names = new Map<string, string>();
  #manifest: Uint8Array | null = null;

  constructor(local: Backend, sealed: readonly SealedSet[]) {
    this.#local = local;
    for (const { info, files } of sealed) {
      for (const fileClass of FILE_CLASSES) {
        const file = files[fileClass];
        if (file !== undefined) this.#names.set(packName(info.id, fileClass), file);
      }
    }
  }

  /** From now on this is the manifest. */
  useManifest(manifest: Uint8Array): void {
    this.#manifest = manifest;
  }

  list(folder: string): Promise<string[]> {
    return this.#local.list(folder);
  }

  #name(name: string): string {
    return this.#names.get(name) ?? name;
  }

  read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const arrived = this.#names.get(name);
    return arrived === undefined || this.#local.readWritten === undefined
      ? this.#local.read(arrived ?? name, offset, length)
      : this.#local.readWritten(arrived, offset, length);
  }
  async lendFile(name: string, end: number): Promise<LentFile | null> {
    return (await this.#local.lendFile?.(this.#name(name), end)) ?? null;
  }
  size(name: string): Promise<number> {
    return this.#local.size(this.#name(name));
  }
  exists(name: string): Promise<boolean> {
    return this.#local.exists(this.#name(name));
  }
  async readAll(name: string, maxBytes: number): Promise<Uint8Array> {
    if (name === MANIFEST_NAME && this.#manifest !== null) return this.#manifest;
    return this.#local.readAll(this.#name(name), maxBytes);
  }
  refresh(): Promise<void> {
    return this.#local.refresh();
  }
  createWriter(name: string): Promise<BackendWriter> {
    throw notHere(name);
  }
  rename(name: string): Promise<void> {
    throw notHere(name);
  }
  remove(name: string): Promise<void> {
    throw notHere(name);
  }
  writeAtomic(name: string): Promise<void> {
    throw notHere(name);
  }
  syncDir(name: string): Promise<void> {
    throw notHere(name);
  }
  async close(): Promise<void> {}
}

function notHere(name: string): NotFoundError {
  return new NotFoundError(`'${name}' has only arrived`, { kind: 'file', name });
}
