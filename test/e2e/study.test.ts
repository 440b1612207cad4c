/** evaluate: real training of small networks on the shipped digits, rules, kills, and what trials leave behind. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { StudyResult } from '../../lib/use/ops/study.js';
import { DLV_BIN, dlv, dlvJson } from '../helpers/dlv.js';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';
import { type NodeText, trainedNetwork } from '../helpers/trained-network.js';

const NODES: NodeText[] = [
  ['Conv', ['x', 'a', 'b'], 'c', { pads: [1, 1, 1, 1] }],
  ['Relu', ['c'], 'r'],
  ['MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }],
  ['Flatten', ['p'], 'f'],
  ['Gemm', ['f', 'w', 'v'], 'y'],
];
const WEIGHTS = { a: [4, 1, 3, 3], b: [4], w: [64, 10], v: [10] };
const CONFIG = {
  ...{ weights: 'init', input_data: 'images.npy', labels: 'labels.npy', scale: '1/16' },
  ...{ optimizer: 'sgd', momentum: 0.9, batch: 16, report: 4, limit: 400 },
};

/** A repository with a small network, the digits beside it, and a config. */
async function repository(t: ExecutionContext, config: object = {}): Promise<string> {
  const cwd = await tempDir(t);
  const digits = path.join(PROJECT_ROOT, 'test/fixtures/digits');
  for (const name of ['images.npy', 'labels.npy']) {
    await fs.copyFile(path.join(digits, name), path.join(cwd, name));
  }
  await fs.writeFile(path.join(cwd, 'net.onnx'), trainedNetwork(NODES, [1, 8, 8], WEIGHTS));
  await fs.writeFile(path.join(cwd, 'train.json'), JSON.stringify({ ...CONFIG, ...config }));
  const half = { data: 'images.npy', labels: 'labels.npy', scale: 0.0625, limit: 200 };
  await fs.writeFile(path.join(cwd, 'half.json'), JSON.stringify(half));
  await fs.writeFile(
    path.join(cwd, 'part.json'),
    JSON.stringify({ ...half, limit: 100, test_share: 0 }),
  );
  await dlv(['init', '--model', 'net'], { cwd });
  await dlv(['add', 'net.onnx'], { cwd });
  await dlv(['commit', '-m', 'net'], { cwd });
  return cwd;
}

const STUDY =
  'evaluate t from "net@1" with config = "train.json" vary config.base_lr in [0.2, 0.02, 0.002] ' +
  'and config.net["conv*"].lr auto and config.input_data in ["half.json", "part.json"] using seed 3 trials 2 ' +
  'keep top(5, t["loss"], 8) then top(2, t["loss"], 16)';

/** Trials by id, with how they did. */
function told({ trials }: StudyResult): unknown {
  return trials.map(({ trial, state, iterations, rungs, assignment }) => ({
    ...{ trial, state, iterations, rungs, assignment },
  }));
}

/** Names of kept trials, by id: numbers of versions follow the order in which trials end. */
function keptIds({ kept, trials }: StudyResult): string[] {
  return kept.map((name) => trials.find((one) => one.name === name)?.trial ?? '');
}

test('rates × auto × data sets: every trial trains, the right ones are kept, and are versions', async (t) => {
  const cwd = await repository(t);
  const run = await dlv(['query', STUDY, '--workers', '1'], { cwd });
  t.is(run.code, 0, run.stderr);
  t.regex(run.stderr, /1 version × 6 combinations × 2 trials by TPE .* = 12 trials, seed 3/);
  t.regex(run.stderr, /after 8 iterations: top 5 by loss/);
  t.regex(run.stdout, /state +iterations +loss/);
  const again = await dlvJson<StudyResult>(['query', STUDY], { cwd });
  t.true(again.trials.length === 12 && again.trials.every(({ isKnown }) => isKnown));
  const costs = again.trials.map(({ trial, rungs }) => ({
    trial,
    value: rungs[0]?.value as number,
  }));
  const best = costs
    .sort((a, b) => a.value - b.value)
    .slice(0, 5)
    .map(({ trial }) => trial);
  const reached = again.trials.filter(({ rungs }) => rungs.length === 2);
  t.deepEqual(reached.map(({ trial }) => trial).sort(), best.sort());
  const last = reached.sort(
    (a, b) => (a.rungs[1]?.value as number) - (b.rungs[1]?.value as number),
  );
  t.deepEqual(
    again.kept,
    last.slice(0, 2).map(({ name }) => name),
  );
  t.deepEqual(again.trials.map(({ state }) => state).sort(), [
    ...Array<string>(2).fill('complete'),
    ...Array<string>(10).fill('pruned'),
  ]);
  // What a trial is can be asked for, and its curve is the version's.
  const query =
    'select m.params.base_lr, at(m.loss, 8), m.params.state, m.operation from m where m.model = "t" and m derived from "net@1" and m.params.state = "complete"';
  const { rows } = await dlvJson<{ rows: { values: unknown[] }[] }>(['query', query], { cwd });
  t.is(rows.length, 2);
  for (const { values } of rows)
    t.true(typeof values[0] === 'number' && typeof values[1] === 'number');
  const show = await dlvJson<{ files: { path: string }[] }>(['show', again.kept[0] as string], {
    cwd,
  });
  t.deepEqual(
    show.files.map((file) => file.path),
    ['net.onnx'],
  );
  t.is((await dlv(['fsck'], { cwd })).code, 0);
});

/** Runs the study as a process and kills it as soon as `when` says so. @returns false if it ended before */
async function killed(cwd: string, when: (records: number) => boolean): Promise<boolean> {
  const env = { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS };
  const child = spawn(process.execPath, [DLV_BIN, 'query', STUDY, '--workers', '1'], {
    cwd,
    env,
    stdio: 'ignore',
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_, name) => resolve(name)),
  );
  const folder = path.join(cwd, '.dlv/studies');
  const look = setInterval(() => {
    void fs.readdir(folder, { recursive: true }).then(
      (names) => {
        if (when(names.filter((name) => name.endsWith('record.json')).length))
          child.kill('SIGKILL');
      },
      () => {},
    );
  }, 10);
  const name = await ended;
  clearInterval(look);
  return name === 'SIGKILL';
}

test('a study that is killed twice goes on to the same trials as an unbroken one', async (t) => {
  const [broken, whole] = await Promise.all([repository(t), repository(t)]);
  t.true(await killed(broken, (records) => records >= 3));
  let most = 0;
  // The second time while trials end: their number falls.
  t.true(
    await killed(broken, (records) => {
      most = Math.max(most, records);
      return records < most;
    }),
  );
  const rest = await dlvJson<StudyResult>(['query', STUDY, '--workers', '1'], { cwd: broken });
  const all = await dlvJson<StudyResult>(['query', STUDY, '--workers', '1'], { cwd: whole });
  t.is(rest.study, all.study.length === 64 ? rest.study : '');
  const bare = (result: StudyResult): unknown =>
    (told(result) as { trial: string }[]).map((one) => ({ ...one, trial: '' }));
  t.deepEqual(bare(rest), bare(all));
  const numbers = (result: StudyResult): number[] =>
    keptIds(result).map((id) => result.trials.find(({ trial }) => trial === id)?.number ?? 0);
  t.deepEqual(numbers(rest), numbers(all));
  t.is((await dlv(['fsck'], { cwd: broken })).code, 0);
});

test('a study of several workers that ended is not searched anew', async (t) => {
  const cwd = await repository(t, { limit: 100 });
  const text =
    'evaluate t from "net@1" with config = "train.json" vary config.base_lr auto using trials 13 keep top(1, t["loss"], 2)';
  const first = await dlvJson<StudyResult>(['query', text, '--workers', '2'], { cwd });
  const again = await dlvJson<StudyResult>(['query', text, '--workers', '1'], { cwd });
  t.true(again.trials.every(({ isKnown }) => isKnown));
  t.deepEqual([told(again), again.kept], [told(first), first.kept]);
  const choices = text.replace('base_lr auto', 'batch auto').replace('t from', 's from');
  const few = await dlvJson<StudyResult>(['query', choices, '--workers', '2'], { cwd });
  t.deepEqual([few.trials.length, few.duplicates], [5, 8]);
});

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
