/**
 * What has arrived is compared with its checksums and its ids before anything can see it.
 *
 * The sets stand in incoming/ or tmp/; a store over them and the listed sets decodes every blob and
 * every plane of every extent. Deltas without an end, records of another content and files with bytes of no
 * record are refused here.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { BlobKind, Id } from '../../../base/bytes/hash.js';
import { checkBlobs, checkExtents } from '../../fsck/check-objects.js';
import { Findings } from '../../fsck/report.js';
import type { ReadAccess } from '../../objects/access.js';
import { Blobs } from '../../objects/blobs.js';
import { ChainReader } from '../../objects/planes/chain-reader.js';
import { RunHashes } from '../../objects/planes/run-hashes.js';
import { Sketches } from '../../objects/sketches/sketches.js';
import { encodeManifest } from '../../store/manifest.js';
import { ObjectStore } from '../../store/object-store.js';
import { accountOf } from '../../store/packs/account.js';
import { type Need, type Promised, type PromisedBy, PromisedError } from '../../store/promised.js';
import type { PlaneClass, SealedSet, SetId, SetInfo } from '../../store/types.js';
import { verifySet } from '../../store/verify.js';
import type { ReadAt } from '../fetch-plan.js';
import { damagedRemote } from '../remote/remote-damage.js';
import type { TransferOptions } from '../transports/transport.js';
import { ArrivedBackend } from './arrived-backend.js';
import { unlessDisturbed } from './disturbed.js';

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
  readonly needed: {
    readonly blobs: ReadonlyMap<Id, BlobKind>;
    readonly extents: ReadonlyMap<Id, number>;
  };
  /** Where blobs stand that were decoded and compared with their ids since their records are here. */
  readAt?(blob: Id): ReadAt | null;
  /** Classes of planes that some of them are without; then they are listed in front of all others. */
  readonly thin?: ReadonlyMap<SetId, readonly PlaneClass[]>;
}

/** @throws {CorruptError} if a byte is not what it should be; {ConflictError} if sets here changed meanwhile. */
export function checkArrived(
  repo: ReadAccess,
  arrived: Arrived,
  options: ArrivalOptions,
): Promise<void> {
  // Bases that are here already may go meanwhile: then it is not the remote that is damaged.
  return unlessDisturbed(repo.store, () => check(repo, arrived, options));
}

async function check(
  repo: ReadAccess,
  { sealed, whole, needed, readAt, thin }: Arrived,
  options: ArrivalOptions,
): Promise<void> {
  const { shown, signal } = options;
  const backend = new ArrivedBackend(repo.store.backend, sealed);
  const verify = async (info: SetInfo): Promise<void> => {
    throwIfAborted(signal);
    for await (const problem of verifySet(backend, info)) {
      throw damagedRemote(shown, problem.message, problem.blob ?? problem.extent);
    }
  };
  // Bytes of records of sets whose index accounts for every byte, until these are read further below.
  const unread = new Map<SetId, number>();
  for (const { info } of whole) {
    throwIfAborted(signal);
    const account = await accountOf(backend, info);
    if (account === null) await verify(info);
    else unread.set(info.id, account.blobs + account.segments);
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
    const left = unread.get(set);
    if (left !== undefined) unread.set(set, left - count);
    if (arrived.has(set)) options.onBytes?.(count);
  };
  const kept = new Set(whole.map(({ info }) => info.id));
  const blobs = new Map<Id, BlobKind>();
  for (const [id, kind] of needed.blobs) {
    const at = readAt?.(id) ?? null;
    if (at !== null && kept.has(at.set)) onBytes(at.bytes, at.set);
    else blobs.set(id, kind);
  }
  const how = { onBytes, ...(signal ? { signal } : {}) };
  await checkBlobs(access, blobs, findings, how);
  await checkExtents(access, needed.extents, findings, how);
  const [first] = findings.problems;
  if (first !== undefined) throw damagedRemote(shown, first.message);
  // A record that nothing needed was not read.
  for (const { info } of whole) if ((unread.get(info.id) ?? 0) !== 0) await verify(info);
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
