/**
 * Question: how small are the planners' plans? Three answers: against the optimum on a thousand small
 * graphs, against published planners on a repository in the manner of the paper's SD, and the time and
 * the gap on ten thousand extents. Units: storage; processor time for the last. All but the times are
 * the same on every machine.
 *
 * Usage: npm run bench:plan -- [--graphs 1000] [--rows rows.jsonl] [--extents 10000] [--keep]
 *   rows of plan/optimum.ts are not run again; --keep takes the rest from the last results
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { planStorage } from '../lib/pure/plan/auto.js';
import {
  describeSetting,
  formatSeconds,
  markdownTable,
  PROJECT_ROOT,
  publish,
  settingOf,
} from './harness.js';
import { lightToShort, makeSdGraph } from './paper/sd-graph.js';
import { planSdAt, SD_ALPHAS, type SdCost, type SdRow, sdEnds } from './paper/sd-plans.js';
import { makeLargeGraph } from './plan/large-graph.js';
import {
  type FamilyCount,
  type OptimumRow,
  readRows,
  runSeeds,
  summarize,
} from './plan/optimum.js';

/** GiB of the paper's Fig 6(c), storage only: LAST, PAS-MT, PAS-PT; its SPT is 22.77, its MST 15.44. */
const PAPER = new Map<number, readonly [number, number, number]>([
  [1.0, [22.77, 22.77, 22.77]],
  [1.1, [20.06, 20.05, 20.21]],
  [1.3, [20.06, 20.04, 20.08]],
  [1.5, [20.06, 20.04, 19.66]],
  [1.6, [20.06, 16.72, 19.67]],
  [1.7, [20.06, 16.21, 19.69]],
  [1.8, [17.49, 15.63, 19.6]],
  [2.0, [17.1, 15.61, 17.73]],
  [2.2, [17.1, 15.61, 16.04]],
  [2.5, [17.93, 15.49, 16.03]],
  [3.0, [17.59, 15.46, 15.92]],
  [3.3, [16.18, 15.45, 16.0]],
  [4.0, [15.9, 15.44, 15.99]],
]);
const PAPER_SHORTEST = 22.77;
const SD_STEPS = 100_000_000;
const SD_SEEDS = 6;
/** Steps of the one stretch that all seeds are planned at. */
const SD_SEED_STEPS = 300_000_000;

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

interface SdResult {
  readonly ratio: number;
  readonly shortest: SdCost;
  readonly rows: readonly SdRow[];
  readonly seeds: readonly { seed: number; storage: number; lowerBound: number }[];
}

function measureSd(): SdResult {
  const graph = makeSdGraph(1);
  const shortest = sdEnds(graph).spt;
  const rows = SD_ALPHAS.map((alpha) => planSdAt(graph, alpha, SD_STEPS));
  const seeds = Array.from({ length: SD_SEEDS }, (_, index) => {
    const other = makeSdGraph(index + 1);
    const { auto, lowerBound } = planSdAt(other, 1.6, SD_SEED_STEPS);
    const { storage } = sdEnds(other).spt;
    return {
      seed: index + 1,
      storage: auto.storage / storage,
      lowerBound: lowerBound / storage,
    };
  });
  return { ratio: lightToShort(graph), shortest, rows, seeds };
}

function sdTable({ rows, shortest }: SdResult): string {
  const of = (storage: number): string => (storage / shortest.storage).toFixed(4);
  const head = ['α', 'LAST', 'LMG-All', 'PAS-MT', 'PAS-PT', 'auto', 'bound', 'paper: LAST, MT, PT'];
  const body = rows.map(({ alpha, published, auto, lowerBound }) => [
    alpha.toFixed(2),
    ...published.map(({ storage, isWithin }) => `${of(storage)}${isWithin ? '' : ' (over)'}`),
    of(auto.storage),
    of(lowerBound),
    (PAPER.get(alpha) ?? []).map((gib) => (gib / PAPER_SHORTEST).toFixed(3)).join(', '),
  ]);
  return markdownTable([head, ...body]);
}

function optimumTable(rows: readonly OptimumRow[]): string {
  const { families, ...all } = summarize(rows);
  const line = (name: string, of: FamilyCount): string[] => [
    name,
    `${of.graphs}`,
    `${of.proven}`,
    `${of.equalToProvenOptimum}`,
    `${of.within1Percent}`,
    `${of.within5Percent}`,
  ];
  return markdownTable([
    ['family', 'graphs', 'optimum proven', 'equal to it', 'within 1 %', 'within 5 %'],
    ...Object.entries(families).map(([name, of]) => line(name, of)),
    line('all', all),
  ]);
}

interface LargeResult {
  readonly extents: number;
  readonly edges: number;
  readonly status: string;
  readonly storage: number;
  readonly lowerBound: number;
  readonly gap: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

function measureLarge(extents: number): LargeResult {
  const graph = makeLargeGraph(extents, 1.6);
  const before = process.cpuUsage();
  const start = performance.now();
  const { status, plan, lowerBound, gap } = planStorage(graph);
  const wallSeconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const cpuSeconds = (user + system) / 1e6;
  const { nodeCount, edgeCount } = graph;
  const storage = plan!.storage;
  return {
    extents: nodeCount - 1,
    edges: edgeCount,
    status,
    storage,
    lowerBound,
    gap: gap!,
    wallSeconds,
    cpuSeconds,
  };
}

function readLast(): { large: LargeResult; sd: SdResult } {
  return JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'benchmarks/results/plan.json'), 'utf8'));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      graphs: { type: 'string', default: '1000' },
      rows: { type: 'string' },
      extents: { type: 'string', default: '10000' },
      keep: { type: 'boolean', default: false },
    },
  });
  const setting = settingOf('npm run bench:plan');
  const known = values.rows === undefined ? new Map() : readRows(readFileSync(values.rows, 'utf8'));
  const rows = runSeeds({ first: 0, end: Number(values.graphs), stride: 1, vertices: 60 }, known);
  const last = values.keep ? readLast() : undefined;
  const large = last?.large ?? measureLarge(Number(values.extents));
  const sd = last?.sd ?? measureSd();
  const summary = summarize(rows);
  const { worstProven, worstAgainstBound } = summary;
  const text = [
    `${rows.length} seeded graphs of at most 60 vertices, the exact solver off; within 5 % is counted only where it is proven.`,
    '',
    optimumTable(rows),
    '',
    `Within 5 %: ${percent(summary.shareWithin5Percent)}. Worst where the optimum is proven: ${percent(worstProven?.excess ?? 0, 2)} (seed ${worstProven?.seed}); elsewhere, against the bound: ${percent(worstAgainstBound?.excess ?? 0)} (seed ${worstAgainstBound?.seed}).`,
    '',
    `SD-like, 54 versions of VGG-16, seed 1, lightest tree ÷ shortest paths ${sd.ratio.toFixed(4)}. Storage ÷ that of the shortest paths (${(sd.shortest.storage / 2 ** 30).toFixed(2)} GiB), bytes read within α times the fastest per snapshot; the paper's Fig 6(c) beside it:`,
    '',
    sdTable(sd),
    '',
    `At α = 1.6 for seeds 1 to ${SD_SEEDS}, with three times the steps, auto (bound): ${sd.seeds.map(({ storage, lowerBound }) => `${storage.toFixed(4)} (${lowerBound.toFixed(4)})`).join(', ')}.`,
    '',
    `${large.extents} extents, ${large.edges} candidate encodings, default steps: ${formatSeconds(large.cpuSeconds)} of processor time, ${formatSeconds(large.wallSeconds)} from start to end, gap ${percent(large.gap)}.`,
    '',
    describeSetting(setting),
  ].join('\n');
  await publish('plan', { setting, summary, large, sd }, text);
  process.stdout.write(`${text}\n`);
}

await main();
