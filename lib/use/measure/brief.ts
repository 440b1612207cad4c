/**
 * The short answer of `dlv bench`: how much space the versions take uncompressed, compressed, in
 * dlv now and after `dlv archive`, and how long it takes to rebuild the newest, the oldest, and the
 * one that reads most.
 *
 * Everything is done within a time limit, the cheapest and most useful parts first. `leftOut` names
 * the parts for which there was no time, or which Ctrl-C stopped; what was measured until then is
 * kept.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { maxOf, pushAll } from '../../base/bytes/many.js';
import { DlvError } from '../../base/errors.js';
import { planStorage } from '../../pure/plan/auto.js';
import { withBudgets } from '../../pure/plan/graph.js';
import { preparePlanning } from '../../pure/plan/planners/planners.js';
import { verifyPlan } from '../../pure/plan/verify.js';
import type { SurveyedExtent } from '../../storage/archive/numbered-extents.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import { measureGraph } from './bench-graph.js';
import type { Spread } from './bench-machine.js';
import { timeSnapshot } from './bench-recovery.js';
import { compressedShares } from './compressors.js';
import type { Subjects } from './subjects.js';

/** One way to keep the tensors of the snapshots. */
export interface BriefStore {
  how: string;
  /** null: not measured, see `leftOut`. */
  bytes: number | null;
  /** False if the figure comes from a sample. */
  isExact: boolean;
}

/** What `dlv archive` would make of the repository under one budget. */
export interface BriefPlan {
  /** No snapshot reads more than this many times its least. */
  budget: number;
  /** Bytes of all tensors of the repository. */
  bytes: number;
  /** No plan within the budget takes less. */
  lowerBound: number;
}

/** How long one snapshot takes to come back, from files that the system holds in memory. The one
 * that reads most is named where it is neither the newest nor the oldest. */
export interface BriefRead {
  which: 'newest' | 'oldest' | 'reads most';
  /** Place in `snapshots` of the result. */
  snapshot: number;
  ms: Spread;
  /** Bytes of records that were read. */
  readBytes: number;
}

export interface BriefResult {
  /** Tensors of the snapshots, each snapshot whole. */
  rawBytes: number;
  stores: BriefStore[];
  plans: BriefPlan[];
  /** Bytes of all tensors of the repository as they are stored: what plans compare with. */
  storedBytes: number;
  reads: BriefRead[];
  /** Parts that were not measured, or not in full, and why. */
  leftOut: string[];
}

export interface BriefOptions {
  /** Time for all parts together. */
  limitMs: number;
  /** Default: 1.5, 2 and 4. */
  budgets?: readonly number[];
}

const BUDGETS = [1.5, 2, 4];
/** Bytes of tensors that general compressors are tried on. */
const SAMPLE_BYTES = 12 * 1024 * 1024;
const READ_RUNS = 3;
/** Shares of the time limit after which a part has to end. */
const UNTIL = { reads: 0.35, compressors: 0.55, candidates: 0.85, plans: 1 };

/** @throws {CorruptError} {NotFoundError} if what is stored cannot be read. */
export async function benchBriefly(
  repo: ReadAccess,
  subjects: Subjects,
  options: BriefOptions,
  context: OpContext,
): Promise<BriefResult> {
  return new Brief(repo, subjects, options, context).run();
}

class Brief {
  readonly #repo: ReadAccess;
  readonly #subjects: Subjects;
  readonly #context: OpContext;
  readonly #options: BriefOptions;
  readonly #started = performance.now();
  readonly #result: BriefResult;

  constructor(repo: ReadAccess, subjects: Subjects, options: BriefOptions, context: OpContext) {
    this.#repo = repo;
    this.#subjects = subjects;
    this.#options = options;
    this.#context = context;
    const { snapshots, survey } = subjects;
    const rawBytes = snapshots.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0);
    const now = storedWithBases(subjects);
    this.#result = {
      rawBytes,
      stores: [
        { how: 'kept whole', bytes: rawBytes, isExact: true },
        { how: 'dlv now', bytes: now, isExact: true },
      ],
      plans: [],
      storedBytes: survey.extents.reduce((sum, { live }) => sum + live.bytes, 0),
      reads: [],
      leftOut: [],
    };
  }

  async run(): Promise<BriefResult> {
    const parts = [
      ['times of reading', () => this.#read()],
      ['general compressors', () => this.#compress()],
      ['plans', () => this.#plan()],
    ] as const;
    for (const [name, part] of parts) {
      try {
        throwIfAborted(this.#context.signal);
        await part();
      } catch (error) {
        if (!this.#context.signal?.aborted && !isAbort(error)) throw error;
        this.#result.leftOut.push(`${name}: interrupted`);
      } finally {
        this.#context.progress.finish();
      }
    }
    return this.#result;
  }

  /** True while a part has time. */
  #hasTime(share: number): boolean {
    return performance.now() - this.#started < share * this.#options.limitMs;
  }

  async #read(): Promise<void> {
    const { snapshots } = this.#subjects;
    const costs = chainBytes(this.#subjects);
    const largest = costs.indexOf(maxOf(costs));
    const wanted: [BriefRead['which'], number][] = [['newest', snapshots.length - 1]];
    if (snapshots.length > 1) wanted.push(['oldest', 0]);
    if (!wanted.some(([, known]) => known === largest)) wanted.push(['reads most', largest]);
    this.#context.progress.start('rebuilding', 0);
    for (const [which, snapshot] of wanted) {
      if (!this.#hasTime(UNTIL.reads)) {
        this.#result.leftOut.push(`the ${which} version: no time left to rebuild it`);
        continue;
      }
      const { survey, vertices } = this.#subjects;
      const wantsMore = (runs: number): boolean => runs < READ_RUNS && this.#hasTime(UNTIL.reads);
      const list = vertices[snapshot] as readonly number[];
      const measured = await timeSnapshot(
        this.#repo,
        { survey, vertices: list },
        this.#context,
        wantsMore,
      );
      this.#result.reads.push({ which, snapshot, ...measured });
    }
  }

  async #compress(): Promise<void> {
    const { rawBytes, stores, leftOut } = this.#result;
    const found = await compressedShares(this.#repo, this.#subjects, this.#context, {
      mostBytes: SAMPLE_BYTES,
      hasTime: () => this.#hasTime(UNTIL.compressors),
    });
    const rows = found.shares.map(({ how, share }): BriefStore => {
      const bytes = share === null ? null : Math.round(share * rawBytes);
      return { how, bytes, isExact: found.isWhole };
    });
    stores.splice(1, 0, ...rows);
    pushAll(leftOut, found.missing);
  }

  async #plan(): Promise<void> {
    const { survey } = this.#subjects;
    const hasTime = (): boolean => this.#hasTime(UNTIL.candidates);
    const how = { scheme: 'independent', cost: { unit: 'bytes' }, level: 1, hasTime } as const;
    const { graph, skipped } = await measureGraph(this.#repo, survey, how, this.#context);
    const { leftOut, plans } = this.#result;
    if (skipped > 0) {
      leftOut.push(`${skipped} candidate encodings of plans: no time left to measure them`);
    }
    const free = preparePlanning(
      withBudgets(
        graph,
        graph.groups.map(() => Infinity),
      ),
    );
    if (free === undefined) return;
    const least = verifyPlan(graph, free.shortest.parentEdge).groups.map(({ cost }) => cost);
    const budgets = this.#options.budgets ?? BUDGETS;
    this.#context.progress.start('planning', budgets.length, 'plans');
    for (const budget of budgets) {
      throwIfAborted(this.#context.signal);
      const bound = withBudgets(
        graph,
        least.map((cost) => Math.floor(cost * budget)),
      );
      const left = this.#options.limitMs * UNTIL.plans - (performance.now() - this.#started);
      const until = performance.now() + Math.max(500, left / budgets.length);
      const report = planStorage(bound, { shouldStop: () => performance.now() > until });
      if (report.plan === undefined) continue;
      const bytes = report.plan.storage;
      plans.push({ budget, bytes, lowerBound: Math.min(report.lowerBound, bytes) });
      this.#context.progress.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof DlvError && error.code === 'DLV_ABORTED';
}

/** Bytes of the records that the snapshots need, what they are deltas against included. */
function storedWithBases({ survey, vertices }: Subjects): number {
  const seen = new Set<number>();
  let bytes = 0;
  for (const start of vertices.flat()) {
    for (let vertex = start; vertex !== 0 && !seen.has(vertex); ) {
      seen.add(vertex);
      const { live } = survey.extents[vertex - 1] as SurveyedExtent;
      bytes += live.bytes;
      vertex = live.base ?? 0;
    }
  }
  return bytes;
}

/** For each snapshot the bytes along the chains of its extents. */
function chainBytes({ survey, vertices }: Subjects): number[] {
  return vertices.map((list) => {
    let bytes = 0;
    for (const start of list) {
      for (let vertex = start, links = 0; vertex !== 0; links++) {
        const { live } = survey.extents[vertex - 1] as SurveyedExtent;
        bytes += live.bytes;
        // A damaged repository may have a circle; what lies in it is not counted for ever.
        vertex = links > survey.extents.length ? 0 : (live.base ?? 0);
      }
    }
    return bytes;
  });
}
