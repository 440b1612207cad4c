/**
 * Measures how long this machine takes to apply one link of a chain, so that plans can be made in
 * milliseconds.
 *
 * For each element width, with and without a base, a link takes a time per record, per byte read
 * and per element decoded. The kernel encodes and decodes segments of generated numbers, a file is
 * written and read back, and lines are fitted through the lowest time of each, so that other
 * processes do not distort the result.
 *
 * The result is stored in a file that may be deleted at any time. It is used only if its checksum
 * is right and the machine is the same.
 */

import os from 'node:os';
import { minOf } from '../../base/bytes/many.js';
import { seal, unseal } from '../../base/bytes/sealed.js';
import { DlvError, isDamage } from '../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  writeFileAtomic,
} from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import { kernelBuild } from '../../pure/codec/planes.js';
import type { Layout } from '../repo/layout.js';
import { newWorkName } from '../repo/processes/made-names.js';
import type { Backend } from '../store/backends/backend.js';
import {
  type LinkKind,
  measureLinks,
  measureRecords,
  SAMPLED_WIDTHS,
  type Sample,
  type SampledWidth,
} from './calibration-samples.js';
import type { EdgeWork, TimeModel } from './planning/storage-graph.js';

/** Times of links of one width and kind. */
export interface LinkRate {
  /** Nanoseconds per byte of coded planes, its checksum included, and per element. */
  readonly byteNs: number;
  readonly elementNs: number;
}

/** What applying links takes. */
export interface LinkWork {
  readonly bytesRead: number;
  readonly elements: number;
  /** Bytes of one element, 1 … 8; a width that is not measured takes the times of the next one. */
  readonly width: number;
  readonly kind: LinkKind;
  /** Records read; default 1. */
  readonly records?: number;
  /** Leading planes that are decoded; default all. */
  readonly planes?: number;
}

/** The numbers of a machine. */
export interface CalibrationTable {
  /** Nanoseconds per record: looking it up, a call of the file system, a call of the kernel. */
  readonly recordNs: number;
  /** Nanoseconds per byte read from a file that is in the page cache. */
  readonly readNs: number;
  readonly rates: Readonly<Record<LinkKind, Readonly<Record<SampledWidth, LinkRate>>>>;
}

/** What stands in where nothing can be measured: a machine of two cores with AVX2, rounded. */
export const DEFAULT_TABLE: CalibrationTable = {
  recordNs: 130_000,
  readNs: 0.5,
  rates: {
    alone: {
      1: { byteNs: 0, elementNs: 0.5 },
      2: { byteNs: 0, elementNs: 1.2 },
      4: { byteNs: 0, elementNs: 2.2 },
      8: { byteNs: 0, elementNs: 4.8 },
    },
    delta: {
      1: { byteNs: 0.8, elementNs: 0.4 },
      2: { byteNs: 1, elementNs: 0.8 },
      4: { byteNs: 0.5, elementNs: 1.6 },
      8: { byteNs: 0.3, elementNs: 3.3 },
    },
  },
};

/** Predicts times from a table. */
export class Calibration implements TimeModel {
  readonly table: CalibrationTable;
  /** Where the table comes from. */
  readonly source: 'measured' | 'kept' | 'default';

  constructor(table: CalibrationTable, source: Calibration['source']) {
    this.table = table;
    this.source = source;
  }

  /** Milliseconds that links take one after another; never less for more work. */
  predictMs(work: LinkWork): number {
    const { recordNs, readNs, rates } = this.table;
    const { bytesRead, elements, width, kind, records = 1 } = work;
    const known = SAMPLED_WIDTHS.find((other) => other >= width) ?? 8;
    const { byteNs, elementNs } = rates[kind][known];
    const planes = Math.min(work.planes ?? width, width) / known;
    const ns = records * recordNs + bytesRead * (readNs + byteNs) + elements * planes * elementNs;
    return ns / 1e6;
  }

  /** As predictMs, for an edge of a storage graph. */
  edgeMs(edge: EdgeWork): number {
    const { bytes, elements, width, segments, isDelta } = edge;
    const kind = isDelta ? 'delta' : 'alone';
    return this.predictMs({ bytesRead: bytes, elements, width, kind, records: segments });
  }
}

export interface CalibrateOptions {
  /** Measures even if there is a table of this machine. */
  readonly anew?: boolean;
  /** Milliseconds that only grow; default: performance.now. */
  readonly clock?: () => number;
  /** Time for measuring in milliseconds; default 1000. Every sample is taken once in any case. */
  readonly limitMs?: number;
}

const LIMIT_MS = 1000;
const FORMAT = 1;

/** The table of this machine: kept from before, or measured now and kept. */
export async function calibrate(
  repo: { readonly layout: Layout; readonly store: { readonly backend: Backend } },
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const file = repo.layout.calibration;
  const machine = machineName();
  if (!options.anew) {
    const kept = await readTable(file, machine);
    if (kept !== null) return new Calibration(kept, 'kept');
  }
  const scratch = newWorkName('calibration');
  let table: CalibrationTable;
  try {
    table = await measureTable(options, { backend: repo.store.backend, name: scratch });
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    return new Calibration(await measureTable(options, null), 'measured');
  }
  try {
    await makeDirectory(repo.layout.catalog);
    const text = `${JSON.stringify({ format: FORMAT, machine, table })}\n`;
    await writeFileAtomic(file, seal(text));
  } catch (error) {
    if (!isUnwritable(error)) throw error;
  }
  return new Calibration(table, 'measured');
}

/** On media that cannot be written to, nothing is kept and reads take their usual time. */
function isUnwritable(error: unknown): boolean {
  return error instanceof DlvError && error.code === 'DLV_IO';
}

/** What the times depend on: processor, kernel build, Node. */
export function machineName(): string {
  const cpus = os.cpus();
  const { arch, version } = process;
  return [cpus[0]?.model.trim() ?? '?', cpus.length, arch, kernelBuild(), version].join(' | ');
}

async function readTable(file: string, machine: string): Promise<CalibrationTable | null> {
  try {
    const text = unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file);
    const found = JSON.parse(text) as { format?: unknown; machine?: unknown; table?: unknown };
    if (found.format !== FORMAT || found.machine !== machine) return null;
    return isTable(found.table) ? found.table : null;
  } catch (error) {
    if (isMissing(error) || isDamage(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Most nanoseconds per record, byte or element that a kept table may say. */
const NS_MAX = 1e9;

function isTable(value: unknown): value is CalibrationTable {
  const isNs = (ns: unknown): boolean => typeof ns === 'number' && ns >= 0 && ns <= NS_MAX;
  const { recordNs, readNs, rates } = (value ?? {}) as Partial<CalibrationTable>;
  const isRate = (rate: Partial<LinkRate> | undefined): boolean =>
    isNs(rate?.byteNs) && isNs(rate?.elementNs);
  const kinds: LinkKind[] = ['alone', 'delta'];
  return (
    isNs(recordNs) &&
    isNs(readNs) &&
    kinds.every((kind) => SAMPLED_WIDTHS.every((width) => isRate(rates?.[kind]?.[width])))
  );
}

/** Measures a table. @param scratch  where a file may be written; null: reads take their usual time. */
export async function measureTable(
  options: CalibrateOptions,
  scratch: { backend: Backend; name: string } | null,
): Promise<CalibrationTable> {
  const clock = options.clock ?? (() => performance.now());
  const { callNs, byteNs: readNs } =
    scratch === null ? DEFAULT_READS : await measureReads(scratch.backend, scratch.name, clock);
  const recordNs = callNs + (await measureRecords(clock)) * 1e6;
  const samples = await measureLinks(clock, options.limitMs ?? LIMIT_MS);
  const rates = (kind: LinkKind): Record<SampledWidth, LinkRate> => {
    const rate = (width: SampledWidth): LinkRate => {
      const own = samples.filter((sample) => sample.width === width && sample.kind === kind);
      return own.length === 0 ? DEFAULT_TABLE.rates[kind][width] : fitRate(own);
    };
    return { 1: rate(1), 2: rate(2), 4: rate(4), 8: rate(8) };
  };
  return { recordNs, readNs, rates: { alone: rates('alone'), delta: rates('delta') } };
}

/** Least squares of the relative error with both rates not negative. */
export function fitRate(samples: readonly Sample[]): LinkRate {
  let bb = 0;
  let be = 0;
  let ee = 0;
  let b = 0;
  let e = 0;
  for (const { bytes, elements, ms } of samples) {
    const ns = Math.max(1, ms * 1e6);
    const x = bytes / ns;
    const y = elements / ns;
    bb += x * x;
    be += x * y;
    ee += y * y;
    b += x;
    e += y;
  }
  const determinant = bb * ee - be * be;
  if (determinant > 1e-9 * bb * ee) {
    const byteNs = (b * ee - e * be) / determinant;
    const elementNs = (e * bb - b * be) / determinant;
    if (byteNs >= 0 && elementNs >= 0) return { byteNs, elementNs };
    if (byteNs < 0) return { byteNs: 0, elementNs: ee > 0 ? e / ee : 0 };
    return { byteNs: bb > 0 ? b / bb : 0, elementNs: 0 };
  }
  return { byteNs: 0, elementNs: ee > 0 ? e / ee : 0 };
}

/** Bytes of the file that is read back, and of one long and one short read. */
const FILE_BYTES = 8 * 1024 * 1024;
const LONG_BYTES = 1024 * 1024;
const SHORT_BYTES = 4 * 1024;

/** Where no file can be written. */
const DEFAULT_READS = { callNs: 50_000, byteNs: DEFAULT_TABLE.readNs };

/** Nanoseconds per read of a file that was just written, and per byte. */
async function measureReads(
  backend: Backend,
  name: string,
  clock: () => number,
): Promise<{ callNs: number; byteNs: number }> {
  const writer = await backend.createWriter(name);
  try {
    const bytes = new Uint8Array(LONG_BYTES);
    for (let at = 0; at < FILE_BYTES; at += LONG_BYTES) await writer.write(bytes);
  } finally {
    await writer.close();
  }
  const timeOf = async (length: number): Promise<number> => {
    const times: number[] = [];
    for (let at = 0; at < FILE_BYTES; at += LONG_BYTES) {
      const started = clock();
      await backend.read(name, at, length);
      times.push(clock() - started);
    }
    return minOf(times) * 1e6;
  };
  try {
    await timeOf(SHORT_BYTES);
    const callNs = await timeOf(SHORT_BYTES);
    return { callNs, byteNs: Math.max(0, (await timeOf(LONG_BYTES)) - callNs) / LONG_BYTES };
  } finally {
    await backend.remove(name);
  }
}
