/** If two tensors of a repository are equal. */
import { elementCount } from '../../pure/tensor/layout.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import { type StoredTensor, sameBytes } from '../../storage/objects/stored/tensors.js';
import type { LineAccess } from '../history/access.js';

export function isSameShape(a: StoredTensor, b: StoredTensor | undefined): boolean {
  return (
    b !== undefined && a.dtype === b.dtype && JSON.stringify(a.shape) === JSON.stringify(b.shape)
  );
}

/** True if two tensors have the same elements, dtype and shape. */
export async function sameContent(
  repo: LineAccess,
  a: StoredTensor,
  b: StoredTensor,
): Promise<boolean> {
  if (!isSameShape(a, b)) return false;
  if (sameBytes(a, b)) return true;
  const isWhole = ({ home, byteOffset, dtype, shape }: StoredTensor): boolean =>
    home.kind === 'extent' &&
    byteOffset === 0 &&
    home.count === elementCount(shape) &&
    dtype !== null;
  // The id of an extent is that of its content.
  if (isWhole(a) && isWhole(b) && a.strides === null && b.strides === null) return false;
  const [left, right] = [readTensor(repo, a), readTensor(repo, b)];
  try {
    for (;;) {
      const [x, y] = await Promise.all([left.next(), right.next()]);
      if (x.done || y.done) return x.done === y.done;
      if (Buffer.compare(x.value, y.value) !== 0) return false;
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}
