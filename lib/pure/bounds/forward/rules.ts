/** The operators whose intervals are known. */

import { NoBounds } from '../analysis.js';
import { ELEMENTWISE } from './elementwise.js';
import type { ForwardRule } from './forward.js';
import { gelu } from './gelu.js';
import { LAYOUT } from './layout.js';
import { linearInterval, productInterval } from './linear.js';
import { linearOf } from './linear-operator.js';
import { NORMALISING } from './normalising.js';
import { resize } from './resize.js';

const linear: ForwardRule = (pass, node) => {
  const found = linearOf(pass, node);
  if (found === null && node.op === 'MatMul') return productInterval(pass, node);
  if (found === null) {
    throw new NoBounds(`${node.op} of two values or with factors is not bounded`, node.op);
  }
  return linearInterval(pass, node, found);
};

export const RULES: ReadonlyMap<string, ForwardRule> = new Map(
  Object.entries({
    ...ELEMENTWISE,
    ...LAYOUT,
    ...NORMALISING,
    Gelu: gelu,
    Resize: resize,
    Upsample: resize,
    Conv: linear,
    ConvTranspose: linear,
    Gemm: linear,
    MatMul: linear,
  }),
);
