/**
 * ONNX files written by the onnx package: every tensor has the name, dtype, shape and bytes that the
 * package says it has, and the raw graph its nodes (test/fixtures/onnx/make.py).
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { onnxReader } from '../../../../lib/pure/formats/onnx/onnx.js';
import { readOnnxGraph, readOnnxModel } from '../../../../lib/pure/formats/onnx/onnx-graph.js';
import { validateLayout } from '../../../../lib/pure/formats/validate.js';
import { layoutOf, tensorBytes } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';

interface Oracle {
  tensors: { name: string; dtype: string; shape: number[]; stored: string; sha256: string }[];
  nodes: [opType: string, inputs: string[], outputs: string[]][];
}

const DTYPE_OF: Record<string, string> = {
  FLOAT: 'F32',
  UINT8: 'U8',
  INT8: 'I8',
  UINT16: 'U16',
  INT16: 'I16',
  INT32: 'I32',
  INT64: 'I64',
  BOOL: 'BOOL',
  FLOAT16: 'F16',
  DOUBLE: 'F64',
  UINT32: 'U32',
  UINT64: 'U64',
  COMPLEX64: 'C64',
  COMPLEX128: 'C128',
  BFLOAT16: 'BF16',
  FLOAT8E4M3FN: 'F8_E4M3',
  FLOAT8E4M3FNUZ: 'F8_E4M3FNUZ',
  FLOAT8E5M2: 'F8_E5M2',
  FLOAT8E5M2FNUZ: 'F8_E5M2FNUZ',
  UINT4: 'U4',
  INT4: 'I4',
  FLOAT4E2M1: 'F4',
  FLOAT8E8M0: 'F8_E8M0',
  UINT2: 'U2',
  INT2: 'I2',
  FLOAT6E2M3: 'F6_E2M3',
  FLOAT6E3M2: 'F6_E3M2',
};

const read = (file: string): Buffer => fs.readFileSync(fixture('onnx', file));
const oracle = (file: string): Oracle => JSON.parse(read(file).toString());
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const name of ['plain', 'old', 'dtypes', 'typed', 'subgraphs', 'special', 'external/model']) {
  test(`onnx: ${name}.onnx has the tensors that the onnx package put in`, async (t) => {
    const bytes = read(`${name}.onnx`);
    const layout = await layoutOf(bytes, path.basename(`${name}.onnx`));
    t.is(layout.format, 'onnx');
    t.deepEqual(layout.warnings, []);
    const places = [{ source: new MemorySource(bytes), layout }];
    for (const file of layout.external) {
      const content = read(path.join(path.dirname(name), file.path));
      validateLayout(file.layout, content.length);
      places.push({ source: new MemorySource(content), layout: file.layout });
    }
    const found = [];
    for (const place of places) {
      for (const tensor of place.layout.tensors) {
        const content = await tensorBytes(place.source, place.layout, tensor);
        const { name, dtype, shape } = tensor;
        found.push({ name, dtype: dtype as string, shape, sha256: sha256(content) });
      }
    }
    const wanted = oracle(`${name}.json`)
      .tensors.filter((row) => row.stored !== 'literal')
      .map(({ name, dtype, shape, sha256 }) => ({ name, dtype: DTYPE_OF[dtype], shape, sha256 }));
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    t.deepEqual(found.sort(byName), wanted.sort(byName) as typeof found);
  });

  test(`onnx: the raw graph of ${name}.onnx has its nodes`, async (t) => {
    const graph = await readOnnxGraph(new MemorySource(read(`${name}.onnx`)));
    t.deepEqual(
      graph.nodes.map((node) => [node.opType, node.inputs, node.outputs]),
      oracle(`${name}.json`).nodes,
    );
  });
}

test('onnx: external data gives references and layouts, tied ranges one extent', async (t) => {
  const layout = await layoutOf(read('external/model.onnx'), 'model.onnx');
  t.deepEqual(layout.references, ['parts/more.bin', 'weights.bin']);
  const weights = layout.external.find((file) => file.path === 'weights.bin')?.layout;
  t.is(weights?.format, 'onnx-data');
  t.deepEqual(weights?.extents, [
    { offset: 64, width: 4, count: 32, byteSwap: false },
    { offset: 192, width: 4, count: 6, byteSwap: false },
  ]);
  t.deepEqual(
    weights?.tensors.map(({ name, offset }) => [name, offset]),
    [
      ['a', 64],
      ['b', 192],
      ['b.tied', 192],
    ],
  );
});

test('onnx: the values of metadata_props are what may change', async (t) => {
  const bytes = read('plain.onnx');
  const { variable } = await layoutOf(bytes);
  const texts = variable.map(({ offset, length }) =>
    bytes.toString('latin1', offset, offset + length),
  );
  t.is(texts.length, 2);
  t.true(texts.some((text) => /epoch.*7$/s.test(text)));
  t.true(texts.some((text) => /loss.*0\.25$/s.test(text)));
});

test('onnx: the raw model has opsets, shapes, attributes and small values', async (t) => {
  const model = await readOnnxModel(new MemorySource(read('plain.onnx')));
  t.is(model.irVersion, 8);
  t.is(model.producerName, 'fixtures');
  t.deepEqual(model.opsets, [
    { domain: '', version: 17 },
    { domain: 'local', version: 1 },
  ]);
  const { graph } = model;
  t.deepEqual(graph.inputs, [
    { name: 'x', kind: 'tensor', dataType: 1, shape: ['batch', 1, 8, 8] },
  ]);
  t.deepEqual(graph.outputs[0]?.shape, [null, 3]);
  const gemm = graph.nodes.find((node) => node.opType === 'Gemm');
  t.deepEqual(
    gemm?.attributes.map(({ name, kind, value }) => [name, kind, value]),
    [
      ['alpha', 'float', 0.5],
      ['transB', 'int', 1],
    ],
  );
  const constant = graph.nodes.find((node) => node.opType === 'Constant')?.attributes[0];
  t.is(constant?.kind, 'tensor');
  const value = constant?.kind === 'tensor' ? constant.value.value : null;
  t.deepEqual([...new BigInt64Array(value!.buffer)], [0n, -1n]);
  // Typed fields give the same bytes as raw data would.
  const old = await readOnnxGraph(new MemorySource(read('old.onnx')));
  const shape = old.initializers.find((tensor) => tensor.name === 'shape');
  t.is(shape?.data.kind, 'literal');
  t.deepEqual([...new BigInt64Array(shape!.value!.buffer)], [3n, -1n]);
});

test('onnx: typed fields of every dtype have the value that raw data has', async (t) => {
  const typed = await readOnnxGraph(new MemorySource(read('typed.onnx')));
  const raw = await readOnnxGraph(new MemorySource(read('dtypes.onnx')));
  const values = new Map(raw.initializers.map(({ name, value }) => [name, value]));
  t.true(typed.initializers.length > 20);
  for (const { name, value } of typed.initializers) {
    if (name === 'STRING') t.is(value, null);
    else t.deepEqual(value && Buffer.from(value), Buffer.from(values.get(name)!), name);
  }
});

test('onnx: attributes of every kind are read', async (t) => {
  const graph = await readOnnxGraph(new MemorySource(read('special.onnx')));
  const { attributes } = graph.nodes.find((node) => node.opType === 'Custom')!;
  const simple = attributes.flatMap((a) =>
    /^(float|int|string)s?$/.test(a.kind) ? [[a.name, a.value]] : [],
  );
  t.deepEqual(Object.fromEntries(simple), {
    f: 0.5,
    i: -3,
    s: 'text',
    floats: [1, -2],
    ints: [1, -1],
    strings: ['a', 'b'],
  });
  t.deepEqual(
    attributes
      .map(({ kind }) => kind)
      .filter((kind) => /tensor|graph|sparse/.test(kind))
      .sort(),
    ['graph', 'graphs', 'sparses', 'tensor', 'tensors'],
  );
  const subgraphs = await readOnnxGraph(new MemorySource(read('subgraphs.onnx')));
  const ints = subgraphs.nodes.find((node) => node.outputs[0] === 'n')?.attributes[0];
  t.deepEqual(ints?.value as unknown, [1, 2, 2n ** 63n - 1n]);
});

test('onnx: other files are not taken for a model', (t) => {
  const matches = (bytes: Uint8Array) => onnxReader.matches(bytes, new MemorySource(bytes));
  t.true(matches(read('plain.onnx')));
  t.true(matches(read('old.onnx')));
  const others: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    text: Buffer.from('\b\b\b some text with backspaces'),
    json: Buffer.from('{"graph": []}'),
    zeros: new Uint8Array(100),
    'a SavedModel': Buffer.concat([Buffer.from([8, 1, 0x12, 4, 0x0a, 2, 8, 1])]),
    'a graph with no version': Buffer.from([0x3a, 2, 0x0a, 0]),
    'a version with no graph': Buffer.from([8, 8]),
    'a graph beyond the end': Buffer.from([8, 8, 0x3a, 0x7f, 0x0a, 0]),
    'an unknown field': Buffer.from([8, 8, 0x52, 0, 0x3a, 2, 0x0a, 0]),
    'a wrong wire type': Buffer.from([8, 8, 0x38, 2]),
  };
  for (const [what, bytes] of Object.entries(others)) t.false(matches(bytes), what);
});
