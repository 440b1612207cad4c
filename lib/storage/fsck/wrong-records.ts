/**
 * Records whose bytes are as they were written, but that decode to something else than their id
 * says. No checksum tells them from sound ones. `fsck --rebuild` omits them, so that another copy
 * is used, or the original file when it is added again.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { CorruptError, TruncatedError } from '../../base/errors.js';
import { FSCK_PLANES_BYTES } from '../../base/limits.js';
import type { ObjectAccess } from '../objects/access.js';
import { linksOf } from '../objects/chain.js';
import { ChainReader } from '../objects/planes/chain-reader.js';
import { readRecord } from '../objects/records.js';
import { type SetId, segmentKey } from '../store/types.js';

/** An object that a check could not decode; segment null: a blob. */
export interface Suspect {
  readonly id: Id;
  readonly segment: number | null;
}

/** Records to leave out, by the set that they are in. */
export type WrongRecords = Map<SetId, Set<string>>;

/** How WrongRecords names a record. */
export function suspectKey({ id, segment }: Suspect): string {
  return segment === null ? id : segmentKey(id, segment);
}

/**
 * Finds the live records that are wrong by themselves, in the chains of suspects. A record that cannot be
 * read, or is a delta of a wrong one, or needs a newer dlv, is none.
 */
export async function findWrongRecords(
  repo: ObjectAccess,
  suspects: Iterable<Suspect>,
  signal?: AbortSignal,
): Promise<WrongRecords> {
  const wrong: WrongRecords = new Map();
  // A chain is looked at from its root: what one link took is kept for the next.
  const planes = new ChainReader(repo.store, { signal, cacheBytes: FSCK_PLANES_BYTES });
  for (const suspect of suspects) {
    throwIfAborted(signal);
    const found =
      suspect.segment === null
        ? await wrongBlob(repo, suspect.id)
        : await wrongSegment(repo, planes, suspect.id, suspect.segment);
    if (found === null) continue;
    const keys = wrong.get(found.set) ?? new Set();
    wrong.set(found.set, keys.add(found.key));
  }
  return wrong;
}

/** The links of a chain, the root first, if there is one. */
async function chainOf<E extends { readonly base: Id | null; readonly set: SetId }>(
  id: Id,
  find: (id: Id) => Promise<E | null>,
): Promise<{ id: Id; entry: E }[]> {
  const chain: { id: Id; entry: E }[] = [];
  const seen = new Set<Id>();
  for await (const { id: at, entry } of linksOf(id, find)) {
    if (entry === null || seen.has(at)) return [];
    seen.add(at);
    chain.push({ id: at, entry });
  }
  return chain.reverse();
}

/** True if an action finds damage; other errors are not an answer, and are thrown. */
async function findsDamage(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return false;
  } catch (error) {
    if (error instanceof CorruptError || error instanceof TruncatedError) return true;
    throw error;
  }
}

interface Found {
  set: SetId;
  key: string;
}

async function wrongBlob({ store, blobs }: ObjectAccess, suspect: Id): Promise<Found | null> {
  for (const { id, entry } of await chainOf(suspect, (next) => store.findBlob(next))) {
    if (await findsDamage(() => readRecord({ store }, { id, segment: null }))) return null;
    if (await findsDamage(() => blobs.readBlob(id, entry.kind))) {
      return { set: entry.set, key: suspectKey({ id, segment: null }) };
    }
  }
  return null;
}

async function wrongSegment(
  { store, hashes }: ObjectAccess,
  planes: ChainReader,
  suspect: Id,
  segment: number,
): Promise<Found | null> {
  const find = (next: Id) => store.here.findSegment(next, segment);
  for (const { id, entry } of await chainOf(suspect, find)) {
    if (await findsDamage(() => readRecord({ store }, { id, segment }))) return null;
    // The first segment holds the hashes of all.
    if (await findsDamage(() => hashes.of(id))) {
      const first = await store.here.findSegment(id, 0);
      return first && { set: first.set, key: suspectKey({ id, segment: 0 }) };
    }
    const isWrong = await findsDamage(async () => {
      const lease = await planes.lend({ id, segment });
      try {
        await hashes.check(id, segment, lease.planes);
      } finally {
        lease.release();
      }
    });
    if (isWrong) return { set: entry.set, key: suspectKey({ id, segment }) };
  }
  return null;
}
