/** Looks into files the way a layout says, for tests of format readers. */
import { isDeepStrictEqual } from 'node:util';
import { type ByteSource, MemorySource } from '../../lib/base/bytes/byte-source.js';
import { readLayout } from '../../lib/pure/formats/detect.js';
import { DTYPES, dtypeBytes } from '../../lib/pure/tensor/dtype.js';
import { elementCount, type FileLayout, type TensorSpan } from '../../lib/pure/tensor/layout.js';
import { swapBytes } from '../../lib/pure/tensor/planes.js';

/** The layout that detection gives for bytes in memory; a mistake of a reader throws. */
export function layoutOf(bytes: Uint8Array, name = 'file'): Promise<FileLayout> {
  return readLayout(new MemorySource(bytes, name), undefined, { strict: true });
}

/** Elements of a tensor as its layout places them: row-major, little-endian. */
export async function tensorBytes(
  source: ByteSource,
  layout: FileLayout,
  tensor: TensorSpan,
): Promise<Buffer> {
  const { dtype, shape, strides, offset } = tensor;
  const count = elementCount(shape);
  if (count === 0) return Buffer.alloc(0);
  const span = layout.extents.find(
    (s) => s.offset <= offset && offset < s.offset + s.width * s.count,
  );
  if (span === undefined) throw new Error(`tensor ${tensor.name} lies in no extent`);
  const extent = await source.read(span.offset, span.width * span.count);
  if (span.byteSwap) swapBytes(extent, span.width);
  const start = offset - span.offset;
  if (strides === null) {
    return Buffer.from(extent.subarray(start, start + dtypeBytes(dtype, count)));
  }
  const item = DTYPES[dtype].bits / 8;
  const out = Buffer.alloc(count * item);
  const index = shape.map(() => 0);
  for (let i = 0; i < count; i++) {
    const at = start + item * index.reduce((sum, k, d) => sum + k * (strides[d] ?? 0), 0);
    out.set(extent.subarray(at, at + item), i * item);
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d] = (index[d] ?? 0) + 1;
      if ((index[d] ?? 0) < (shape[d] ?? 0)) break;
      index[d] = 0;
    }
  }
  return out;
}

/** The bytes outside extents and variable ranges: what files of one network should share. */
export function fixedBytes(bytes: Uint8Array, layout: FileLayout): Buffer {
  const taken = [
    ...layout.variable,
    ...layout.extents.map((s) => ({ offset: s.offset, length: s.width * s.count })),
  ].sort((a, b) => a.offset - b.offset);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { offset, length } of taken) {
    parts.push(bytes.subarray(at, offset), Buffer.from([0xff]));
    at = offset + length;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

/** True if both files would have the same skeleton: equal fixed bytes, equal order of parts. */
export function sharesSkeleton(
  a: { bytes: Uint8Array; layout: FileLayout },
  b: { bytes: Uint8Array; layout: FileLayout },
): boolean {
  const kinds = ({ layout }: { layout: FileLayout }): unknown[] =>
    [
      ...layout.variable.map((v) => ({
        offset: v.offset,
        kind: v.fixedLength ? v.length : 'variable',
      })),
      ...layout.extents.map((s) => ({ offset: s.offset, kind: `${s.width}x${s.count}` })),
    ]
      .sort((x, y) => x.offset - y.offset)
      .map(({ kind }) => kind);
  return (
    fixedBytes(a.bytes, a.layout).equals(fixedBytes(b.bytes, b.layout)) &&
    isDeepStrictEqual(kinds(a), kinds(b))
  );
}
