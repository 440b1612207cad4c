/** What the page of dlv ui works out by itself: addresses, filters, smoothing, folded lineage, dragged ranges. */
import test from 'ava';
import fc from 'fast-check';
import { axesOf } from '../../../lib/ui/state/axes.js';
import { quotedColumn, rangeOf, withRange } from '../../../lib/ui/state/brush.js';
import { groupsOf, sortGroups, whereOfGroup } from '../../../lib/ui/state/groups.js';
import { lineageRows } from '../../../lib/ui/state/lineage.js';
import { commandOf, formatRoute, parseRoute, VIEWS } from '../../../lib/ui/state/route.js';
import {
  clickedSort,
  columnNames,
  filterRows,
  mentioned,
  sortKeys,
  sortMark,
  sortRows,
  titleOf,
} from '../../../lib/ui/state/rows.js';
import { aligned, smooth } from '../../../lib/ui/state/smoothing.js';
import type { LogEntry } from '../../../lib/use/ops/log.js';
import type { ListedVersion } from '../../../lib/use/ops/versions.js';
import { anyCharacter } from '../../helpers/any-character.js';

test('route: an address is read as it was written, whatever it holds', (t) => {
  const text = fc
    .string({ unit: anyCharacter, minLength: 1 })
    .filter((one) => !/\p{Cs}/u.test(one));
  fc.assert(
    fc.property(
      fc.constantFrom(...VIEWS),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), text),
      (view, found) => {
        const params = { ...found };
        const url = new URL(formatRoute({ view, params }), 'http://x');
        t.deepEqual(parseRoute(url.pathname, url.search), { view, params });
      },
    ),
  );
});

test('route: addresses are readable, and become commands that a shell reads', (t) => {
  const params = {
    m: 'digits',
    where: "acc>0.9 and opt = 'it''s'",
    sort: '-acc',
    base: 'digits@6',
  };
  t.is(
    formatRoute({
      view: 'versions',
      params: { m: 'digits', sort: '-acc', cols: 'best(acc),params.*' },
    }),
    '/versions?m=digits&sort=-acc&cols=best(acc),params.*',
  );
  t.is(
    commandOf({ view: 'versions', params }),
    "dlv list --versions --model digits --where 'acc>0.9 and opt = '\\''it'\\'''\\''s'\\''' --sort -acc --baseline digits@6",
  );
  t.is(commandOf({ view: 'compare', params: { v: 'a@1,b@2' } }), 'dlv diff a@1 b@2');
  t.is(parseRoute('/<script>', '').view, 'models');
  t.is(commandOf({ view: 'run', params: { r: '3f9a', tab: 'output' } }), 'dlv run log 3f9a');
  t.is(
    commandOf({ view: 'curves', params: { v: "a@1,b'@2" } }),
    "dlv list --versions --curves --where 'name in ('\\''a@1'\\'', '\\''b'\\'''\\''@2'\\'')'",
  );
});

test('smoothing: is that of TensorBoard', (t) => {
  // last = last·w + (1 − w)·y; out = last / (1 − wⁿ)
  t.deepEqual(smooth([1, 2, 3], 0), [1, 2, 3]);
  t.deepEqual(smooth([5, 5, 5], 0.9), [5, 5, 5], 'a constant curve stays');
  const [a, b, c] = smooth([1, 2, 4], 0.5) as [number, number, number];
  t.is(a, 1);
  t.true(Math.abs(b - 1.25 / 0.75) < 1e-12);
  t.true(Math.abs(c - 2.625 / 0.875) < 1e-12);
  const odd = smooth([1, Number.NaN, 3], 0.5);
  t.true(Number.isNaN(odd[1]));
  t.true(Math.abs((odd[2] as number) - 1.75 / 0.75) < 1e-12, 'what is not finite does not count');
});

test('smoothing: curves stand on all steps of all of them', (t) => {
  const found = aligned([
    { steps: [0, 10], values: [1, Number.NaN] },
    { steps: [5, 10], values: [2, 3] },
  ]);
  t.deepEqual(found, {
    steps: [0, 5, 10],
    values: [
      [1, null, null],
      [null, 2, 3],
    ],
  });
});

const row = (name: string, values: ListedVersion['values']): ListedVersion => ({
  version: name as ListedVersion['version'],
  ...{ name, model: 'net', number: 1, values, steps: {} },
});
const NAMES = columnNames(['name', 'time', 'metrics.acc', 'metrics.a b', 'params.lr', 'next']);
const ROWS = [
  row('a', { 'metrics.acc': 0.9, 'params.lr': 0.1, name: 'a' }),
  row('b', { 'metrics.acc': 'NaN', 'params.lr': 0.01, name: 'b' }),
  row('c', { 'metrics.acc': null, 'params.lr': 'auto', name: 'c' }),
  row('d', { 'metrics.acc': 0.95, 'params.lr': 0.2, name: 'd' }),
];

test('rows: are filtered and sorted as dlv list does it', (t) => {
  const found = (where: string): string =>
    filterRows(ROWS, where, NAMES)
      .map(({ name }) => name)
      .join('');
  t.is(found('acc > 0.9'), 'd');
  t.is(found('not acc > 0.9'), 'ab', 'what has no value fits neither; NaN is not above');
  t.is(found('acc is null or params.lr = 0.1'), 'ac');
  t.is(found("name in ('a', 'c')"), 'ac');
  t.throws(() => found('best(acc) > 1'), { message: /was not read/ });
  t.throws(() => found('nope > 1'), { message: /nope/ });
  t.deepEqual(mentioned('best(acc) > 0.5 and `a b` < 1', NAMES), [
    'best(metrics.acc)',
    'metrics.a b',
  ]);
  const sorted = sortRows(ROWS, sortKeys('-acc', NAMES)).map(({ name }) => name);
  t.deepEqual(sorted.slice(0, 2), ['d', 'a'], 'what has no value comes last');
});

test('rows: clicks on a heading sort down, up, and no more', (t) => {
  t.is(clickedSort('', 'acc', true, false), '-acc');
  t.is(clickedSort('-acc', 'acc', true, false), 'acc');
  t.is(clickedSort('acc', 'acc', true, false), '');
  t.is(clickedSort('-acc', 'name', false, true), '-acc,name');
  t.is(clickedSort('-acc,name', 'name', false, true), '-acc,-name');
  t.is(clickedSort('-acc,-name', 'name', false, true), '-acc');
});

test('rows: a heading says how its column takes part in a sort', (t) => {
  t.deepEqual(
    ['time', 'metrics.acc', 'name'].map((column) => sortMark('-time,metrics.acc', column)),
    ['descending', 'ascending', undefined],
  );
});

test('rows: titles tell a metric and a hyperparameter of one name apart', (t) => {
  const columns = [
    'name',
    'metrics.lr',
    'best(metrics.lr)',
    'params.lr',
    'metrics.acc',
    'best(metrics.acc)',
  ];
  t.deepEqual(
    columns.map((column) => titleOf(column, columns)),
    ['name', 'metrics.lr', 'best(lr)', 'params.lr', 'acc', 'best(acc)'],
  );
});

const entry = (version: string, parents: string[], refs: string[] = []): LogEntry =>
  ({ version, parents, refs, name: version }) as unknown as LogEntry;

test('lineage: runs in which nothing happens are folded, and open again', (t) => {
  const entries = [
    entry('h', ['g'], ['net/main']),
    ...['g', 'f', 'e', 'd'].map((id, i) => entry(id, [['f', 'e', 'd', 'c'][i] as string])),
    entry('side', ['c'], ['net/side']),
    entry('c', ['b']),
    entry('b', ['a']),
    entry('a', []),
  ];
  const kinds = lineageRows(entries, new Set()).map((one) => `${one.kind}:${one.id}`);
  t.deepEqual(kinds, [
    'version:h',
    'fold:g',
    'version:side',
    'version:c',
    'version:b',
    'version:a',
  ]);
  t.is(lineageRows(entries, true).length, entries.length);
  t.is(lineageRows(entries, new Set(['g'])).length, entries.length);
  const fold = lineageRows(entries, new Set())[1];
  t.deepEqual(fold?.parents, ['c'], 'lines go on below a fold');
});

test('brush: a range is written into the condition, changed there, and taken away', (t) => {
  t.is(withRange('', 'metrics.acc', [0.5, 0.75]), 'metrics.acc between 0.5 and 0.75');
  const two = withRange("opt = 'adam'", 'params.lr', [1e-5, 0.1]);
  t.is(two, "opt = 'adam' and params.lr between 0.00001 and 0.1");
  t.deepEqual(rangeOf(two, 'params.lr'), [1e-5, 0.1]);
  t.is(withRange(two, 'params.lr', [1, 2]), "opt = 'adam' and params.lr between 1 and 2");
  t.is(withRange(two, 'params.lr', null), "opt = 'adam'");
  t.is(
    withRange('a = 1 or b = 2', 'params.lr', [1, 2]),
    '(a = 1 or b = 2) and params.lr between 1 and 2',
  );
  t.is(quotedColumn('best(metrics.train/loss)'), 'best(`metrics.train/loss`)');
  const odd = withRange('', 'metrics.train/loss', [-1, 2]);
  t.deepEqual(rangeOf(odd, 'metrics.train/loss'), [-1, 2]);
});

test('groups: are those of dlv list, sorted by what they have, and each leads to its versions', (t) => {
  const rows = [
    row('a', { 'params.opt': 'sgd', 'metrics.acc': 0.5 }),
    row('b', { 'params.opt': "it's", 'metrics.acc': 1 }),
    row('c', { 'params.opt': 'sgd', 'metrics.acc': 0.75 }),
    row('d', { 'params.opt': null, 'metrics.acc': null }),
  ];
  const groups = groupsOf(rows, ['params.opt'], ['params.opt', 'metrics.acc']);
  t.deepEqual(
    groups.map(({ versions, cells }) => [versions, cells['metrics.acc']?.mean]),
    [
      [2, 0.625],
      [1, 1],
      [1, null],
    ],
  );
  const sorted = sortGroups(groups, [{ column: 'metrics.acc', isDown: true }]);
  t.deepEqual(
    sorted.map(({ group }) => group['params.opt']),
    ["it's", 'sgd', null],
  );
  const names = columnNames(['params.opt', 'metrics.acc']);
  for (const { group, versions } of groups) {
    const where = whereOfGroup('acc < 1 or acc >= 1 or acc is null', group) as string;
    t.is(filterRows(rows, where, names).length, versions, where);
  }
});

test('axes: a column is one if it tells versions apart; magnitudes are compared as such', (t) => {
  const rows = [1e-4, 1e-3, 1e-1].map((lr, i) =>
    row(`v${i}`, { 'params.lr': lr, 'params.opt': i === 0 ? 'sgd' : 'adam', 'params.same': 1 }),
  );
  const axes = axesOf(rows, ['name', 'params.lr', 'params.opt', 'params.same'], 12);
  t.deepEqual(
    axes.map(({ column, isLog }) => [column, isLog]),
    [
      ['params.lr', true],
      ['params.opt', false],
    ],
  );
  const [lr] = axes;
  if (lr?.value == null) return t.fail('no numbers');
  for (const one of rows) {
    const share = lr.share(one) as number;
    t.true(Math.abs(lr.value(share) / (one.values['params.lr'] as number) - 1) < 1e-9);
  }
  t.is(lr.share(row('x', {})), null);
});
