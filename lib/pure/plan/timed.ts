/**
 * Planning within a time, with progress and an abort: `auto` in turns of the event loop.
 *
 * The time is turned into steps, so that the plan is the same on every machine and in every run; a busy
 * machine takes longer than was said. Give `shouldStop` a clock where the time itself must be kept.
 */
import { AbortedError, assert } from '../../base/errors.js';
import { type AutoOptions, planStepwise, STEPS_PER_SECOND } from './auto.js';
import type { StorageGraph } from './graph.js';
import type { PlanProgress, PlanReport } from './plan-report.js';

export interface TimedOptions extends AutoOptions {
  /** About how long one core may be busy; sets `maxSteps` if that is not given. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Called often; cheap calls please. */
  readonly onProgress?: (progress: PlanProgress) => void;
}

/** The number of steps that takes about this time. */
export function stepsForSeconds(seconds: number): number {
  assert(seconds >= 0, 'a time limit is not negative');
  return seconds * STEPS_PER_SECOND;
}

/**
 * Finds the plan of least storage within the budgets, as near as the time allows, and lets other work
 * of the thread run meanwhile.
 * @throws {AbortedError} DLV_ABORTED as soon as the signal says so.
 */
export async function planStorageWithin(
  graph: StorageGraph,
  options: TimedOptions = {},
): Promise<PlanReport> {
  const { seconds, signal, onProgress, ...rest } = options;
  const asked = seconds === undefined ? undefined : stepsForSeconds(seconds);
  const maxSteps = options.maxSteps ?? asked;
  const search = planStepwise(graph, maxSteps === undefined ? rest : { ...rest, maxSteps });
  for (;;) {
    if (signal?.aborted) throw new AbortedError();
    const turn = search.next();
    if (turn.done) return turn.value;
    onProgress?.(turn.value);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
