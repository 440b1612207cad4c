/** Bytes of evaluation notes. */
import test from 'ava';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../lib/base/bytes/msgpack/msgpack.js';
import { AS_IS } from '../../../lib/knowledge/inference/data/preprocess.js';
import { emptyClassOutcomes, enterScores } from '../../../lib/pure/metrics/outcomes.js';
import {
  type Evaluation,
  packEvaluation,
  unpackEvaluation,
} from '../../../lib/use/evaluation/outcome-note.js';

function evaluation(classes: number): Evaluation {
  const outcomes = emptyClassOutcomes(2, classes);
  const scores = Array.from({ length: 2 * classes }, (_, i) => i % 3);
  enterScores(outcomes, { first: 0, scores, truth: Uint32Array.of(0, 1), kind: 'logits' });
  const facts = { threads: 1, optimization: 'all', batch: 64, latency: 1.5 };
  const names = { data: 'x.npy', labels: 'y.npy', network: 'n.onnx', runtime: '1.30.0' };
  return { key: 'ab'.repeat(32), ...names, ...facts, preprocess: AS_IS, outcomes };
}

test('evaluation notes: come back as they were', (t) => {
  const values: Evaluation = {
    ...evaluation(2),
    outcomes: { task: 'values', absolute: Float32Array.of(1, 2), squared: Float32Array.of(1, 4) },
  };
  const tokens: Evaluation = {
    ...evaluation(2),
    outcomes: {
      task: 'tokens',
      tokens: Uint32Array.of(3, 4),
      hits: Uint32Array.of(1, 0),
      loss: Float32Array.of(1.5, 2.5),
      words: Float32Array.of(2, 0.5),
      bytes: Float32Array.of(9, 3),
    },
  };
  const prepared = { scale: 1 / 255, mean: [0.25, 0.5], std: [0.3, 0.4], layout: 'hwc' } as const;
  const pictures = { ...AS_IS, ...prepared, resize: [8, 9], crop: 7, channels: 3 } as const;
  const others = [prepared, pictures].map((one) => ({
    ...evaluation(3),
    preprocess: { ...AS_IS, ...one },
  }));
  // What was written before notes said it.
  const old = { ...evaluation(3), preprocess: null };
  t.is((packEvaluation(old) as Packed[]).length, 7);
  for (const one of [evaluation(2), evaluation(3), values, tokens, ...others, old]) {
    const bytes = encodeCanonical(packEvaluation(one));
    t.deepEqual(unpackEvaluation(decodeCanonical(bytes, 'note'), 'note'), one);
  }
});

test('evaluation notes: damaged ones are told', (t) => {
  const whole = packEvaluation(evaluation(3)) as Packed[];
  const outcomes = whole[6] as Packed[];
  const changed = (at: number, value: Packed): Packed[] => {
    const own = outcomes.map((one, i) => (i === at ? value : one));
    return [...whole.slice(0, 6), own, ...whole.slice(7)];
  };
  for (const bad of [
    whole.slice(0, 6),
    changed(0, 'pictures'),
    changed(3, new Uint8Array(7)),
    changed(4, new Uint8Array(4)),
    changed(5, 'text'),
    [...whole.slice(0, 6), 5, ...whole.slice(7)],
    whole.slice(0, 7),
    [...whole.slice(0, 7), '{"scale":"x"}'],
    [...whole.slice(0, 7), '{'],
    [...whole.slice(0, 7), 5],
    [...whole.slice(0, 1), new Uint8Array(3), ...whole.slice(2)],
  ]) {
    t.throws(() => unpackEvaluation(bad, 'note'), { code: 'DLV_CORRUPT' });
  }
  t.throws(() => unpackEvaluation([9, ...whole.slice(1)], 'note'), { code: 'DLV_FORMAT_VERSION' });
});
