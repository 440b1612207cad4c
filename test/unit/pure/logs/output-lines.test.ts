/** Metrics in what trainers print, as they print it; and lines that have none. */
import test from 'ava';
import { OutputMetrics, readOutputLine } from '../../../../lib/pure/logs/output-lines.js';

const LINES: [line: string, step: number | null, values: Record<string, number>][] = [
  ['step 100 loss 0.31', 100, { loss: 0.31 }],
  ['2026-01-31 12:00:01 INFO step=100 loss=3.1e-1 acc=.9', 100, { loss: 0.31, acc: 0.9 }],
  [
    "{'loss': 0.75, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}",
    null,
    { loss: 0.75, grad_norm: 1.25, learning_rate: 5e-5 },
  ],
  [
    "{'eval_loss': nan, 'eval_runtime': 1.5, 'epoch': 1.0}",
    null,
    { eval_loss: NaN, eval_runtime: 1.5 },
  ],
  ['{"step": 7, "train": {"loss": 2}}', 7, { 'train.loss': 2 }],
  ['Epoch 3/10 - loss: 0.5 - val_accuracy: 0.75', null, { loss: 0.5, val_accuracy: 0.75 }],
  ['\u001b[32mTrain Epoch: 1 [640/60000 (1%)]\tLoss: 2.125\u001b[0m', null, { Loss: 2.125 }],
  ['100%|####| 469/469 [00:12<00:00, loss=0.25]', null, { loss: 0.25 }],
  [' 10%|# | 1/9 loss=9\r 20%|## | 2/9 loss=8', null, { loss: 8 }],
  ['iter 250: loss 1.5, time 83ms', 250, { loss: 1.5 }],
  ['step: 12 | train loss 4.25 | lr: 1e-4', 12, { train_loss: 4.25, lr: 1e-4 }],
  ['[step 40/100] val_loss=inf', 40, { val_loss: Number.POSITIVE_INFINITY }],
];

test('lines of metrics are read', (t) => {
  for (const [line, step, values] of LINES) {
    const found = readOutputLine(line);
    t.deepEqual(Object.fromEntries(found?.values ?? []), values, line);
    t.is(found?.step ?? null, step, line);
  }
});

test('other lines have none', (t) => {
  const lines = [
    '',
    'Loaded 60000 images, batch size: 32',
    'Epoch 3/10',
    'INFO: listening on http://127.0.0.1:8080',
    'torch==2.1.0 numpy==1.26.4',
    'saved out/checkpoint-500/model.safetensors in 3.5 seconds',
    'time=0.25 elapsed=33',
    '{"a": 1',
    'File "train.py", line 10, in <module>',
    'lossless compression ratio 0.5',
  ];
  for (const line of lines) t.is(readOutputLine(line), null, line);
});

test('pieces of an output become rows; steps never go back for a metric', (t) => {
  const metrics = new OutputMetrics();
  const rows = [
    ...metrics.take('step 10 loss=0.5\nstep 2'),
    ...metrics.take('0 loss=0.4\nval_acc: 0.8\nnothing\n'),
    // The next epoch counts from the beginning again.
    ...metrics.take('step 10 loss=0.3\n'),
    ...metrics.take('step 30 loss=0.2'),
    ...metrics.end(),
  ];
  t.deepEqual(
    rows.map(({ step, values }) => [step, Object.fromEntries(values)]),
    [
      [10, { loss: 0.5 }],
      [20, { loss: 0.4 }],
      [20, { val_acc: 0.8 }],
      [21, { loss: 0.3 }],
      [30, { loss: 0.2 }],
    ],
  );
});

test('a step that no line tells is a count, and a fraction of an epoch is none', (t) => {
  const stepsOf = (text: string) =>
    new OutputMetrics().take(text).map(({ step, isCounted, epoch }) => [step, isCounted, epoch]);
  t.deepEqual(stepsOf("{'loss': 0.5, 'epoch': 0.2}\n{'loss': 0.4, 'epoch': 1.0}\n"), [
    [0, true, 0.2],
    [1, true, 1],
  ]);
  t.deepEqual(stepsOf('Epoch 1: loss=0.5\nEpoch 2: loss=0.4\n'), [
    [1, false, 1],
    [2, false, 2],
  ]);
  // Beside a step that was told, and again at the same one.
  t.deepEqual(stepsOf('step 7 loss=0.5\nval_loss=0.4\nloss=0.3\n'), [
    [7, false, null],
    [7, false, null],
    [8, true, null],
  ]);
});

test('a hostile line is read: time that grows faster than its length would not end', (t) => {
  for (const line of [
    'a'.repeat(1e6),
    'loss'.repeat(1e5),
    '1'.repeat(1e6),
    'loss = '.repeat(1e5),
    '{'.repeat(1e6),
  ]) {
    t.is(readOutputLine(line), null);
  }
});
