/**
 * The recovery part of `dlv bench`: how long the tensors of a snapshot take to come back, whole and
 * their leading planes alone, under each retrieval scheme, from files that the system holds
 * in memory and from files that it has to read; and of all snapshots together.
 */
import { spawn } from 'node:child_process';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ReadFile } from '../../base/files/files.js';
import { checkPlace } from '../../base/files/gate.js';
import { readSystemText } from '../../base/files/process.js';
import type { Survey } from '../../storage/archive/survey.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { RetrievalScheme } from '../../storage/objects/planes/chain-forest.js';
import { totalBytes } from '../../storage/objects/planes/read-counts.js';
import { readSegments } from '../../storage/objects/planes/read-segments.js';
import { FolderBackend } from '../../storage/store/backends/folder-backend.js';
import { ObjectStore } from '../../storage/store/object-store.js';
import { FILE_CLASSES } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { type Spread, spreadOf } from './bench-machine.js';
import type { Subjects } from './subjects.js';

/** One way to bring back one snapshot, or all. */
export interface RecoveryRow {
  /** Place in `snapshots` of the result; null: all of them, each extent once. */
  snapshot: number | null;
  scheme: RetrievalScheme;
  /** Leading planes of each element; null: all. */
  planes: number | null;
  cache: 'warm' | 'cold';
  ms: Spread;
  /** Bytes of records that were read: heads and planes along the chains. */
  readBytes: number;
}

export interface RecoveryResult {
  repeat: number;
  rows: RecoveryRow[];
  /** Why nothing was read cold; null if it was. */
  notCold: string | null;
}

const SCHEMES: readonly RetrievalScheme[] = ['independent', 'parallel', 'reusable'];

export interface RecoveryOptions {
  /** Runs of each row; tables give their median. */
  repeat: number;
  /** False: nothing is read cold. */
  cold?: boolean;
}

/** Rebuilds every snapshot again and again. @throws {NotFoundError} {CorruptError} */
export async function benchRecovery(
  repo: ReadAccess,
  subjects: Subjects,
  options: RecoveryOptions,
  context: OpContext,
): Promise<RecoveryResult> {
  return new RecoveryBench(repo, subjects, context).run(options);
}

interface Wanted {
  id: Id;
  segment: number;
  width: number;
}

/** What is brought back together. */
interface Whole {
  snapshot: number | null;
  segments: readonly Wanted[];
  /** Of its tensors. */
  bytes: number;
}

class RecoveryBench {
  readonly #repo: ReadAccess;
  readonly #subjects: Subjects;
  readonly #context: OpContext;

  constructor(repo: ReadAccess, subjects: Subjects, context: OpContext) {
    this.#repo = repo;
    this.#subjects = subjects;
    this.#context = context;
  }

  async run({ repeat, cold = true }: RecoveryOptions): Promise<RecoveryResult> {
    const packs = packFiles(this.#repo);
    const notCold = cold ? await whyNotCold(packs) : 'nobody asked for it';
    const caches = notCold === null ? (['warm', 'cold'] as const) : (['warm'] as const);
    const plan = this.#wholes().flatMap((whole) =>
      stopsOf(whole.segments).flatMap((planes) =>
        SCHEMES.flatMap((scheme) =>
          caches.map((cache) => ({
            whole,
            planes,
            scheme,
            cache,
            ms: [] as number[],
            readBytes: 0,
          })),
        ),
      ),
    );
    const total = plan.reduce((sum, { whole }) => sum + whole.bytes, 0) * repeat;
    this.#context.progress.start('rebuilding', total);
    // Rows take turns, so that what disturbs the machine for a while disturbs all of them.
    const { signal, progress } = this.#context;
    try {
      for (let round = 0; round < repeat; round++) {
        for (const row of plan) {
          throwIfAborted(signal);
          if (row.cache === 'cold') await dropCache(packs);
          const { ms, bytes } = await rebuild(this.#repo, row.whole.segments, row, signal);
          row.ms.push(ms);
          row.readBytes = bytes;
          progress.advance(row.whole.bytes);
        }
      }
    } catch (error) {
      const isPartial = signal?.aborted === true && plan.some(({ ms }) => ms.length > 0);
      if (!isPartial) throw error;
    }
    progress.finish();
    const measured = plan.filter(({ ms }) => ms.length > 0);
    const rows = measured.map(({ whole, ms, ...row }): RecoveryRow => {
      return { snapshot: whole.snapshot, ...row, ms: spreadOf(ms) };
    });
    return { repeat, rows, notCold };
  }

  /** Every snapshot, and all of them together if they are several. */
  #wholes(): Whole[] {
    const { survey, snapshots, vertices } = this.#subjects;
    const wholes = vertices.map(
      (list, snapshot): Whole => ({
        snapshot,
        segments: segmentsOf(survey, list),
        bytes: (snapshots[snapshot] as Subjects['snapshots'][0]).tensorBytes,
      }),
    );
    if (wholes.length < 2) return wholes;
    const all = [...new Set(vertices.flat())].sort((a, b) => a - b);
    const bytes = all.reduce((sum, vertex) => {
      const { width, count } = survey.extents[vertex - 1] as Survey['extents'][0];
      return sum + width * count;
    }, 0);
    return [...wholes, { snapshot: null, segments: segmentsOf(survey, all), bytes }];
  }
}

/** Rebuilds segments with the packs opened again: nothing is left of the run before. */
async function rebuild(
  repo: ReadAccess,
  segments: readonly Wanted[],
  how: { planes: number | null; scheme: RetrievalScheme },
  signal: AbortSignal | undefined,
): Promise<{ ms: number; bytes: number }> {
  const { planes, scheme } = how;
  const requests = segments.map(({ id, segment }) => ({
    id,
    segment,
    ...(planes === null ? {} : { planes }),
  }));
  const store = await ObjectStore.open(new FolderBackend(repo.layout.dir));
  try {
    const started = performance.now();
    const options = signal ? { scheme, signal } : { scheme };
    const { bytes } = await readSegments(store, requests, options);
    return { ms: performance.now() - started, bytes: totalBytes(bytes) };
  } finally {
    await store.close();
    await store.backend.close();
  }
}

/**
 * Rebuilds the extents of one snapshot, all planes, again and again from files in memory.
 * @param wantsMore  asked after each run, with the number of runs, whether to go on.
 */
export async function timeSnapshot(
  repo: ReadAccess,
  { survey, vertices }: { survey: Survey; vertices: readonly number[] },
  context: OpContext,
  wantsMore: (runs: number) => boolean,
): Promise<{ ms: Spread; readBytes: number }> {
  const segments = segmentsOf(survey, vertices);
  const times: number[] = [];
  let readBytes = 0;
  do {
    throwIfAborted(context.signal);
    const how = { planes: null, scheme: 'independent' } as const;
    const { ms, bytes } = await rebuild(repo, segments, how, context.signal);
    times.push(ms);
    readBytes = bytes;
  } while (wantsMore(times.length));
  return { ms: spreadOf(times), readBytes };
}

function segmentsOf(survey: Survey, vertices: readonly number[]): Wanted[] {
  return vertices.flatMap((vertex) => {
    const { id, width, segments } = survey.extents[vertex - 1] as Survey['extents'][0];
    return Array.from({ length: segments }, (_, segment) => ({ id, segment, width }));
  });
}

/** Numbers of leading planes worth a row: those that end a class of packs, and all. */
function stopsOf(segments: readonly Wanted[]): (number | null)[] {
  const width = segments.reduce((most, segment) => Math.max(most, segment.width), 1);
  const ends = width === 4 ? [2, 3] : width === 8 ? [2, 4] : [];
  return [null, ...ends.reverse()];
}

/** Paths of all pack files, without indexes. */
function packFiles(repo: ReadAccess): string[] {
  return repo.store
    .sets()
    .flatMap(({ id, bytes }) =>
      FILE_CLASSES.filter((kind) => kind !== 'idx' && bytes[kind] > 0).map((kind) =>
        repo.layout.packFile(id, kind),
      ),
    );
}

/** Says why files cannot be read cold here; null if they can. */
async function whyNotCold(files: readonly string[]): Promise<string | null> {
  const [first] = files;
  if (process.platform !== 'linux') return 'this system cannot drop files from its cache';
  if (first === undefined) return 'nothing is stored';
  if (!(await dropCache(files))) return 'dd, which drops files from the cache, cannot be run';
  const before = deviceReads();
  if (before === null) return 'the system does not tell what is read from a device';
  for (const file of files) await readThrough(file);
  const after = deviceReads();
  return after === null || after === before
    ? 'the system keeps these files in memory whatever it is told'
    : null;
}

const READ_BYTES = 4 * 1024 * 1024;
/** Files that one process drops. */
const DROPPED_AT_ONCE = 256;
/** One shell for many files: a fork of this process costs far more than one of a shell. */
const DROP = 'for file do dd "if=$file" iflag=nocache count=0 || exit 1; done';

/** Asks the system to forget the content of files (posix_fadvise, by way of dd). */
async function dropCache(files: readonly string[]): Promise<boolean> {
  for (let from = 0; from < files.length; from += DROPPED_AT_ONCE) {
    if (!(await dropFiles(files.slice(from, from + DROPPED_AT_ONCE)))) return false;
  }
  return true;
}

/** Reads a file once from start to end. */
async function readThrough(name: string): Promise<void> {
  const file = await ReadFile.open(name);
  try {
    for (let at = 0; at < file.size; at += READ_BYTES) {
      await file.read(at, Math.min(READ_BYTES, file.size - at));
    }
  } finally {
    await file.close();
  }
}

/** @returns false if dd cannot be run on one of them. */
function dropFiles(files: readonly string[]): Promise<boolean> {
  for (const file of files) checkPlace(file);
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', DROP, 'sh', ...files], { stdio: 'ignore' });
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
}

/** Bytes that this process had read from devices. */
function deviceReads(): number | null {
  const text = readSystemText('/proc/self/io') ?? '';
  const found = /^read_bytes: (\d+)$/m.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
