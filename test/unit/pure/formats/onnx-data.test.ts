/** External data of ONNX: what one or several models say of one file, and where that does not fit. */
import test from 'ava';
import { layoutOfData } from '../../../../lib/pure/formats/onnx/onnx-data.js';
import { validateLayout } from '../../../../lib/pure/formats/validate.js';
import {
  blobLayout,
  type FileLayout,
  type TensorSpan,
} from '../../../../lib/pure/tensor/layout.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { bytes, externalData, onnxModel, tensorProto } from '../../../helpers/protobuf.js';

const vector = (name: string, offset: number, count: number): TensorSpan => {
  return { name, dtype: 'F32', shape: [count], strides: null, offset, role: 'weights' };
};
const said = (model: string, ...tensors: TensorSpan[]) => {
  return { model, layout: { ...blobLayout(), format: 'onnx-data', tensors } };
};
const FILE = { name: 'w.bin', size: 64 };
const places = ({ tensors }: FileLayout): unknown[] =>
  tensors.map(({ name, shape, offset }) => [name, offset, shape]);

test('onnx-data: two models see their tensors in one file, shared ones once', (t) => {
  const layout = layoutOfData(FILE, [
    said('a.onnx', vector('embed', 0, 4), vector('w', 16, 4)),
    said('b.onnx', vector('embed', 0, 4), vector('w', 32, 4), vector('half', 8, 4)),
  ]);
  validateLayout(layout, FILE.size);
  t.deepEqual(places(layout), [
    ['embed', 0, [4]],
    ['w', 16, [4]],
    ['w~2', 32, [4]],
    ['half', 8, [4]],
  ]);
  t.deepEqual(
    layout.extents.map(({ offset, width, count }) => [offset, width, count]),
    [
      [0, 4, 8],
      [32, 4, 4],
    ],
  );
  t.deepEqual(layout.warnings, []);
});

test('onnx-data: tensors beyond the end are named, the others are there', (t) => {
  const layout = layoutOfData({ ...FILE, size: 40 }, [
    said('a.onnx', vector('w0', 0, 4), vector('w1', 32, 4)),
  ]);
  validateLayout(layout, 40);
  t.deepEqual(places(layout), [['w0', 0, [4]]]);
  t.deepEqual(layout.warnings, [
    "is shorter than 'a.onnx' says: 1 of 2 tensors lie beyond its 40 bytes and cannot be shown ('w1'); " +
      'it may be truncated: copy or export it again',
  ]);
  const empty = layoutOfData({ ...FILE, size: 0 }, [said('a.onnx', vector('w0', 0, 4))]);
  t.is(empty.format, 'blob');
  t.is(empty.warnings.length, 1);
});

const modelWith = (...entries: Record<string, string>[]): Buffer =>
  onnxModel(
    ...entries.map((entry, i) =>
      bytes(5, tensorProto({ name: `w${i}`, raw: null, more: externalData(entry) })),
    ),
  );

test('onnx-data: one file is one, however its place is written', async (t) => {
  const model = modelWith(
    { location: 'parts/w.bin', offset: '0' },
    { location: './parts/w.bin', offset: '8' },
    { location: 'parts\\w.bin', offset: '16' },
  );
  const { external, references, warnings } = await layoutOf(model, 'm.onnx');
  t.deepEqual(references, ['parts/w.bin']);
  t.deepEqual(
    external.map(({ layout }) => places(layout)),
    [
      [
        ['w0', 0, [2]],
        ['w1', 8, [2]],
        ['w2', 16, [2]],
      ],
    ],
  );
  t.deepEqual(warnings, []);
});

test('onnx-data: a length with padding is taken, one that is too short is told', async (t) => {
  const model = modelWith(
    { location: 'w.bin', length: '64' },
    { location: 'w.bin', offset: '64', length: '7' },
  );
  const { external, warnings } = await layoutOf(model, 'm.onnx');
  t.deepEqual(
    external.map(({ layout }) => places(layout)),
    [[['w0', 0, [2]]]],
  );
  t.deepEqual(warnings, [
    "tensors have external data that is too short for their shape and are kept as bytes: 'w1'",
  ]);
});
