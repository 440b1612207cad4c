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
import { decodeNetworks, encodeNetworks } from '../../../../lib/pure/network/encode.js';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import type { Network } from '../../../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
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
    const [found, ...more] = decodeNetworks(bytes, 'n');
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
  const later = encodeCanonical([2, []]);
  t.throws(() => decodeNetworks(later, 'n'), { code: 'DLV_FORMAT_VERSION' });
  for (let length = 0; length < bytes.length; length += 7) {
    t.throws(() => decodeNetworks(bytes.subarray(0, length), 'n'));
  }
});
