/**
 * Goal: an archive run keeps what earlier runs promised, plans what is asked for, and promises no less
 * than it was asked. Method: tables of settings, promises and costs with the answers worked out by hand.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { UsageError } from '../../../../lib/base/errors.js';
import {
  type AskedRun,
  frozenVertices,
  groupBudget,
  keptPromises,
  promisesOf,
  settleRun,
  snapshotKey,
} from '../../../../lib/storage/archive/promises.js';
import type { Survey, SurveyedSnapshot } from '../../../../lib/storage/archive/survey.js';
import { BaseGraph } from '../../../../lib/storage/ingest/bases/base-graph.js';
import type { Budgets, SnapshotPromise } from '../../../../lib/storage/repo/budgets.js';

const version = (letter: string): Id => letter.repeat(64) as Id;
const [A, B, C] = [version('a'), version('b'), version('c')] as [Id, Id, Id];

function snapshot(of: Id, ...extents: number[]): SurveyedSnapshot {
  return { version: of, model: 'm', key: 'w', role: 'weights', step: null, extents };
}

function promise(of: Id, budget: number | null, planned = 1): SnapshotPromise {
  return { version: of, key: 'w', role: 'weights', budget, planned };
}

/** Extents of 100 bytes each: bases are vertices, undefined where chains cross. */
function surveyOf(bases: readonly (number | undefined)[], snapshots: SurveyedSnapshot[]): Survey {
  const extents = bases.map((base, i) => ({
    id: version(String(i)),
    width: 4,
    count: 25,
    segments: 1,
    live: { base, bytes: 100, mostBytes: 100 },
    isWanted: true,
  }));
  return { extents, snapshots, near: new BaseGraph() };
}

const before = (more: Partial<Budgets> = {}): Budgets => ({
  scheme: 'independent',
  unit: 'bytes',
  asked: ['1.5'],
  snapshots: [promise(A, 150), promise(B, 300)],
  ...more,
});

const asked = (more: Partial<AskedRun> = {}): AskedRun => ({ isNamed: false, all: false, ...more });

const SETTLED: {
  name: string;
  asked: AskedRun;
  before: Budgets | null;
  is: { scheme?: string; unit?: string; asked: string[]; kept: string[]; promises: number };
}[] = [
  {
    name: 'nothing said, no run before: twice the cost',
    asked: asked(),
    before: null,
    is: { scheme: 'independent', unit: 'bytes', asked: ['2'], kept: ['2'], promises: 0 },
  },
  {
    name: 'nothing said: as the run before, which is kept',
    asked: asked(),
    before: before({ scheme: 'reusable' }),
    is: { scheme: 'reusable', asked: ['1.5'], kept: ['1.5'], promises: 2 },
  },
  {
    name: 'the same budget again keeps the promises',
    asked: asked({ budgets: [1.5] }),
    before: before(),
    is: { asked: ['1.5'], kept: ['1.5'], promises: 2 },
  },
  {
    name: 'another budget plans everything again, and is the default from now on',
    asked: asked({ budgets: [3] }),
    before: before(),
    is: { asked: ['3'], kept: ['3'], promises: 0 },
  },
  {
    name: 'another budget for named versions is theirs alone',
    asked: asked({ budgets: [3], isNamed: true }),
    before: before(),
    is: { asked: ['3'], kept: ['1.5'], promises: 2 },
  },
  {
    name: 'all: nothing that was promised stays',
    asked: asked({ all: true }),
    before: before(),
    is: { asked: ['1.5'], kept: ['1.5'], promises: 0 },
  },
  {
    name: 'all, with versions named: the others keep their promises',
    asked: asked({ all: true, isNamed: true }),
    before: before(),
    is: { asked: ['1.5'], kept: ['1.5'], promises: 2 },
  },
  {
    name: 'another scheme: promises of the old one mean nothing, named or not',
    asked: asked({ scheme: 'parallel', isNamed: true }),
    before: before(),
    is: { scheme: 'parallel', asked: ['1.5'], kept: ['1.5'], promises: 0 },
  },
  {
    name: 'another unit: the same',
    asked: asked({ unit: 'ms' }),
    before: before(),
    is: { unit: 'ms', asked: ['1.5'], kept: ['1.5'], promises: 0 },
  },
  {
    name: 'a factor after a run in times is one of bytes again',
    asked: asked({ budgets: [2] }),
    before: before({ unit: 'ms' }),
    is: { unit: 'bytes', asked: ['2'], kept: ['2'], promises: 0 },
  },
  {
    name: 'a factor for named versions counts as the promises that it stands beside',
    asked: asked({ budgets: [2], isNamed: true }),
    before: before({ unit: 'ms' }),
    is: { unit: 'ms', asked: ['2'], kept: ['1.5'], promises: 2 },
  },
  {
    name: 'a limit in bytes says the unit, whatever the last run counted in',
    asked: asked({ budgets: [{ target: null, limit: { kind: 'bytes', most: 4096 } }] }),
    before: before({ unit: 'ms' }),
    is: { unit: 'bytes', asked: ['4096B'], kept: ['4096B'], promises: 0 },
  },
];

for (const { name, asked: run, before: last, is } of SETTLED) {
  test(`settleRun: ${name}`, (t) => {
    const found = settleRun(run, last);
    const { promises, ...rest } = is;
    t.like(found, rest);
    t.is(found.promises.length, promises);
  });
}

test('settleRun: budgets in two units are refused', (t) => {
  const budgets = [
    { target: null, limit: { kind: 'bytes', most: 1 } as const },
    { target: 'm', limit: { kind: 'ms', most: 1 } as const },
  ];
  t.throws(() => settleRun(asked({ budgets }), null), { instanceOf: UsageError });
  const inBytes = asked({ budgets: budgets.slice(0, 1), unit: 'ms' });
  t.throws(() => settleRun(inBytes, null), { instanceOf: UsageError });
});

test('keptPromises: a promise ends when its version is planned again or what is stored breaks it', (t) => {
  // 1 alone, 2 on 1, 3 on 2: 100, 200 and 300 bytes to read; 4 has crossed chains.
  const survey = surveyOf([0, 1, 2, undefined], [snapshot(A, 1), snapshot(B, 2), snapshot(C, 3)]);
  const rows = (...of: SnapshotPromise[]) => ({
    unit: 'bytes' as const,
    scheme: 'independent' as const,
    promises: of,
  });
  const placesOf = (kept: Map<string, SnapshotPromise>) => [...kept.keys()];
  const place = (of: Id) => snapshotKey(snapshot(of));
  const all = rows(promise(A, 100), promise(B, 198.5), promise(C, null));
  // 200 bytes are within a hundredth of 198.5: a longer header after a merge breaks no promise.
  t.deepEqual(placesOf(keptPromises(survey, all, new Set())), [place(A), place(B), place(C)]);
  t.deepEqual(placesOf(keptPromises(survey, all, new Set([B]))), [place(A), place(C)]);
  const tight = rows(promise(A, 100), promise(B, 150), promise(C, 400));
  t.deepEqual(placesOf(keptPromises(survey, tight, new Set())), [place(A), place(C)]);
  const inTime = { ...tight, unit: 'ms' as const };
  t.is(keptPromises(survey, inTime, new Set()).size, 3, 'times are not judged here');
  const crossed = surveyOf([undefined], [snapshot(A, 1)]);
  t.is(keptPromises(crossed, rows(promise(A, 1e9)), new Set()).size, 0, 'no number, no promise');
  t.is(keptPromises(crossed, rows(promise(A, null)), new Set()).size, 1);
  t.is(keptPromises(surveyOf([0], []), all, new Set()).size, 3, 'of versions that are not in view');
});

test('frozenVertices: what was promised, or of versions that are not named, unless something shares it', (t) => {
  const survey = surveyOf([0, 0, 0, 0], [snapshot(A, 1, 2), snapshot(B, 2, 3), snapshot(C, 4)]);
  const promised = (...of: Id[]) => new Map(of.map((id) => [snapshotKey(snapshot(id)), 1]));
  const frozen = (promises: Map<string, number>, ...wanted: Id[]) =>
    [...frozenVertices(survey, promises, new Set(wanted))].sort();
  t.deepEqual(frozen(promised()), []);
  t.deepEqual(frozen(promised(A)), [1], '2 is of B as well');
  t.deepEqual(frozen(promised(A, B)), [1, 2, 3]);
  t.deepEqual(frozen(promised(A, B, C)), [1, 2, 3, 4]);
  t.deepEqual(frozen(promised(), A), [3, 4]);
  t.deepEqual(frozen(promised(A, B, C), C), [1, 2, 3]);
});

const COSTS = { least: 100, now: 500 };
const BUDGETS: {
  name: string;
  promised: SnapshotPromise[];
  isAsked: Id[];
  now?: null;
  is: number;
}[] = [
  { name: 'asked for all, none promised', promised: [], isAsked: [A, B], is: 200 },
  { name: 'asked for one of them', promised: [], isAsked: [B], is: 200 },
  {
    name: 'a promise beside what is asked: the tighter',
    promised: [promise(A, 150)],
    isAsked: [A, B],
    is: 150,
  },
  {
    name: 'a looser promise beside what is asked',
    promised: [promise(A, 900)],
    isAsked: [A, B],
    is: 200,
  },
  {
    name: 'both promised: the tighter, whatever is asked',
    promised: [promise(A, 300), promise(B, 250)],
    isAsked: [A, B],
    is: 250,
  },
  {
    name: 'a promise without a limit',
    promised: [promise(A, null), promise(B, null)],
    isAsked: [],
    is: Infinity,
  },
  {
    name: 'a promise that nothing can keep any more: the least',
    promised: [promise(A, 60)],
    isAsked: [],
    is: 100,
  },
  { name: 'not asked about: no slower than now', promised: [], isAsked: [], is: 500 },
  {
    name: 'not asked about, and no number for now',
    promised: [],
    isAsked: [],
    now: null,
    is: Infinity,
  },
];

for (const { name, promised, isAsked, now, is } of BUDGETS) {
  test(`groupBudget: ${name}`, (t) => {
    const group = { members: [1], snapshots: [snapshot(A, 1), snapshot(B, 1)] };
    const found = groupBudget(group, now === null ? { least: 100, now: undefined } : COSTS, {
      promised: new Map(promised.map((row) => [snapshotKey(row), row])),
      isAsked: ({ version: of }) => isAsked.includes(of),
      asked: (of, least) => {
        t.true(
          of.snapshots.every(({ version: id }) => isAsked.includes(id) || isAsked.length === 0),
        );
        return 2 * least;
      },
    });
    t.is(found, is);
  });
}

test('promisesOf: a row for each snapshot that has a promise then, no limit as null', (t) => {
  const groups = [
    { snapshots: [snapshot(A, 1), snapshot(B, 1)], budget: 200, planned: 120 },
    { snapshots: [snapshot(C, 2)], budget: Infinity, planned: 80 },
  ];
  t.deepEqual(
    promisesOf(groups, ({ version: of }) => of !== B),
    [promise(A, 200, 120), promise(C, null, 80)],
  );
});
