/**
 * Question: what does each planner store on the SD-like repository as budgets grow (the paper's
 * Fig 6(c))? Baselines: the lightest tree and the shortest paths. Unit: GiB, storage / recreation
 * summed over the 54 snapshots read independently.
 *
 * Usage: node dist/benchmarks/paper/sd-plans.js [--seed 1] [--steps 1e8] [--json]
 */
import { parseArgs } from 'node:util';
import { planStorage } from '../../lib/pure/plan/auto.js';
import type { StorageGraph } from '../../lib/pure/plan/graph.js';
import { preparePlanning, runPlanner } from '../../lib/pure/plan/planners/planners.js';
import { Steps } from '../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';
import { lightToShort, makeSdGraph, withAlpha } from './sd-graph.js';

/** The paper's stretches. */
export const SD_ALPHAS = [
  1.0, 1.1, 1.3, 1.5, 1.54, 1.58, 1.59, 1.6, 1.7, 1.8, 2.0, 2.2, 2.5, 3.0, 3.3, 4.0,
] as const;

/** Storage and summed recreation of a plan. */
export interface SdCost {
  readonly planner: string;
  readonly storage: number;
  readonly recreation: number;
  readonly isWithin: boolean;
}

/** All planners at one stretch. */
export interface SdRow {
  readonly alpha: number;
  readonly auto: SdCost;
  readonly lowerBound: number;
  readonly published: readonly SdCost[];
}

/** Plans the graph at one stretch by every planner; LAST gets the stretch itself, as in the paper. */
export function planSdAt(free: StorageGraph, alpha: number, maxSteps: number): SdRow {
  const graph = withAlpha(free, alpha);
  const input = preparePlanning(graph)!;
  const published = (['last', 'lmg-all', 'pas-mt', 'pas-pt'] as const).map((planner) =>
    costOf(graph, planner, runPlanner(input, planner, new Steps(), alpha)),
  );
  const report = planStorage(graph, { maxSteps });
  const auto = costOf(graph, report.planner, report.plan!.parentEdge);
  return { alpha, auto, lowerBound: report.lowerBound, published };
}

/** The two trees between which all plans lie. */
export function sdEnds(graph: StorageGraph): { readonly mst: SdCost; readonly spt: SdCost } {
  const { light, shortest } = preparePlanning(graph)!;
  return { mst: costOf(graph, 'mst', light), spt: costOf(graph, 'spt', shortest.parentEdge) };
}

function costOf(graph: StorageGraph, planner: string, parentEdge: Int32Array): SdCost {
  const plan = verifyPlan(graph, parentEdge);
  const recreation = plan.groups.reduce((sum, { cost }) => sum + cost, 0);
  return { planner, storage: plan.storage, recreation, isWithin: plan.isWithin };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      steps: { type: 'string', default: '1e8' },
      json: { type: 'boolean', default: false },
    },
  });
  const graph = makeSdGraph(Number(values.seed));
  const ends = sdEnds(graph);
  const rows = SD_ALPHAS.map((alpha) => planSdAt(graph, alpha, Number(values.steps)));
  if (values.json) {
    const report = { ratio: lightToShort(graph), ends, rows };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const pair = ({ storage, recreation, isWithin }: SdCost): string =>
    `${(storage / 2 ** 30).toFixed(2)} / ${(recreation / 2 ** 30).toFixed(2)}${isWithin ? '' : ' !'}`;
  process.stdout.write(`MST ${pair(ends.mst)}, SPT ${pair(ends.spt)}, GiB stored / read\n`);
  process.stdout.write('| alpha | LAST | LMG-All | PAS-MT | PAS-PT | auto | bound | gap |\n');
  process.stdout.write('| --- | --- | --- | --- | --- | --- | --- | --- |\n');
  for (const { alpha, published, auto, lowerBound } of rows) {
    const gap = `${((100 * (auto.storage - lowerBound)) / auto.storage).toFixed(2)} %`;
    const cells = [...published.map(pair), pair(auto), (lowerBound / 2 ** 30).toFixed(2), gap];
    process.stdout.write(`| ${alpha.toFixed(2)} | ${cells.join(' | ')} |\n`);
  }
}

if (process.argv[1]?.endsWith('sd-plans.js')) main();
