/** Detection never refuses a file and never hides an error of reading; layouts are checked once more. */
import test, { type ExecutionContext } from 'ava';
import { type ByteSource, MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import {
  AbortedError,
  BugError,
  CorruptError,
  IoError,
  LimitError,
} from '../../../../lib/base/errors.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import type { FormatReader } from '../../../../lib/pure/formats/format.js';
import { validateLayout } from '../../../../lib/pure/formats/validate.js';
import { blobLayout, type FileLayout } from '../../../../lib/pure/tensor/layout.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { randomBytes } from '../../../helpers/rng.js';

/** A reader that takes every file and then does what `layout` does. */
function reader(name: string, layout: () => FileLayout): FormatReader {
  return { name, matches: () => true, layout: async () => layout() };
}

function fails(name: string, error: unknown): FormatReader {
  return reader(name, () => {
    throw error;
  });
}

const source = new MemorySource(new Uint8Array(100), 'm.bin');
const read = (readers: FormatReader[], strict = false) =>
  readLayout(source, undefined, { readers, strict });

test('detect: unknown content is a blob without a warning', async (t) => {
  for (const bytes of [new Uint8Array(0), Buffer.from('text'), randomBytes(5000, 1)]) {
    t.deepEqual(await layoutOf(bytes), blobLayout());
  }
});

test('detect: a reader that refuses leaves the file to the next; all reasons are told', async (t) => {
  const refusing = fails('one', new CorruptError("'m.bin': lies"));
  const good = reader('two', () => ({ ...blobLayout(), format: 'two' }));
  t.is((await read([refusing, good])).format, 'two');
  t.deepEqual((await read([refusing, good])).warnings, []);
  const layout = await read([refusing, fails('three', new LimitError('too much'))]);
  t.deepEqual(layout.warnings, [
    "looks like one but is kept as opaque bytes: 'm.bin': lies",
    'looks like three but is kept as opaque bytes: too much',
  ]);
});

test('detect: mistakes of a reader cost deltas, in tests they throw', async (t) => {
  const outside = reader('wrong', () => ({
    ...blobLayout(),
    extents: [{ offset: 90, width: 4, count: 3, byteSwap: false }],
  }));
  for (const bug of [fails('wrong', new RangeError('oops')), fails('wrong', 'text'), outside]) {
    const layout = await read([bug]);
    t.is(layout.format, 'blob');
    t.regex(layout.warnings[0] ?? '', /looks like wrong .*own reader failed/);
    await t.throwsAsync(read([bug], true), { any: true });
  }
});

test('detect: errors of reading and aborts pass through', async (t) => {
  const io = new IoError('cannot read', {});
  t.is(await t.throwsAsync(read([fails('x', io)])), io);
  const system = Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
  t.is(await t.throwsAsync(read([fails('x', system)])), system);
  await t.throwsAsync(read([fails('x', new AbortedError())]), { instanceOf: AbortedError });
  const aborted = AbortSignal.abort();
  await t.throwsAsync(readLayout(source, aborted), { instanceOf: AbortedError });
  const broken: ByteSource = {
    name: 'b',
    size: 9,
    read: () => Promise.reject(io),
  };
  t.is(await t.throwsAsync(readLayout(broken)), io);
});

const TENSOR = {
  name: 't',
  dtype: 'F32',
  shape: [2, 3],
  strides: null,
  offset: 8,
  role: 'weights',
} as const;
const SPAN = { offset: 8, width: 4, count: 6, byteSwap: false } as const;

/** A good layout with some fields replaced. */
function layoutWith(changes: Record<string, unknown>): FileLayout {
  const good = {
    ...blobLayout(),
    extents: [SPAN],
    tensors: [TENSOR],
    variable: [
      { offset: 0, length: 8, fixedLength: true },
      { offset: 32, length: 4, fixedLength: false },
    ],
  };
  return { ...good, ...changes } as unknown as FileLayout;
}

function refuses(t: ExecutionContext, changes: Record<string, unknown>, reason: RegExp): void {
  const error = t.throws(() => validateLayout(layoutWith(changes), 100));
  t.true(error instanceof BugError || error instanceof LimitError);
  t.regex(error?.message ?? '', reason);
}

test('validate: a good layout passes, with views of every legal kind', (t) => {
  validateLayout(layoutWith({}), 100);
  const views = [
    { ...TENSOR, name: 'strided', shape: [3, 2], strides: [1, 3] },
    { ...TENSOR, name: 'repeated', shape: [1000], strides: [0] },
    { ...TENSOR, name: 'bytes', dtype: 'U8', shape: [20], offset: 12 },
    { ...TENSOR, name: 'empty', shape: [0, 9], offset: 99 },
    { ...TENSOR, role: 'ema' },
    { ...TENSOR, name: 'packed', dtype: 'F4', shape: [48] },
  ];
  validateLayout(layoutWith({ tensors: [TENSOR, ...views] }), 100);
  t.pass();
});

test('validate: extents are sorted, disjoint, inside the file and not empty', (t) => {
  const span = (changes: object) => ({ tensors: [], extents: [{ ...SPAN, ...changes }] });
  refuses(t, span({ count: 24 }), /file at 100/);
  refuses(t, span({ count: 0 }), /extent of 0/);
  refuses(t, span({ count: 1.5 }), /extent of 1.5/);
  refuses(t, span({ offset: Number.NaN }), /at NaN/);
  refuses(t, span({ offset: -4 }), /at -4/);
  refuses(t, span({ width: 3 }), /width 3/);
  refuses(t, span({ width: 1, byteSwap: true }), /byte order/);
  refuses(t, { extents: [SPAN, { ...SPAN, offset: 28 }] }, /begins before 32/);
  refuses(t, { extents: [{ ...SPAN, offset: 40 }, SPAN] }, /begins before/);
});

test('validate: tensors lie whole in one extent, on its elements', (t) => {
  const tensor = (changes: object) => ({ tensors: [{ ...TENSOR, ...changes }] });
  refuses(t, tensor({ shape: [7] }), /not inside one extent/);
  refuses(t, tensor({ offset: 4 }), /not inside one extent/);
  refuses(t, tensor({ offset: 40 }), /not inside one extent/);
  refuses(t, tensor({ shape: [2, 3], strides: [4, 1] }), /not inside one extent/);
  refuses(t, tensor({ shape: [2 ** 52, 2 ** 52] }), /not inside one extent/);
  refuses(t, tensor({ dtype: 'U8', shape: [4], offset: 9 }), /inside an element/);
  refuses(t, tensor({ strides: [-1, 1] }), /strides/);
  refuses(t, tensor({ strides: [1] }), /strides/);
  refuses(t, tensor({ dtype: 'F4', strides: [3, 1] }), /strides/);
  refuses(t, tensor({ shape: [1.5] }), /shape/);
  refuses(t, tensor({ dtype: 'F31' }), /dtype/);
  refuses(t, tensor({ role: 'other' }), /role/);
  refuses(t, tensor({ name: '\ud800' }), /Unicode/);
  refuses(t, tensor({ shape: new Array(65).fill(1) }), /65 dimensions/);
  refuses(t, { tensors: [TENSOR, TENSOR] }, /two tensors/);
  refuses(t, { extents: [] }, /not inside one extent/);
  const swapped = { extents: [{ ...SPAN, byteSwap: true }] };
  refuses(t, { ...swapped, tensors: [{ ...TENSOR, dtype: 'F16' }] }, /big-endian/);
});

test('validate: variable ranges are sorted, disjoint and outside extents', (t) => {
  const range = (offset: number, length: number) => ({ offset, length, fixedLength: false });
  refuses(t, { variable: [range(0, 0)] }, /variable range/);
  refuses(t, { variable: [range(0, 9)] }, /cuts an extent/);
  refuses(t, { variable: [range(31, 4)] }, /cuts an extent/);
  refuses(t, { variable: [range(0, 4), range(3, 4)] }, /begins before/);
  refuses(t, { variable: [range(99, 2)] }, /file at 100/);
});

test('validate: steps and external layouts', (t) => {
  refuses(t, { step: -1 }, /step/);
  refuses(t, { step: 1.5 }, /step/);
  const external = (path: string, changes = {}) => ({ path, layout: layoutWith(changes) });
  validateLayout(layoutWith({ external: [external('a/b')] }), 100);
  refuses(t, { external: [external('/b')] }, /absolute/);
  refuses(t, { external: [external('b'), external('b')] }, /twice/);
  refuses(t, { external: [external('b', { extents: [] })] }, /not inside one extent/);
  refuses(t, { external: [external('b', { external: [external('c')] })] }, /no external/);
});
