/** Layers that are one operator, or few, with sizes and axes that are said: reshapes, scales, arithmetic. */
import { WEIGHT_TYPES } from './initial-values.js';
import { type LayerInput, LayerProblem, type LayerTools } from './layer-parts.js';

/** Axes as they are said, from 0; the batch is 0. @throws {LayerProblem} for one that there is not. */
function axesOf(tools: LayerTools, name: string, rank: number, wanted: string): number[] {
  const said = tools.list(name);
  if (said === null) throw new LayerProblem(`wants ${name}`, wanted);
  const axes = said.map((axis) => (axis < 0 ? axis + rank : axis));
  if (axes.some((axis) => axis < 0 || axis >= rank) || new Set(axes).size < axes.length) {
    throw new LayerProblem(`has ${name} [${said.join(', ')}] and gets ${rank} dimensions`, wanted);
  }
  return axes;
}

/** Axes are an input from some opset on, and an attribute before. */
function overAxes(
  tools: LayerTools,
  { op, since, input }: { op: string; since: number; input: string },
  axes: readonly number[],
  rest: Readonly<Record<string, number>> = {},
): string {
  return tools.opset >= since
    ? tools.node(op, [input, tools.constant(axes)], rest)
    : tools.node(op, [input], { axes, ...rest });
}

const FLOAT_TYPES: Readonly<Record<string, number>> = { ...WEIGHT_TYPES };

export function buildReshape(type: string, input: LayerInput, tools: LayerTools): void {
  const rank = (): number => tools.shape(input, 1).length;
  switch (type) {
    case 'FLATTEN':
      tools.node('Flatten', [input.name], { axis: 1 });
      return;
    case 'RESHAPE':
    case 'EXPAND': {
      const shape = tools.list('shape');
      if (shape === null) {
        throw new LayerProblem(
          'wants the shape of an example',
          `write ${type}(shape = [4, ${type === 'EXPAND' ? '8' : '-1'}]): the batch stays in front`,
        );
      }
      if (type === 'EXPAND' && shape.includes(-1)) {
        throw new LayerProblem('expands to sizes from 1: -1 is for RESHAPE');
      }
      // 0 leaves the batch as it is; a size of 1 does in Expand.
      const batch = type === 'RESHAPE' ? 0 : 1;
      tools.node(type === 'RESHAPE' ? 'Reshape' : 'Expand', [
        input.name,
        tools.constant([batch, ...shape]),
      ]);
      return;
    }
    case 'TRANSPOSE': {
      const order = axesOf(tools, 'order', rank(), 'write TRANSPOSE(order = [0, 2, 1])');
      if (order.length !== rank() || order[0] !== 0) {
        throw new LayerProblem(
          `orders all ${rank()} dimensions, and the batch, 0, stays in front`,
          'write TRANSPOSE(order = [0, 2, 1])',
        );
      }
      tools.node('Transpose', [input.name], { perm: order });
      return;
    }
    case 'SQUEEZE':
    case 'UNSQUEEZE': {
      const isOut = type === 'SQUEEZE';
      const said = tools.list('axis')?.length ?? 0;
      const all = isOut ? rank() : rank() + said;
      const axes = axesOf(tools, 'axis', all, `write ${type}(axis = 2)`);
      if (axes.includes(0)) throw new LayerProblem('leaves the batch, axis 0, as it is');
      const op = isOut ? 'Squeeze' : 'Unsqueeze';
      overAxes(tools, { op, since: 13, input: input.name }, axes);
      return;
    }
    case 'CAST': {
      const word = tools.word('to') ?? '';
      const to = FLOAT_TYPES[word.toUpperCase()];
      if (to === undefined) {
        const known = Object.keys(FLOAT_TYPES).join(', ');
        throw new LayerProblem(`casts to one of ${known}`, 'write CAST(to = "F16")');
      }
      tools.node('Cast', [input.name], { to });
      return;
    }
    default:
      tools.node('Identity', [input.name]);
  }
}

export function buildPlainNorm(
  type: 'LP' | 'MVN' | 'SCALE',
  input: LayerInput,
  tools: LayerTools,
): void {
  const shape = tools.shape(input, 2);
  if (type === 'LP') {
    const axis = tools.number('axis', -1);
    tools.node('LpNormalization', [input.name], { axis, p: tools.number('p', 2) });
    return;
  }
  if (type === 'MVN') {
    const axes = tools.list('axis') ?? shape.map((_, i) => i).filter((i) => i !== 1);
    tools.since('MeanVarianceNormalization', 9, 0);
    tools.node('MeanVarianceNormalization', [input.name], { axes });
    return;
  }
  const channels = tools.size(shape[1], 'channels', shape);
  const sides = [channels, ...new Array<number>(shape.length - 2).fill(1)];
  const scaled = tools.node('Mul', [input.name, tools.filled('weight', input, sides, 1)]);
  if (tools.flag('bias', true)) tools.node('Add', [scaled, tools.filled('bias', input, sides, 0)]);
}

/** Operators of one value, with the opset that has them for floats. */
const UNARY: Readonly<Record<string, [op: string, since: number]>> = {
  ...{ ABS: ['Abs', 6], NEG: ['Neg', 6], EXP: ['Exp', 6], LOG: ['Log', 6], SQRT: ['Sqrt', 6] },
  ...{
    RECIPROCAL: ['Reciprocal', 6],
    FLOOR: ['Floor', 6],
    CEIL: ['Ceil', 6],
    ROUND: ['Round', 11],
  },
  ...{ SIGN: ['Sign', 9], SIN: ['Sin', 7], COS: ['Cos', 7], TAN: ['Tan', 7] },
};

const REDUCES: Readonly<Record<string, [op: string, since: number]>> = {
  ...{ REDUCEMEAN: ['ReduceMean', 18], REDUCESUM: ['ReduceSum', 13] },
  ...{ REDUCEMAX: ['ReduceMax', 18], REDUCEMIN: ['ReduceMin', 18] },
};

export function buildOther(type: string, input: LayerInput, tools: LayerTools): void {
  const unary = UNARY[type];
  if (unary !== undefined) {
    tools.node(tools.since(unary[0], unary[1], unary[0]), [input.name]);
    return;
  }
  const shape = tools.shape(input, type.startsWith('REDUCE') ? 2 : 3);
  const reduce = REDUCES[type];
  if (reduce !== undefined) {
    const [op, since] = reduce;
    const axes = axesOf(tools, 'axis', shape.length, `write ${type}(axis = 1)`);
    if (axes.includes(0)) throw new LayerProblem('leaves the batch, axis 0, as it is');
    overAxes(tools, { op, since, input: input.name }, axes, {
      keepdims: tools.flag('keep', false) ? 1 : 0,
    });
    return;
  }
  const spatial = shape.length - 2;
  if (type === 'DEPTHTOSPACE' || type === 'SPACETODEPTH') {
    const op = type === 'DEPTHTOSPACE' ? 'DepthToSpace' : 'SpaceToDepth';
    tools.node(op, [input.name], { blocksize: tools.number('size', 2) });
    return;
  }
  if (type === 'PAD') {
    const said = tools.list('pad') ?? [];
    const sides =
      said.length === 1
        ? new Array<number>(2 * spatial).fill(said[0] as number)
        : said.length === spatial
          ? [...said, ...said]
          : said;
    if (sides.length !== 2 * spatial || spatial === 0) {
      throw new LayerProblem(
        `pads ${spatial} dimensions: one number, or one for each side, beginnings first`,
        'write OTHER("PAD", pad = 1)',
      );
    }
    const pads = [0, 0, ...sides.slice(0, spatial), 0, 0, ...sides.slice(spatial)];
    const value = tools.number('value', 0);
    if (tools.opset < 11) tools.node('Pad', [input.name], { mode: 'constant', pads, value });
    else
      tools.node('Pad', [
        input.name,
        tools.constant(pads),
        tools.filled('value', input, [], value),
      ]);
    return;
  }
  const said = tools.list('scale') ?? [2];
  const scales = said.length === 1 ? new Array<number>(spatial).fill(said[0] as number) : said;
  const mode = tools.word('mode') ?? 'nearest';
  if (scales.length !== spatial || !['nearest', 'linear', 'cubic'].includes(mode)) {
    throw new LayerProblem(
      `resizes ${spatial} dimensions by "nearest", "linear" or "cubic"`,
      'write OTHER("RESIZE", scale = 2, mode = "linear")',
    );
  }
  tools.since('Resize', 13, 0);
  // Rounded down, nearest repeats each number as often as the scale says.
  const asymmetric = { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  tools.node('Resize', [input.name, '', tools.constant([1, 1, ...scales], 'floats')], {
    mode,
    ...(mode === 'nearest' ? asymmetric : {}),
  });
}
