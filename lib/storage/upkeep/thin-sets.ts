/**
 * Writes sets of which planes are at a remote again, without the records that others hide or nothing needs: what was
 * brought back of them would be here twice.
 *
 * A run that is killed leaves both, or the copies alone, which are promised before they are listed.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { ConflictError } from '../../base/errors.js';
import type { LockAccess, ReadAccess } from '../objects/access.js';
import { newWorkName } from '../repo/processes/made-names.js';
import { readPromised, writePromised } from '../repo/promised.js';
import { RollingWriter, removeSealed } from '../store/packs/rolling-writer.js';
import { bytesHere } from '../store/promised.js';
import type { PlaneClass, SealedSet, SegmentEntry, SetId, SetInfo } from '../store/types.js';
import { verifySet } from '../store/verify.js';
import { dropFromTrash } from './drop-from-trash.js';
import { readThinRecord } from './thin-records.js';

/** A repository whose sets are replaced. */
export interface ThinRepository extends ReadAccess, LockAccess {
  /** Reads again what remotes promised, after that changed. */
  readPromises?(): Promise<void>;
}

export interface ThinOptions {
  /** Which live records survive; default: all. */
  keep?(entry: SegmentEntry): boolean;
  /** Under the lock: is `keep` still true? */
  stillValid?(): Promise<boolean>;
  /** Which sets may be written again; default: all. */
  isMeant?(id: SetId): boolean;
  /** Share of a set's bytes from which it is written again; default: any. */
  share?: number;
  signal?: AbortSignal;
}

/** A set that is written again. */
interface Chosen {
  readonly info: SetInfo;
  readonly remote: string;
  readonly absent: readonly PlaneClass[];
  readonly kept: SegmentEntry[];
}

/** @throws {ConflictError} if another command changed what this one relies on. */
export async function replaceThinSets(
  repo: ThinRepository,
  options: ThinOptions = {},
): Promise<void> {
  const { store } = repo;
  if (store.promised === null) return;
  const seen = store.sets().map(({ id }) => id);
  const chosen = await chooseThin(repo, options);
  if (chosen.length === 0) return;
  const sealed: SealedSet[] = [];
  const fresh = new Map<SetId, { remote: string; absent: readonly PlaneClass[] }>();
  try {
    await copyAll(repo, chosen, (set, one) => {
      sealed.push(set);
      fresh.set(set.info.id, one);
    });
    throwIfAborted(options.signal);
    await repo.locked(async (lock) => {
      await store.reload();
      const listed = new Set(store.sets().map(({ id }) => id));
      const isValid = seen.every((id) => listed.has(id)) && listed.size === seen.length;
      if (!isValid || !((await options.stillValid?.()) ?? true)) throw conflict();
      for (const [remote, promised] of await readPromised(lock.layout)) {
        for (const [id, one] of fresh) {
          if (one.remote === remote) promised.thin.set(id, [...one.absent]);
        }
        await writePromised(lock, remote, promised);
      }
      await store.publish(sealed, (sets) => [
        ...sealed.map(({ info }) => info),
        ...sets.filter(({ id }) => !fresh.has(id)),
      ]);
      await verifyAll(repo, sealed, fresh);
      const gone = chosen.map(({ info }) => info.id).filter((id) => !fresh.has(id));
      await store.publish([], (sets) => sets.filter(({ id }) => !gone.includes(id)));
      await store.retire(gone);
    });
  } finally {
    await removeSealed(store.backend, sealed);
  }
  await repo.readPromises?.();
  await dropFromTrash(repo.layout, new Set(chosen.map(({ info }) => info.id)));
}

/** Sets of promised planes with records that go. */
async function chooseThin(
  { store, layout }: ThinRepository,
  { keep = () => true, isMeant = () => true, share = 0, signal }: ThinOptions,
): Promise<Chosen[]> {
  const { promised } = store;
  const remotes = await readPromised(layout);
  const chosen: Chosen[] = [];
  for (const info of store.sets()) {
    throwIfAborted(signal);
    const absent = promised?.absent(info.id) ?? [];
    const [remote] = [...remotes].find(([, { thin }]) => thin.has(info.id)) ?? [];
    if (absent.length === 0 || remote === undefined || !isMeant(info.id)) continue;
    const kept: SegmentEntry[] = [];
    let [bytes, dead, isPlain] = [0, 0, true];
    for await (const entry of store.recordsIn(info)) {
      // What was made of a partial fetch holds tensors alone.
      if ('kind' in entry) {
        isPlain = false;
        break;
      }
      const size = bytesHere(promised, entry);
      bytes += size;
      const live = await store.here.findSegment(entry.id, entry.segment);
      if (live?.set === info.id && keep(entry)) kept.push(entry);
      else dead += size;
    }
    if (isPlain && dead > 0 && dead >= share * bytes) chosen.push({ info, remote, absent, kept });
  }
  return chosen;
}

async function copyAll(
  { store }: ThinRepository,
  chosen: readonly Chosen[],
  onSealed: (set: SealedSet, from: Chosen) => void,
): Promise<void> {
  const { backend } = store;
  for (const one of chosen) {
    const { absent, kept } = one;
    const writer = new RollingWriter({
      backend,
      tmpName: () => newWorkName('gc'),
      onSealed: (set) => onSealed(set, one),
      absent,
    });
    try {
      for (const entry of kept) {
        const thin = await readThinRecord(store, entry, absent);
        if (thin === null) throw conflict();
        await writer.addSegment(thin.record, thin.absent);
      }
      await writer.flush();
    } finally {
      await writer.abort();
    }
  }
}

/** Reads the copies back, while what they were made of is listed. @throws {ConflictError} */
async function verifyAll(
  { store }: ThinRepository,
  sealed: readonly SealedSet[],
  fresh: ReadonlyMap<SetId, { absent: readonly PlaneClass[] }>,
): Promise<void> {
  for (const { info } of sealed) {
    for await (const problem of verifySet(store.backend, info, fresh.get(info.id)?.absent ?? [])) {
      throw new ConflictError(`a pack that was written again is damaged: ${problem.message}`, {
        file: problem.file,
        hint: 'the disk may be failing; the old packs are in place and nothing was removed',
      });
    }
  }
}

function conflict(): ConflictError {
  return new ConflictError(
    'another command changed the repository while packs were written again',
    {
      hint: 'run the command again',
    },
  );
}
