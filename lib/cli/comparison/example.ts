/** The document of a comparison, as the help and docs/cli.md show it. */
import type { DiffResult } from '../../use/ops/diff.js';

export const DIFF_EXAMPLE: DiffResult = {
  before: { label: 'mnist@1', version: null, tier: null },
  after: { label: 'mnist@2', version: null, tier: null },
  same: false,
  files: [
    { path: 'model.safetensors', status: 'modified', bytesBefore: 5733472, bytesAfter: 5733472 },
  ],
  checkpoints: [],
  snapshots: [
    {
      role: 'weights',
      keyBefore: 'model.safetensors',
      keyAfter: 'model.safetensors',
      stepBefore: 2750,
      stepAfter: 3000,
      added: 0,
      removed: 0,
      changed: 1,
      equal: 25,
      renamed: 0,
      renamedAs: null,
      tensors: [
        {
          name: 'fc.weight',
          nameBefore: 'fc.weight',
          status: 'changed',
          before: { dtype: 'F32', shape: [10, 256] },
          after: { dtype: 'F32', shape: [10, 256] },
          numbers: {
            elements: 2560,
            equal: false,
            changed: 0.998,
            maxAbs: 0.0021,
            relativeL2: 0.0013,
            cosine: 0.9999991,
            signFlips: 0.0004,
            nonFinite: 0,
            norms: { before: 5.1, after: 5.11, change: 0.0066, dot: 26.06 },
            rank: { rows: 10, columns: 256, effective: 7.2, energy99: 9, sampledRows: null },
            bound: null,
            reshaped: false,
            dtypeChanged: false,
          },
        },
      ],
    },
  ],
  texts: [
    {
      path: 'config.json',
      added: 1,
      removed: 1,
      hunks: [{ before: 1, after: 1, lines: ['-{"lr": 0.1}', '+{"lr": 0.01}'] }],
      omitted: 0,
      reformatted: false,
    },
  ],
  ends: [
    { label: 'mnist@1', version: null, tier: null },
    { label: 'mnist@2', version: null, tier: null },
  ],
  baseline: 0,
  params: [
    {
      name: 'lr',
      cells: [
        { value: 0.1, delta: null },
        { value: 0.01, delta: -0.09 },
      ],
      equal: false,
    },
  ],
  metrics: [
    {
      name: 'accuracy',
      direction: 'max',
      cells: [
        {
          last: { step: 2750, value: 0.91 },
          best: { step: 2500, value: 0.912 },
          delta: null,
          count: 11,
          parting: null,
        },
        {
          last: { step: 3000, value: 0.921 },
          best: { step: 3000, value: 0.921 },
          delta: 0.009,
          count: 12,
          parting: { common: 11, differs: 250, step: 1500, delta: 0.004, noise: 0.001 },
        },
      ],
      equal: false,
      leaders: [1],
    },
  ],
  operation: [],
  environment: [],
  data: [],
  networks: [
    {
      paths: ['model.onnx', 'model.onnx'],
      isGraph: true,
      layers: [
        {
          name: 'fc',
          alias: 'fc1',
          kind: 'full',
          type: 'FULL',
          cells: [
            {
              name: 'fc',
              alias: 'fc1',
              kind: 'full',
              type: 'FULL',
              shape: [1, 10],
              parameters: 2570,
              macs: 2560,
              changes: [],
              match: null,
              drift: null,
            },
            null,
          ],
        },
      ],
      edges: [{ from: 0, to: 1, ends: [true, false] }],
      kinds: [{ kind: 'full', cells: [null, { added: 0, removed: 1, changed: 0, equal: 0 }] }],
      totals: [{ layers: 1, parameters: 2570, macs: 2560 }, null],
    },
  ],
  layers: [
    {
      key: 'weights model.safetensors',
      name: 'fc',
      kind: 'full',
      tensors: ['fc.weight', 'fc.bias'],
      elements: 2570,
      cells: [
        null,
        {
          relativeL2: 0.0013,
          cosine: 0.9999991,
          maxAbs: 0.0021,
          changed: 0.998,
          signFlips: 0.0004,
          bound: 0,
          maxAbsBound: 0,
          cosineBound: 0,
        },
      ],
    },
  ],
};
