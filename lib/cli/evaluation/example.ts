/** The document of an evaluation, as the help and docs/cli.md show it. */

import type { EvalResult } from '../../use/ops/eval.js';
import { EXAMPLE_VERSION, exampleId } from '../output/render.js';

const { version, model, number, name } = EXAMPLE_VERSION;
const RUN = {
  network: 'lenet.onnx',
  weights: null,
  latency: { milliseconds: 9.4, batch: 64 },
  timings: [{ batch: 1, milliseconds: 0.31, slowest: 0.52, passes: 30, memoryBytes: 31457280 }],
  calibration: [{ examples: 133, confidence: 0.41, accuracy: 0.39 }],
  confusion: [
    [190, 10],
    [3, 197],
  ],
  runtime: { name: 'onnxruntime-node', version: '1.30.0', threads: 1, optimization: 'all' },
  ties: 0,
  notFinite: 0,
};
export const EVAL_EXAMPLE: EvalResult = {
  data: {
    path: 'images.npy',
    labels: 'labels.npy',
    examples: 2000,
    tokens: null,
    sha256: '5c2e0d27c6f1f1c1a1fbd6fb8d3a7b9f9bfa5c3a0e4d2f6b7a8c9d0e1f2a3b4c',
    preprocess: {
      scale: 0.00392156862745098,
      mean: [0],
      std: [1],
      layout: 'as-is',
      resize: null,
      crop: null,
      channels: null,
    },
  },
  task: 'classes',
  classes: ['shirt', 'shoe'],
  versions: [
    {
      version: exampleId('4be2a97d10'),
      model,
      number: 1,
      name: 'mnist@1',
      ...RUN,
      metrics: [
        {
          name: 'accuracy',
          direction: 'max',
          value: 0.8585,
          interval: [0.8425, 0.8731],
          why: null,
        },
      ],
      known: true,
      note: exampleId('71d2c0a9be'),
    },
    {
      version,
      model,
      number,
      name,
      ...RUN,
      metrics: [
        {
          name: 'accuracy',
          direction: 'max',
          value: 0.8665,
          interval: [0.8509, 0.8807],
          why: null,
        },
      ],
      known: false,
      note: exampleId('20f3a1b8cd'),
    },
  ],
  comparisons: [
    {
      version,
      baseline: exampleId('4be2a97d10'),
      metric: 'accuracy',
      difference: 0.008,
      interval: [-0.0006, 0.0167],
      test: 'mcnemar-midp',
      p: 0.0694,
      exactP: 0.0853,
      detectable: 0.0123,
      onlyFirst: 31,
      onlySecond: 47,
      adjustedP: 0.0694,
      differs: false,
    },
  ],
  seed: 0,
  seconds: 2.1,
};
