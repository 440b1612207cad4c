/**
 * Question: how near do the planners come to the optimum without the exact solver?
 *
 * Method: seeded graphs of eight families and three schemes (random-graphs.ts). Each is planned with
 * the exact solver off. The exact solver then starts from that plan; if it does not end, it is asked
 * for the cheaper proof that no plan is smaller by more than 5 %. So a plan counts as near the optimum
 * only where that is proven. Every plan is verified, and no bound may be above a plan. Units: storage;
 * results are the same on every machine, only
 * the time differs. Rows are appended to a file; seeds that are in it are not run again.
 *
 * Usage: node dist/benchmarks/plan/optimum.js [--graphs 1000] [--vertices 60] [--first 0] [--stride 1]
 *   [--rows rows.jsonl] [--deepen steps] [--exact steps]
 *
 * --deepen tries the 5 % again for rows where it is not shown. --exact plans the graphs of the rows with
 * the exact solver on: where that ends, the plan must be the optimum of the row.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { planStorage } from '../../lib/pure/plan/auto.js';
import { solveExactly } from '../../lib/pure/plan/bounds/exact.js';
import { compileBudgets } from '../../lib/pure/plan/budgets.js';
import type { PlanReport } from '../../lib/pure/plan/plan-report.js';
import { Steps } from '../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';
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
    const exact = solveExactly(graph, budgets, new Steps(EXACT_STEPS), { start: plan.parentEdge });
    best = exact.storage;
    lowerBound = Math.max(lowerBound, exact.bound);
    isProven = exact.isProven;
    checkStorage(graph, exact.parentEdge!, best);
  }
  if (!isProven && plan.storage > lowerBound * (1 + NEAR)) {
    const steps = new Steps(PROOF_STEPS);
    const cutoff = plan.storage / (1 + NEAR);
    const proof = solveExactly(graph, budgets, steps, { start: plan.parentEdge, cutoff });
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

/** Tries the proof of a row that is not shown to be near once more, with more steps. */
export function deepenProof(row: OptimumRow, vertices: number, proofSteps: number): OptimumRow {
  const { graph } = randomGraph(row.seed, vertices);
  const { plan } = planStorage(graph, { exact: false, maxSteps: HEURISTIC_STEPS });
  if (plan!.storage !== row.heuristic)
    throw new Error(`seed ${row.seed}: the row is of other code`);
  const cutoff = row.heuristic / (1 + NEAR);
  const steps = new Steps(proofSteps);
  const proof = solveExactly(graph, compileBudgets(graph), steps, {
    start: plan!.parentEdge,
    cutoff,
  });
  const best = Math.min(row.best, proof.storage);
  const lowerBound = Math.max(row.lowerBound, proof.bound);
  if (lowerBound > best) throw new Error(`seed ${row.seed}: bound ${lowerBound} above ${best}`);
  return { ...row, best, lowerBound, excess: row.heuristic / lowerBound - 1 };
}

/**
 * Plans a row's graph with the exact solver on.
 * @returns whether it ended. @throws {Error} if the plan is not the row's optimum, or a bound is above it.
 */
export function endsExactly(row: OptimumRow, vertices: number, maxSteps: number): boolean {
  const { graph } = randomGraph(row.seed, vertices);
  const { status, plan, lowerBound } = planStorage(graph, { exact: true, maxSteps });
  if (lowerBound > row.best) throw new Error(`seed ${row.seed}: bound ${lowerBound} above a plan`);
  if (status !== 'optimal') return false;
  const { storage } = plan!;
  const isPossible = row.isProven ? storage === row.best : storage >= row.lowerBound;
  if (!isPossible) throw new Error(`seed ${row.seed}: ${storage} is not the optimum ${row.best}`);
  return true;
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

/** How many of some graphs are how near. */
export interface FamilyCount {
  readonly graphs: number;
  readonly proven: number;
  readonly equalToProvenOptimum: number;
  readonly within1Percent: number;
  readonly within5Percent: number;
}

/** What all rows say together. */
export interface OptimumSummary extends FamilyCount {
  readonly shareWithin5Percent: number;
  readonly worstProven: OptimumRow | undefined;
  readonly worstAgainstBound: OptimumRow | undefined;
  readonly families: Readonly<Record<GraphFamily, FamilyCount>>;
  readonly notShownWithin5Percent: readonly { readonly seed: number; readonly excess: number }[];
}

function countRows(rows: readonly OptimumRow[]): FamilyCount {
  const within = (share: number): number =>
    rows.filter(({ excess }) => excess <= share + 1e-9).length;
  return {
    graphs: rows.length,
    proven: rows.filter(({ isProven }) => isProven).length,
    equalToProvenOptimum: rows.filter(({ isProven, excess }) => isProven && excess === 0).length,
    within1Percent: within(0.01),
    within5Percent: within(NEAR),
  };
}

/** Sums rows up. */
export function summarize(rows: readonly OptimumRow[]): OptimumSummary {
  const worst = (isProven: boolean): OptimumRow | undefined =>
    rows
      .filter((row) => row.isProven === isProven)
      .toSorted((left, right) => right.excess - left.excess)[0];
  const all = countRows(rows);
  const families = GRAPH_FAMILIES.map(
    (family) => [family, countRows(rows.filter((row) => row.family === family))] as const,
  );
  return {
    ...all,
    shareWithin5Percent: all.within5Percent / all.graphs,
    worstProven: worst(true),
    worstAgainstBound: worst(false),
    families: Object.fromEntries(families) as Record<GraphFamily, FamilyCount>,
    notShownWithin5Percent: rows
      .filter(({ excess }) => excess > NEAR + 1e-9)
      .map(({ seed, excess }) => ({ seed, excess: Math.round(excess * 1e4) / 1e4 })),
  };
}

/** Rows of a file by seed; of two for one seed the later counts. */
export function readRows(text: string): Map<number, OptimumRow> {
  const rows = new Map<number, OptimumRow>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const row = JSON.parse(line) as OptimumRow;
    rows.set(row.seed, row);
  }
  return rows;
}

/** Seeds to run: first, first + stride, … below end. */
export interface SeedRange {
  readonly first: number;
  readonly end: number;
  readonly stride: number;
  readonly vertices: number;
}

/** Runs the seeds of a range that have no row yet. @returns all rows by seed. */
export function runSeeds(
  { first, end, stride, vertices }: SeedRange,
  known: ReadonlyMap<number, OptimumRow>,
  onRow?: (row: OptimumRow) => void,
): OptimumRow[] {
  const rows = new Map(known);
  for (let seed = first; seed < end; seed += stride) {
    if (rows.has(seed)) continue;
    const row = compareWithOptimum(seed, vertices);
    rows.set(seed, row);
    onRow?.(row);
  }
  return [...rows.values()].sort((left, right) => left.seed - right.seed);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      graphs: { type: 'string', default: '1000' },
      first: { type: 'string', default: '0' },
      stride: { type: 'string', default: '1' },
      vertices: { type: 'string', default: '60' },
      rows: { type: 'string' },
      deepen: { type: 'string' },
      exact: { type: 'string' },
    },
  });
  const file = values.rows;
  const known: Map<number, OptimumRow> =
    file !== undefined && existsSync(file) ? readRows(readFileSync(file, 'utf8')) : new Map();
  const range = {
    first: Number(values.first),
    end: Number(values.graphs),
    stride: Number(values.stride),
    vertices: Number(values.vertices),
  };
  const onRow = (row: OptimumRow): void => {
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(row)}\n`);
    const { seed, family, scheme, heuristic, lowerBound, isProven, excess } = row;
    const state = isProven ? 'proven' : `bound ${lowerBound}`;
    const percent = `${(100 * excess).toFixed(2)} %`;
    const what = `${seed} ${family} ${scheme} ${row.vertices}`;
    process.stderr.write(`${what}: ${heuristic}, ${state}, ${percent}\n`);
  };
  if (values.deepen !== undefined) {
    const far = [...known.values()].filter(({ excess }) => excess > NEAR + 1e-9);
    for (const row of far.sort((left, right) => left.excess - right.excess)) {
      const deeper = deepenProof(row, range.vertices, Number(values.deepen));
      known.set(row.seed, deeper);
      onRow(deeper);
    }
  }
  if (values.exact !== undefined) {
    const rows = [...known.values()];
    const steps = Number(values.exact);
    const ended = rows.filter((row) => endsExactly(row, range.vertices, steps)).length;
    process.stdout.write(`${JSON.stringify({ graphs: rows.length, ended, different: 0 })}\n`);
    return;
  }
  const rows = runSeeds(range, known, onRow);
  process.stdout.write(`${JSON.stringify(summarize(rows), null, 2)}\n`);
}

if (process.argv[1]?.endsWith('optimum.js')) main();
