/**
 * How far the runtime's kernels of functions of one number are from the functions, over all finite float32.
 * Measured by benchmarks/unary-errors.bench.ts, which writes the table in docs/progressive.md; each number here is at
 * least twice the greatest that was measured, as kernels differ between processors.
 */
import { NoBounds } from './analysis.js';
import { UNIT } from './rounding.js';

/** |kernel(x) − f(x)| ≤ relative · |f(x)| + absolute. */
export interface KernelError {
  readonly relative: number;
  readonly absolute: number;
}

/** Version of onnxruntime-node that was measured. Bounds hold for the reference run of this version alone. */
export const MEASURED_RUNTIME = '1.30.0';

const ERRORS: Readonly<Record<string, KernelError>> = {
  Sigmoid: { relative: 0, absolute: 8 * UNIT },
  Tanh: { relative: 0, absolute: 12 * UNIT },
  Exp: { relative: 4 * UNIT, absolute: 0 },
  Elu: { relative: 0, absolute: 4 * UNIT },
  Erf: { relative: 0, absolute: 16 * UNIT },
  Gelu: { relative: 6 * UNIT, absolute: 6 * UNIT },
  'Gelu, tanh': { relative: 8 * UNIT, absolute: 32 * UNIT },
  // Two roundings of a sum that is between 0 and 1 where it is not clipped.
  HardSigmoid: { relative: 8 * UNIT, absolute: 8 * UNIT },
};

/** The error of an operator's kernel. @throws {NoBounds} if it was not measured. */
export function unaryError(op: string): KernelError {
  const found = ERRORS[op];
  if (found === undefined) throw new NoBounds(`the kernel of ${op} was not measured`, op);
  return found;
}
