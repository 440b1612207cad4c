/** The tables of `dlv bench`, as rows: for the terminal and for its HTML page. */
import type { BriefResult } from '../../use/measure/brief.js';
import type { BenchResult, BenchSnapshot } from '../../use/ops/bench.js';
import { formatBytes, formatCount, formatDuration, formatNumber } from './ui.js';

/** A table; all columns but the first are numbers. */
export interface BenchTable {
  title: string;
  /** What one has to know to read it. */
  notes: string[];
  head: string[];
  rows: string[][];
}

/** 'net@3', with the file where its version has others among `all`, and with the step or role where these tell more. */
export function snapshotName(snapshot: BenchSnapshot, all: readonly BenchSnapshot[]): string {
  const { name, model, version, key, step, role, message } = snapshot;
  const parts = [name];
  if (model === 'files') parts[0] = message;
  else if (all.filter((one) => one.version === version).length > 1) parts.push(key);
  if (step !== null) parts.push(`step ${step}`);
  if (role !== 'weights') parts.push(role);
  return parts.join(', ');
}

/** 1.234, 12.34, 123.4: four digits. */
export function digits(value: number): string {
  return value >= 1000 ? formatNumber(Math.round(value)) : String(Number(value.toPrecision(4)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** One line about the machine. */
export function machineLine({ machine }: BenchResult): string {
  const { cpu, cores, memoryBytes, node, system, kernel } = machine;
  return (
    `${cpu}, ${formatCount(cores, 'core')}, ${formatBytes(memoryBytes)}; ${system}; Node ${node}; ` +
    `kernel ${kernel.kind} (${kernel.isa})`
  );
}

/** One line about how steady it was. */
export function noiseLine({ machine }: BenchResult): string {
  const { copy, sha256, loadBefore, loadAfter, noise } = machine;
  const range = ({ median, min, max }: typeof copy): string =>
    `${digits(median)} GB/s (${digits(min)} … ${digits(max)})`;
  return (
    `copy ${range(copy)}, sha256 ${range(sha256)}; processes for each core ` +
    `${loadBefore.toFixed(2)} before, ${loadAfter.toFixed(2)} after; ` +
    `the same work took up to ${percent(noise)} more or less time`
  );
}

/** All tables that were asked for. */
export function benchTables(result: BenchResult): BenchTable[] {
  return [
    snapshotTable(result),
    ...storageTables(result),
    ...recoveryTables(result),
    ...planTables(result),
  ];
}

function snapshotTable({ snapshots }: BenchResult): BenchTable {
  return {
    title: formatCount(snapshots.length, 'snapshot'),
    notes: ['depth: deltas below a tensor, the mean by bytes and the most'],
    head: ['snapshot', 'tensors', 'bytes', 'stored', 'share', 'depth'],
    rows: snapshots.map((snapshot) => [
      snapshotName(snapshot, snapshots),
      formatNumber(snapshot.extents),
      formatBytes(snapshot.tensorBytes),
      formatBytes(snapshot.storedBytes),
      percent(snapshot.storedBytes / Math.max(1, snapshot.tensorBytes)),
      `${snapshot.meanDepth.toFixed(1)} … ${snapshot.maxDepth}`,
    ]),
  };
}

function storageTables({ storage }: BenchResult): BenchTable[] {
  if (storage === null) return [];
  const { rows, measuredBytes, tensorBytes, deltaShare, missing } = storage;
  const notes = [
    `${formatBytes(measuredBytes)} of ${formatBytes(tensorBytes)} of tensors measured; ` +
      `${percent(deltaShare)} of them have a base to be a delta of`,
    'planes: the first two, the next (two of eight), the rest',
    ...missing.map((what) => `not measured: ${what}`),
  ];
  return [
    {
      title: 'Storage',
      notes,
      head: ['encoding', 'bytes', 'share', 'ratio', 'encode', 'planes'],
      rows: rows.map(({ codec, bytes, share, bytesPerSecond, classes }) => [
        codec,
        bytes === null ? '–' : formatBytes(bytes),
        share === null ? '–' : percent(share),
        share === null ? '–' : (1 / share).toFixed(3),
        bytesPerSecond === null ? '–' : `${digits(bytesPerSecond / 1e6)} MB/s`,
        classes === null
          ? '–'
          : [classes.hi, classes.mid, classes.low].map(formatBytes).join(' + '),
      ]),
    },
  ];
}

/** A row for each snapshot and depth of reading, a column for each scheme and cache. */
function recoveryTables({ recovery, snapshots }: BenchResult): BenchTable[] {
  if (recovery === null) return [];
  const { rows, repeat, notCold } = recovery;
  const notes = [
    `milliseconds, median (least … most) of ${formatCount(repeat, 'run')}; ` +
      'tensors are decoded, not hashed or written; read: independent, and reusable',
    'cold: the packs are dropped from the memory of the system before every run',
    ...(notCold === null ? [] : [`nothing was read cold: ${notCold}`]),
  ];
  const ways = [...new Set(rows.map(({ cache, scheme }) => `${scheme}, ${cache}`))];
  const places = new Map<string, typeof rows>();
  for (const row of rows) {
    const place = `${row.snapshot} ${row.planes}`;
    places.set(place, [...(places.get(place) ?? []), row]);
  }
  const read = (of: typeof rows, scheme: string): string =>
    formatBytes(of.find((row) => row.scheme === scheme)?.readBytes ?? 0);
  return [
    {
      title: 'Recovery',
      notes,
      head: ['snapshot', 'planes', 'read', 'shared', ...ways],
      rows: [...places.values()].map((of) => {
        const { snapshot, planes } = of[0] as (typeof rows)[0];
        const name =
          snapshot === null ? 'all' : snapshotName(snapshots[snapshot] as BenchSnapshot, snapshots);
        const times = ways.map((way) => {
          const row = of.find(({ cache, scheme }) => `${scheme}, ${cache}` === way);
          return row === undefined ? '–' : rangeOf(row.ms);
        });
        const depth = planes === null ? 'all' : String(planes);
        return [name, depth, read(of, 'independent'), read(of, 'reusable'), ...times];
      }),
    },
  ];
}

/** '11.3 (10.9 … 13.2)'. */
function rangeOf({ median, min, max }: BenchResult['machine']['copy']): string {
  const short = (value: number): string => String(Number(value.toPrecision(3)));
  return `${short(median)} (${short(min)} … ${short(max)})`;
}

/** How recreation costs are written. */
export function costFormat({ unit }: { unit: 'bytes' | 'ms' }): (cost: number) => string {
  return unit === 'bytes' ? formatBytes : (cost) => `${digits(cost)} ms`;
}

function planTables({ plans }: BenchResult): BenchTable[] {
  if (plans === null) return [];
  const { points, bounds, extents, candidates, snapshots, scheme, unit, now } = plans;
  const cost = costFormat(plans);
  const notes = [
    `${formatCount(extents, 'extent')}, ${formatCount(candidates, 'candidate encoding')}, ` +
      `${formatCount(snapshots, 'different snapshot')}; budgets: so many times the least ${unit} ` +
      `of a snapshot (${scheme}); costs of encodings that are not stored are from samples`,
    ...(now === null
      ? []
      : [`now: ${formatBytes(now.storage)} stored, ${cost(now.recreation)} to recreate all`]),
  ];
  const boundOf = new Map(bounds.map(({ budget, storage }) => [budget, storage]));
  return [
    {
      title: 'Plans',
      notes,
      head: ['budget', 'planner', 'stored', 'above bound', 'recreation', 'worst', 'kept', 's'],
      rows: points.map((point) => {
        const bound = point.budget === null ? undefined : boundOf.get(point.budget);
        return [
          point.budget === null ? '–' : `× ${point.budget}`,
          point.planner,
          formatBytes(point.storage),
          bound === undefined || bound === 0 ? '–' : percent(point.storage / bound - 1),
          cost(point.recreation),
          `× ${point.stretch.toFixed(2)}`,
          point.budget === null ? '–' : point.within ? 'yes' : 'no',
          digits(point.seconds),
        ];
      }),
    },
  ];
}

/** '54.5 MiB of tensors in 10 snapshots, mnist@1 … mnist@10'. */
export function briefTitle({ snapshots }: BenchResult, { rawBytes }: BriefResult): string {
  const names = [snapshots[0], snapshots.at(-1)].map((of) =>
    snapshotName(of as BenchSnapshot, snapshots),
  );
  const range = snapshots.length > 1 ? names.join(' … ') : names[0];
  const count = formatCount(snapshots.length, 'snapshot');
  return `${formatBytes(rawBytes)} of tensors in ${count}: ${range}`;
}

/** The tables of the short answer. */
export function briefTables(result: BenchResult, brief: BriefResult): BenchTable[] {
  const { rawBytes, stores, plans, storedBytes, reads } = brief;
  const estimate = stores.some(({ isExact, bytes }) => !isExact && bytes !== null);
  const tables: BenchTable[] = [
    {
      title: 'What they take',
      notes: estimate ? ['~: from a sample'] : [],
      head: ['stored as', 'bytes', 'share'],
      rows: stores.map(({ how, bytes, isExact }) => [
        how,
        bytes === null ? '–' : `${isExact ? '' : '~'}${formatBytes(bytes)}`,
        bytes === null ? '–' : percent(bytes / Math.max(1, rawBytes)),
      ]),
    },
  ];
  if (reads.length > 0) {
    tables.push({
      title: 'How long they take to come back',
      notes: ['all tensors decoded, from files in memory; nothing written'],
      head: ['snapshot', 'time', 'reads'],
      rows: reads.map(({ which, snapshot, ms, readBytes }) => [
        `${which}, ${snapshotName(result.snapshots[snapshot] as BenchSnapshot, result.snapshots)}`,
        formatDuration(ms.median / 1000),
        formatBytes(readBytes),
      ]),
    });
  }
  if (plans.length > 0) {
    tables.push({
      title: "What 'dlv archive' would make of them and what they need",
      notes: [
        `now ${formatBytes(storedBytes)}; budget: no version reads more than so many times its least`,
      ],
      head: ['command', 'bytes', 'change', 'at best'],
      rows: plans.map(({ budget, bytes, lowerBound }) => [
        `dlv archive --budget ${budget}`,
        `~${formatBytes(bytes)}`,
        signedPercent(bytes / Math.max(1, storedBytes) - 1),
        `~${formatBytes(lowerBound)}`,
      ]),
    });
  }
  return tables;
}

function signedPercent(share: number): string {
  return `${share > 0 ? '+' : ''}${percent(share)}`;
}
