/**
 * Checks pack sets, and rebuilds what is derived from them: idx files and the manifest.
 *
 * Nothing here trusts an idx or the manifest; the records of `.blob` and `.hi` are the truth. Start at
 * `verifySet` for fsck and at `scanPacks` for a manifest that was lost.
 */

import { sha256 } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import type { Backend } from './backends/backend.js';
import type { IndexBuilder } from './indexes/index-builder.js';
import { INDEX_SUM_BYTES } from './indexes/index-head.js';
import { IndexReader } from './indexes/index-reader.js';
import { decodeBlobRow, decodeSegmentRow } from './indexes/index-rows.js';
import { PACKS_DIR, packName } from './names.js';
import { type ScanOptions, SetScanner } from './packs/scan.js';
import { isReadFailure } from './packs/scanned-files.js';
import {
  type BlobRecord,
  FILE_CLASSES,
  isSetId,
  type PlaneClass,
  type Problem,
  type RecordSink,
  type SegmentRecord,
  type SetId,
  type SetInfo,
  segmentKey,
} from './types.js';

/** Bytes of an idx that are hashed at once. */
const READ_BYTES = 1 << 20;

/** What reading a set without its idx gave. */
export interface SetScan {
  /** Null if nothing readable is left. Its id differs from the asked one if records are damaged. */
  info: SetInfo | null;
  /** The rebuilt idx, byte for byte what the writer made if there are no problems. */
  index: Uint8Array | null;
  problems: Problem[];
}

export interface VerifyOptions {
  /**
   * Leaves the payloads of segments to whoever decodes them: told of the bytes of all records of segments, whose
   * heads alone were read.
   */
  onUnread?(bytes: number): void;
}

/**
 * Every problem of one set: sizes, headers, every checksum, unused bytes, idx against rebuilt idx. The
 * records that cannot be read are named by the idx where that one is sound.
 * @param absent  classes of planes that are promised by a remote: their files need not be here.
 */
export async function* verifySet(
  backend: Backend,
  info: SetInfo,
  absent: readonly PlaneClass[] = [],
  { onUnread }: VerifyOptions = {},
): AsyncGenerator<Problem> {
  const problems = await findSizeProblems(backend, info, absent);
  const report = (problem: Problem): unknown => problems.push(problem);
  const scanner = new SetScanner(backend, info.id, report, {
    absent,
    skipsPayloads: onUnread !== undefined,
  });
  await scanner.run();
  onUnread?.(scanner.segmentBytes);
  yield* problems;
  const ofIndex = problems.filter((problem) => problem.file.endsWith('.idx')).length;
  const sound = ofIndex === problems.length;
  const index = await openSoundIndex(backend, info);
  if (index instanceof Error) {
    // A wrong size or a missing file was reported above.
    if (ofIndex === 0) yield indexProblem(info.id, index.message);
    return;
  }
  if (!sound) {
    yield* findLost(index, scanner.builder);
    return;
  }
  if (scanner.builder.finish(scanner.sizes).id !== info.id) {
    yield indexProblem(info.id, `'${packName(info.id, 'idx')}' is not the index of its records`);
  }
}

async function findSizeProblems(
  backend: Backend,
  info: SetInfo,
  absent: readonly PlaneClass[],
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const fileClass of FILE_CLASSES) {
    const file = packName(info.id, fileClass);
    const there = await backend.exists(file);
    const size = there ? await backend.size(file) : 0;
    const listed = info.bytes[fileClass];
    if (!there && absent.some((plane) => plane === fileClass)) continue;
    if (there === listed > 0 && size === listed) continue;
    const what = there ? 'size' : 'missing-file';
    const message = there
      ? `'${file}' has ${size} bytes, the manifest says ${listed}`
      : `'${file}' is missing`;
    problems.push({ what, set: info.id, file, message });
  }
  return problems;
}

function indexProblem(set: SetId, message: string): Problem {
  return { what: 'index', set, file: packName(set, 'idx'), message };
}

/** The idx, if its checksum over all bytes is the set's id; else why not. */
async function openSoundIndex(backend: Backend, info: SetInfo): Promise<IndexReader | Error> {
  const name = packName(info.id, 'idx');
  try {
    const index = await IndexReader.open(backend, info);
    const hash = sha256();
    const end = info.bytes.idx - INDEX_SUM_BYTES;
    for (let at = 0; at < end; at += READ_BYTES) {
      hash.update(await backend.read(name, at, Math.min(READ_BYTES, end - at)));
    }
    const sum = hash.digest().subarray(0, INDEX_SUM_BYTES);
    const found = await backend.read(name, end, INDEX_SUM_BYTES);
    if (sum.equals(found) && sum.toString('hex') === info.id) return index;
    return new Error(`'${name}' is damaged: its checksum does not match`);
  } catch (error) {
    if (isReadFailure(error)) return error;
    throw error;
  }
}

/** One problem for each record that a sound idx lists and that no scan could read. */
async function* findLost(index: IndexReader, found: IndexBuilder): AsyncGenerator<Problem> {
  const set = index.info.id;
  for (let lead = 0; lead < 256; lead++) {
    for (const row of await index.rowsOf('blob', lead)) {
      const { id, offset } = decodeBlobRow(row, set, index.sizes, packName(set, 'idx'));
      if (found.hasBlob(id)) continue;
      const message = `blob ${id} cannot be read`;
      yield { what: 'record', set, file: packName(set, 'blob'), offset, message, blob: id };
    }
    for (const row of await index.rowsOf('segment', lead)) {
      const entry = decodeSegmentRow(row, set, index.sizes, packName(set, 'idx'));
      const { id, segment, offset } = entry;
      if (found.hasSegment(id, segment)) continue;
      const message = `segment ${segment} of extent ${id} cannot be read`;
      const whose = { extent: id, segment };
      yield { what: 'record', set, file: packName(set, 'hi'), offset, message, ...whose };
    }
  }
}

/** Reads `.blob` and `.hi` of a set and builds its idx from them. Writes nothing. */
export async function scanSet(
  backend: Backend,
  id: SetId,
  absent: readonly PlaneClass[] = [],
): Promise<SetScan> {
  const problems: Problem[] = [];
  const scanner = new SetScanner(backend, id, (problem) => problems.push(problem), { absent });
  await scanner.run();
  if (scanner.builder.count === 0) return { info: null, index: null, problems };
  const { bytes, id: found } = scanner.builder.finish(scanner.sizes);
  return {
    info: { id: found, bytes: { ...scanner.sizes, idx: bytes.length } },
    index: bytes,
    problems,
  };
}

/** Writes the idx of a set again if the rebuilt one has the set's own id; else returns the problems. */
export async function rebuildIndex(
  backend: Backend,
  id: SetId,
  absent: readonly PlaneClass[] = [],
): Promise<SetScan> {
  const scan = await scanSet(backend, id, absent);
  if (scan.index !== null && scan.info?.id === id) {
    await backend.writeAtomic(packName(id, 'idx'), scan.index);
  } else if (scan.problems.length === 0) {
    scan.problems.push(indexProblem(id, `the records of set ${id} give another index`));
  }
  return scan;
}

/** Copies every undamaged record of a damaged set, and returns what is wrong with the others. */
export async function salvageSet(
  backend: Backend,
  id: SetId,
  sink: RecordSink,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  await new SetScanner(backend, id, (problem) => problems.push(problem), { sink }).run();
  return problems;
}

/** Notes which keys a set holds and which bases its deltas need. */
class KeyCollector implements RecordSink {
  readonly keys = new Set<string>();
  readonly bases = new Set<string>();

  async addBlob(record: BlobRecord): Promise<void> {
    this.keys.add(record.id);
    if (record.base !== null) this.bases.add(record.base);
  }

  async addSegment(record: SegmentRecord): Promise<void> {
    this.add(record);
  }

  /** A record of an extent, whether all its planes are here or not. */
  add(record: Pick<SegmentRecord, 'id' | 'segment' | 'base'>): void {
    this.keys.add(segmentKey(record.id, record.segment));
    if (record.base !== null) this.bases.add(segmentKey(record.base, record.segment));
  }

  /** How many bases are neither here nor in `held`, and how many of these no set has at all. */
  missing(held: ReadonlySet<string>, all: ReadonlySet<string>): { waiting: number; lost: number } {
    const missing = { waiting: 0, lost: 0 };
    for (const base of this.bases) {
      if (this.keys.has(base) || held.has(base)) continue;
      if (all.has(base)) missing.waiting++;
      else missing.lost++;
    }
    return missing;
  }
}

/**
 * The sets that lie in packs/ with sound records, for a manifest that was lost. Writes nothing.
 * @param without  sets that are known already.
 *
 * The order is one that appending gives: the bases of each set are in sets before it or in itself, so
 * the live deltas form a forest. A set with bases that no set has is reported, and so is one that comes
 * before its bases because no order is right. Reads every byte of packs/; memory is about 300 bytes
 * per record.
 */
export async function scanPacks(
  backend: Backend,
  absentOf: (id: SetId) => readonly PlaneClass[] = () => [],
  without: ReadonlySet<SetId> = new Set(),
): Promise<{ sets: SetInfo[]; problems: Problem[] }> {
  const ids = new Set<SetId>();
  for (const name of await backend.list(PACKS_DIR)) {
    const stem = name.split('.')[0] as string;
    if (isSetId(stem) && !without.has(stem)) ids.add(stem);
  }
  const problems: Problem[] = [];
  const waiting: { info: SetInfo; keys: KeyCollector }[] = [];
  for (const id of [...ids].sort()) {
    const keys = new KeyCollector();
    const found: Problem[] = [];
    const how: ScanOptions = {
      sink: keys,
      absent: absentOf(id),
      onThin: (place) => keys.add(place),
    };
    const scanner = new SetScanner(backend, id, (problem) => found.push(problem), how);
    await scanner.run();
    pushAll(problems, found);
    const rebuilt = scanner.builder.finish(scanner.sizes);
    if (scanner.builder.count > 0 && rebuilt.id === id) {
      waiting.push({ info: { id, bytes: { ...scanner.sizes, idx: rebuilt.bytes.length } }, keys });
    } else if (found.length === 0) {
      const message = `set ${id} lacks records or files`;
      problems.push({ what: 'record', set: id, file: packName(id, 'hi'), message });
    }
  }
  return { sets: orderSets(waiting, problems), problems };
}

function orderSets(
  waiting: { info: SetInfo; keys: KeyCollector }[],
  problems: Problem[],
): SetInfo[] {
  const sets: SetInfo[] = [];
  const held = new Set<string>();
  const all = new Set<string>();
  for (const { keys } of waiting) for (const key of keys.keys) all.add(key);
  while (waiting.length > 0) {
    let best = 0;
    let fewest = { waiting: Number.POSITIVE_INFINITY, lost: 0 };
    for (let i = 0; i < waiting.length && fewest.waiting > 0; i++) {
      const missing = waiting[i]!.keys.missing(held, all);
      if (missing.waiting < fewest.waiting) [best, fewest] = [i, missing];
    }
    const [{ info, keys }] = waiting.splice(best, 1) as [(typeof waiting)[number]];
    const count = fewest.waiting + fewest.lost;
    if (count > 0) {
      const message = `set ${info.id} has ${count} deltas whose bases are in no set before it`;
      problems.push({ what: 'order', set: info.id, file: packName(info.id, 'hi'), message });
    }
    for (const key of keys.keys) held.add(key);
    sets.push(info);
  }
  return sets;
}
