/** Table IV and Fig 6(b) of the paper on our checkpoints: bytes after zlib in percent of raw. */
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { segmentsOf } from '../codec/models.js';
import { payloadBytes } from '../codec/ratios.js';
import { markdownTable } from '../harness.js';
import { type PaperPair, SCENARIOS, type Scenario } from './checkpoints.js';
import {
  bytewiseBytes,
  countInexact,
  exponentOf,
  normalise,
  subtractFloats,
  subtractIntegers,
  subtractOrdered,
  toFixedPoint,
  xorFloats,
  zlibBytes,
} from './floats.js';

/** Bytes of one representation, alone and as a difference. */
interface Cell {
  materialise: number;
  delta: number;
}

/** The rows of Table IV. */
export const REPRESENTATIONS = [
  'float',
  'float, bytewise',
  'fixed point',
  'fixed point, bytewise',
  'normalised float',
  'normalised float, bytewise',
  'normalised fixed point',
  'normalised fixed point, bytewise',
  'dlv default',
] as const;
type Representation = (typeof REPRESENTATIONS)[number];

/** The paper's percentages: materialise / delta by subtraction. */
const PAPER_TABLE_IV: Readonly<Record<Representation, readonly [number, number] | null>> = {
  float: [92.83, 86.39],
  'float, bytewise': [83.85, 76.89],
  'fixed point': [72.43, 57.15],
  'fixed point, bytewise': [58.68, 49.34],
  'normalised float': [68.06, 47.69],
  'normalised float, bytewise': [56.15, 36.6],
  'normalised fixed point': [69.11, 48.94],
  'normalised fixed point, bytewise': [55.36, 36.88],
  'dlv default': null,
};

/** The paper's Fig 6(b), read from its curves: materialise, SUB, XOR. */
const PAPER_FIG_6B: Readonly<Record<Scenario, readonly [number, number, number]>> = {
  similar: [83.93, 83.85, 85.99],
  'fine-tuning': [83.85, 76.89, 78.94],
  snapshots: [83.85, 77.8, 79.23],
};

/** One pair under every representation and operator. Bytes. */
export interface StorageMeasure {
  name: string;
  scenario: Scenario;
  rawBytes: number;
  table: Record<Representation, Cell>;
  /** Bytewise zlib of differences. */
  xor: number;
  ordered: number;
  /** Share of elements that SUB does not give back bit for bit. */
  inexact: number;
}

export async function measureStorage({ pair, name, scenario }: PaperPair): Promise<StorageMeasure> {
  const table = Object.fromEntries(
    REPRESENTATIONS.map((row) => [row, { materialise: 0, delta: 0 }]),
  ) as StorageMeasure['table'];
  const total = { rawBytes: 0, xor: 0, ordered: 0, inexact: 0 };
  const add = (row: Representation, materialise: number, delta: number): void => {
    table[row].materialise += materialise;
    table[row].delta += delta;
  };
  for await (const { child: fresh, base: old } of segmentsOf(pair)) {
    if (old === null) continue;
    const [child, base] = [floatsOf(fresh.bytes), floatsOf(old.bytes)];
    const difference = subtractFloats(child, base);
    total.rawBytes += child.byteLength;
    total.xor += bytewiseBytes(xorFloats(child, base));
    total.ordered += bytewiseBytes(subtractOrdered(child, base));
    total.inexact += countInexact(child, base);
    add('float', zlibBytes(child), zlibBytes(difference));
    add('float, bytewise', bytewiseBytes(child), bytewiseBytes(difference));
    const exponent = exponentOf(child, base);
    const normal = [normalise(child, exponent), normalise(base, exponent)] as const;
    const moved = subtractFloats(...normal);
    add('normalised float', zlibBytes(normal[0]), zlibBytes(moved));
    add('normalised float, bytewise', bytewiseBytes(normal[0]), bytewiseBytes(moved));
    for (const [row, a, b, e] of [
      ['fixed point', child, base, exponent],
      ['normalised fixed point', ...normal, exponent + 2],
    ] as const) {
      const fixed = [toFixedPoint(a, e), toFixedPoint(b, e)] as const;
      const delta = subtractIntegers(...fixed);
      add(row, zlibBytes(fixed[0]), zlibBytes(delta));
      add(`${row}, bytewise`, bytewiseBytes(fixed[0]), bytewiseBytes(delta));
    }
    const alone = payloadBytes(await encodeRans(fresh.planes, null));
    add('dlv default', alone, payloadBytes(await encodeRans(fresh.planes, old.planes)));
  }
  const elements = total.rawBytes / 4;
  return { name, scenario, table, ...total, inexact: total.inexact / Math.max(1, elements) };
}

function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** Mean over pairs of a share of raw, in percent. */
function mean(measures: readonly StorageMeasure[], of: (m: StorageMeasure) => number): number {
  const sum = measures.reduce((total, m) => total + of(m) / m.rawBytes, 0);
  return (100 * sum) / Math.max(1, measures.length);
}

/** Table IV over the fine-tuned pairs. */
export function tableIv(measures: readonly StorageMeasure[]): string {
  const tuned = measures.filter(({ scenario }) => scenario === 'fine-tuning');
  const rows = REPRESENTATIONS.map((row) => {
    const paper = PAPER_TABLE_IV[row];
    return [
      row,
      ...(paper === null ? ['–', '–'] : paper.map((value) => value.toFixed(2))),
      mean(tuned, (m) => m.table[row].materialise).toFixed(2),
      mean(tuned, (m) => m.table[row].delta).toFixed(2),
    ];
  });
  const head = ['% of raw', 'paper', 'paper, delta', 'here', 'here, delta'];
  return markdownTable([head, ...rows]);
}

/** Fig 6(b) by scenario, with every pair below it. */
export function figure6b(measures: readonly StorageMeasure[]): string {
  const head = [
    '% of raw',
    'materialise',
    'SUB',
    'XOR',
    'ordered bits',
    'dlv alone',
    'dlv delta',
    'not exact after SUB',
  ];
  const cells = (of: readonly StorageMeasure[]): string[] => [
    mean(of, (m) => m.table['float, bytewise'].materialise).toFixed(2),
    mean(of, (m) => m.table['float, bytewise'].delta).toFixed(2),
    mean(of, (m) => m.xor).toFixed(2),
    mean(of, (m) => m.ordered).toFixed(2),
    mean(of, (m) => m.table['dlv default'].materialise).toFixed(2),
    mean(of, (m) => m.table['dlv default'].delta).toFixed(2),
    `${mean(of, (m) => m.inexact * m.rawBytes).toFixed(3)} %`,
  ];
  const rows = SCENARIOS.flatMap((scenario) => {
    const own = measures.filter((m) => m.scenario === scenario);
    const paper = PAPER_FIG_6B[scenario].map((value) => value.toFixed(2));
    return [
      [`**${scenario}**, the paper`, ...paper, '–', '–', '–', '–'],
      [`**${scenario}**, here, mean of ${own.length}`, ...cells(own)],
      ...own.map((m) => [m.name, ...cells([m])]),
    ];
  });
  return markdownTable([head, ...rows]);
}

/** A claim of the paper and whether our numbers agree. */
export interface Verdict {
  claim: string;
  holds: boolean;
  found: string;
}

export function judgeStorage(measures: readonly StorageMeasure[]): Verdict[] {
  const of = (scenario: Scenario) => measures.filter((m) => m.scenario === scenario);
  const bytewise = (m: StorageMeasure): Cell => m.table['float, bytewise'];
  const related = [...of('fine-tuning'), ...of('snapshots')];
  const smaller = related.filter((m) => bytewise(m).delta < bytewise(m).materialise).length;
  const subWins = related.filter((m) => bytewise(m).delta < m.xor).length;
  const alone = of('similar').filter((m) => bytewise(m).materialise < m.xor).length;
  const whole = measures.filter((m) => bytewise(m).materialise < m.table.float.materialise).length;
  const inexact = measures.filter((m) => m.inexact > 0).length;
  const share = (part: number, all: number): string => `${part} of ${all} pairs`;
  const n = measures.length;
  return [
    {
      claim: 'bytewise zlib is smaller than zlib of whole matrices',
      holds: whole === n,
      found: share(whole, n),
    },
    {
      claim: 'deltas of fine-tuned models and of snapshots are smaller than what they stand for',
      holds: smaller === related.length,
      found: share(smaller, related.length),
    },
    {
      claim: 'SUB makes smaller deltas than XOR',
      holds: subWins === related.length,
      found: share(subWins, related.length),
    },
    {
      claim: 'models that are only trained alike are smaller alone than as XOR',
      holds: alone === of('similar').length,
      found: share(alone, of('similar').length),
    },
    {
      claim: 'SUB is lossless',
      holds: inexact === 0,
      found: `some elements do not come back in ${share(inexact, n)}`,
    },
  ];
}
