/** Candidate bases, families, and the storage graph of a survey. */
import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { planStorage } from '../../../../lib/pure/plan/auto.js';
import type { SurveyedExtent } from '../../../../lib/storage/archive/numbered-extents.js';
import {
  buildFamilyGraph,
  type EncodingEdge,
  type Family,
  findFamilies,
  groupSnapshots,
  liveRecreation,
} from '../../../../lib/storage/archive/planning/storage-graph.js';
import type { Survey, SurveyedSnapshot } from '../../../../lib/storage/archive/survey.js';
import { BaseGraph, CANDIDATES_MAX } from '../../../../lib/storage/ingest/bases/base-graph.js';

function extent(vertex: number): SurveyedExtent {
  const id = String(vertex).padStart(64, '0') as Id;
  const live = { base: 0, bytes: 100, mostBytes: 116 };
  return { id, width: 4, count: 10_000, segments: 1, live, isWanted: true };
}

function snapshot(version: number, extents: number[]): SurveyedSnapshot {
  const id = String(version).padStart(64, 'f') as Id;
  return { version: id, model: 'm', key: 'k', role: 'weights', step: null, extents };
}

function survey(count: number, snapshots: SurveyedSnapshot[]): Survey {
  const extents = Array.from({ length: count }, (_, i) => extent(i + 1));
  return { extents, snapshots, near: new BaseGraph() };
}

const alone = (vertex: number, bytes = 100): EncodingEdge => {
  return { base: 0, vertex, how: 'live', bytes, isExact: true };
};
const delta = (base: number, vertex: number, bytes: number): EncodingEdge => {
  return { base, vertex, how: 'prefix', bytes, isExact: true };
};

test('candidates: neighbours first, then further back, never itself, never too many', (t) => {
  const graph = new BaseGraph();
  for (let vertex = 2; vertex <= 40; vertex++) graph.join(vertex - 1, vertex);
  const found = graph.candidates(30);
  t.deepEqual(found.slice(0, 2), [29, 31]);
  for (const back of [26, 22, 14]) t.true(found.includes(back), `${back}`);
  t.false(found.includes(30));
  for (let vertex = 100; vertex < 200; vertex++) graph.join(1, vertex);
  t.true(graph.candidates(1).length <= CANDIDATES_MAX);
  t.deepEqual(graph.candidates(999), []);
});

test('candidates: order visits every vertex once, what is joined together', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }))),
      (count, pairs) => {
        const graph = new BaseGraph();
        for (const [a, b] of pairs) if (a <= count && b <= count) graph.join(a, b);
        const order = graph.order(count);
        t.deepEqual(
          [...order].sort((a, b) => a - b),
          Array.from({ length: count }, (_, i) => i + 1),
        );
        for (let i = 1; i < order.length; i++) {
          // Either joined to something before, or the first of its component.
          const before = new Set(order.slice(0, i));
          const vertex = order[i] as number;
          const isJoined = graph.neighbours(vertex).some((other) => before.has(other));
          const isFirst = graph.neighbours(vertex).every((other) => other > vertex);
          t.true(isJoined || isFirst);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('families: what shares an edge or a group is planned together', (t) => {
  const edges = [alone(1), alone(2), alone(3), alone(4), alone(5), delta(1, 2, 10)];
  const data = survey(5, [snapshot(1, [3, 4]), snapshot(2, [1]), snapshot(3, [3, 4])]);
  const groups = groupSnapshots(data);
  t.is(groups.length, 2);
  t.is(groups[0]?.snapshots.length, 2, 'equal snapshots are one group');
  const families = findFamilies(5, edges, groups);
  t.deepEqual(
    families.map(({ vertices }) => vertices),
    [[1, 2], [3, 4], [5]],
  );
  t.deepEqual(families[0]?.edges, [0, 1, 5]);
  t.deepEqual(families[1]?.groups, [0]);
});

test('storage graph: planning a family gives the cheapest within its budget', (t) => {
  const edges = [alone(1), alone(2), alone(3), delta(1, 2, 10), delta(2, 3, 10), delta(1, 3, 30)];
  const data = survey(3, [snapshot(1, [1]), snapshot(2, [2]), snapshot(3, [3])]);
  const groups = groupSnapshots(data);
  const family = findFamilies(3, edges, groups)[0] as Family;
  const plan = (budget: number) => {
    const budgets = [Infinity, Infinity, budget];
    const graph = buildFamilyGraph({ survey: data, edges, groups }, family, {
      unit: 'bytes',
      scheme: 'independent',
      budgets,
    });
    return planStorage(graph).plan?.storage;
  };
  t.is(plan(Infinity), 120, 'the chain');
  t.is(plan(120), 120, 'the chain costs exactly that');
  t.is(plan(119), 210, 'alone: 130 by the other delta is too much as well');
});

test('storage graph: milliseconds are those of the model, rounded up', (t) => {
  const edges = [alone(1), alone(2), delta(1, 2, 10)];
  const data = survey(2, [snapshot(1, [1, 2])]);
  const groups = groupSnapshots(data);
  const family = findFamilies(2, edges, groups)[0] as Family;
  const time = {
    edgeMs: (edge: { bytes: number; elements: number; isDelta: boolean }) =>
      edge.isDelta ? edge.bytes / 3 : edge.elements / 1e4,
  };
  const options = { unit: 'ms', time, scheme: 'independent', budgets: [99] } as const;
  const graph = buildFamilyGraph({ survey: data, edges, groups }, family, options);
  t.is(graph.recreation[0], 1);
  t.is(graph.recreation[2], Math.ceil((10 / 3) * 1024) / 1024);
  t.true(graph.exactRecreation);
});

test('storage graph: recreation as stored now adds up as its scheme says', (t) => {
  const bases = [0, 1, 1, undefined, 4];
  const extents = bases.map((base, i) => ({
    ...extent(i + 1),
    live: { base, bytes: 0, mostBytes: 10 ** i },
  }));
  const snapshots = [snapshot(1, [2, 3]), snapshot(2, [1]), snapshot(3, [1, 5]), snapshot(4, [])];
  const data: Survey = { extents, snapshots, near: new BaseGraph() };
  t.deepEqual(liveRecreation(data, 'independent'), [112, 1, undefined, 0]);
  t.deepEqual(liveRecreation(data, 'parallel'), [101, 1, undefined, 0]);
  t.deepEqual(liveRecreation(data, 'reusable'), [111, 1, undefined, 0]);
});
