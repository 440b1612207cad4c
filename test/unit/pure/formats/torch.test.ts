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
import {
  dictProgram,
  FLOATS,
  integer,
  storage,
  tensor,
  text,
  torchArchive,
  tuple,
} from '../../../helpers/pickle.js';

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
/** Oracles of other forms, which tests below read. */
const OTHER_ORACLES = new Set(['kinds.json', 'special.json']);
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

const files = fs
  .readdirSync(fixture('torch'))
  .filter((file) => file.endsWith('.json') && !OTHER_ORACLES.has(file));
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

interface Shown {
  path: string;
  dtype: string;
  shape: number[];
  sha256: string;
}

/** Dtype, shape and digest of the elements of every tensor, by name. */
async function shownBy(name: string): Promise<Record<string, unknown>> {
  const bytes = read(name);
  const layout = await layoutOf(bytes, name);
  const shown: Record<string, unknown> = {};
  for (const tensor of layout.tensors) {
    const elements = await tensorBytes(new MemorySource(bytes, name), layout, tensor);
    shown[tensor.name] = [tensor.dtype, tensor.shape, sha256(elements)];
  }
  return shown;
}

for (const name of ['kinds', 'special']) {
  test(`torch: ${name}.pt is shown by the parts that PyTorch has`, async (t) => {
    const rows = JSON.parse(read(`${name}.json`).toString()) as Shown[];
    const wanted = rows.map(({ path, dtype, shape, sha256 }) => {
      return [path, [DTYPE_OF[dtype], shape, sha256]];
    });
    t.deepEqual(await shownBy(`${name}.pt`), Object.fromEntries(wanted));
  });
}

test('torch: tensors that are not simply what their name says are told of', async (t) => {
  const { warnings } = await layoutOf(read('kinds.pt'));
  t.deepEqual(warnings, [
    "holds tensors that cannot be shown and are kept as opaque bytes: 'meta' (a meta tensor has no values)",
    "shows quantised tensors by their integer codes, scales and zero points: 'q_small', 'q_medium', 'q_negative', 'q_channels'",
    "shows sparse tensors by their indices and values: 'coo' (COO of shape [6, 8]), 'csr' (CSR of shape [6, 8]), 'csc' (CSC of shape [6, 8]), 'bsr' (BSR of shape [6, 8]), 'bsc' (BSC of shape [6, 8])",
    "shows nested tensors by their values and offsets: 'nested', 'jagged' (jagged)",
    "shows conjugated and negated views as the elements that they view: 'conjugated.conj', 'negated.neg', 'both.conj.neg'",
    "shows tensors of wrapper classes by the tensors inside: 'masked' (torch.masked.maskedtensor.core.MaskedTensor)",
  ]);
});

/** A call of a function of PyTorch, as a piece of a pickle program. */
const call = (name: string, ...args: string[]): string => {
  const [, module, short] = /^(.*)\.(\w+)$/.exec(name)!;
  return `c${module}\n${short}\n${tuple(...args)}R`;
};
const layoutOfProgram = (entries: Record<string, string>): Promise<FileLayout> =>
  layoutOf(torchArchive(dictProgram(entries)), 'hand.pt');

test('torch: a scale that is not a float of the pickle is not shown', async (t) => {
  const size = [integer(0), tuple(integer(4)), tuple(integer(1))];
  const codes = storage('0', 'QInt32Storage', 4);
  const scheme = 'ctorch\nper_tensor_affine\n';
  const text = call('torch._utils._rebuild_qtensor', codes, ...size, `${scheme}F0.5\nK\x03\x87`);
  const layout = await layoutOfProgram({ q: text });
  t.deepEqual(
    layout.tensors.map(({ name, dtype }) => [name, dtype]),
    [['q', 'I32']],
  );
  t.regex(layout.warnings.join(), /'q' \(scale and zero point are not shown\)/);
  const unknown = call('torch._utils._rebuild_qtensor', codes, ...size, tuple('cx\ny\n', 'N', 'N'));
  const other = await layoutOfProgram({ q: unknown });
  t.deepEqual(other.tensors, []);
  t.regex(other.warnings.join(), /cannot be shown.*'q' \(a scheme of quantisation/);
});

test('torch: codes that cannot be shown leave scales and zero points under their names', async (t) => {
  const size = [integer(0), tuple(integer(4)), tuple(integer(1))];
  const codes = storage('1', 'QUInt4x2Storage', 4);
  const scheme = tuple('ctorch\nper_channel_affine\n', tensor(), tensor(), integer(0));
  const q = call('torch._utils._rebuild_qtensor', codes, ...size, scheme);
  const data = { 'data/0': FLOATS, 'data/1': new Uint8Array(2) };
  const { tensors, warnings } = await layoutOf(torchArchive(dictProgram({ q }), data), 'hand.pt');
  t.deepEqual(
    tensors.map(({ name }) => name),
    ['q.scales', 'q.zero_points'],
  );
  t.regex(warnings.join(), /cannot be shown.*'q' \(torch\.QUInt4x2Storage\)/);
});

test('torch: bytes that hold several values each are said to', async (t) => {
  const size = [integer(0), tuple(integer(16)), tuple(integer(1)), '\x89', 'N'];
  const call4 = (dtype: string): string =>
    call(
      'torch._utils._rebuild_tensor_v3',
      storage('0', 'UntypedStorage', 16),
      ...size,
      `ctorch\n${dtype}\n`,
    );
  const { tensors, warnings } = await layoutOfProgram({
    f4: call4('float4_e2m1fn_x2'),
    u8: call4('uint8'),
  });
  t.deepEqual(
    tensors.map(({ name, dtype, shape }) => [name, dtype, shape]),
    [
      ['f4', 'U8', [16]],
      ['u8', 'U8', [16]],
    ],
  );
  t.deepEqual(warnings, [
    "shows tensors of packed values by their bytes, each of which holds several: 'f4' (torch.float4_e2m1fn_x2)",
  ]);
});

test('torch: a view or a sparse layout of a later PyTorch is opaque', async (t) => {
  const dense = tensor();
  const lazy = dense.replace(/\x89NtR$/, '\x89N}(X\x05\0\0\0spook\x88utR');
  t.not(lazy, dense);
  const layout = call('torch.serialization._get_layout', text('torch.sparse_spiral'));
  const odd = call('torch._utils._rebuild_sparse_tensor', layout, tuple(dense));
  const { tensors, warnings } = await layoutOfProgram({ lazy, odd });
  t.deepEqual(
    tensors.map(({ name }) => name),
    ['odd.1.0'],
  );
  t.regex(warnings.join(), /'lazy' \(a view of the kind 'spook'\), 'odd' \(a sparse layout/);
});

test('torch: a shard of a distributed tensor is not called the whole', async (t) => {
  const wrapper = (shape: number[]): string => {
    const name = 'ctorch.distributed.tensor\nDTensor\n';
    const size = tuple(...shape.map(integer));
    const inner = tuple(name, 'N', size, size, integer(0), 'N', 'N', '\x89');
    const state = `}(${text('_local_tensor')}${tensor()}u`;
    const rebuild = 'ctorch._utils\n_rebuild_wrapper_subclass\n';
    return call('torch._tensor._rebuild_from_type_v2', rebuild, name, inner, state);
  };
  const { tensors, warnings } = await layoutOfProgram({ whole: wrapper([4]), part: wrapper([8]) });
  t.deepEqual(
    tensors.map(({ name, shape }) => [name, shape]),
    [
      ['whole', [4]],
      ['part._local_tensor', [4]],
    ],
  );
  t.deepEqual(warnings, [
    "shows distributed tensors by this process's shard: 'part' (of shape [8])",
  ]);
});

test('torch: keys that read alike name different tensors', async (t) => {
  const at = (offset: number) => tensor({ offset, shape: [1] });
  const entries = [
    ['K\x00', at(0)],
    [text('0'), at(1)],
    [text("'0'"), at(2)],
    // True is 1: the later one counts.
    ['K\x01', at(0)],
    ['\x88', at(3)],
  ];
  const program = `\x80\x02}(${entries.flat().join('')}u.`;
  const { tensors } = await layoutOf(torchArchive(program), 'keys.pt');
  t.deepEqual(
    tensors.map(({ name, offset }) => [name, (offset - (tensors[0]?.offset ?? 0)) / 4]),
    [
      ['0', 0],
      ["'0'", 1],
      ["'0'~2", 2],
      ['True', 3],
    ],
  );
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
