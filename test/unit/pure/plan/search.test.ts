/** How a search is limited and watched: steps, time, progress, abort; and that it is deterministic. */
import test from 'ava';
import { randomGraph } from '../../../../benchmarks/plan/random-graphs.js';
import { AbortedError } from '../../../../lib/base/errors.js';
import { planStepwise, planStorage } from '../../../../lib/pure/plan/auto.js';
import type { PlanProgress } from '../../../../lib/pure/plan/plan-report.js';
import { Steps } from '../../../../lib/pure/plan/steps.js';
import { planStorageWithin, stepsForSeconds } from '../../../../lib/pure/plan/timed.js';
import { verifyPlan } from '../../../../lib/pure/plan/verify.js';

const SEEDS = [4, 12, 37, 84, 116];

test('auto: the same graph, steps and seed give the same report', (t) => {
  for (const seed of SEEDS) {
    const { graph } = randomGraph(seed, 30);
    const options = { maxSteps: 2e6, seed: 7 };
    t.deepEqual(planStorage(graph, options), planStorage(graph, options));
  }
});

test('auto: more steps never give more storage on these graphs, and the plan passes the verifier', (t) => {
  for (const seed of SEEDS) {
    const { graph } = randomGraph(seed, 40);
    for (const maxSteps of [1, 1e4, 1e6]) {
      const { plan, lowerBound, gap } = planStorage(graph, { maxSteps });
      t.true(plan!.isWithin, `seed ${seed}, ${maxSteps} steps`);
      t.is(verifyPlan(graph, plan!.parentEdge).storage, plan!.storage);
      t.true(lowerBound <= plan!.storage && gap! >= 0 && gap! < 1);
    }
  }
});

test('auto: a start that is better than what the steps would find is kept', (t) => {
  const { graph } = randomGraph(84, 40);
  const good = planStorage(graph, { maxSteps: 1e7, exact: false }).plan!;
  const report = planStorage(graph, { maxSteps: 1, starts: [good.parentEdge] });
  t.true(report.plan!.storage <= good.storage);
});

test('auto: stops with its best plan when the caller says so', (t) => {
  const { graph } = randomGraph(12, 60);
  let asked = 0;
  const report = planStorage(graph, { shouldStop: () => ++asked >= 2 });
  t.is(asked, 2);
  t.true(report.plan!.isWithin);
});

test('stepwise: gives way often, its bound and storage close in, and ends like planStorage', (t) => {
  const { graph } = randomGraph(44, 60);
  const options = { maxSteps: 5e6 };
  const seen: PlanProgress[] = [];
  const search = planStepwise(graph, options);
  let turn = search.next();
  for (; !turn.done; turn = search.next()) seen.push(turn.value);
  t.deepEqual(turn.value, planStorage(graph, options));
  t.true(seen.length > 20);
  seen.slice(1).forEach((now, index) => {
    const before = seen[index]!;
    t.true(now.stepsSpent >= before.stepsSpent && now.stepsSpent <= now.stepsMax);
    t.true(now.storage <= before.storage && now.lowerBound >= before.lowerBound);
  });
});

test('within: gives the plan of the steps that its time stands for, and tells its progress', async (t) => {
  const { graph } = randomGraph(12, 40);
  const stages = new Set<string>();
  const report = await planStorageWithin(graph, {
    seconds: 0.05,
    onProgress: ({ stage }) => stages.add(stage),
  });
  t.deepEqual(report, planStorage(graph, { maxSteps: stepsForSeconds(0.05) }));
  t.true(stages.has('pas-mt') && stages.has('bound'));
});

test('within: an abort ends it, before and during the search', async (t) => {
  const { graph } = randomGraph(12, 60);
  const before = AbortSignal.abort();
  await t.throwsAsync(planStorageWithin(graph, { signal: before }), { instanceOf: AbortedError });
  const controller = new AbortController();
  const options = {
    signal: controller.signal,
    maxSteps: 1e12,
    onProgress: () => controller.abort(),
  };
  await t.throwsAsync(planStorageWithin(graph, options), { instanceOf: AbortedError });
});

test('steps: a part spends what the whole has, and ends with it', (t) => {
  const whole = new Steps(100);
  const part = whole.part(60);
  t.true(part.spend(50));
  t.is(whole.left, 50);
  t.is(part.left, 10);
  t.false(part.spend(20));
  t.true(part.isOver);
  t.false(whole.isOver);
  t.is(whole.left, 30);
  const rest = whole.part(Infinity);
  t.is(rest.left, 30);
  t.false(whole.spend(30));
  t.true(rest.isOver);
});
