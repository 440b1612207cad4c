/** Checkpoints that a number alone numbers: only where names differ in it. */
import test from 'ava';
import { seriesByNumber } from '../../../../lib/pure/paths/series-by-number.js';

function stepsOf(paths: readonly string[]): Record<string, [string, number]> {
  return Object.fromEntries(
    [...seriesByNumber(paths)].map(([path, { series, step }]) => [path, [series, step]]),
  );
}

test('several files or folders that differ in a number are a series', (t) => {
  t.deepEqual(stepsOf(['net-100.pt', 'net-200.pt', 'notes-1.txt', 'readme.md', 'bert-2.pt']), {
    'net-100.pt': ['net-*.pt', 100],
    'net-200.pt': ['net-*.pt', 200],
  });
  t.deepEqual(stepsOf(['run1/10/model.pt', 'run1/10/config.json', 'run1/20/model.pt']), {
    'run1/10/model.pt': ['run1/*', 10],
    'run1/10/config.json': ['run1/*', 10],
    'run1/20/model.pt': ['run1/*', 20],
  });
});

test('one alone, shards, data and numbers that are of the network are none', (t) => {
  t.deepEqual(stepsOf(['bert-2.pt', 'resnet50.pt', 'resnet101.pt']), {});
  t.deepEqual(
    stepsOf(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']),
    {},
  );
  t.deepEqual(stepsOf(['data-1.npz', 'data-2.npz', 'fold-1.pt', 'fold-2.pt']), {});
});
