/** Cutting a file into parts: every byte is in exactly one part, every tensor in its own. */
import test from 'ava';
import fc from 'fast-check';
import { SMALL_TENSOR_BYTES } from '../../../../lib/base/limits.js';
import { cutFile } from '../../../../lib/pure/tensor/file-parts.js';
import { blobLayout, type FileLayout } from '../../../../lib/pure/tensor/layout.js';

interface Piece {
  kind: 'gap' | 'extent' | 'variable' | 'fixedVariable';
  length: number;
  width: 1 | 2 | 4 | 8;
  byteSwap: boolean;
}

const length = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(SMALL_TENSOR_BYTES - 8, SMALL_TENSOR_BYTES, 65_536, 65_537, 70_000, 200_000),
);
const piece: fc.Arbitrary<Piece> = fc.record({
  kind: fc.constantFrom('gap', 'extent', 'variable', 'fixedVariable'),
  length,
  width: fc.constantFrom(1, 2, 4, 8),
  byteSwap: fc.boolean(),
});

function layoutOf(pieces: readonly Piece[]): { layout: FileLayout; size: number } {
  const layout = blobLayout();
  let at = 0;
  for (const [i, p] of pieces.entries()) {
    if (p.kind === 'extent') {
      const count = Math.floor(p.length / p.width);
      if (count === 0) continue;
      const { width, byteSwap } = p;
      layout.extents.push({ offset: at, width, count, byteSwap });
      const shape = [count];
      const role = 'weights';
      const dtype = ({ 1: 'U8', 2: 'F16', 4: 'F32', 8: 'F64' } as const)[width];
      layout.tensors.push({ name: `t${i}`, dtype, shape, strides: null, offset: at, role });
      at += count * width;
    } else if (p.kind !== 'gap' && p.length > 0) {
      layout.variable.push({ offset: at, length: p.length, fixedLength: p.kind !== 'variable' });
      at += p.length;
    } else at += p.length;
  }
  return { layout, size: at };
}

test('cut: parts follow each other and cover the file exactly once', (t) => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const { layout, size } = layoutOf(pieces);
      const { parts, tensors } = cutFile(layout, size);
      let at = 0;
      for (const { part, offset, length: bytes } of parts) {
        t.is(offset, at);
        t.true(bytes > 0);
        if (part.kind === 'fixed' || part.kind === 'data') t.is(part.length, bytes);
        if (part.kind === 'variable' && part.length !== null) t.is(part.length, bytes);
        if (part.kind === 'extent') t.is(part.width * part.count, bytes);
        at += bytes;
      }
      t.is(at, size);
      t.is(tensors.length, layout.tensors.length);
      for (const [i, tensor] of tensors.entries()) {
        const home = parts[tensor.part]!;
        t.is(home.offset + tensor.byteOffset, layout.tensors[i]!.offset);
        t.true(home.part.kind === 'extent' || home.part.kind === 'data');
      }
    }),
    { numRuns: 300 },
  );
});

test('cut: small spans are literals in the byte order of the file', (t) => {
  const cut = (bytes: number, byteSwap: boolean) => {
    const { layout, size } = layoutOf([{ kind: 'extent', length: bytes, width: 4, byteSwap }]);
    return cutFile(layout, size).parts[0]!.part;
  };
  const literal = { kind: 'data', width: 4 };
  t.like(cut(SMALL_TENSOR_BYTES - 4, false), { ...literal, byteSwap: false });
  t.like(cut(8, true), { ...literal, length: 8, byteSwap: true });
  t.like(cut(SMALL_TENSOR_BYTES, false), { kind: 'extent', byteSwap: false });
  t.like(cut(SMALL_TENSOR_BYTES, true), { kind: 'extent', byteSwap: true });
});

test('cut: a stored part keeps its kind, whatever the limit was when it was written', (t) => {
  const kindOf = (count: number, as: 'extent' | 'data') => {
    const layout = { ...blobLayout(), format: 'x' };
    layout.extents = [{ offset: 0, width: 4, count, byteSwap: false, as }];
    return cutFile(layout, 4 * count).parts[0]!.part.kind;
  };
  t.is(kindOf(SMALL_TENSOR_BYTES, 'data'), 'data');
  t.is(kindOf(10, 'extent'), 'extent');
});

test('cut: many gaps never make more than 16 MiB of fixed literals', (t) => {
  const layout = blobLayout();
  const step = 60_000;
  for (let i = 0; i < 1000; i++) {
    layout.extents.push({ offset: i * step, width: 1, count: 10, byteSwap: false });
  }
  const { parts } = cutFile(layout, 1000 * step);
  const fixed = parts.filter(({ part }) => part.kind === 'fixed');
  t.true(fixed.reduce((sum, p) => sum + p.length, 0) <= 16 * 1024 * 1024);
  t.true(parts.some(({ part }) => part.kind === 'chunks'));
});

test('cut: an empty file has no parts, a tensor without elements no part', (t) => {
  t.deepEqual(cutFile(blobLayout(), 0), { format: 'blob', parts: [], tensors: [] });
  const layout = blobLayout();
  const empty = { name: 'e', dtype: 'F32', strides: null, offset: 0, role: 'weights' } as const;
  layout.tensors.push({ ...empty, shape: [0, 3] });
  t.is(cutFile(layout, 5).tensors[0]?.part, -1);
});
