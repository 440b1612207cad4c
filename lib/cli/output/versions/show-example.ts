/** The document of a version, as the help and docs/cli.md show it. */
import type { ShowResult } from '../../../use/ops/show.js';
import { EXAMPLE_VERSION, exampleId } from '../render.js';

export const SHOW_EXAMPLE: ShowResult = {
  ...EXAMPLE_VERSION,
  files: [
    {
      path: 'model.safetensors',
      mode: '644',
      size: 5733472,
      sha256: exampleId('8d2f6c1a97'),
      role: 'weights',
      tier: null,
      givenUp: null,
    },
  ],
  logicalBytes: 5733472,
  snapshots: [{ key: 'model.safetensors', role: 'weights', step: 500, files: 1, bytes: 5733472 }],
  checkpoints: [
    {
      name: 'checkpoint-*',
      checkpoints: [
        {
          path: 'checkpoint-500',
          step: 500,
          files: 2,
          bytes: 17212948,
          roles: { weights: 5733472, optimizer: 11479476 },
          metrics: { eval_loss: 0.061 },
        },
      ],
    },
  ],
  series: [
    { name: 'accuracy', step: null, value: 0.981 },
    { name: 'loss', step: 500, value: 0.061 },
  ],
  logs: [{ name: 'train.log', bytes: 1834 }],
  environment: { python: '3.12.1' },
  data: { train: `sha256:${exampleId('5f')}` },
  git: { commit: exampleId('b2').slice(0, 40), dirty: false },
  tiers: [],
  notes: [exampleId('e4')],
  tagged: [
    {
      tag: 'v1',
      message: 'the first that is served',
      author: 'Ada <ada@example.org>',
      time: '2026-01-31T12:00:00.000+02:00',
    },
  ],
  evaluations: [
    {
      note: exampleId('e4'),
      time: '2026-01-31T12:00:00.000+02:00',
      data: 't10k-images.gz',
      labels: 't10k-labels.gz',
      network: 'model.onnx',
      preprocess: {
        scale: 0.00392156862745098,
        mean: [0.286],
        std: [0.353],
        layout: 'as-is',
        resize: null,
        crop: null,
        channels: null,
      },
      task: 'classes',
      examples: 10000,
      metrics: { accuracy: 0.981, loss: 0.061, ece: 0.012 },
    },
  ],
};
