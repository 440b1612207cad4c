/**
 * Question: how near do the planners come to the optimum without the exact solver?
 *
 * Method: seeded graphs of eight families and three schemes (random-graphs.ts). Each is planned with
 * the exact solver off. The exact solver then starts from that plan; if it does not end, it is asked
 * for the cheaper proof that no plan is smaller by more than 5 %. So a plan counts as near the optimum
 * only where that is proven. Every plan is verified, no bound may be above a plan, and where the exact
 * solver ends `auto` with it on must store the same. Units: storage; results are the same on every
 * machine, only the time differs. Rows are appended to a file; seeds that are in it are not run again.
 *
 * Usage: node dist/benchmarks/plan/optimum.js [--graphs 1000] [--vertices 60] [--first 0] [--stride 1]
 *   [--rows rows.jsonl] [--summary results.json]
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type PlanReport, planStorage } from '../../lib/plan/auto.js';
import { compileBudgets } from '../../lib/plan/budgets.js';
import { solveExactly } from '../../lib/plan/exact.js';
import { Steps } from '../../lib/plan/steps.js';
import { verifyPlan } from '../../lib/plan/verify.js';
import {
  GRAPH_FAMILIES,
  type GraphFamily,
  type RandomGraph,
  randomGraph,
} from './random-graphs.js';

/** Steps of the planners, of the exact solver, and of the proof of 5 %. */
export const HEURISTIC_STEPS = 50_000_000;
const EXACT_STEPS = 50_000_000;
const PROOF_STEPS = 150_000_000;
/** How near the optimum a plan should be. */
const NEAR = 0.05;

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

/** Plans one seeded graph, proves what it can and checks what must always hold. */
export function compareWithOptimum(seed: number, vertices: number): OptimumRow {
  const random = randomGraph(seed, vertices);
  const { graph } = random;
  const heuristic = planStorage(graph, { exact: false, maxSteps: HEURISTIC_STEPS });
  check(random, heuristic);
  const plan = heuristic.plan!;
  let best = plan.storage;
  let lowerBound = heuristic.lowerBound;
  let isProven = heuristic.status === 'optimal' || lowerBound === best;
  const budgets = compileBudgets(graph);
  if (!isProven) {
    const exact = solveExactly(graph, budgets, plan.parentEdge, new Steps(EXACT_STEPS));
    best = exact.storage;
    lowerBound = Math.max(lowerBound, exact.bound);
    isProven = exact.isProven;
    checkStorage(graph, exact.parentEdge!, best);
  }
  if (!isProven && plan.storage > lowerBound * (1 + NEAR)) {
    const steps = new Steps(PROOF_STEPS);
    const cutoff = plan.storage / (1 + NEAR);
    const proof = solveExactly(graph, budgets, plan.parentEdge, steps, { cutoff });
    best = Math.min(best, proof.storage);
    lowerBound = Math.max(lowerBound, proof.bound);
  }
  if (lowerBound > best)
    throw new Error(`seed ${seed}: bound ${lowerBound} above a plan of ${best}`);
  return {
    seed,
    family: random.family,
    scheme: random.scheme,
    vertices: graph.nodeCount,
    edges: graph.edgeCount,
    heuristic: plan.storage,
    best,
    lowerBound,
    isProven,
    excess: plan.storage / lowerBound - 1,
  };
}

function checkStorage(graph: RandomGraph['graph'], parentEdge: Int32Array, storage: number): void {
  const plan = verifyPlan(graph, parentEdge);
  if (!plan.isWithin || plan.storage !== storage) throw new Error('a plan is not what it claims');
}

function check({ graph }: RandomGraph, report: PlanReport): void {
  const plan = verifyPlan(graph, report.plan!.parentEdge);
  if (!plan.isWithin || plan.storage !== report.plan!.storage) {
    throw new Error(`a plan by ${report.planner} does not pass the verifier`);
  }
}

/** What all rows say together. */
export function summarize(rows: readonly OptimumRow[]): Record<string, unknown> {
  const proven = rows.filter(({ isProven }) => isProven);
  const worst = (of: readonly OptimumRow[]): OptimumRow | undefined =>
    of.toSorted((left, right) => right.excess - left.excess)[0];
  const within = (of: readonly OptimumRow[], share: number): number =>
    of.filter(({ excess }) => excess <= share + 1e-9).length;
  const count = (of: readonly OptimumRow[]): Record<string, unknown> => ({
    graphs: of.length,
    proven: of.filter(({ isProven }) => isProven).length,
    equalToProvenOptimum: of.filter(({ isProven, excess }) => isProven && excess === 0).length,
    within1Percent: within(of, 0.01),
    within5Percent: within(of, NEAR),
  });
  return {
    ...count(rows),
    shareWithin5Percent: within(rows, NEAR) / rows.length,
    worstProven: worst(proven),
    worstAgainstBound: worst(rows.filter(({ isProven }) => !isProven)),
    families: Object.fromEntries(
      GRAPH_FAMILIES.map((family) => [family, count(rows.filter((row) => row.family === family))]),
    ),
    notShownWithin5Percent: rows
      .filter(({ excess }) => excess > NEAR + 1e-9)
      .map(({ seed, excess }) => [seed, Math.round(excess * 1e4) / 1e4]),
  };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      graphs: { type: 'string', default: '1000' },
      first: { type: 'string', default: '0' },
      stride: { type: 'string', default: '1' },
      vertices: { type: 'string', default: '60' },
      rows: { type: 'string' },
      summary: { type: 'string' },
    },
  });
  const rows = new Map<number, OptimumRow>();
  if (values.rows !== undefined && existsSync(values.rows)) {
    for (const line of readFileSync(values.rows, 'utf8').split('\n')) {
      if (line === '') continue;
      const row = JSON.parse(line) as OptimumRow;
      rows.set(row.seed, row);
    }
  }
  const last = Number(values.graphs);
  for (let seed = Number(values.first); seed < last; seed += Number(values.stride)) {
    if (rows.has(seed)) continue;
    const row = compareWithOptimum(seed, Number(values.vertices));
    rows.set(seed, row);
    if (values.rows !== undefined) appendFileSync(values.rows, `${JSON.stringify(row)}\n`);
    const { family, scheme, vertices, heuristic, lowerBound, isProven, excess } = row;
    const state = isProven ? 'proven' : `bound ${lowerBound}`;
    const percent = `${(100 * excess).toFixed(2)} %`;
    process.stderr.write(
      `${seed} ${family} ${scheme} ${vertices}: ${heuristic}, ${state}, ${percent}\n`,
    );
  }
  const sorted = [...rows.values()].sort((left, right) => left.seed - right.seed);
  const summary = summarize(sorted);
  if (values.summary !== undefined) {
    writeFileSync(values.summary, `${JSON.stringify(summary, null, 2)}\n`);
  }
  process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
}

if (process.argv[1]?.endsWith('optimum.js')) main();
