/**
 * Readers of logs: real files of each tool give the run that was logged; files that are cut off or
 * damaged give what stands before the damage; hostile ones cost no more than their bytes.
 */
import fs from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { crc32 } from '../../../../lib/base/bytes/checksum.js';
import { LOG_NAMES_MAX } from '../../../../lib/base/limits.js';
import type { LogContent, LogFile } from '../../../../lib/pure/logs/log-content.js';
import { isFileOfLog, readLog, readLogFolder } from '../../../../lib/pure/logs/read-logs.js';
import { crc32c, maskedCrc32c } from '../../../../lib/pure/logs/readers/crc32c.js';
import { csvRows } from '../../../../lib/pure/logs/readers/csv-log.js';
import { fixture } from '../../../helpers/paths.js';

const LOSS = (i: number): number => 2 * Math.exp(-i / 4);
const ACC = (i: number): number => 1 - Math.exp(-i / 3);
const STEPS = Array.from({ length: 12 }, (_, i) => i);

function read(text: string): LogContent {
  return readLog(Buffer.from(text)) as LogContent;
}

/** name → [step, value] pairs. */
function pointsOf(content: LogContent): Record<string, [number, number][]> {
  return Object.fromEntries(
    content.series.map(({ name, steps, values }) => [
      name,
      steps.map((step, i) => [step, values[i] as number] as [number, number]),
    ]),
  );
}

function isCurve(
  t: ExecutionContext,
  { series: all }: LogContent,
  [name, value]: [string, (i: number) => number],
  { stride = 1, tolerance = 1e-12 } = {},
): void {
  const series = all.find((one) => one.name === name);
  t.deepEqual(
    series?.steps.slice(0, 12),
    STEPS.map((i) => i * stride),
    name,
  );
  for (const i of STEPS) t.true(Math.abs((series?.values[i] as number) - value(i)) < tolerance);
}

test('tensorboard: scalars of both kinds, their times, and hyperparameters', (t) => {
  const content = readLog(fs.readFileSync(fixture('logs', 'events.out.tfevents.digits')));
  t.is(content?.format, 'tensorboard');
  isCurve(t, content as LogContent, ['loss', LOSS], { tolerance: 1e-6 });
  isCurve(t, content as LogContent, ['acc', ACC], { tolerance: 1e-6 });
  t.deepEqual(content?.series[0]?.times?.slice(0, 2), [1_780_000_000_000, 1_780_000_001_000]);
  t.deepEqual(Object.fromEntries(content?.params ?? []), {
    amp: true,
    layers: 3,
    lr: 0.001,
    opt: 'adam',
  });
  t.is(content?.problem, null);
});

test('wandb: history, configuration, goals and versions of programs', (t) => {
  const content = readLog(fs.readFileSync(fixture('logs', 'offline.wandb'))) as LogContent;
  t.is(content.format, 'wandb');
  isCurve(t, content, ['acc', ACC]);
  isCurve(t, content, ['eval.f1', (i) => i / 20]);
  isCurve(t, content, ['loss', LOSS]);
  t.is(content.series.find(({ name }) => name === 'loss')?.values[12], Number.NaN);
  t.deepEqual(Object.fromEntries(content.params), {
    lr: 0.001,
    layers: [64, 32],
    'opt.name': 'adam',
    'opt.betas': [0.9, 0.999],
    amp: true,
  });
  t.deepEqual([...content.directions], [['acc', 'max']]);
  t.deepEqual(Object.fromEntries(content.environment), { python: '3.11.7', wandb: '0.31.0' });
  t.is(content.problem, null);
});

function folder(dir: string): LogFile[] {
  const files = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => fs.statSync(path.join(dir, name)).isFile())
    .map((name) => ({ name, bytes: fs.readFileSync(path.join(dir, name)) }));
}

test('mlflow: metrics in folders, and hyperparameters with the types of Python', (t) => {
  const [log, ...others] = readLogFolder(folder(fixture('logs', 'mlflow-run')));
  const content = log?.content as LogContent;
  t.is(others.length, 0);
  t.is(content.format, 'mlflow');
  isCurve(t, content, ['eval/acc', ACC], { stride: 10 });
  isCurve(t, content, ['loss', LOSS], { stride: 10 });
  t.is(content.series[0]?.times?.[0], 1_795_961_977_148);
  const params = { amp: true, layers: [64, 32], lr: 0.001, opt: 'adam' };
  t.deepEqual(Object.fromEntries(content.params), params);
  t.false(isFileOfLog('artifacts/model.pt', true));
  t.true(isFileOfLog('metrics/eval/acc', true));
});

test('readLogFolder: event files of folders have the folder before their names', (t) => {
  const bytes = fs.readFileSync(fixture('logs', 'events.out.tfevents.digits'));
  const read = readLogFolder([{ name: 'train/events.out.tfevents.1', bytes }]);
  t.deepEqual(
    read[0]?.content?.series.map(({ name }) => name),
    ['train/acc', 'train/loss'],
  );
  t.true(isFileOfLog('a/events.out.tfevents.1', false));
  t.false(isFileOfLog('model.safetensors', false));
});

test('csv: of Keras, of Lightning with its empty cells, of anybody with quotes', (t) => {
  const keras = read('epoch,accuracy,loss\r\n0,0.5,1.25\r\n1,0.75,nan\r\n');
  t.is(keras.format, 'csv of Keras');
  t.deepEqual(pointsOf(keras), {
    accuracy: [
      [0, 0.5],
      [1, 0.75],
    ],
    loss: [
      [0, 1.25],
      [1, Number.NaN],
    ],
  });
  const lightning = read('epoch,step,train_loss,val_acc\n0,9,0.5,\n0,9,,0.75\n1,19,0.25,\n');
  t.is(lightning.format, 'csv of Lightning');
  t.deepEqual(pointsOf(lightning), {
    train_loss: [
      [9, 0.5],
      [19, 0.25],
    ],
    val_acc: [[9, 0.75]],
  });
  const own = read('\uFEFFstep;"loss ""a""";note\n1;0.5;"two\nlines; here"\n3;0.25;x\n4;1\n');
  t.deepEqual(pointsOf(own), {
    'loss "a"': [
      [1, 0.5],
      [3, 0.25],
    ],
  });
  t.regex(own.problem ?? '', /1 rows have another number of cells/);
});

test('csvRows: any cells come back', (t) => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', ' ') });
  fc.assert(
    fc.property(
      fc.array(fc.array(cell, { minLength: 2, maxLength: 5 }), { minLength: 1 }),
      (rows) => {
        const text = rows
          .map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(','))
          .join('\n');
        t.deepEqual([...csvRows(text, ',')], rows);
      },
    ),
  );
});

test('json: lines with the numbers of Python, one object, a list, the state of a trainer', (t) => {
  const lines = read(
    '{"step": 1, "loss": NaN, "eval": {"f1": 0.5}}\n\n{"step": 2, "loss": 0.5}\nend\n',
  );
  t.is(lines.format, 'json lines');
  t.deepEqual(pointsOf(lines), {
    'eval.f1': [[1, 0.5]],
    loss: [
      [1, Number.NaN],
      [2, 0.5],
    ],
  });
  t.regex(lines.problem ?? '', /1 lines are no JSON/);
  t.deepEqual(
    [...read('{"acc": 0.5, "by": {"class": [1], "x": 2}}').finals],
    [
      ['acc', 0.5],
      ['by.x', 2],
    ],
  );
  t.deepEqual(pointsOf(read('[{"loss": 1}, {"loss": 2}]')), {
    loss: [
      [0, 1],
      [1, 2],
    ],
  });
  const state = read(
    JSON.stringify({
      global_step: 20,
      max_steps: 40,
      train_batch_size: 8,
      log_history: [
        { epoch: 0.5, grad_norm: 1.5, learning_rate: 5e-5, loss: 2.5, step: 10 },
        { epoch: 1, eval_loss: 2.25, eval_runtime: 1.5, step: 20 },
      ],
    }),
  );
  t.is(state.format, 'trainer_state.json');
  t.deepEqual(pointsOf(state), {
    eval_loss: [[20, 2.25]],
    eval_runtime: [[20, 1.5]],
    grad_norm: [[10, 1.5]],
    learning_rate: [[10, 5e-5]],
    loss: [[10, 2.5]],
  });
  t.deepEqual(Object.fromEntries(state.params), { max_steps: 40, train_batch_size: 8 });
});

test('key=value: pairs anywhere in a line, with the time before them', (t) => {
  const log = read(
    '2026-01-31 12:00:01,250 INFO step=100 loss=0.5 acc: 0.9 lr=1e-3 eta=1:30\nnothing\n' +
      '[epoch 2] step=200, loss=2e-1, grad=inf, path=a/b2 v1.2=x\n',
  );
  t.is(log.format, 'key=value');
  t.deepEqual(pointsOf(log), {
    acc: [[100, 0.9]],
    grad: [[200, Number.POSITIVE_INFINITY]],
    loss: [
      [100, 0.5],
      [200, 0.2],
    ],
    lr: [[100, 0.001]],
  });
  t.is(log.series[0]?.times?.[0], Date.parse('2026-01-31 12:00:01.250'));
});

test('readLog: what is in no known format says nothing', (t) => {
  for (const text of [
    '',
    'hello',
    '{',
    '[',
    'a,b\nc,d\n',
    '\0\0\0\0',
    '"',
    '{}',
    '[]',
    '{"a":"b"}',
  ]) {
    t.is(readLog(Buffer.from(text)), null, JSON.stringify(text));
  }
  t.is(readLog(Buffer.from('PK\x03\x04rest of a zip\0')), null);
});

const REAL = ['events.out.tfevents.digits', 'offline.wandb'];

for (const name of REAL) {
  const whole = fs.readFileSync(fixture('logs', name));

  test(`${name}: cut off at any byte, gives the points before`, (t) => {
    const full = pointsOf(readLog(whole) as LogContent);
    for (let end = 20; end < whole.length; end += 7) {
      const content = readLog(whole.subarray(0, end));
      for (const [metric, points] of Object.entries(pointsOf(content as LogContent))) {
        t.deepEqual(points, full[metric]?.slice(0, points.length));
      }
    }
  });

  test(`${name}: with a flipped bit, says so and gives no other point`, (t) => {
    const full = pointsOf(readLog(whole) as LogContent);
    for (let at = 24; at < whole.length; at += 5) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
      const content = readLog(bytes) as LogContent;
      t.not(content.problem, null, `byte ${at}`);
      for (const [metric, points] of Object.entries(pointsOf(content))) {
        t.deepEqual(points, full[metric]?.slice(0, points.length));
      }
    }
  });
}

test('crc32c: the values of RFC 3720', (t) => {
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
});

/** A frame of TFRecord. */
function frame(record: Uint8Array, length = BigInt(record.length)): Buffer {
  const bytes = Buffer.alloc(8 + 4 + record.length + 4);
  bytes.writeBigUInt64LE(length, 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(record, 12);
  bytes.writeUInt32LE(maskedCrc32c(record), 12 + record.length);
  return bytes;
}

test('tensorboard: lengths that lie, and records that are no messages', (t) => {
  for (const length of [2n ** 64n - 1n, 2n ** 31n, 100n]) {
    const content = readLog(frame(Buffer.from('x'), length));
    t.regex(content?.problem ?? '', /cut off at byte 0/);
  }
  // A summary whose value claims more bytes than there are, a varint without end, a group.
  for (const hex of ['2a0a0aff01', '2affffffffffffffffffff01', '0b', '10', '2a040a020a7f', '00']) {
    const content = readLog(frame(Buffer.from(hex, 'hex')));
    t.deepEqual(content?.series, []);
  }
});

test('wandb: records in pieces over blocks, padding, and types that are none', (t) => {
  const piece = (type: number, data: Buffer): Buffer => {
    const bytes = Buffer.alloc(7 + data.length);
    bytes.writeUInt16LE(data.length, 4);
    bytes[6] = type;
    bytes.set(data, 7);
    bytes.writeUInt32LE(crc32(bytes.subarray(6)), 0);
    return bytes;
  };
  const field = (number: number, data: Uint8Array): Buffer => {
    const varint: number[] = [];
    for (let left = data.length; ; left >>>= 7) {
      varint.push(left > 127 ? (left & 127) | 128 : left);
      if (left <= 127) break;
    }
    // A key of two bytes: numbers up to 2047.
    const key = (number << 3) | 2;
    const head = key < 128 ? [key] : [(key & 127) | 128, key >> 7];
    return Buffer.concat([Buffer.from([...head, ...varint]), data]);
  };
  const item = (name: string, json: string): Buffer =>
    field(1, Buffer.concat([field(1, Buffer.from(name)), field(16, Buffer.from(json))]));
  const header = Buffer.from('3a572642e1be00', 'hex');
  const long = item('note', JSON.stringify('x'.repeat(40_000)));
  const record = field(2, Buffer.concat([item('loss', '0.5'), item('_step', '3'), long]));
  const first = 32 * 1024 - 7 - 7;
  const file = Buffer.concat([
    header,
    piece(2, record.subarray(0, first)),
    piece(4, record.subarray(first)),
  ]);
  const content = readLog(file) as LogContent;
  t.deepEqual(pointsOf(content), { loss: [[3, 0.5]] });
  t.is(content.problem, null);
  const odd = readLog(Buffer.concat([header, piece(9, Buffer.from('x'))]));
  t.regex(odd?.problem ?? '', /damaged at byte 7/);
});

test('bounds: names beyond the limit, bad names and bad steps are left out and counted', (t) => {
  const row = Object.fromEntries(Array.from({ length: LOG_NAMES_MAX + 5 }, (_, i) => [`m${i}`, i]));
  const many = read(`${JSON.stringify({ ...row, step: 1 })}\n`);
  t.is(many.series.length, LOG_NAMES_MAX);
  t.is(many.dropped, 5);
  const odd = read(
    `${JSON.stringify({ step: 1, 'a\u0007b': 1, ['x'.repeat(5000)]: 1, '': 1, ok: 1, __proto__: 2 })}\n` +
      '{"step": -1, "ok": 2}\n{"step": 1e300, "ok": 2}\n{"step": 2.5, "ok": 3}\n',
  );
  t.deepEqual(pointsOf(odd), {
    ok: [
      [1, 1],
      [2, 3],
    ],
  });
  t.is(odd.dropped, 5);
  const deep = `{"step":1,${'"a":{'.repeat(5000)}"b":1${'}'.repeat(5000)}}\n`;
  t.deepEqual(
    read(`{"step":1,"x":1}\n${deep}`).series.map(({ name }) => name),
    ['x'],
  );
});

test('rows: a step that comes again replaces the point, as after a resumed run', (t) => {
  const log = read('{"step":1,"loss":3}\n{"step":2,"loss":2}\n{"step":1,"loss":1}\n');
  t.deepEqual(pointsOf(log), {
    loss: [
      [1, 1],
      [2, 2],
    ],
  });
});

test('readLog: any bytes are read or not, and nothing is thrown', (t) => {
  const text = fc.string({
    unit: fc.constantFrom('{', '}', '[', '"', ':', ',', '\n', '1', '=', 'a', '.', '-'),
  });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readLog(bytes)));
  fc.assert(fc.property(text, (given) => void readLog(Buffer.from(given))));
  t.pass();
});
