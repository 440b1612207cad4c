/**
 * Frees low planes here that a remote keeps: what its branches and tags need as it is now is read from it and
 * compared with the checksums here, and only then given up.
 *
 * A run that is killed has given up nothing, or what it gave up was promised before. The thin records are listed
 * in front of the whole ones; then the sets that hold these are written again without them.
 */
import { crc32 } from '../../../base/bytes/checksum.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import type { Id } from '../../../base/bytes/hash.js';
import { Pace } from '../../../base/bytes/pace.js';
import { listDirectory, removeFile } from '../../../base/files/files.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import { classesFor } from '../../objects/planes/read-counts.js';
import { isTrashName, newWorkName } from '../../repo/processes/made-names.js';
import { listOtherReaders } from '../../repo/processes/readers.js';
import { readPromised, thinSets } from '../../repo/promised.js';
import { packName, stemOf } from '../../store/names.js';
import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import { planesHere } from '../../store/promised.js';
import type { PlaneClass, SealedSet, SegmentEntry, SetId, SetInfo } from '../../store/types.js';
import { replaceSets } from '../../upkeep/replace-sets.js';
import { replaceThinSets } from '../../upkeep/thin-sets.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { checkUndisturbed } from '../fetching/disturbed.js';
import { Incoming, type RemoteFile } from '../incoming.js';
import type { Remote } from '../remote.js';
import { damagedRemote } from '../remote-damage.js';
import { remoteFile } from '../remote-store.js';
import type { ByteRange, TransferOptions } from '../transports/transport.js';
import { listPartly } from './bring.js';
import { checkStillKept, type KeeperParts, type Kept, readKept } from './keeper.js';
import { isSameCoding, keyOf, placeOf } from './partial-download.js';
import { type NamedSource, waitingSets } from './waiting.js';

export interface DetachOptions extends TransferOptions {
  /** Leading planes of an extent that stay here. */
  planesOf(extent: Id): number;
  /** Begins to compare so many bytes with those of the remote. */
  onStart?(bytes: number): void;
  dryRun?: boolean;
}

export interface Detached {
  /** Segments whose low planes are given up, and the bytes of these. */
  segments: number;
  bytes: number;
  /** Bytes of low planes that stay since no branch or tag of the remote has them as they are here. */
  keptBytes: number;
}

/** Bytes that are read of a remote at once. */
const RUN_BYTES = 8 * 1024 * 1024;
const LANES = 2;

/** A record of which classes are given up. */
interface Leaving {
  readonly entry: SegmentEntry;
  /** The same record at the remote. */
  readonly there: SegmentEntry;
  readonly classes: ('mid' | 'low')[];
}

/** @throws {CorruptError} if the remote has other bytes; {RemoteError} {ConflictError} */
export async function detachPlanes(
  repo: FetchingRepository,
  from: NamedSource & { readonly source: Remote },
  options: DetachOptions,
): Promise<Detached> {
  const incoming = await Incoming.open(repo.layout, from.source, options);
  try {
    const { store } = repo;
    const seen = store.sets().map(({ id }) => id);
    const keeper = { repo, source: from.source, incoming };
    const kept = await readKept(keeper, options);
    const { leaving, keptBytes } = await findLeaving(store, kept, options);
    const bytes = leaving.reduce((sum, one) => sum + bytesOf(one), 0);
    const detached = { segments: leaving.length, bytes, keptBytes };
    if (options.dryRun) return detached;
    options.onStart?.(bytes);
    await compareAll(keeper, kept, leaving, options);
    let thin = new Map<SetId, PlaneClass[]>();
    if (leaving.length > 0) {
      const compared = leaving.map(({ there }) => there);
      const { sets } = await checkStillKept(keeper, kept, compared, options);
      const waiting = await waitingSets(repo.layout, from, options);
      const promised = { remote: from.remote, sets: [...sets, ...waiting], seen };
      thin = await listThin(repo, promised, leaving);
    }
    await incoming.remove();
    await freeHidden(repo, thin, options);
    await replaceThinSets(repo, options);
    return detached;
  } finally {
    await incoming.close();
  }
}

function bytesOf({ entry, classes }: Leaving): number {
  return classes.reduce((sum, plane) => sum + sizeOf(entry, plane), 0);
}

function sizeOf({ midBytes, lowBytes }: SegmentEntry, plane: 'mid' | 'low'): number {
  return plane === 'mid' ? midBytes : lowBytes;
}

/** Records of which planes can go: nothing here needs them, and the remote keeps them as they are. */
async function findLeaving(
  store: FetchingRepository['store'],
  { segments }: Kept,
  { planesOf, signal }: DetachOptions,
): Promise<{ leaving: Leaving[]; keptBytes: number }> {
  const pace = new Pace(signal);
  const there = new Map<string, SegmentEntry>();
  const needs = new Map<string, number>();
  const entries: SegmentEntry[] = [];
  let keptBytes = 0;
  for await (const entry of store.segments()) {
    await pace.step();
    entries.push(entry);
    const twin = segments.get(keyOf(entry.id, entry.segment));
    const isThere = twin !== undefined && isSameCoding(entry, twin);
    if (isThere) there.set(keyOf(entry.id, entry.segment), twin);
    const few = planesOf(entry.id);
    if (!isThere && few < entry.width && planesHere(entry, []) > few) {
      const classes = classesFor(entry.width, few);
      for (const plane of ['mid', 'low'] as const) {
        if (!classes.includes(plane)) keptBytes += sizeOf(entry, plane);
      }
    }
  }
  for (const { id, segment, width } of entries) {
    const few = there.has(keyOf(id, segment)) ? planesOf(id) : width;
    await spread(store, needs, { id, segment, planes: Math.min(few, width) }, pace);
  }
  const leaving: Leaving[] = [];
  for (const entry of entries) {
    const key = keyOf(entry.id, entry.segment);
    const twin = there.get(key);
    if (twin === undefined) continue;
    const kept = classesFor(entry.width, needs.get(key) ?? WIDTH_MAX);
    const absent = store.promised?.absent(entry.set) ?? [];
    const classes = (['mid', 'low'] as const).filter(
      (plane) => !kept.includes(plane) && !absent.includes(plane) && sizeOf(entry, plane) > 0,
    );
    if (classes.length > 0) leaving.push({ entry, there: twin, classes });
  }
  return { leaving, keptBytes };
}

/** Notes what planes of a record, and of those under it, are needed. */
async function spread(
  store: FetchingRepository['store'],
  needs: Map<string, number>,
  want: { id: Id; segment: number; planes: number },
  pace: Pace,
): Promise<void> {
  let { id, planes } = want;
  const { segment } = want;
  for (;;) {
    await pace.step();
    const entry = await store.here.findSegment(id, segment);
    if (entry === null) return;
    const wanted = Math.min(planes, entry.width);
    const head = wantsHead(entry, wanted) ? await store.here.openSegment(id, segment) : null;
    const stop = stopOf(entry, head, wanted);
    const key = keyOf(id, segment);
    if ((needs.get(key) ?? 0) >= stop) return;
    needs.set(key, stop);
    if (entry.base === null) return;
    planes = basePlanesOf(entry, head, stop);
    id = entry.base;
  }
}

/** Reads from the remote what is to go, and compares it with the checksums here. */
async function compareAll(
  { repo, source, incoming }: KeeperParts,
  { sets }: Kept,
  leaving: readonly Leaving[],
  options: DetachOptions,
): Promise<void> {
  interface Payload {
    start: number;
    end: number;
    id: Id;
    crc: number;
  }
  const infos = new Map(sets.map((info) => [info.id, info]));
  const files = new Map<string, { file: RemoteFile; payloads: Payload[] }>();
  for (const { entry, there, classes } of leaving) {
    const head = await repo.store.here.openSegment(entry.id, entry.segment);
    for (const plane of classes) {
      const { fileClass, range } = placeOf(there, plane);
      const file = remoteFile(infos.get(there.set) as SetInfo, fileClass);
      const payload = { ...range, id: entry.id, crc: head?.crcs[plane] ?? -1 };
      const known = files.get(file.name) ?? { file, payloads: [] };
      known.payloads.push(payload);
      files.set(file.name, known);
    }
  }
  const runs: { file: RemoteFile; payloads: Payload[] }[] = [];
  for (const { file, payloads } of files.values()) {
    let run: Payload[] = [];
    for (const payload of payloads.sort((a, b) => a.start - b.start)) {
      const first = run[0] ?? payload;
      const isNext = run.length === 0 || run.at(-1)?.end === payload.start;
      if (!isNext || payload.end - first.start > RUN_BYTES) {
        runs.push({ file, payloads: run });
        run = [];
      }
      run.push(payload);
    }
    if (run.length > 0) runs.push({ file, payloads: run });
  }
  const bytesAt = async (file: RemoteFile, range: ByteRange): Promise<Uint8Array> => {
    // What is only compared is not written down, but where whole files come: then they come once.
    if (source.sendsWhole ?? true) {
      await incoming.need(file, [range], options.onBytes);
      return incoming.read(file, range.start, range.end - range.start);
    }
    const pieces: Uint8Array[] = [];
    const take = async (bytes: Uint8Array): Promise<void> => {
      pieces.push(new Uint8Array(bytes));
    };
    await source.read(file.name, range, take, options);
    return Buffer.concat(pieces);
  };
  await forEachLimit(runs, LANES, async ({ file, payloads }) => {
    const start = payloads[0]?.start ?? 0;
    const bytes = await bytesAt(file, { start, end: payloads.at(-1)?.end ?? start });
    for (const payload of payloads) {
      const found = bytes.subarray(payload.start - start, payload.end - start);
      if (found.length === payload.end - payload.start && crc32(found) === payload.crc) continue;
      throw damagedRemote(
        source.shown,
        `it has other low planes of extent ${payload.id}`,
        payload.id,
      );
    }
  });
}

/** Lists records without the planes that go, in front of the whole ones, once they are promised. */
async function listThin(
  repo: FetchingRepository,
  { remote, sets, seen }: { remote: string; sets: readonly SetInfo[]; seen: readonly SetId[] },
  leaving: readonly Leaving[],
): Promise<Map<SetId, PlaneClass[]>> {
  const { store } = repo;
  const sealed: SealedSet[] = [];
  const thin = new Map<SetId, PlaneClass[]>();
  const writers = new Map<string, RollingWriter>();
  try {
    for (const { entry, classes } of leaving) {
      const before = store.promised?.absent(entry.set) ?? [];
      const gone = (['mid', 'low'] as const).filter(
        (plane) => classes.includes(plane) || before.includes(plane),
      );
      let writer = writers.get(gone.join(' '));
      if (writer === undefined) {
        const onSealed = (set: SealedSet): void => {
          sealed.push(set);
          thin.set(set.info.id, gone);
        };
        const tmpName = (): string => newWorkName('fetch');
        writer = new RollingWriter({ backend: store.backend, tmpName, onSealed, absent: gone });
        writers.set(gone.join(' '), writer);
      }
      const kept = (['hi', 'mid', 'low'] as const).filter(
        (plane) => !gone.some((one) => one === plane),
      );
      const head = await store.here.openSegment(entry.id, entry.segment);
      const record = head === null ? null : await store.here.readPlanes(head, kept);
      if (head === null || record === null || record.base !== entry.base) continue;
      const absent: Partial<Record<'mid' | 'low', { bytes: number; crc: number }>> = {};
      for (const plane of gone) {
        const bytes = sizeOf(entry, plane);
        if (bytes > 0) absent[plane] = { bytes, crc: head.crcs[plane] };
      }
      await writer.addSegment(record, absent);
    }
    for (const writer of writers.values()) await writer.flush();
    await repo.locked(async (lock) => {
      await checkUndisturbed(store, seen);
      const promising = { remote, sets, filter: null, gives: true };
      await listPartly(lock, store, { sealed, thin }, promising);
    });
    return thin;
  } finally {
    for (const writer of writers.values()) await writer.abort();
    await removeSealed(store.backend, sealed);
  }
}

/** Writes sets again that hold records which thin ones hide, without these. */
async function freeHidden(
  repo: FetchingRepository,
  thin: ReadonlyMap<SetId, PlaneClass[]>,
  { signal }: DetachOptions,
): Promise<void> {
  const { store } = repo;
  const chosen: SetInfo[] = [];
  // Where a set gave up planes of all its records, the thin one has its name, and its files are too many;
  // but for a set that somebody stored whole meanwhile.
  await repo.locked(async (lock) => {
    const now = thinSets(await readPromised(lock.layout));
    for (const id of thin.keys()) {
      for (const plane of now.get(id) ?? []) await store.backend.remove(packName(id, plane));
    }
  });
  await repo.readPromises?.();
  for (const info of store.sets()) {
    if ((store.promised?.absent(info.id) ?? []).length > 0) continue;
    for await (const { id, segment } of store.segmentsOf(info)) {
      const live = await store.here.findSegment(id, segment);
      if (live === null || live.set === info.id) continue;
      if ((store.promised?.absent(live.set) ?? []).length === 0) continue;
      chosen.push(info);
      break;
    }
  }
  if (chosen.length === 0) return;
  await replaceSets(repo, {
    seen: chosen,
    chosen,
    keep: null,
    stillValid: async () => true,
    ...(signal ? { signal } : {}),
  });
  if ((await listOtherReaders(repo.layout)).length > 0) return;
  const names = new Set<string>(chosen.map(({ id }) => id));
  for (const name of await listDirectory(repo.layout.trash)) {
    if (isTrashName(name) && names.has(stemOf(name))) {
      await removeFile(repo.layout.trashFile(name));
    }
  }
}
