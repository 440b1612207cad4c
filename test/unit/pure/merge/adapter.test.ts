/** LoRA adapters: which weights they change and by how much, against the product of whole matrices. */
import test from 'ava';
import {
  adapterScale,
  addFactors,
  addSquares,
  factorsProblem,
  planAdapter,
  readAdapterConfig,
  scaleRows,
} from '../../../../lib/pure/merge/adapter.js';
import { seededRandom } from '../../../helpers/rng.js';

const PREFIX = 'base_model.model.encoder.layer.0.query';

test('adapter: names of PEFT, with and without the name of the adapter', (t) => {
  const plain = planAdapter([`${PREFIX}.lora_A.weight`, `${PREFIX}.lora_B.weight`], 'a');
  t.deepEqual(
    [...plain.pairs],
    [
      [
        'encoder.layer.0.query.weight',
        {
          down: `${PREFIX}.lora_A.weight`,
          up: `${PREFIX}.lora_B.weight`,
          magnitude: null,
          isEmbedding: false,
        },
      ],
    ],
  );
  const named = [`${PREFIX}.lora_A.default.weight`, `${PREFIX}.lora_B.default.weight`];
  t.deepEqual([...planAdapter(named, 'a').pairs.keys()], ['encoder.layer.0.query.weight']);
  const embedding = [
    'base_model.model.emb.lora_embedding_A',
    'base_model.model.emb.lora_embedding_B',
    'base_model.model.score.modules_to_save.weight',
  ];
  const { pairs, replaced } = planAdapter(embedding, 'a');
  t.true(pairs.get('emb.weight')?.isEmbedding);
  t.deepEqual([...replaced], [['score.weight', 'base_model.model.score.modules_to_save.weight']]);
});

test('adapter: what is not a whole LoRA adapter is refused in words', (t) => {
  const refused = (names: string[]): string =>
    t.throws(() => planAdapter(names, 'a'))?.message ?? '';
  t.regex(refused(['fc.weight']), /no LoRA adapter/);
  t.regex(refused([`${PREFIX}.lora_A.weight`]), /one half/);
  t.regex(refused([`${PREFIX}.lora_magnitude_vector`]), /one half/);
  t.regex(refused(['base_model.model.emb.token_adapter.trainable_tokens_delta']), /single tokens/);
  t.regex(refused([`${PREFIX}.lora_B.bias`]), /biases of its own/);
  t.regex(refused([`${PREFIX}.hada_w1_a`]), /another kind/);
  t.regex(t.throws(() => readAdapterConfig('{', 'c'))?.message ?? '', /does not say/);
  t.regex(t.throws(() => readAdapterConfig('null', 'c'))?.message ?? '', /does not say/);
  t.regex(
    t.throws(() => readAdapterConfig('{"r":0,"lora_alpha":1}', 'c'))?.message ?? '',
    /does not/,
  );
});

test('adapter: alpha, rank and their patterns', (t) => {
  const config = (more: object, rank = 4): number =>
    adapterScale(
      readAdapterConfig(JSON.stringify({ r: 4, lora_alpha: 8, ...more }), 'c'),
      'encoder.layer.0.query.weight',
      rank,
    );
  t.is(config({}), 2);
  t.is(config({ use_rslora: true }), 4);
  t.is(config({ rank_pattern: { query: 16 } }, 16), 0.5);
  t.is(config({ alpha_pattern: { 'layer.0.query': 4 }, rank_pattern: { key: 1 } }), 1);
  t.is(config({ rank_pattern: { '^query': 16 } }), 2);
  t.is(config({ alpha_pattern: { uery: 16 } }), 2);
  t.is(config({ alpha_pattern: { '.*layer\\.[01]\\.(key|query)': 16 } }), 4);
  t.is(config({ alpha_pattern: { 'layer.1.*': 16 } }), 2);
  t.throws(() => config({}, 8), { code: 'DLV_USAGE', message: /rank 8, its configuration says 4/ });
});

test('adapter: settings by which PEFT computes something else are refused, others are not', (t) => {
  const read = (more: object) =>
    readAdapterConfig(JSON.stringify({ peft_type: 'LORA', r: 4, lora_alpha: 8, ...more }), 'c');
  for (const more of [
    { init_lora_weights: 'pissa' },
    { init_lora_weights: 'pissa_niter_4' },
    { init_lora_weights: 'olora' },
    { init_lora_weights: 'of tomorrow' },
    { layer_replication: [[0, 4]] },
    { alora_invocation_tokens: [3] },
    { use_qalora: true },
    { arrow_config: { top_k: 2 } },
    { peft_type: 'LOHA' },
  ]) {
    t.throws(() => read(more), { code: 'DLV_USAGE' }, JSON.stringify(more));
  }
  for (const more of [
    { init_lora_weights: true, layer_replication: null, use_qalora: false, arrow_config: null },
    { init_lora_weights: 'gaussian' },
    { init_lora_weights: 'eva', use_dora: true, bias: 'lora_only', loftq_config: {} },
  ]) {
    t.notThrows(() => read(more), JSON.stringify(more));
  }
});

for (const isTransposed of [false, true]) {
  test(`adapter: up × down is added in pieces (transposed: ${isTransposed})`, (t) => {
    const [rows, columns, rank, scale] = [5, 7, 3, 0.75];
    const random = seededRandom(1);
    const fill = (count: number): Float64Array => Float64Array.from({ length: count }, random);
    const [up, down, weight] = [fill(rows * rank), fill(rank * columns), fill(rows * columns)];
    const wanted = weight.map((before, at) => {
      const [i, j] = isTransposed
        ? [at % rows, Math.floor(at / rows)]
        : [Math.floor(at / columns), at % columns];
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += up[i * rank + r]! * down[r * columns + j]!;
      return before + scale * sum;
    });
    const factors = { up, down, rank, rows, columns, scale, isTransposed };
    for (let start = 0; start < weight.length; start += 4) {
      addFactors(weight.subarray(start, start + 4), start, factors);
    }
    t.true(weight.every((x, at) => Math.abs(x - wanted[at]!) < 1e-14));
  });
}

test('adapter: factors that do not fit a weight are told', (t) => {
  const shapes = { down: [3, 7], up: [5, 3] };
  t.is(factorsProblem([5, 7], shapes, false), null);
  t.is(factorsProblem([7, 5], shapes, true), null);
  t.is(factorsProblem([5, 7, 1, 1], { down: [3, 7, 1, 1], up: [5, 3, 1, 1] }, false), null);
  t.regex(factorsProblem([7, 5], shapes, false) ?? '', /7×5/);
  t.regex(factorsProblem([5, 7], { down: [2, 7], up: [5, 3] }, false) ?? '', /factors/);
});

for (const isTransposed of [false, true]) {
  test(`adapter: rows get their lengths in pieces (transposed: ${isTransposed})`, (t) => {
    const shape = { rows: 3, columns: 4, isTransposed };
    const weight = Float64Array.from({ length: 12 }, (_, i) => i + 1);
    const sums = new Float64Array(3);
    for (let at = 0; at < 12; at += 5) addSquares(sums, weight.subarray(at, at + 5), at, shape);
    const row = (at: number): number => (isTransposed ? at % 3 : Math.floor(at / 4));
    const wanted = [0, 1, 2].map((r) =>
      weight.reduce((sum, x, at) => (row(at) === r ? sum + x * x : sum), 0),
    );
    t.deepEqual([...sums], wanted);
    const scaled = Float64Array.from(weight);
    for (let at = 0; at < 12; at += 5) {
      scaleRows(scaled.subarray(at, at + 5), at, Float64Array.of(2, 3, 5), shape);
    }
    t.deepEqual(
      [...scaled],
      [...weight].map((x, at) => x * ([2, 3, 5][row(at)] as number)),
    );
  });
}
