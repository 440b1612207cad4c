/** evaluate: real training of small networks on the shipped digits, rules, kills, and what trials leave behind. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { StudyResult } from '../../lib/use/ops/study.js';
import { dlv, dlvJson } from '../helpers/dlv.js';
import { CONFIG, repository } from '../helpers/study.js';

test('failed and nan trials show, and are not run again; async keeps by what it knows', async (t) => {
  const cwd = await repository(t, { report: 2 });
  const nan =
    'evaluate t from "net@1" with config = "train.json" vary config.base_lr in [1e30, 0.1] keep top(1, t["loss"], 4)';
  const result = await dlvJson<StudyResult>(['query', nan], { cwd });
  t.deepEqual(
    result.trials.map(({ state }) => state),
    ['nan', 'complete'],
  );
  t.regex(result.trials[0]?.message ?? '', /not finite/);
  const late = await dlvJson<StudyResult>(
    [
      'query',
      `${nan.replace('[1e30, 0.1]', '[0.1, 0.001, 0.0001]').replace('t from', 's from')} using async`,
      '--workers',
      '1',
    ],
    { cwd },
  );
  t.deepEqual(
    late.trials.map(({ state }) => state),
    ['complete', 'pruned', 'pruned'],
  );
  const command = {
    trainer: {
      command: [process.execPath, '-e', 'console.error("no memory"); process.exit(4)', '--'],
    },
  };
  await fs.writeFile(
    path.join(cwd, 'train.json'),
    JSON.stringify({ ...CONFIG, ...command, own: 1 }),
  );
  const failed = await dlv(['query', nan.replace('t from', 'u from'), '--json'], { cwd });
  t.is(failed.code, 1);
  const { trials, kept } = JSON.parse(failed.stdout) as StudyResult;
  t.deepEqual([trials.map(({ state }) => state), kept], [['failed', 'failed'], []]);
  t.regex(trials[0]?.message ?? '', /exit code 4: no memory/);
  t.regex(failed.stderr, /^\{"event":"plan".*\n(.*\n)*\{"event":"trial",/);
  const page = await dlv(['query', nan, '--html', 'page.html'], { cwd });
  t.is(page.code, 1);
  const html = await fs.readFile(path.join(cwd, 'page.html'), 'utf8');
  t.regex(html, /<h2 id="failed">.*no memory.*<h2 id="trials">/s);
  t.regex(html, /With fewer than 20 trials/);
});

test('a construct as the source is carried out once, and not where only the plan is asked for', async (t) => {
  const cwd = await repository(t);
  const inner = '(construct w from m where m.name = "net@1" mutate m["conv1"].insert = BN)';
  const text = `evaluate t from ${inner} with config = "train.json" vary config.base_lr in [0.1, 0.01] keep top(1, t["loss"], 2)`;
  const plan = await dlvJson<StudyResult>(['query', `explain ${text}`], { cwd });
  t.like(plan, { dryRun: true, plan: { trials: 2 } });
  t.is((await dlvJson<unknown[]>(['log', '--all'], { cwd })).length, 1);
  const first = await dlvJson<StudyResult>(['query', text], { cwd });
  t.deepEqual(
    first.trials.map(({ source }) => source),
    ['w@1', 'w@1'],
  );
  t.true((await dlvJson<StudyResult>(['query', text], { cwd })).trials.every((one) => one.isKnown));
  // Another statement with the same construct in it asks of the version that is there.
  const select = `select m, m.operation from m in ${inner}`;
  const { rows } = await dlvJson<{ rows: { values: unknown[] }[] }>(['query', select], { cwd });
  t.deepEqual(
    rows.map(({ values }) => values),
    [['w@1', 'construct']],
  );
  t.regex((await dlv(['query', `explain ${select}`], { cwd })).stderr, /explain.*makes nothing/);
});

test('mistakes are told before anything runs', async (t) => {
  const cwd = await repository(t);
  const from = 'evaluate t from "net@1" with config = "train.json"';
  const wrong: [string, RegExp][] = [
    [`${from} vary config.momentun in [1] keep top(1, t["loss"], 4)`, /'momentun'.*\n.*momentum/s],
    [
      `${from} vary config.beta1 auto keep top(1, t["loss"], 4)`,
      /nothing says where 'beta1' is searched/,
    ],
    [`${from} keep top(1, t["size"], 4)`, /whether less or more of 'size' is better/],
    [`${from} keep top(1, t["loss"])`, /after how many iterations/],
    [`${from} vary config.base_lr in [1]`, /how many iterations a trial has/],
    [`${from} keep top(1, t["loss"], 9) then top(1, t["loss"], 4)`, /looks earlier/],
    [`${from} vary config.base_lr in 1..0 keep top(1, t["loss"], 4)`, /from less to more/],
    [
      `${from} vary config.net["lstm*"].lr in [1] keep top(1, t["loss"], 4)`,
      /no layer of .* fits "lstm\*"/,
    ],
    [`${from} vary config.net["conv1"].rate in [1] keep top(1, t["loss"], 4)`, /no setting 'rate'/],
    [`${from.replace('train.json', 'none.json')} keep top(1, t["loss"], 4)`, /none\.json/],
    [`${from.replace('net@1', 'net@9')} keep top(1, t["loss"], 4)`, /net@9/],
    [
      `${from} vary config.optimizer in ["lion"] keep top(1, t["loss"], 4)`,
      /lion.* not one of sgd/,
    ],
    [`${from} vary config.input_data in ["gone.npy"] keep top(1, t["loss"], 4)`, /gone\.npy/],
  ];
  for (const [text, message] of wrong) {
    const { code, stderr } = await dlv(['query', text], { cwd });
    t.true(code === 1 || code === 2, `${text}: ${code}`);
    t.regex(stderr, message, text);
    t.notRegex(stderr, /\n +at /);
  }
  const dry = await dlvJson<StudyResult>(
    ['query', `${from} keep t["loss"] < 2 after 3`, '--dry-run'],
    { cwd },
  );
  t.like(dry, { dryRun: true, trials: [], kept: [], plan: { trials: 1, iterations: 3 } });
  t.is((await dlvJson<unknown[]>(['log', '--all'], { cwd })).length, 1);
});

test('PyTorch trains the same networks by the same protocol', async (t) => {
  const python = process.env.DLV_PYTHON ?? 'python3';
  if (spawnSync(python, ['-c', 'import torch']).status !== 0) {
    t.log(`SKIPPED: ${python} has no torch`);
    t.pass();
    return;
  }
  // With the weights of the network and all examples in a batch, both trainers make the same steps.
  const config = {
    trainer: 'pytorch',
    weights: 'network',
    limit: 60,
    batch: 48,
    report: 1,
    base_lr: 0.05,
  };
  const cwd = await repository(t, config);
  const text =
    'evaluate t from "net@1" with config = "train.json" keep top(1, t["loss"], 2) then top(1, t["loss"], 4)';
  const theirs = await dlvJson<StudyResult>(['query', text], { cwd });
  t.is(theirs.trials[0]?.state, 'complete', theirs.trials[0]?.message ?? '');
  await fs.writeFile(
    path.join(cwd, 'train.json'),
    JSON.stringify({ ...CONFIG, ...config, trainer: 'built-in' }),
  );
  const ours = await dlvJson<StudyResult>(['query', text.replace('t from', 's from')], { cwd });
  for (const [i, rung] of (ours.trials[0]?.rungs ?? []).entries()) {
    const other = theirs.trials[0]?.rungs[i]?.value as number;
    t.true(Math.abs((rung.value as number) - other) < 1e-5, `${rung.value} and ${other}`);
  }
});
