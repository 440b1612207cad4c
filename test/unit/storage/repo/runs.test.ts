/** Records of runs: what is written is read back, what is damaged is told, and who is gone is found out. */
import fs from 'node:fs/promises';
import test from 'ava';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { ownIdentity } from '../../../../lib/storage/repo/processes/process-identity.js';
import {
  appendRows,
  FROM_OUTPUT,
  readRunMetrics,
} from '../../../../lib/storage/repo/runs/run-metrics.js';
import {
  formatRun,
  listRuns,
  newRunId,
  parseRun,
  placeOf,
  readRun,
  recordPlace,
  writeRun,
} from '../../../../lib/storage/repo/runs/run-record.js';
import { runRecord } from '../../../helpers/run-record.js';
import { tempDir } from '../../../helpers/temp-dir.js';

/** A time that logs can have. */
const START = 1_700_000_000_000;

test('a record is read back as it was written', async (t) => {
  const layout = new Layout(await tempDir(t));
  const one = runRecord();
  await writeRun(layout, one, { durable: true });
  t.deepEqual(await readRun(layout, one.id), one);
  const later = { ...one, state: 'finished' as const, code: 0, ended: 2000 };
  await writeRun(layout, later, { durable: false });
  t.deepEqual(await readRun(layout, one.id), later);
  t.deepEqual(await fs.readdir(layout.run(one.id)), ['run.json']);
  t.is(await readRun(layout, newRunId()), null);
});

test('a run whose process is gone has crashed, and one that ended has not', async (t) => {
  const layout = new Layout(await tempDir(t));
  const gone = { ...ownIdentity(), start: '1' };
  const crashed = runRecord({ process: gone });
  const ended = runRecord({ process: gone, state: 'failed', code: 3, started: 500 });
  const running = runRecord({ started: 3000 });
  for (const one of [crashed, ended, running]) await writeRun(layout, one, { durable: false });
  const found = await listRuns(layout);
  t.deepEqual(
    found.map(({ id, state }) => [id, state]),
    [
      [running.id, 'running'],
      [crashed.id, 'crashed'],
      [ended.id, 'failed'],
    ],
  );
});

test('of another host, a run lives while its record is young', async (t) => {
  const layout = new Layout(await tempDir(t));
  const process = { ...ownIdentity(), boot: '0'.repeat(36), host: 'elsewhere' };
  const young = runRecord({ process });
  const old = runRecord({ process, updated: Date.now() - 3600_000 });
  for (const one of [young, old]) await writeRun(layout, one, { durable: false });
  t.is((await readRun(layout, young.id))?.state, 'running');
  t.is((await readRun(layout, old.id))?.state, 'crashed');
});

test('a damaged record is told, and the others are listed', async (t) => {
  const layout = new Layout(await tempDir(t));
  const one = runRecord();
  await writeRun(layout, one, { durable: false });
  const bad = newRunId();
  await fs.mkdir(layout.run(bad));
  const text = formatRun(one);
  const parse = (changed: string): void => void parseRun(changed, 'run.json');
  t.throws(() => parse(text.slice(0, -20)), { code: 'DLV_CORRUPT' });
  t.throws(() => parse('[]'), { code: 'DLV_CORRUPT' });
  t.throws(() => parse(text.replace('"running"', '"asleep"')), { code: 'DLV_CORRUPT' });
  t.throws(() => parse(text.replace(/"place": "[^"]*"/, '"place": 3')), { code: 'DLV_CORRUPT' });
  t.throws(() => parse(text.replace('"form": 1', '"form": 2')), { code: 'DLV_FORMAT_VERSION' });
  t.notThrows(() => parse(text.replace('"form": 1', '"form": 1, "later": 7')));
  await fs.writeFile(layout.runFile(bad, 'run.json'), 'x');
  const told: unknown[] = [];
  t.deepEqual(
    (await listRuns(layout, (error) => told.push(error))).map(({ id }) => id),
    [one.id],
  );
  t.is(told.length, 1);
});

test('metrics are appended and followed; a torn line is passed over', async (t) => {
  const layout = new Layout(await tempDir(t));
  const { id } = runRecord();
  t.deepEqual(await readRunMetrics(layout, id), { series: [], counted: new Set(), bytes: 0 });
  await fs.mkdir(layout.run(id), { recursive: true });
  const row = (step: number, source: string, values: [string, number][]) => ({
    ...{ step, time: START + step * 1000, source, values: new Map(values) },
  });
  await appendRows(layout, id, [
    row(1, FROM_OUTPUT, [
      ['loss', 0.5],
      ['acc', 0.1],
    ]),
    row(2, FROM_OUTPUT, [['acc', Number.NaN]]),
  ]);
  await fs.appendFile(layout.runFile(id, 'metrics.jsonl'), '{"step":3,"acc":');
  const before = await readRunMetrics(layout, id);
  t.deepEqual(
    before.series.map(({ name, steps }) => [name, steps]),
    [
      ['acc', [1, 2]],
      ['loss', [1]],
    ],
  );
  await appendRows(layout, id, [row(4, 'log.csv', [['loss', Number.NEGATIVE_INFINITY]])]);
  const { series } = await readRunMetrics(layout, id);
  t.deepEqual(series, [
    { name: 'acc', steps: [1, 2], values: [0.1, Number.NaN], times: [START + 1000, START + 2000] },
    { name: 'loss', steps: [4], values: [Number.NEGATIVE_INFINITY], times: [START + 4000] },
  ]);
});

test('metrics of a checkpoint: none of a later step, also if they came before dlv saw that it was complete', async (t) => {
  const layout = new Layout(await tempDir(t));
  const record = runRecord();
  const { id } = record;
  await writeRun(layout, record, { durable: false });
  const at = (step: number, seconds: number) => ({
    ...{
      step,
      time: START + seconds * 1000,
      source: FROM_OUTPUT,
      values: new Map([['acc', step]]),
    },
  });
  await appendRows(layout, id, [at(1, 1), at(2, 2), at(3, 3), at(4, 4)]);
  const stepsAt = async (step: number | null, written: number, seen: number) => {
    const moment = { step, written: START + written * 1000, time: START + seen * 1000 };
    const { series } = await readRunMetrics(layout, id, moment);
    return series.map(({ steps }) => steps);
  };
  t.deepEqual(await stepsAt(2, 2.1, 3.5), [[1, 2]]);
  // It is told after the checkpoint was written.
  t.deepEqual(await stepsAt(2, 1.5, 3.5), [[1, 2]]);
  // An epoch, while metrics have steps.
  t.deepEqual(await stepsAt(1, 3.1, 3.5), [[1, 2, 3]]);
  t.deepEqual(await stepsAt(null, 2.1, 3.5), [[1, 2, 3]]);
});

test('metrics that a trainer prints with epochs alone have the steps that its state tells', async (t) => {
  const layout = new Layout(await tempDir(t));
  const record = runRecord();
  const { id } = record;
  await writeRun(layout, record, { durable: false });
  const printed = (count: number, epoch: number, name: string, value: number) => ({
    ...{ step: count, time: START + count * 1000, source: FROM_OUTPUT, isCounted: true, epoch },
    values: new Map([[name, value]]),
  });
  await appendRows(layout, id, [
    printed(0, 0.4, 'loss', 0.5),
    printed(1, 0.8, 'loss', 0.4),
    printed(2, 1.2, 'loss', 0.3),
    printed(2, 1.2, 'train_loss', 0.35),
    printed(0, 0.8, 'extra', 1),
    printed(2, 1.2, 'extra', 2),
  ]);
  const before = await readRunMetrics(layout, id);
  t.deepEqual([...before.counted].sort(), ['extra', 'loss', 'train_loss']);
  t.deepEqual(
    before.series.map(({ name, steps }) => [name, steps]),
    [
      ['extra', [0, 2]],
      ['loss', [0, 1, 2]],
      ['train_loss', [2]],
    ],
  );
  const told = { time: START + 1500, source: 'out/checkpoint-20/trainer_state.json' };
  await appendRows(layout, id, [
    { ...told, step: 10, values: new Map([['loss', 0.51]]) },
    { ...told, step: 20, values: new Map([['loss', 0.41]]) },
    { ...told, step: 20, epoch: 0.8, values: new Map() },
  ]);
  const after = await readRunMetrics(layout, id);
  t.deepEqual([...after.counted], []);
  t.deepEqual(
    after.series.map(({ name, steps, values }) => [name, steps, values]),
    [
      ['extra', [20, 30], [1, 2]],
      ['loss', [10, 20, 30], [0.51, 0.41, 0.3]],
      ['train_loss', [30], [0.35]],
    ],
  );
  // A version of step 20 has none of step 30.
  const moment = { step: 20, written: START + 1000, time: START + 3000 };
  const { series } = await readRunMetrics(layout, id, moment);
  t.deepEqual(
    series.map(({ name, steps }) => [name, steps]),
    [
      ['extra', [20]],
      ['loss', [10, 20]],
    ],
  );
});

test('places are relative to the work tree where they lie in it', async (t) => {
  const layout = new Layout(await tempDir(t));
  const inside = layout.workFile('out/a');
  t.is(recordPlace(layout, inside), 'out/a');
  t.is(recordPlace(layout, layout.workTree), '.');
  t.is(placeOf(layout, 'out/a'), inside);
  t.is(recordPlace(layout, '/elsewhere/b'), '/elsewhere/b');
  t.is(placeOf(layout, '/elsewhere/b'), '/elsewhere/b');
});
