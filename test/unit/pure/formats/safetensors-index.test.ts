/** The index of a sharded checkpoint: names its shards. */
import test from 'ava';
import { safetensorsIndexReader } from '../../../../lib/pure/formats/safetensors/safetensors-index.js';
import { fuzzReader } from '../../../helpers/fuzz.js';
import { layoutOf } from '../../../helpers/layouts.js';

function index(map: Record<string, unknown>): Buffer {
  return Buffer.from(JSON.stringify({ metadata: { total_size: 12 }, weight_map: map }, null, 2));
}

test('index: references are the distinct shards, all of the file may change', async (t) => {
  const bytes = index({
    'a.weight': 'model-00002-of-00002.safetensors',
    'b.weight': 'model-00001-of-00002.safetensors',
    'c.weight': 'model-00002-of-00002.safetensors',
  });
  const layout = await layoutOf(bytes);
  t.is(layout.format, 'safetensors-index');
  t.deepEqual(layout.references, [
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
  ]);
  t.deepEqual([layout.extents, layout.tensors, layout.warnings], [[], [], []]);
  t.deepEqual(layout.variable, [{ offset: 0, length: bytes.length, fixedLength: false }]);
});

test('index: a shard of any name is told as it stands, for ingest to judge', async (t) => {
  for (const path of ['../x', '/x', 'a\\b', 'a/../../b', 'a\0', '', 'C:/x', 'x'.repeat(5000)]) {
    const layout = await layoutOf(index({ w: path, v: 'good.safetensors' }));
    t.is(layout.format, 'safetensors-index', path);
    t.deepEqual(layout.references, [path, 'good.safetensors'].sort());
  }
});

test('index: what is not an index is a blob', async (t) => {
  t.is((await layoutOf(index({ w: 3 }))).format, 'blob');
  t.is((await layoutOf(Buffer.from('{"weight_map":{}'))).format, 'blob');
  t.is((await layoutOf(Buffer.from('{"a":{"weight_map":{}}}'))).format, 'blob');
  t.is((await layoutOf(Buffer.from('{"weight_map":{},"weight_map":{}}'))).format, 'blob');
  const deep = await layoutOf(Buffer.from(`{"weight_map":{},"x":${'['.repeat(1e6)}`));
  t.regex(deep.warnings[0] ?? '', /nested deeper/);
  t.deepEqual((await layoutOf(Buffer.from('{"name":"weight_map"}'))).warnings.length, 1);
  t.deepEqual((await layoutOf(Buffer.from('{"name":"other"}'))).warnings, []);
});

test.serial('index: mutated files are accepted or refused, never worse', async (t) => {
  const tally = await fuzzReader(safetensorsIndexReader, {
    corpus: [index({ 'a.b': 's-1.safetensors', c: 's-2.safetensors' }), index({})],
    dictionary: ['"weight_map":', '"../x"', '{"a":', 'null', '\\u0000', '[', ']'],
    count: 1500,
    seed: 5,
  });
  t.true(tally.accepted > 50 && tally.refused > 300, JSON.stringify(tally));
});
