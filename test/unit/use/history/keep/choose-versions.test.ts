/** Which versions rules keep: a table of rules over one run of ten versions. */
import test from 'ava';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { parseKeepRules } from '../../../../../lib/storage/repo/settings/keep-rules.js';
import {
  chooseVersions,
  type KeepCandidate,
} from '../../../../../lib/use/history/keep/choose-versions.js';
import { nameTest } from '../../../../../lib/use/history/lines/name-filters.js';

const DAY = 24 * 60 * 60 * 1000;
/** Monday, 2026-03-02, 06:00 UTC. */
const MONDAY = Date.UTC(2026, 2, 2, 6);

/** Versions 1 to 10: every 250 steps, two a day, losses that fall and rise again. */
function run(): KeepCandidate[] {
  const losses = [0.9, 0.7, 0.5, 0.4, 0.3, 0.3, 0.35, 0.4, Number.NaN, 0.6];
  return losses.map((value, i) => ({
    id: String(i + 1) as Id,
    number: i + 1,
    name: `net@${i + 1}`,
    time: MONDAY + Math.floor(i / 2) * DAY + (i % 2) * 3600_000,
    step: 250 * (i + 1),
    metrics: [
      { name: 'eval_loss', step: null, value },
      { name: 'acc', step: 1, value: 0 },
      { name: 'acc', step: 2, value: i },
      ...(i === 0 ? [{ name: 'odd', step: null, value: 1 }] : []),
    ],
    directions: new Map(),
    branches: i < 4 ? ['net/main', 'main'] : ['net/wide', 'wide'],
    protectedBy: i === 9 ? ['HEAD'] : i === 1 ? ['tag v1'] : [],
  }));
}

function kept(text: string, candidates = run(), now = MONDAY + 4 * DAY + 7200_000) {
  const rules = parseKeepRules(text)!;
  const test = nameTest(rules.branches ?? []);
  const options = { now, branches: (names: readonly string[]) => test(...names) };
  return [...chooseVersions(candidates, rules, options)].filter(
    ([, { reasons }]) => reasons.length > 0,
  );
}

/** The tip and the tagged version are in each: 10 and 2. */
const TABLE: Record<string, number[]> = {
  'last 1': [10, 2],
  'last 3': [10, 9, 8, 2],
  'last 99': [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
  // Of equal values the earlier stays; what has none is not among the best.
  'best 1 by eval_loss': [10, 5, 2],
  'best 3 by loss': [10, 7, 6, 5, 2],
  'best 1 by eval_loss higher': [10, 2, 1],
  'best 2 by acc': [10, 9, 2],
  'every 1000': [10, 8, 4, 2],
  // Where no step is a multiple, the first after it: 750, 1250, 1750, 2250 of stretches of 600.
  'every 600': [10, 8, 5, 3, 2],
  'within 1 days': [10, 9, 2],
  'daily 2': [10, 8, 2],
  'weekly 2': [10, 2],
  'monthly 1': [10, 2],
  'branches main': [10, 4, 3, 2, 1],
  'branches net/w*': [10, 9, 8, 7, 6, 5, 2],
  'last 2, best 1 by eval_loss, every 1000': [10, 9, 8, 5, 4, 2],
  'optimizer 1': [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
};

for (const [text, numbers] of Object.entries(TABLE)) {
  test(`keep versions: '${text}' keeps ${numbers.join(', ')}`, (t) => {
    const ids = kept(text).map(([id]) => Number(id));
    t.deepEqual(ids, numbers);
  });
}

test('keep versions: every reason is told', (t) => {
  const choices = new Map(kept('last 1, best 1 by loss, every 500, weekly 1'));
  t.deepEqual(choices.get('10' as Id)?.reasons, ['HEAD', 'last', 'every 500', 'weekly']);
  t.deepEqual(choices.get('5' as Id)?.reasons, ['best loss']);
  t.deepEqual(choices.get('2' as Id)?.reasons, ['tag v1', 'every 500']);
});

test('keep versions: training state stays with the newest that are kept, and where a tag is', (t) => {
  const withState = (text: string): number[] =>
    kept(text)
      .filter(([, { keepsState }]) => keepsState)
      .map(([id]) => Number(id));
  t.deepEqual(withState('last 4, optimizer 2'), [10, 9, 2]);
  t.deepEqual(withState('every 1000, optimizer 2'), [10, 8, 2]);
  t.deepEqual(withState('last 4, optimizer 0'), [10, 2]);
  t.deepEqual(withState('last 4'), [10, 9, 8, 7, 2]);
  t.deepEqual(withState('optimizer 3'), [10, 9, 8, 2]);
});

test('keep versions: a week begins on Monday', (t) => {
  const [first, second] = run() as [KeepCandidate, KeepCandidate];
  const sunday = { ...first, id: 'a' as Id, time: MONDAY - 7 * 3600_000, protectedBy: [] };
  const monday = { ...second, id: 'b' as Id, time: MONDAY - 5 * 3600_000, protectedBy: [] };
  t.deepEqual(kept('weekly 2', [sunday, monday]).length, 2);
  t.deepEqual(
    kept('weekly 1', [sunday, monday]).map(([id]) => id as string),
    ['b'],
  );
  t.deepEqual(kept('monthly 2', [sunday, monday]).length, 1);
});

test('keep versions: a rule that nothing can answer is an error', (t) => {
  t.throws(() => kept('best 1 by nothing'), { code: 'DLV_NOT_FOUND', message: /'nothing'/ });
  t.throws(() => kept('best 1 by odd'), { code: 'DLV_USAGE', message: /better/ });
  const noSteps = run().map((one) => ({ ...one, step: null }));
  t.throws(() => kept('every 10', noSteps), { code: 'DLV_NOT_FOUND', message: /step/ });
});

test('keep versions: what was declared of a metric counts before its name', (t) => {
  const declared = run().map((one) => ({
    ...one,
    directions: new Map([['eval_loss', 'max' as const]]),
  }));
  t.deepEqual(
    kept('best 1 by eval_loss', declared).map(([id]) => Number(id)),
    [10, 2, 1],
  );
});
