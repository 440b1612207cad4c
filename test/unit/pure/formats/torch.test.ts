/**
 * PyTorch files written by PyTorch itself: every tensor has the name, dtype, shape, strides, values
 * and storage that PyTorch says it has (test/fixtures/torch/make.py).
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { DTYPES, type DType } from '../../../../lib/pure/tensor/dtype.js';
import type { FileLayout, TensorSpan } from '../../../../lib/pure/tensor/layout.js';
import { layoutOf, sharesSkeleton, tensorBytes } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';

interface Row {
  path: string[];
  dtype: string;
  shape: number[];
  stride: number[];
  offset: number;
  sha256: string;
  storage: string;
}

const DTYPE_OF: Record<string, DType> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
  complex64: 'C64',
  complex128: 'C128',
  quint8: 'U8',
  qint8: 'I8',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  float8_e8m0fnu: 'F8_E8M0',
};
const WRAPPERS = /^(model_state_dict|state_dict|model)\./;

const read = (file: string): Buffer => fs.readFileSync(fixture('torch', file));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function effectiveStrides(tensor: TensorSpan): number[] {
  if (tensor.strides !== null) return tensor.strides;
  return tensor.shape.map((_, i) => tensor.shape.slice(i + 1).reduce((a, b) => a * b, 1));
}

/** Strides of dimensions of one element, and of empty tensors, say nothing. */
function tellingStrides(shape: number[], strides: number[]): number[] {
  return shape.includes(0) ? [] : strides.filter((_, i) => (shape[i] ?? 0) > 1);
}

function storageOf(layout: FileLayout, offset: number) {
  return layout.extents.find((s) => s.offset <= offset && offset < s.offset + s.width * s.count);
}

const files = fs.readdirSync(fixture('torch')).filter((file) => file.endsWith('.json'));
for (const file of files) {
  const name = file.replace('.json', '.pt');
  test(`torch: ${name} has the tensors that PyTorch loads`, async (t) => {
    const bytes = read(name);
    const source = new MemorySource(bytes, name);
    const rows = JSON.parse(read(file).toString()) as Row[];
    const layout = await layoutOf(bytes, name);
    t.is(layout.format, 'torch');
    t.is(layout.tensors.length, rows.length);
    for (const row of rows) {
      const full = row.path.join('.');
      const tensor = layout.tensors.find(
        (found) => found.name === (found.role === 'weights' ? full.replace(WRAPPERS, '') : full),
      );
      if (tensor === undefined) {
        t.fail(`${full} was not found`);
        continue;
      }
      t.is(tensor.dtype, DTYPE_OF[row.dtype] as DType, full);
      t.deepEqual(tensor.shape, row.shape, full);
      t.deepEqual(
        tellingStrides(row.shape, effectiveStrides(tensor)),
        tellingStrides(row.shape, row.stride),
        full,
      );
      t.is(sha256(await tensorBytes(source, layout, tensor)), row.sha256, full);
      if (row.shape.includes(0)) continue;
      const extent = storageOf(layout, tensor.offset)!;
      t.is(tensor.offset - extent.offset, row.offset * (DTYPES[tensor.dtype].bits / 8), full);
      if (extent.byteSwap) continue;
      const storage = await source.read(extent.offset, extent.width * extent.count);
      t.is(sha256(storage), row.storage, full);
    }
  });
}

test('torch: tied weights and slices are views of one extent', async (t) => {
  const layout = await layoutOf(read('views.pt'));
  const extentOf = (name: string) => {
    return storageOf(layout, layout.tensors.find((tensor) => tensor.name === name)!.offset);
  };
  t.is(extentOf('encoder.weight'), extentOf('decoder.weight'));
  t.is(extentOf('encoder.weight'), extentOf('decoder.transposed'));
  for (const name of ['matrix', 'permuted', 'slice', 'column', 'expanded', 'scalar_view']) {
    t.is(extentOf(name), extentOf('flat'), name);
  }
  t.not(extentOf('flat'), extentOf('encoder.weight'));
  t.deepEqual(layout.tensors.find(({ name }) => name === 'expanded')?.strides, [0, 0]);
});

test('torch: top-level keys give roles, the wrapper of the weights is dropped', async (t) => {
  const layout = await layoutOf(read('checkpoint-1.pt'));
  const names = (role: string) => {
    return layout.tensors.filter((tensor) => tensor.role === role).map((tensor) => tensor.name);
  };
  const plain = (await layoutOf(read('state-dict.pt'))).tensors.map((tensor) => tensor.name);
  t.deepEqual(names('weights'), plain);
  t.deepEqual(
    names('ema'),
    plain.map((name) => `ema_state_dict.${name}`),
  );
  t.true(names('optimizer').includes('optimizer_state_dict.state.0.exp_avg'));
  const optimizer = await layoutOf(read('optimizer.pt'));
  t.true(optimizer.tensors.every(({ role }) => role === 'optimizer'));
});

test('torch: the step is read from the checkpoint, an epoch is none', async (t) => {
  t.is((await layoutOf(read('checkpoint-1.pt'))).step, 1003);
  t.is((await layoutOf(read('wrapped-module.pt'))).step, 12);
  t.is((await layoutOf(read('extras.pt'))).step, 2 ** 31);
  t.is((await layoutOf(read('optimizer.pt'))).step, null);
  t.is((await layoutOf(read('state-dict.pt'))).step, null);
});

test('torch: two checkpoints of one run share their skeleton', async (t) => {
  const [a, b] = await Promise.all(
    ['checkpoint-1.pt', 'checkpoint-2.pt'].map(async (file) => {
      return { bytes: read(file), layout: await layoutOf(read(file)) };
    }),
  );
  t.false(a!.bytes.equals(b!.bytes));
  t.true(sharesSkeleton(a!, b!));
});

test('torch: big-endian storages are swapped extents', async (t) => {
  const layout = await layoutOf(read('big-endian.pt'));
  const spans = layout.tensors.map(({ offset }) => storageOf(layout, offset));
  t.deepEqual(
    spans.map((span) => [span?.width, span?.byteSwap]),
    [
      [4, true],
      [2, true],
      [4, true],
      [4, true],
      [1, false],
    ],
  );
});

test('torch: quantised and sparse tensors are read and the user is told', async (t) => {
  const { warnings } = await layoutOf(read('special.pt'));
  t.is(warnings.length, 2);
  t.regex(warnings.join('\n'), /2 quantised.*\n1 sparse/);
});

test('torch: familiar objects beside the tensors need no warning', async (t) => {
  for (const file of ['extras.pt', 'module.pt', 'script.pt', 'checkpoint-1.pt', 'later.pt']) {
    t.deepEqual((await layoutOf(read(file))).warnings, [], file);
  }
});

test('torch: the form before 1.6 is a blob with a warning', async (t) => {
  const layout = await layoutOf(read('legacy.pt'));
  t.is(layout.format, 'blob');
  t.deepEqual(layout.extents, []);
  t.regex(layout.warnings.join(), /before version 1\.6/);
});

test('torch: the tar form of 0.1 is a blob with a warning', async (t) => {
  const tar = Buffer.alloc(1024);
  tar.write('sys_info', 0);
  tar.write('ustar', 257);
  t.regex((await layoutOf(tar)).warnings.join(), /before version 1\.6/);
});
