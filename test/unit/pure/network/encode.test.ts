/**
 * Networks as bytes: what is decoded is what was encoded, equal networks are equal bytes whatever their
 * weights, and bytes that contradict themselves are refused.
 */
import fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import type { CountedTensor } from '../../../../lib/pure/network/cost/parameter-counts.js';
import { decodeNetworks } from '../../../../lib/pure/network/decode.js';
import { encodeNetworks } from '../../../../lib/pure/network/encode.js';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import type { Network } from '../../../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import {
  groupsOf,
  isViewOf,
  viewOfWeights,
} from '../../../../lib/pure/network/weights/stored-weights.js';
import { hexdump, page } from '../../../helpers/golden.js';
import {
  fixtureNetwork,
  rawGraph,
  rawModel,
  rawNode,
  rawTensor,
} from '../../../helpers/networks.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

function stored(network: Network, path: string | null = null): Uint8Array {
  return encodeNetworks([{ path, network, view: layerView(network) }]);
}

test('every network comes back as it was, with its layers', async (t) => {
  for (const name of ['fashion-cnn', 'fashion-lenet', 'ppocr-cls', 'ppocr-rec', 'vad']) {
    const network = await fixtureNetwork(name);
    const bytes = stored(network, `${name}.onnx`);
    const { networks, weights } = decodeNetworks(bytes, 'n');
    t.deepEqual(weights, []);
    const [found, ...more] = networks;
    t.is(more.length, 0);
    t.is(found!.path, `${name}.onnx`);
    t.deepEqual(found!.network, network);
    t.deepEqual(found!.view, layerView(network));
    t.deepEqual(encodeNetworks([found!]), bytes);
  }
});

test('networks that differ in their weights alone have equal bytes', (t) => {
  const make = (weight: number): Uint8Array => {
    const graph = rawGraph(
      ['x'],
      ['y'],
      [rawNode('MatMul', ['x', 'w'], ['a']), rawNode('Add', ['a', 'out.bias'], ['y'])],
    );
    graph.initializers.push(
      rawTensor('w', [2, 1], new Float32Array([weight, 1])),
      rawTensor('out.bias', [1], new Float32Array([weight])),
    );
    return stored(networkOfOnnx(rawModel(graph), 'm'));
  };
  t.deepEqual(make(1), make(2));
});

function relu(): Network {
  const graph = rawGraph(['x'], ['y'], [rawNode('Relu', ['x'], ['y'])]);
  graph.inputs[0]!.shape = ['N', 4];
  return networkOfOnnx(rawModel(graph), 'm');
}

test('the bytes of a small network are those of docs/format/network.md', (t) => {
  const dump = hexdump(stored(relu()));
  if (process.env.UPDATE_GOLDEN === '1') {
    const text = page('network.md').replace(
      /```text\n(?:[0-9a-f]{4} .*\n|HEXDUMP)*```/,
      `\`\`\`text\n${dump}\`\`\``,
    );
    fs.writeFileSync(path.join(PROJECT_ROOT, 'docs', 'format', 'network.md'), text);
  }
  t.true(page('network.md').includes(dump));
});

test('bytes that contradict themselves are refused, those of a later form are told of', (t) => {
  const bytes = stored(relu());
  const change = (edit: (network: Packed[], graph: Packed[]) => void): Uint8Array => {
    const all = decodeCanonical(bytes, 'n') as [number, Packed[][]];
    const network = all[1][0]!;
    edit(network, (network[4] as Packed[][])[0]!);
    return encodeCanonical(all);
  };
  const refused: ((network: Packed[], graph: Packed[]) => void)[] = [
    (_, graph) => void ((graph[5] as Packed[][])[0]![1] = 99),
    (_, graph) => void ((graph[5] as Packed[][])[0]![6] = [[0, 0]]),
    (_, graph) => void ((graph[5] as Packed[][])[0]![6] = [[0, 5]]),
    (_, graph) => void ((graph[7] as Packed[][])[0]![2] = 'magic'),
    (_, graph) => void ((graph[7] as Packed[][])[0]![4] = [7]),
    (_, graph) => void ((graph[1] as Packed[][])[0]![1] = 'F99'),
    (_, graph) => void ((graph[1] as Packed[][])[0]![2] = [-1]),
    (network) => void (network[4] as Packed[]).push((network[4] as Packed[])[0]!),
    (network) => void (network[3] = [1]),
    (network) => void network.pop(),
  ];
  for (const edit of refused) {
    t.throws(() => decodeNetworks(change(edit), 'n'), { code: 'DLV_CORRUPT' });
  }
  const later = encodeCanonical([3, []]);
  t.throws(() => decodeNetworks(later, 'n'), { code: 'DLV_FORMAT_VERSION' });
  for (let length = 0; length < bytes.length; length += 7) {
    t.throws(() => decodeNetworks(bytes.subarray(0, length), 'n'));
  }
});

const TENSORS: CountedTensor[] = [
  { name: 'h.0.attn.c_attn.weight', dtype: 'F32', shape: [8, 24] },
  { name: 'h.0.mlp.c_fc.weight', dtype: 'BF16', shape: [8, 32] },
  { name: 'h.0.attn.c_attn.bias', dtype: 'F32', shape: [24] },
  { name: 'wte.weight', dtype: null, shape: [50, 8] },
];

test('views of weights: come back with their names, whatever would be inferred now', (t) => {
  const view = viewOfWeights('model.safetensors', TENSORS);
  t.deepEqual(
    view.layers.map(({ name, tensors }) => [name, tensors]),
    [
      ['h.0.attn.c_attn', [0, 2]],
      ['h.0.mlp.c_fc', [1]],
      ['wte', [3]],
    ],
  );
  t.is(view.inferred?.name, 'GPT-2');
  // As an algorithm of another time would have named them.
  const layers = view.layers.map((layer, i) => ({ ...layer, name: `old${i}` }));
  const stored = { ...view, layers, inferred: null };
  const bytes = encodeNetworks([], [view, stored]);
  const { networks, weights } = decodeNetworks(bytes, 'w');
  t.deepEqual(networks, []);
  t.deepEqual(weights, [view, stored]);
  t.deepEqual(encodeNetworks([], weights), bytes);
  t.deepEqual(
    groupsOf(stored).map(({ name, parameters }) => [name, parameters]),
    [
      ['old0', 216],
      ['old1', 256],
      ['old2', 0],
    ],
  );
  t.true(isViewOf(stored, TENSORS));
  t.false(isViewOf(stored, TENSORS.slice(1)));
  t.false(isViewOf(stored, [{ ...TENSORS[0]!, dtype: 'F16' }, ...TENSORS.slice(1)]));
  t.false(isViewOf(stored, [{ ...TENSORS[0]!, shape: [24, 8] }, ...TENSORS.slice(1)]));
});

test('views of weights: what no view says is refused', (t) => {
  const bytes = encodeNetworks([], [viewOfWeights(null, TENSORS)]);
  const change = (edit: (row: Packed[]) => void): Uint8Array => {
    const all = decodeCanonical(bytes, 'w') as Packed[];
    edit((all[2] as Packed[][])[0]!);
    return encodeCanonical(all);
  };
  const refused: ((row: Packed[]) => void)[] = [
    (row) => void ((row[1] as Packed[][])[0]![1] = 'F99'),
    (row) => void ((row[1] as Packed[][])[0]![2] = [-1]),
    (row) => void ((row[1] as Packed[][])[0]![2] = new Array(100).fill(1)),
    (row) => void ((row[2] as Packed[][])[0]![3] = [4]),
    (row) => void ((row[2] as Packed[][])[0]![1] = 'magic'),
    (row) => void (row[3] = ['GPT-2']),
    (row) => void row.pop(),
    (row) => void row.push(null),
  ];
  for (const edit of refused) {
    t.throws(() => decodeNetworks(change(edit), 'w'), { code: 'DLV_CORRUPT' });
  }
});
