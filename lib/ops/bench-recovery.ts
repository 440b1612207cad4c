/**
 * The recovery part of `dlv bench`: how long the tensors of a snapshot take to come back, whole and
 * their leading planes alone, one after another and several at once, from files that the system holds
 * in memory and from files that it has to read.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Repository } from '../archive/repository.js';
import type { Survey } from '../archive/survey.js';
import { throwIfAborted } from '../bytes/files.js';
import type { Id } from '../bytes/hash.js';
import { packName } from '../store/pack-format.js';
import { FILE_CLASSES } from '../store/types.js';
import { type Spread, spreadOf } from './bench-machine.js';
import type { Subjects } from './bench-subjects.js';
import type { OpContext } from './context.js';

export type RecoveryScheme = 'independent' | 'parallel';

/** One way to bring back one snapshot. */
export interface RecoveryRow {
  /** Place in `snapshots` of the result. */
  snapshot: number;
  scheme: RecoveryScheme;
  /** Leading planes of each element; null: all. */
  planes: number | null;
  cache: 'warm' | 'cold';
  ms: Spread;
  /** Bytes of the records read: heads and planes of every chain. */
  readBytes: number;
}

export interface RecoveryResult {
  repeat: number;
  rows: RecoveryRow[];
  /** Why nothing was read cold; null if it was. */
  notCold: string | null;
}

const SCHEMES: readonly RecoveryScheme[] = ['independent', 'parallel'];

/** @param repeat  runs of each row; tables give their median. */
export async function benchRecovery(
  repo: Repository,
  subjects: Subjects,
  repeat: number,
  context: OpContext,
): Promise<RecoveryResult> {
  const bench = new RecoveryBench(repo, subjects, context);
  return bench.run(repeat);
}

interface Wanted {
  id: Id;
  segment: number;
  width: number;
}

class RecoveryBench {
  readonly #repo: Repository;
  readonly #subjects: Subjects;
  readonly #context: OpContext;

  constructor(repo: Repository, subjects: Subjects, context: OpContext) {
    this.#repo = repo;
    this.#subjects = subjects;
    this.#context = context;
  }

  async run(repeat: number): Promise<RecoveryResult> {
    const { snapshots, vertices } = this.#subjects;
    const packs = packFiles(this.#repo);
    const notCold = await whyNotCold(packs);
    const caches = notCold === null ? (['warm', 'cold'] as const) : (['warm'] as const);
    const wanted = vertices.map((list) => segmentsOf(this.#subjects.survey, list));
    const depths = wanted.map((segments) => stopsOf(segments));
    const plan = snapshots.flatMap((_, snapshot) =>
      (depths[snapshot] as (number | null)[]).flatMap((planes) =>
        SCHEMES.flatMap((scheme) =>
          caches.map((cache) => ({ snapshot, planes, scheme, cache, ms: [] as number[] })),
        ),
      ),
    );
    const total = plan.reduce((sum, row) => sum + bytesOf(snapshots, row.snapshot), 0) * repeat;
    this.#context.progress.start('rebuilding', total);
    // Rows take turns, so that what disturbs the machine for a while disturbs all of them.
    for (let round = 0; round < repeat; round++) {
      for (const row of plan) {
        throwIfAborted(this.#context.signal);
        if (row.cache === 'cold') await dropCache(packs);
        const segments = wanted[row.snapshot] as Wanted[];
        row.ms.push(await this.#rebuild(segments, row.planes, row.scheme));
        this.#context.progress.advance(bytesOf(snapshots, row.snapshot));
      }
    }
    this.#context.progress.finish();
    const rows: RecoveryRow[] = [];
    for (const { ms, ...row } of plan) {
      const readBytes = await this.#chainBytes(wanted[row.snapshot] as Wanted[], row.planes);
      rows.push({ ...row, ms: spreadOf(ms), readBytes });
    }
    return { repeat, rows, notCold };
  }

  /** Milliseconds, with a repository opened anew: nothing is left of the run before. */
  async #rebuild(
    segments: readonly Wanted[],
    planes: number | null,
    scheme: RecoveryScheme,
  ): Promise<number> {
    const repo = await Repository.open(this.#repo.layout.workTree);
    try {
      const started = performance.now();
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let at = next++; at < segments.length; at = next++) {
          const { id, segment, width } = segments[at] as Wanted;
          await repo.extents.readPlanes(id, segment, Math.min(planes ?? width, width));
        }
      };
      const workers = scheme === 'parallel' ? os.availableParallelism() : 1;
      await Promise.all(Array.from({ length: workers }, worker));
      return performance.now() - started;
    } finally {
      await repo.close();
    }
  }

  /** Bytes of heads and planes along the chains of some segments. */
  async #chainBytes(segments: readonly Wanted[], planes: number | null): Promise<number> {
    let bytes = 0;
    for (const { id, segment } of segments) {
      for (let at: Id | null = id; at !== null; ) {
        const entry = await this.#repo.store.findSegment(at, segment);
        if (entry === null) break;
        const wanted = planes ?? entry.width;
        bytes += entry.headBytes + entry.hiBytes;
        if (wanted > 2) bytes += entry.midBytes;
        if (wanted > (entry.width === 4 ? 3 : 4)) bytes += entry.lowBytes;
        at = entry.base;
      }
    }
    return bytes;
  }
}

function bytesOf(snapshots: Subjects['snapshots'], at: number): number {
  return (snapshots[at] as Subjects['snapshots'][0]).tensorBytes;
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
function packFiles(repo: Repository): string[] {
  return repo.store
    .sets()
    .flatMap(({ id, bytes }) =>
      FILE_CLASSES.filter((kind) => kind !== 'idx' && bytes[kind] > 0).map((kind) =>
        path.join(repo.layout.dir, packName(id, kind)),
      ),
    );
}

/** Says why files cannot be read cold here; null if they can. */
async function whyNotCold(files: readonly string[]): Promise<string | null> {
  const [first] = files;
  if (process.platform !== 'linux') return 'this system cannot drop files from its cache';
  if (first === undefined) return 'nothing is stored';
  if (!(await dropCache(files))) return 'dd, which drops files from the cache, cannot be run';
  const before = await deviceReads();
  if (before === null) return 'the system does not tell what is read from a device';
  for (const file of files) await readFile(file);
  const after = await deviceReads();
  return after === null || after === before
    ? 'the system keeps these files in memory whatever it is told'
    : null;
}

/** Asks the system to forget the content of files (posix_fadvise, by way of dd). */
async function dropCache(files: readonly string[]): Promise<boolean> {
  for (const file of files) {
    const done = await new Promise<boolean>((resolve) => {
      const child = spawn('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
      child.once('error', () => resolve(false));
      child.once('close', (code) => resolve(code === 0));
    });
    if (!done) return false;
  }
  return true;
}

/** Bytes that this process had read from devices. */
async function deviceReads(): Promise<number | null> {
  const text = await readFile('/proc/self/io', 'utf8').catch(() => '');
  const found = /^read_bytes: (\d+)$/m.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
