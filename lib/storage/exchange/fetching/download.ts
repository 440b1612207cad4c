/** Brings the pack sets that a fetch wants: whole ones as they are, of others copies of the wanted records. */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { noRoom } from '../../../base/files/files.js';
import { freeBytes } from '../../../base/files/places/disks.js';
import { newWorkName } from '../../repo/processes/made-names.js';
import type { Backend } from '../../store/backends/backend.js';
import { copyRecords } from '../../store/merge.js';
import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import {
  type BlobEntry,
  FILE_CLASSES,
  type FileClass,
  type SealedSet,
  type SegmentEntry,
} from '../../store/types.js';
import type { Announced } from '../partial/announced.js';
import { rangeBytes } from '../ranges.js';
import { readingRemote } from '../remote/remote-damage.js';
import { remoteFile } from '../remote/remote-store.js';
import type { ByteRange } from '../transports/transport.js';
import type { FetchParts } from './parts.js';
import { bytesOf, isWholly, type PlannedSet } from './places.js';
import { partsOf, wholeFiles } from './record-ranges.js';

/** Files of several sets that are fetched at once. */
const FILES_AT_ONCE = 4;
/** Left free on the disk. */
const SPARE_BYTES = 16 * 1024 * 1024;

/** Which records are brought, and of which sets. */
export interface Wanted {
  readonly sets: readonly PlannedSet[];
  isWanted(entry: BlobEntry | SegmentEntry): boolean;
}

export interface DownloadOptions {
  readonly announced: Announced;
  /** Told of the bytes that will be fetched. */
  onStart(bytes: number): void;
  readonly signal: AbortSignal | undefined;
}

/** Sets that have arrived, not listed yet. */
export interface Downloaded {
  /** As they are at the remote. */
  readonly whole: SealedSet[];
  /** Made here. */
  readonly copied: SealedSet[];
  /** Ends once what was taken as it is is on the disk. Files are closed after that. */
  readonly synced: Promise<void>;
}

/**
 * Brings everything that is wanted. Each file that is taken as it is goes to the disk once it has arrived, while others
 * arrive and are checked.
 */
export async function download(
  parts: FetchParts,
  backend: Backend,
  wanted: Wanted,
  options: DownloadOptions,
): Promise<Downloaded> {
  const sets = wanted.sets.filter((set) => set.wanted > 0);
  const jobs: { set: PlannedSet; fileClass: FileClass; ranges: ByteRange[] }[] = [];
  for (const set of sets) {
    const ranges = isWholly(set)
      ? wholeFiles(set.info)
      : await partsOf(parts, wanted.isWanted, set.info);
    for (const [fileClass, some] of ranges) jobs.push({ set, fileClass, ranges: some });
  }
  const { announced } = options;
  const total = rangeBytes(jobs.flatMap(({ ranges }) => ranges));
  options.onStart(total);
  announced.start(total);
  // One after another: a thread that waits for the disk decodes nothing.
  let synced = Promise.resolve();
  const bring = async ({ set, fileClass, ranges }: (typeof jobs)[number]): Promise<void> => {
    const file = remoteFile(set.info, fileClass);
    await parts.incoming.need(file, ranges, announced.add);
    if (!isWholly(set)) return;
    synced = synced.then(() => parts.incoming.sync(file));
    // Whoever needs it to have succeeded waits for it later.
    synced.catch(() => {});
  };
  try {
    await forEachLimit(jobs, FILES_AT_ONCE, bring);
    announced.end();
    const copied = await copyWanted(parts, backend, wanted, options.signal);
    return { whole: sets.filter(isWholly).map((set) => arrivedSet(parts, set)), copied, synced };
  } catch (error) {
    await Promise.allSettled([synced]);
    throw error;
  }
}

function arrivedSet({ incoming }: FetchParts, { info }: PlannedSet): SealedSet {
  const files: SealedSet['files'] = {};
  for (const fileClass of FILE_CLASSES) {
    const file = remoteFile(info, fileClass);
    if (file.size > 0) files[fileClass] = incoming.nameOf(file);
  }
  return { info, files };
}

/**
 * Looks whether a disk has room for what will arrive.
 * @param dir    a folder on it.
 * @param bytes  that will arrive, beside copies of records.
 * @throws {IoError}
 */
export async function checkRoom(
  dir: string,
  { sets, bytes }: Pick<Wanted, 'sets'> & { readonly bytes: number },
): Promise<void> {
  const free = await freeBytes(dir);
  const copied = sets.filter((set) => set.wanted > 0 && !isWholly(set));
  const needed = bytes + copied.reduce((sum, set) => sum + bytesOf(set), 0) + SPARE_BYTES;
  if (free === null || free >= needed) return;
  throw noRoom(`cannot fetch into '${dir}'`, {
    file: dir,
    needed,
    free,
    hint: 'free some disk space, then run the command again',
  });
}

/** Copies the wanted records of sets that are not taken whole into sets of our own. */
async function copyWanted(
  parts: FetchParts,
  backend: Backend,
  { sets, isWanted }: Wanted,
  signal: AbortSignal | undefined,
): Promise<SealedSet[]> {
  const sealed: SealedSet[] = [];
  const onSealed = (set: SealedSet): void => {
    sealed.push(set);
  };
  const sink = new RollingWriter({ backend, tmpName: () => newWorkName('fetch'), onSealed });
  try {
    for (const set of sets) {
      if (set.wanted === 0 || isWholly(set)) continue;
      await readingRemote(parts.shown, async () => {
        const entries: (BlobEntry | SegmentEntry)[] = [];
        for await (const batch of parts.remote.recordBatchesIn(set.info)) {
          for (const entry of batch) if (isWanted(entry)) entries.push(entry);
        }
        entries.sort(
          (a, b) => Number('segment' in a) - Number('segment' in b) || a.offset - b.offset,
        );
        await copyRecords(parts.remote.backend, entries, sink, signal);
      });
    }
    await sink.flush();
    return sealed;
  } catch (error) {
    await removeSealed(backend, sealed);
    throw error;
  } finally {
    await sink.abort();
  }
}
