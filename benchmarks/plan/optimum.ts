/**
 * Question: how near do the planners come to the optimum, without and with the exact solver?
 *
 * Method: seeded graphs of eight families and three schemes (random-graphs.ts). Each is planned with
 * the exact solver off, then on. Where the second ends, the first is compared with the proven optimum;
 * elsewhere with the best lower bound, which can only make it look worse. Every plan is verified.
 * Units: storage; results are the same on every machine, only the time differs.
 *
 * Usage: node dist/benchmarks/plan/optimum.js [--graphs 1000] [--vertices 60] [--steps 1.5e8]
 *   [--first 0] [--json]
 */
import { parseArgs } from 'node:util';
import { type PlanReport, planStorage } from '../../lib/plan/auto.js';
import { verifyPlan } from '../../lib/plan/verify.js';
import { type GraphFamily, type RandomGraph, randomGraph } from './random-graphs.js';

/** One graph's outcome. */
export interface OptimumRow {
  readonly seed: number;
  readonly family: GraphFamily;
  readonly scheme: string;
  readonly vertices: number;
  readonly edges: number;
  readonly heuristic: number;
  readonly best: number;
  readonly lowerBound: number;
  readonly isProven: boolean;
  /** heuristic ÷ lowerBound − 1; against the optimum where proven. */
  readonly excess: number;
}

/** Plans one seeded graph both ways and checks what must always hold. */
export function compareWithOptimum(seed: number, vertices: number, maxSteps: number): OptimumRow {
  const random = randomGraph(seed, vertices);
  const heuristic = planStorage(random.graph, { exact: false, maxSteps });
  const exact = planStorage(random.graph, { maxSteps });
  check(random, heuristic);
  check(random, exact);
  const low = Math.max(exact.lowerBound, heuristic.lowerBound);
  const best = Math.min(exact.plan!.storage, heuristic.plan!.storage);
  if (low > best) throw new Error(`seed ${seed}: bound ${low} above a plan of ${best}`);
  if (exact.status === 'optimal' && best < exact.plan!.storage) {
    throw new Error(`seed ${seed}: a plan below the proven optimum`);
  }
  return {
    seed,
    family: random.family,
    scheme: random.scheme,
    vertices: random.graph.nodeCount,
    edges: random.graph.edgeCount,
    heuristic: heuristic.plan!.storage,
    best,
    lowerBound: low,
    isProven: exact.status === 'optimal' || heuristic.status === 'optimal' || low === best,
    excess: heuristic.plan!.storage / low - 1,
  };
}

function check({ graph }: RandomGraph, report: PlanReport): void {
  const plan = verifyPlan(graph, report.plan!.parentEdge);
  if (!plan.isWithin || plan.storage !== report.plan!.storage) {
    throw new Error(`a plan by ${report.planner} does not pass the verifier`);
  }
}

function summarize(rows: readonly OptimumRow[]): Record<string, unknown> {
  const proven = rows.filter(({ isProven }) => isProven);
  const worst = (of: readonly OptimumRow[]): OptimumRow | undefined =>
    of.toSorted((left, right) => right.excess - left.excess)[0];
  const within = (of: readonly OptimumRow[], share: number): number =>
    of.filter(({ excess }) => excess <= share).length;
  return {
    graphs: rows.length,
    proven: proven.length,
    equalToOptimum: within(proven, 0),
    provenWithin1Percent: within(proven, 0.01),
    provenWithin5Percent: within(proven, 0.05),
    allWithin5PercentOfOptimumOrBound: within(rows, 0.05),
    worstProven: worst(proven),
    worstUnproven: worst(rows.filter(({ isProven }) => !isProven)),
    unproven: rows.filter(({ isProven }) => !isProven).map(({ seed }) => seed),
  };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      graphs: { type: 'string', default: '1000' },
      first: { type: 'string', default: '0' },
      vertices: { type: 'string', default: '60' },
      steps: { type: 'string', default: '1.5e8' },
      json: { type: 'boolean', default: false },
    },
  });
  const rows: OptimumRow[] = [];
  const first = Number(values.first);
  for (let seed = first; seed < first + Number(values.graphs); seed++) {
    const row = compareWithOptimum(seed, Number(values.vertices), Number(values.steps));
    rows.push(row);
    if (!values.json) {
      const { family, scheme, vertices, heuristic, best, lowerBound, isProven, excess } = row;
      const state = isProven ? 'proven' : `bound ${lowerBound}`;
      const percent = `${(100 * excess).toFixed(2)} %`;
      const storage = `heuristic ${heuristic}, best ${best}, ${state}`;
      process.stdout.write(`${seed} ${family} ${scheme} ${vertices}: ${storage}, ${percent}\n`);
    }
  }
  const summary = summarize(rows);
  process.stdout.write(`${JSON.stringify(values.json ? { summary, rows } : summary, null, 2)}\n`);
}

if (process.argv[1]?.endsWith('optimum.js')) main();
