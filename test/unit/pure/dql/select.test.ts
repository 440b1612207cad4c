/** What a select gives: against plain filters over random versions, and its joins, groups and subqueries. */
import test from 'ava';
import { ask, type DqlVersion, dqlHost, firstColumn } from '../../../helpers/dql-host.js';
import { alexnet, lenet5 } from '../../../helpers/known-networks.js';
import { seededRandom } from '../../../helpers/rng.js';

const VERSIONS: DqlVersion[] = [
  { name: 'a@1', columns: { 'metrics.acc': 0.8, lr: 0.1, opt: 'sgd' } },
  { name: 'a@2', parents: ['a@1'], columns: { 'metrics.acc': 0.9, lr: 0.01, opt: 'adam' } },
  { name: 'a@3', parents: ['a@2'], columns: { 'metrics.acc': 0.85, lr: 0.01, opt: 'adam' } },
  { name: 'b@1', parents: ['a@2'], columns: { 'metrics.acc': 0.95, opt: 'adam' } },
  {
    name: 'c@1',
    columns: { lr: 0.1 },
    points: [
      { step: 10, value: 3 },
      { step: 20, value: 2 },
    ],
  },
];
const host = dqlHost(VERSIONS, {
  good: 'select m where m.acc >= 0.9',
  loop: 'select m from m in "loop2"',
  loop2: 'select m from m in "loop"',
});

test('conditions with a value that is missing are neither true nor false', async (t) => {
  const names = (condition: string) => firstColumn(host, `select m where ${condition}`);
  t.deepEqual(await names('m.acc > 0.8'), ['a@2', 'a@3', 'b@1']);
  t.deepEqual(await names('not m.acc > 0.8'), ['a@1']);
  t.deepEqual(await names('m.acc is null'), ['c@1']);
  t.deepEqual(await names('m.lr is not null and m.opt in ("sgd", "x")'), ['a@1']);
  t.deepEqual(await names('m.opt not in ["sgd"]'), ['a@2', 'a@3', 'b@1']);
  t.deepEqual(await names('m.acc between 0.85 and 0.9'), ['a@2', 'a@3']);
  t.deepEqual(await names('m.name ~ "^a" and m.name not like "%3"'), ['a@1', 'a@2']);
  t.deepEqual(await names('m.acc * 100 - 5 > 86 / 1'), ['b@1']);
  t.deepEqual(await names('acc > 0.9'), ['b@1']);
  t.deepEqual(await names('at(m["acc"], 15) = 3'), ['c@1']);
});

test('lineage: derived from, ancestor, child, parent, of revisions and of variables', async (t) => {
  const names = (text: string) => firstColumn(host, text);
  t.deepEqual(await names('select m where m derived from "a@1"'), ['a@2', 'a@3', 'b@1']);
  t.deepEqual(await names('select m where m not derived from "a@1"'), ['a@1', 'c@1']);
  t.deepEqual(await names('select m where m is ancestor of "b@1"'), ['a@1', 'a@2']);
  t.deepEqual(await names('select m where m child of "a@2"'), ['a@3', 'b@1']);
  t.deepEqual(await names('select m where m parent of "a@3"'), ['a@2']);
  const pairs = (await ask(host, 'select a, b where a child of b and a.acc > b.acc')).rows.map(
    ({ cells }) => cells.slice(0, 2),
  );
  t.deepEqual(pairs, [
    ['a@2', 'a@1'],
    ['b@1', 'a@2'],
  ]);
});

test('what would take too much memory is refused before it is made, and a limit helps', async (t) => {
  const variables = (n: number) => Array.from({ length: n }, (_, i) => `v${i}`).join(', ');
  const refused = (query: string, message: RegExp) =>
    t.throwsAsync(ask(host, query), { code: 'DLV_USAGE', message });
  await refused(`select count(*) from ${variables(9)}`, /more than 444444 combinations .* fit/);
  await refused(`select ${variables(8)}`, /more than 2000000 values/);
  const { rows, fit } = await ask(host, `select ${variables(8)} limit 2 offset 5`);
  t.deepEqual(
    [rows.length, fit, rows[0]?.cells.slice(6)],
    [2, VERSIONS.length ** 8, ['a@2', 'a@1']],
  );
});

test('groups, aggregates, having, order, limit, distinct', async (t) => {
  const cells = async (text: string) => (await ask(host, text)).rows.map((row) => row.cells);
  t.deepEqual(
    await cells(
      'select m.opt, count(*) as n, max(m.acc), avg(m.lr) from m group by m.opt order by n desc, m.opt',
    ),
    [
      ['adam', 3, 0.95, 0.01],
      ['sgd', 1, 0.8, 0.1],
      [null, 1, null, 0.1],
    ],
  );
  t.deepEqual(
    await cells('select m.opt from m group by m.opt having count(*) > 2 and max(m.acc) > 0.9'),
    [['adam']],
  );
  t.deepEqual(
    await cells('select count(*), count(m.acc), count(distinct m.opt), sum(m.lr) from m'),
    [[5, 4, 2, 0.22]],
  );
  t.deepEqual(await cells('select count(*) from m where m.acc > 5'), [[0]]);
  t.deepEqual(await cells('select distinct m.opt from m where m.opt is not null order by m.opt'), [
    ['adam'],
    ['sgd'],
  ]);
  t.deepEqual(await cells('select m.name from m order by m.acc desc limit 2 offset 1'), [
    ['a@2'],
    ['a@3'],
  ]);
  t.deepEqual(await cells('select m.opt o, count(*) n from m group by o having n > 2 order by n'), [
    ['adam', 3],
  ]);
  await t.throwsAsync(cells('select m.name, count(*) from m group by m.opt'), {
    message: /'m.name' may differ within a group/,
  });
  await t.throwsAsync(cells('select m where sum(m.acc) > 1'), { message: /is of many versions/ });
});

test('subqueries and queries that are kept', async (t) => {
  t.deepEqual(await firstColumn(host, 'select m from m in "good" where m.name like "b%"'), ['b@1']);
  t.deepEqual(
    await firstColumn(
      host,
      'select m from (select x where x.opt = "adam") as m order by m.acc limit 1',
    ),
    ['a@3'],
  );
  t.deepEqual(await firstColumn(host, 'select m where m.acc = (select max(x.acc) from x)'), [
    'b@1',
  ]);
  t.deepEqual(await firstColumn(host, 'select m where m in (select x where x.acc > 0.9)'), ['b@1']);
  t.deepEqual(
    await firstColumn(host, 'select m where m.lr in (select x.lr from x where x.opt = "sgd")'),
    ['a@1', 'c@1'],
  );
  await t.throwsAsync(firstColumn(host, 'select m from m in "loop"'), {
    message: /asks itself: loop → loop2 → loop/,
  });
  await t.throwsAsync(firstColumn(host, 'select m where m.acc = (select x.acc from x)'), {
    message: /5 rows where one value/,
  });
});

test('conditions that capture tell which binding failed which of them', async (t) => {
  const rows = [
    { name: 'x', columns: {}, network: alexnet() },
    { name: 'y', columns: {}, network: lenet5() },
  ];
  const { conditions } = await ask(
    dqlHost(rows),
    'select m where m["conv*($1)"].kernel = 11 and exists m["fc$1"]',
  );
  t.deepEqual(conditions.length, 1);
  const { bindings, failed } = conditions[0] as (typeof conditions)[0];
  t.deepEqual(failed, ['x', 'y']);
  t.true(bindings.includes('x, $1 = 0: exists m["fc$1"]'), bindings.join('\n'));
  t.true(bindings.includes('y, $1 = 0: m["conv*($1)"].kernel = 11'), bindings.join('\n'));
});

test('networks are loaded of those versions alone that are left by the other conditions', async (t) => {
  const rows = [
    { name: 'x', columns: { n: 1 }, network: alexnet() },
    { name: 'y', columns: { n: 2 }, network: lenet5() },
  ];
  const two = dqlHost(rows);
  const { rows: found, conditions } = await ask(
    two,
    'select m where m["conv1"].succ has POOL and m.n > 1',
  );
  t.deepEqual(
    found.map(({ cells }) => cells[0]),
    ['y'],
  );
  t.deepEqual(
    [...two.loaded].map(({ name }) => name),
    ['y'],
  );
  t.deepEqual(
    conditions.map(({ reads, asked, fitted }) => [reads, asked, fitted]),
    [
      ['catalog', 2, 1],
      ['networks', 1, 1],
    ],
  );
});

test('a select gives what plain filters and loops give', async (t) => {
  const random = seededRandom(7);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const rows: DqlVersion[] = Array.from({ length: 30 }, (_, i) => ({
    name: `v${i}`,
    columns: {
      x: random() < 0.2 ? null : Math.floor(random() * 5),
      y: random() < 0.2 ? null : Math.floor(random() * 5),
    },
  }));
  const many = dqlHost(rows);
  type Truth = boolean | null;
  type Test = (a: DqlVersion, b: DqlVersion) => Truth;
  const column = (): [string, (a: DqlVersion, b: DqlVersion) => number | null] => {
    const [variable, name] = [pick(['a', 'b']), pick(['x', 'y'])];
    return [
      `${variable}.${name}`,
      (a, b) => ((variable === 'a' ? a : b).columns?.[name] as number | null) ?? null,
    ];
  };
  const condition = (depth: number): [string, Test] => {
    const kind = depth === 0 ? 'compare' : pick(['and', 'or', 'not', 'compare']);
    if (kind === 'compare') {
      const [left, of] = column();
      const [right, other] =
        random() < 0.5
          ? column()
          : ((n: number): [string, () => number] => [String(n), () => n])(Math.floor(random() * 5));
      const sign = pick(['=', '<', '>=', '!=']);
      return [
        `${left} ${sign} ${right}`,
        (a, b) => {
          const [x, y] = [of(a, b), other(a, b)];
          if (x === null || y === null) return null;
          return { '=': x === y, '<': x < y, '>=': x >= y, '!=': x !== y }[sign] as boolean;
        },
      ];
    }
    const [left, one] = condition(depth - 1);
    if (kind === 'not') {
      return [`not (${left})`, (a, b) => ((truth) => (truth === null ? null : !truth))(one(a, b))];
    }
    const [right, two] = condition(depth - 1);
    return [
      `(${left}) ${kind} (${right})`,
      (a, b) => {
        const both = [one(a, b), two(a, b)];
        const decisive = kind === 'or';
        if (both.includes(decisive)) return decisive;
        return both.includes(null) ? null : !decisive;
      },
    ];
  };
  for (let round = 0; round < 120; round++) {
    const [text, test] = condition(3);
    const expected = rows.flatMap((a) =>
      rows.filter((b) => test(a, b) === true).map((b) => [a.name, b.name]),
    );
    const found = (await ask(many, `select a, b where ${text}`)).rows.map(({ cells }) =>
      cells.slice(0, 2),
    );
    t.deepEqual(found, expected, text);
  }
});

test('what a query surely does not mean is said beside its rows', async (t) => {
  const { rows, hints } = await ask(host, 'select m where m.acc > "abc"');
  t.is(rows.length, 0);
  t.regex(hints.join(), /m\.acc > "abc" compares a number with a text/);
  const two = dqlHost([{ name: 'net', network: lenet5() }, { name: 'weights' }]);
  const found = await ask(two, 'select m where not exists m["lstm*"]');
  t.deepEqual(
    found.rows.map(({ cells }) => cells[0]),
    ['net'],
  );
  t.deepEqual(found.hints, ['1 version has no network that could be asked for layers']);
  t.deepEqual(found.conditions[0]?.unknown, ['weights']);
  await t.throwsAsync(ask(host, 'select m whre'), { message: /expected 'where'/ });
  await t.throwsAsync(ask(host, 'select m in "good"'), { message: /expected/ });
});
