/** Layout of a file of external data, from what one or several ONNX models say is in it. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { DTYPES, dtypeBytes } from '../../tensor/dtype.js';
import { blobLayout, elementCount, type FileLayout, type TensorSpan } from '../../tensor/layout.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { buildSpans, type SpanClaim } from '../spans.js';
import { TensorNames } from '../tensor-names.js';

/** What one model says of the file. */
export interface SaidOfData {
  /** The model's name, for warnings. */
  model: string;
  layout: FileLayout;
}

/** The key under which a tensor of a model says in which file its elements are. */
export const LOCATION_KEY = 'location';
/** A larger model is mostly elements, which its reader passes over. */
const SEARCHED_BYTES_MAX = 16 * 1024 * 1024;

/** False if a model cannot name a file of external data: to find that out, nothing of it is parsed. */
export async function mayNameData(model: ByteSource): Promise<boolean> {
  if (model.size > SEARCHED_BYTES_MAX) return true;
  const { buffer, byteOffset, length } = await model.read(0, model.size);
  return Buffer.from(buffer, byteOffset, length).includes(LOCATION_KEY);
}

/**
 * Joins what models say of one data file. Tensors of the same name and place are one; of the same name
 * and another place, the later has a number behind its name. Tensors that end behind the file's end
 * are left out with a warning.
 *
 * @param said  in the order of the models' names, so that names do not depend on chance.
 * @throws {LimitError} if all of it takes more memory than one file may.
 */
export function layoutOfData(
  { name, size }: { name: string; size: number },
  said: readonly SaidOfData[],
): FileLayout {
  const budget = new MemoryBudget(name);
  // The structure is in the models, which were within their own budgets.
  for (const { layout } of said)
    budget.grant(layout.tensors.length * (CHARGES.tensor + CHARGES.claim));
  const names = new TensorNames(budget);
  const claims: SpanClaim[] = [];
  const tensors: TensorSpan[] = [];
  const warnings: string[] = [];
  const known = new Set<string>();
  for (const { model, layout } of said) {
    const beyond: string[] = [];
    for (const tensor of layout.tensors) {
      const { dtype, shape, offset } = tensor;
      const bytes = shape.includes(0) ? 0 : dtypeBytes(dtype, elementCount(shape));
      if (offset + bytes > size) {
        beyond.push(tensor.name);
        continue;
      }
      const key = JSON.stringify([tensor.name, dtype, shape, offset]);
      if (known.has(key)) continue;
      budget.charge(CHARGES.entry + CHARGES.text + 2 * key.length + CHARGES.claim + CHARGES.extent);
      budget.chargeTensor(tensor.name, shape.length);
      known.add(key);
      claims.push({ offset, bytes, width: DTYPES[dtype].width, byteSwap: false });
      tensors.push({ ...tensor, name: names.add(tensor.name) });
    }
    if (beyond.length === 0) continue;
    warnings.push(
      `is shorter than '${model}' says: ${beyond.length} of ${layout.tensors.length} tensors lie ` +
        `beyond its ${size} bytes and cannot be shown (${quoteSome(beyond)}); it may be truncated: copy or ` +
        'export it again',
    );
  }
  if (tensors.length === 0) return blobLayout(warnings);
  return budget.layout({
    ...blobLayout(warnings),
    format: 'onnx-data',
    extents: buildSpans(claims),
    tensors,
  });
}
