/** Intervals through Resize and Upsample: nearest neighbours are exact, and linear interpolations grow with each. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import { FEW, TINY } from '../rounding.js';
import type { ForwardPass, ForwardRule } from './forward.js';
import { bothEnds } from './layout.js';

/** Shares of its neighbours that a linear interpolation rounds, here and in the reference. */
const INTERPOLATION_ERROR = 4 * FEW;
/** How places are taken back to where they come from, in every version since 11. */
const PLACES: ReadonlySet<string> = new Set([
  'half_pixel',
  'pytorch_half_pixel',
  'asymmetric',
  'align_corners',
]);

/** Factors of all axes as the runtime has them, in float32. @throws {NoBounds} */
function factorsOf(pass: ForwardPass, node: GraphNode, isOld: boolean): number[] {
  const before = pass.shape(node.inputs[0] as string);
  const after = pass.shape(node.outputs[0] as string);
  const axes = numbersOf(node, 'axes') ?? before.map((_, i) => i);
  const sizes = isOld ? '' : (node.inputs[3] ?? '');
  const factors = before.map(() => 1);
  const scales =
    sizes === ''
      ? (numbersOf(node, 'scales') ?? pass.whole(node.inputs[isOld ? 1 : 2], node.op))
      : null;
  for (const [i, given] of axes.entries()) {
    const axis = given < 0 ? given + before.length : given;
    const ratio = (after[axis] as number) / (before[axis] as number);
    factors[axis] = Math.fround(scales === null ? ratio : (scales[i] ?? ratio));
  }
  const isAsShaped = factors.every(
    (factor, i) => Math.floor(Math.fround((before[i] as number) * factor)) === after[i],
  );
  const isStretched = (textOf(node, 'keep_aspect_ratio_policy') ?? 'stretch') === 'stretch';
  if (factors[0] !== 1 || !isAsShaped || !isStretched) {
    throw new NoBounds(`${node.op} by factors that do not give its shape`, node.op);
  }
  return factors;
}

export const resize: ForwardRule = (pass, node) => {
  const { maker } = pass;
  // Until version 11 there was one way, which is now the asymmetric one.
  const isOld = node.op === 'Upsample' || pass.analysis.opset < 11;
  const mode = textOf(node, 'mode') ?? 'nearest';
  const places = isOld
    ? 'asymmetric'
    : (textOf(node, 'coordinate_transformation_mode') ?? 'half_pixel');
  const isKnown = (mode === 'nearest' || mode === 'linear') && PLACES.has(places);
  if (!isKnown || numberOf(node, 'antialias') === 1) {
    throw new NoBounds(
      `${node.op} is bounded for nearest neighbours and linear interpolation`,
      node.op,
    );
  }
  const factors = factorsOf(pass, node, isOld);
  const isLess = factors.some((one) => one < 1);
  if (isOld && isLess && factors.some((one) => one > 1)) {
    throw new NoBounds(`${node.op} up and down at once`, node.op);
  }
  const rounding = isOld
    ? isLess
      ? 'ceil'
      : 'floor'
    : (textOf(node, 'nearest_mode') ?? 'round_prefer_floor');
  const apply = (value: string): string =>
    maker.node('Resize', [value, '', maker.floats(factors, [factors.length])], {
      mode: { text: mode },
      coordinate_transformation_mode: { text: places },
      nearest_mode: { text: rounding },
    });
  const data = pass.interval(node.inputs[0] as string);
  const ends = bothEnds(data, apply);
  if (mode === 'nearest') return ends;
  const error = maker.shift(maker.scale(apply(pass.sizeOf(data)), INTERPOLATION_ERROR), TINY);
  return { low: maker.sub(ends.low, error), high: maker.add(ends.high, error) };
};
