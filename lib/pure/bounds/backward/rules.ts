/** The operators that have a way back. */
import type { BackwardRule } from './backward.js';
import { BENDS } from './bends.js';
import { ELEMENTWISE } from './elementwise.js';
import { gelu } from './gelu.js';
import { LAYOUT } from './layout.js';
import { backLinear } from './linear.js';
import { backProduct, NORMALISING } from './normalising.js';
import { POOLS } from './pools.js';

const backMatMul: BackwardRule = (back, node, coefficients) =>
  backLinear(back, node, coefficients) || backProduct(back, node, coefficients);

export const BACKWARD: ReadonlyMap<string, BackwardRule> = new Map(
  Object.entries({
    ...LAYOUT,
    ...ELEMENTWISE,
    ...BENDS,
    ...POOLS,
    ...NORMALISING,
    Gelu: gelu,
    Conv: backLinear,
    ConvTranspose: backLinear,
    Gemm: backLinear,
    MatMul: backMatMul,
  }),
);
