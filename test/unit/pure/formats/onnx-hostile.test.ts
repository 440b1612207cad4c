/**
 * ONNX models that lie or point out of their folder: kept as blobs, or read as far as they can be
 * trusted. Ends with seeded mutations of real files.
 */
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { onnxReader } from '../../../../lib/pure/formats/onnx/onnx.js';
import { readOnnxGraph, readOnnxModel } from '../../../../lib/pure/formats/onnx/onnx-graph.js';
import { validateLayout } from '../../../../lib/pure/formats/validate.js';
import { fuzzReader } from '../../../helpers/fuzz.js';
import { HoleSource } from '../../../helpers/hole-source.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';
import {
  bytes,
  externalData,
  int,
  modelOf,
  onnxModel,
  tensorProto,
  varint,
} from '../../../helpers/protobuf.js';

test('onnx: a model by hand has its tensor', async (t) => {
  const layout = await layoutOf(modelOf(tensorProto()));
  t.is(layout.format, 'onnx');
  t.like(layout.tensors[0], { name: 'w', dtype: 'F32', shape: [2] });
  t.like(layout.extents[0], { width: 4, count: 2 });
});

/** `depth` If operators, each in a branch of the one before, around a tensor. */
function nested(depth: number): Buffer {
  let graph: Buffer = bytes(5, tensorProto());
  for (let i = 0; i < depth; i++)
    graph = bytes(1, bytes(4, 'If'), bytes(5, bytes(1, 'b'), bytes(6, graph)));
  return onnxModel(graph);
}

const blobs: Record<string, [reason: RegExp, content: Buffer]> = {
  'raw data that is too short': [
    /needs 8 bytes and has 7/,
    modelOf(tensorProto({ raw: new Uint8Array(7) })),
  ],
  'raw data that is too long': [
    /needs 8 bytes and has 9/,
    modelOf(tensorProto({ raw: new Uint8Array(9) })),
  ],
  'data for an empty tensor': [/needs 0 bytes and has 8/, modelOf(tensorProto({ dims: [2, 0] }))],
  'dimensions whose product overflows': [
    /has shape/,
    modelOf(tensorProto({ dims: [2 ** 40, 2 ** 40] })),
  ],
  'a negative dimension': [/a dimension is -1/, modelOf(tensorProto({ dims: [-1] }))],
  'a dimension of 2^63 − 1': [/a dimension is/, modelOf(tensorProto({ dims: [2n ** 63n - 1n] }))],
  '65 dimensions': [/more than 64/, modelOf(tensorProto({ dims: new Array(65).fill(1) }))],
  'packed dimensions without end': [
    /does not end/,
    modelOf(tensorProto({ dims: [], more: [bytes(1, Buffer.from([0x80]))] })),
  ],
  'float_data of an integer': [
    /is I64 but has float_data/,
    modelOf(tensorProto({ dataType: 7, raw: null, more: [bytes(4, new Uint8Array(8))] })),
  ],
  'an external offset that is not a number': [
    /external offset '-8'/,
    modelOf(tensorProto({ raw: null, more: externalData({ location: 'w.bin', offset: '-8' }) })),
  ],
  'an external offset beyond 2^53': [
    /external offset|beyond 2\^53/,
    modelOf(
      tensorProto({ raw: null, more: externalData({ location: 'w', offset: '9007199254740990' }) }),
    ),
  ],
  'external data in no file': [
    /names no file/,
    modelOf(tensorProto({ raw: null, more: externalData({ offset: '0' }) })),
  ],
  'graphs nested 101 deep': [/nested deeper than 100/, nested(101)],
  'two graphs': [/this file has 2/, Buffer.concat([onnxModel(), bytes(7, bytes(2, 'again'))])],
  'a field that reaches beyond its message': [
    /bytes, \d+ are left/,
    onnxModel(Buffer.from([0x2a, 0x7f, 0])),
  ],
  'a group inside the graph': [/groups/, onnxModel(Buffer.from([0x0b]))],
  'bytes after the model': [/damaged/, Buffer.concat([onnxModel(), Buffer.from([0, 0])])],
};
for (const [what, [reason, content]] of Object.entries(blobs)) {
  test(`onnx: keeps as a blob ${what}`, async (t) => {
    const error = await t.throwsAsync(
      onnxReader.layout(new HoleSource([content], 'm.onnx')),
      undefined,
      what,
    );
    t.regex(error?.message ?? '', reason);
    const layout = await layoutOf(content, 'm.onnx');
    t.is(layout.format, 'blob');
    t.deepEqual(layout.extents, []);
  });
}

test('onnx: graphs nested 100 deep are read', async (t) => {
  const layout = await layoutOf(nested(99));
  t.is(layout.tensors.length, 1);
  t.true(layout.tensors[0]?.name.startsWith('If#0/b/If#0/b/'));
});

const escapes: Record<string, string> = {
  'the parent folder': '../weights.bin',
  'the parent folder from inside': 'a/../../weights.bin',
  'an absolute path': '/etc/passwd',
  'a drive': 'C:weights.bin',
  'the parent folder by a backslash': '..\\weights.bin',
  'a share of another machine': '\\\\server\\weights.bin',
  'a NUL byte': 'a\0b',
  'an empty path': '',
  'the folder itself': '.',
  'an empty part': 'a//b',
  'the model itself': 'm.onnx',
};
for (const [what, location] of Object.entries(escapes)) {
  test(`onnx: external data is not followed to ${what}`, async (t) => {
    const content = onnxModel(
      bytes(5, tensorProto({ raw: null, more: externalData({ location }) })),
      bytes(5, tensorProto({ name: 'kept' })),
    );
    const layout = await layoutOf(content, 'm.onnx');
    t.deepEqual(layout.references, []);
    t.deepEqual(layout.external, []);
    t.deepEqual(
      layout.tensors.map(({ name }) => name),
      ['kept'],
    );
    t.is(layout.warnings.length, 1);
    t.regex(layout.warnings[0] ?? '', /is not followed/);
  });
}

test('onnx: external ranges may overlap and are united', async (t) => {
  const at = (name: string, offset: number) => {
    const where = externalData({ location: 'w.bin', offset: String(offset) });
    return bytes(5, tensorProto({ name, dims: [4], raw: null, more: where }));
  };
  const layout = await layoutOf(onnxModel(at('a', 0), at('b', 8), at('c', 24)));
  t.deepEqual(layout.external[0]?.layout.extents, [
    { offset: 0, width: 4, count: 6, byteSwap: false },
    { offset: 24, width: 4, count: 4, byteSwap: false },
  ]);
});

test('onnx: what cannot be viewed stays bytes, and the user is told why', async (t) => {
  const content = onnxModel(
    bytes(5, tensorProto({ name: 'new', dataType: 99 })),
    bytes(5, tensorProto({ name: 'twice', more: [bytes(9, new Uint8Array(8))] })),
    bytes(5, tensorProto({ name: 'both', more: [bytes(4, new Uint8Array(8))] })),
    bytes(5, tensorProto({ name: 'segment', more: [bytes(3, int(1, 0), int(2, 1))] })),
    bytes(5, tensorProto({ name: 'absent', raw: null })),
    bytes(5, tensorProto({ name: 'kept' })),
    bytes(
      5,
      tensorProto({ name: 'varints', dims: [20000], dataType: 7, raw: null }),
      bytes(7, new Uint8Array(20000)),
    ),
  );
  const layout = await layoutOf(content);
  t.deepEqual(
    layout.tensors.map(({ name }) => name),
    ['kept'],
  );
  const warnings = layout.warnings.join('\n');
  for (const name of ['new', 'twice', 'both', 'segment', 'absent', 'varints']) {
    t.true(warnings.includes(`'${name}'`), name);
  }
});

test('onnx: names that stand twice are told apart', async (t) => {
  const twice = onnxModel(
    bytes(5, tensorProto()),
    bytes(5, tensorProto()),
    bytes(5, tensorProto()),
  );
  const layout = await layoutOf(twice);
  t.deepEqual(
    layout.tensors.map(({ name }) => name),
    ['w', 'w~2', 'w~3'],
  );
});

test('onnx: a name that is not UTF-8 is still Unicode', async (t) => {
  const tensor = Buffer.concat([int(1, 2), int(2, 1), bytes(8, Buffer.from([0xff, 0x61]))]);
  const layout = await layoutOf(modelOf(Buffer.concat([tensor, bytes(9, new Uint8Array(8))])));
  t.is(layout.tensors[0]?.name, '\ufffda');
});

test('onnx: long attributes are not held', async (t) => {
  const attribute = bytes(5, bytes(1, 'kernel'), bytes(4, 'x'.repeat(1 << 20)), int(20, 3));
  const list = bytes(5, bytes(1, 'list'), bytes(8, new Uint8Array(1 << 20)), int(20, 7));
  const content = onnxModel(bytes(1, bytes(4, 'Custom'), attribute, list));
  const graph = await readOnnxGraph(new HoleSource([content]));
  t.deepEqual(
    graph.nodes[0]?.attributes.map(({ name, kind, value }) => [name, kind, value]),
    [
      ['kernel', 'string', null],
      ['list', 'ints', null],
    ],
  );
});

test('onnx: many empty nodes are refused before they fill the memory', async (t) => {
  const content = onnxModel(Buffer.from('0a00'.repeat(1 << 20), 'hex'));
  await t.throwsAsync(readOnnxModel(new MemorySource(content)), {
    code: 'DLV_LIMIT',
    message: /takes more than 51 MiB of memory/,
  });
});

test('onnx: nodes without tensors are not kept, and change no name', async (t) => {
  const constant = bytes(
    1,
    bytes(4, 'Scale'),
    bytes(5, bytes(1, 'value'), bytes(5, tensorProto({ name: '' }))),
  );
  const content = onnxModel(Buffer.from('0a00'.repeat(200_000), 'hex'), constant);
  const layout = await layoutOf(content);
  t.deepEqual(
    layout.tensors.map(({ name }) => name),
    ['Scale#200000/value'],
  );
});

test('onnx: a tensor beyond 4 GiB is one extent, and little of the file is read', async (t) => {
  const elements = 1.25 * 2 ** 30;
  const before = Buffer.concat([int(1, elements), int(2, 1), bytes(8, 'large')]);
  const raw = Buffer.concat([varint(9 * 8 + 2), varint(4 * elements)]);
  const tensorLength = before.length + raw.length + 4 * elements;
  const tensorKey = Buffer.concat([varint(5 * 8 + 2), varint(tensorLength)]);
  const after = bytes(5, tensorProto());
  const graphKey = Buffer.concat([
    int(1, 8),
    varint(7 * 8 + 2),
    varint(tensorKey.length + tensorLength + after.length),
  ]);
  const head = Buffer.concat([graphKey, tensorKey, before, raw]);
  const source = new HoleSource([head, 4 * elements, after]);
  t.true(onnxReader.matches(head, source));
  const layout = await onnxReader.layout(source);
  validateLayout(layout, source.size);
  t.deepEqual(layout.extents[0], {
    offset: head.length,
    width: 4,
    count: elements,
    byteSwap: false,
  });
  t.is(layout.tensors.length, 2);
  t.true(source.bytesRead < 2 ** 17, `${source.bytesRead} bytes read`);
});

test.serial('onnx: mutations of real files are read or refused, within bounds', async (t) => {
  const files = ['plain', 'old', 'dtypes', 'typed', 'subgraphs', 'special', 'external/model'];
  const corpus = files.map((file) => fs.readFileSync(fixture('onnx', `${file}.onnx`)));
  const dictionary = ['\x08\x08', '\x3a', '*', '\x0b', '../', 'location', '\xff\xff\xff\xff\x0f'];
  const tally = await fuzzReader(onnxReader, { corpus, count: 2000, seed: 21, dictionary });
  t.true(tally.accepted > 100 && tally.refused > 100, JSON.stringify(tally));
});
