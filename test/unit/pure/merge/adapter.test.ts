/** LoRA adapters: which weights they change and by how much, against the product of whole matrices. */
import test from 'ava';
import {
  adapterScale,
  addFactors,
  factorsProblem,
  planAdapter,
  readAdapterConfig,
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
        { down: `${PREFIX}.lora_A.weight`, up: `${PREFIX}.lora_B.weight`, isEmbedding: false },
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
  t.regex(refused([`${PREFIX}.lora_magnitude_vector`]), /DoRA/);
  t.regex(refused([`${PREFIX}.hada_w1_a`]), /another kind/);
  t.regex(t.throws(() => readAdapterConfig('{', 'c'))?.message ?? '', /does not say/);
  t.regex(t.throws(() => readAdapterConfig('null', 'c'))?.message ?? '', /does not say/);
  t.regex(
    t.throws(() => readAdapterConfig('{"r":0,"lora_alpha":1}', 'c'))?.message ?? '',
    /does not/,
  );
});

test('adapter: alpha, rank and their patterns', (t) => {
  const config = (more: object): number =>
    adapterScale(
      readAdapterConfig(JSON.stringify({ r: 4, lora_alpha: 8, ...more }), 'c'),
      'encoder.layer.0.query.weight',
    );
  t.is(config({}), 2);
  t.is(config({ use_rslora: true }), 4);
  t.is(config({ rank_pattern: { query: 16 } }), 0.5);
  t.is(config({ alpha_pattern: { 'layer.0.query': 4 }, rank_pattern: { key: 1 } }), 1);
  t.is(config({ rank_pattern: { '^query': 16 } }), 2);
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
