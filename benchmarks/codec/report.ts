/** What the codec benchmark found, judged and as text. */
import { describeSetting, markdownTable, type Setting, type Spread } from '../harness.js';
import type { Clock } from './clock.js';
import { PEER_NAMES } from './peers.js';
import { LEVELS, percent, type RatioRow, type Target } from './ratios.js';
import type { RoundingRow } from './roundings.js';
import type { IdenticalVersion, ThreadScaling } from './special.js';
import type { SpeedRow, SpeedTable } from './speeds.js';

export interface CodecResults {
  setting: Setting;
  /** Version of the system's zstd; null if it has none. */
  zstd: string | null;
  clock: Clock;
  targets: Target[];
  ratios: RatioRow[];
  speeds: SpeedTable[];
  special: {
    threads: ThreadScaling;
    aloneThreads: ThreadScaling;
    wasm: ThreadScaling | null;
    aloneWasm: ThreadScaling | null;
    unchanged: SpeedTable;
    unchangedPlanes: Spread;
    identical: IdenticalVersion;
  } | null;
  roundings: RoundingRow[];
}

/** Target speeds, as shares of zstd -3. */
const SPEED_TARGETS = [
  { codec: 'dlv default', what: 'decode', alone: false, least: 1.2 },
  { codec: 'dlv default', what: 'decode', alone: true, least: 2.5 },
  { codec: 'dlv default', what: 'encode', alone: null, least: 0.8 },
  { codec: 'dlv fast', what: 'encode', alone: null, least: 1.5 },
] as const;
const MEMCPY_SHARE = 0.3;
const THREADS = 1.8;
const WASM = 0.4;
const IDENTICAL = 1.3;
/** Above the entropy that 16-bit deltas may take. */
const ROUNDING_SHARE = 0.02;

/** Judges everything but the ratios of files. */
export function judgeResults({ speeds, special, roundings }: CodecResults): Target[] {
  const targets: Target[] = [];
  for (const row of roundings) {
    const more = row.payloadBytes / row.entropyBytes - 1;
    targets.push({
      what: `${row.name} in ${row.rounding}: payload above entropy`,
      wanted: `≤ ${percent(ROUNDING_SHARE)}`,
      found: percent(more),
      holds: more <= ROUNDING_SHARE,
    });
  }
  for (const table of speeds) targets.push(...judgeSpeed(table));
  if (special === null) return targets;
  const least = (what: string, wanted: number, found: Spread | undefined): void => {
    const holds = found === undefined ? null : found.median >= wanted;
    targets.push({ what, wanted: `≥ ${wanted}`, found: spread(found), holds });
  };
  least(
    'planes 99.95 % unchanged: decode to planes ÷ memcpy',
    MEMCPY_SHARE,
    special.unchangedPlanes,
  );
  least('two threads, encode of a delta', THREADS, special.threads.encode);
  least('two threads, decode of a delta', THREADS, special.threads.decode);
  least('two threads, encode alone', THREADS, special.aloneThreads.encode);
  least('two threads, decode alone', THREADS, special.aloneThreads.decode);
  least('WebAssembly ÷ native, encode of a delta', WASM, special.wasm?.encode);
  least('WebAssembly ÷ native, decode of a delta', WASM, special.wasm?.decode);
  least('WebAssembly ÷ native, encode alone', WASM, special.aloneWasm?.encode);
  least('WebAssembly ÷ native, decode alone', WASM, special.aloneWasm?.decode);
  const { toHashing, planeBytes } = special.identical;
  targets.push({
    what: 'version of identical extents: time ÷ hashing alone',
    wanted: `≤ ${IDENTICAL}`,
    found: spread(toHashing),
    holds: toHashing.median <= IDENTICAL,
  });
  targets.push({
    what: 'version of identical extents: bytes of planes',
    wanted: '0',
    found: String(planeBytes),
    holds: planeBytes === 0,
  });
  return targets;
}

function judgeSpeed(table: SpeedTable): Target[] {
  return SPEED_TARGETS.flatMap(({ codec, what, alone, least }): Target[] => {
    if (alone !== null && alone !== table.alone) return [];
    const row = table.rows.find((r) => r.codec === codec);
    const found = what === 'encode' ? row?.encodeToZstd : row?.decodeToZstd;
    return [
      {
        what: `${table.name}: ${codec}, ${what} ÷ zstd -3`,
        wanted: `≥ ${least}`,
        found: spread(found ?? undefined),
        holds: found ? found.median >= least : null,
      },
    ];
  });
}

/** '1.42 (1.38 … 1.45)'. */
function spread(value: Spread | undefined): string {
  if (value === undefined) return 'not measured';
  const digits = (x: number): string => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));
  return `${digits(value.median)} (${digits(value.min)} … ${digits(value.max)})`;
}

/** Everything as Markdown. */
export function reportOf(results: CodecResults): string {
  const { targets, ratios, speeds, special, roundings, setting, zstd, clock } = results;
  const parts: string[] = [];
  if (zstd === null) parts.push('**This machine has no zstd: nothing is compared with it.**');
  if (targets.length > 0) parts.push('### Targets and results', targetTable(targets));
  if (ratios.length > 0) {
    parts.push(
      '### Ratios',
      'Bytes of the extents ÷ coded bytes, heads and tables with them; in packs: bytes of the file ÷ ' +
        'growth of the packs of a repository that holds the base, everything that is stored with it.',
      ratioTable(ratios),
    );
  }
  if (roundings.length > 0) parts.push('### 16-bit floats', roundingTable(roundings));
  const tables = special === null ? speeds : [...speeds, special.unchanged];
  if (tables.length > 0) {
    const by = clock === 'wall' ? 'Wall time' : 'Processor time';
    parts.push(
      '### Speeds',
      `GB/s of the elements, one thread. ${by}, median (smallest … largest) of the rounds.`,
      ...tables.flatMap((table) => [
        `**${table.name}** (${table.elements.toLocaleString('en')} elements)`,
        speedTable(table.rows),
      ]),
    );
  }
  parts.push(`zstd ${zstd ?? 'not installed'}. ${describeSetting(setting)}`);
  return parts.join('\n\n');
}

function targetTable(targets: readonly Target[]): string {
  const missed = targets.filter((target) => target.holds === false).length;
  const rows = targets.map(({ what, wanted, found, holds }) => [
    what,
    wanted,
    found,
    holds === null ? 'unknown' : holds ? 'yes' : '**no**',
  ]);
  const table = markdownTable([['what', 'target', 'result', 'met'], ...rows]);
  return `${targets.length - missed} of ${targets.length} are met or cannot be decided here.\n\n${table}`;
}

function ratioTable(ratios: readonly RatioRow[]): string {
  const head = [
    'file',
    ...PEER_NAMES,
    'dlv alone',
    ...LEVELS.map((l) => `dlv ${l.name}`),
    'in packs',
  ];
  const rows = ratios.map((row) => {
    const ratio = (bytes: number | null): string =>
      bytes === null ? '–' : digits(row.extentBytes / bytes);
    return [
      row.name,
      ...PEER_NAMES.map((name) => ratio(row.peers[name])),
      ratio(row.aloneBytes),
      ...LEVELS.map(({ name }) => ratio(row.levels[name])),
      digits(row.fileBytes / row.packBytes),
    ];
  });
  return markdownTable([head, ...rows]);
}

function digits(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(3);
}

function roundingTable(roundings: readonly RoundingRow[]): string {
  const head = ['pair', 'type', 'payload, bits per weight', 'entropy', 'above it', 'ratio'];
  const rows = roundings.map((row) => {
    const bits = (bytes: number): string => ((8 * bytes) / row.elements).toFixed(3);
    return [
      row.name,
      row.rounding,
      bits(row.payloadBytes),
      bits(row.entropyBytes),
      percent(row.payloadBytes / row.entropyBytes - 1),
      digits((2 * row.elements) / row.payloadBytes),
    ];
  });
  return markdownTable([head, ...rows]);
}

function speedTable(rows: readonly SpeedRow[]): string {
  const head = [
    'codec',
    'ratio',
    'encode',
    'decode',
    'of memcpy',
    'encode ÷ zstd',
    'decode ÷ zstd',
  ];
  const cell = (value: Spread | null): string => (value === null ? '–' : spread(value));
  const body = rows.map((row) => [
    row.codec,
    digits(row.ratio),
    cell(row.encode),
    cell(row.decode),
    percent(row.memcpyShare.median),
    cell(row.encodeToZstd),
    cell(row.decodeToZstd),
  ]);
  return markdownTable([head, ...body]);
}
