/** What graphs of bounds are fed of a network's parameters: centers and radii of intervals that hold them. */
import { BugError } from '../../base/errors.js';

/** An interval for each element of a parameter, row-major. Equal arrays: the parameter is known. */
export interface ParameterBounds {
  readonly low: Float32Array;
  readonly high: Float32Array;
}

export type BoundsOf = (parameter: string) => ParameterBounds;

/** An input of a graph that is made of parameters alone. */
export interface WeightInput {
  readonly name: string;
  readonly type: 'float32' | 'float64';
  readonly dims: readonly number[];
  /** Names of the parameters that it is made of. */
  readonly parameters: readonly string[];
  /** Which form of its one parameter it is, element by element; null: another. */
  readonly form: WeightForm | null;
  /** True if it does not depend on how wide intervals are. */
  readonly isCenter: boolean;
  make(boundsOf: BoundsOf): Float32Array | Float64Array;
}

/** Forms in which a parameter goes into a graph. */
export type WeightForm = 'low' | 'high' | 'center' | 'radius' | 'size';

/** The next float32 that is at least `value`. */
export function roundUp(value: number): number {
  const near = Math.fround(value);
  return near >= value ? near : nextAfter(near, 1);
}

/** The next float32 that is at most `value`. */
export function roundDown(value: number): number {
  return -roundUp(-value);
}

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

function nextAfter(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * 2 ** -149;
  single[0] = value;
  (word[0] as number) += value > 0 === direction > 0 ? 1 : -1;
  return single[0];
}

/** The input of a form of a parameter. */
export function weightInput(
  parameter: string,
  form: WeightForm,
  dims: readonly number[],
): WeightInput {
  return {
    name: `${form}:${parameter}`,
    type: 'float32',
    dims,
    parameters: [parameter],
    form,
    isCenter: form === 'center' || form === 'size',
    make: (boundsOf) => formOf(boundsOf(parameter), form),
  };
}

/** The center of a parameter as a matrix of float64 [dims[0], the rest]. @param isTurned  rows become columns. */
export function doubleInput(
  parameter: string,
  dims: readonly number[],
  isTurned: boolean,
): WeightInput {
  const [rows = 1, ...rest] = dims;
  const columns = rest.reduce((product, size) => product * size, 1);
  return {
    name: `double${isTurned ? ' turned' : ''}:${parameter}`,
    type: 'float64',
    dims: isTurned ? [columns, rows] : [rows, columns],
    parameters: [parameter],
    form: null,
    isCenter: true,
    make: (boundsOf) => {
      const center = formOf(boundsOf(parameter), 'center');
      if (!isTurned) return Float64Array.from(center);
      const made = new Float64Array(center.length);
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < columns; k++) {
          made[k * rows + i] = center[i * columns + k] as number;
        }
      }
      return made;
    },
  };
}

function formOf({ low, high }: ParameterBounds, form: WeightForm): Float32Array {
  if (form === 'low') return low;
  if (form === 'high') return high;
  const made = new Float32Array(low.length);
  for (let i = 0; i < made.length; i++) {
    const [l, h] = [low[i] as number, high[i] as number];
    const center = Math.fround(l / 2 + h / 2);
    if (form === 'center') made[i] = center;
    else if (form === 'size') made[i] = Math.abs(center);
    // A difference of float64 rounds as well, where one end is far smaller than the other.
    else made[i] = l === h ? 0 : roundUp(Math.max(h - center, center - l) * (1 + 2 ** -50));
  }
  return made;
}

/** Names of the four parameters of a normalisation over channels, with its constant. */
export interface NormParameters {
  scale: string;
  bias: string;
  mean: string;
  variance: string;
  epsilon: number;
}

/** Relative slack of what is computed here in float64 and rounded to float32. */
const SLACK = 2 ** -40;

/**
 * Inputs of a norm as y = x·s + t, one number a channel: s = γ/√(σ² + ε), t = β − μ·s.
 * @param dims  that channels stand in, as [1, C, 1, 1].
 */
export function normInputs(
  norm: NormParameters,
  dims: readonly number[],
): Record<string, WeightInput> {
  const { scale, bias, mean, variance, epsilon } = norm;
  const parameters = [scale, bias, mean, variance];
  const key = `${scale}|${variance}`;
  const ends = (boundsOf: BoundsOf) => {
    const [g, b, m, v] = parameters.map(boundsOf) as [
      ParameterBounds,
      ParameterBounds,
      ParameterBounds,
      ParameterBounds,
    ];
    const count = g.low.length;
    const s = { low: new Float64Array(count), high: new Float64Array(count) };
    const t = {
      low: new Float64Array(count),
      high: new Float64Array(count),
      sum: new Float64Array(count),
    };
    for (let i = 0; i < count; i++) {
      const deviations = [v.low[i], v.high[i]].map((one) => Math.sqrt((one as number) + epsilon));
      const scales = deviations.flatMap((d) => [
        (g.low[i] as number) / d,
        (g.high[i] as number) / d,
      ]);
      const shifts = scales.flatMap((one) => [
        (m.low[i] as number) * one,
        (m.high[i] as number) * one,
      ]);
      const wide = SLACK * Math.max(...scales.map(Math.abs));
      s.low[i] = Math.min(...scales) - wide;
      s.high[i] = Math.max(...scales) + wide;
      const most = Math.max(...shifts.map(Math.abs));
      t.low[i] = (b.low[i] as number) - Math.max(...shifts) - SLACK * most;
      t.high[i] = (b.high[i] as number) - Math.min(...shifts) + SLACK * most;
      t.sum[i] = most + Math.max(Math.abs(b.low[i] as number), Math.abs(b.high[i] as number));
    }
    return { s, t };
  };
  const input = (
    name: string,
    pick: (found: ReturnType<typeof ends>) => { low: Float64Array; high: Float64Array },
    form: WeightForm,
  ): WeightInput => ({
    name: `${form}:${name}:${key}`,
    type: 'float32',
    dims,
    parameters,
    form: null,
    isCenter: form === 'center',
    make: (boundsOf) => {
      const { low, high } = pick(ends(boundsOf));
      return formOf(
        { low: Float32Array.from(low, roundDown), high: Float32Array.from(high, roundUp) },
        form,
      );
    },
  });
  const forms: Record<string, WeightInput> = {};
  for (const form of ['low', 'high', 'center', 'radius'] as const) {
    forms[`scale.${form}`] = input('scale', ({ s }) => s, form);
    forms[`shift.${form}`] = input('shift', ({ t }) => t, form);
  }
  forms['shift.size'] = {
    name: `size:shift:${key}`,
    type: 'float32',
    dims,
    parameters,
    form: null,
    isCenter: false,
    make: (boundsOf) => Float32Array.from(ends(boundsOf).t.sum, roundUp),
  };
  return forms;
}

/** What `forms` has under a key. */
export function formNamed(forms: Record<string, WeightInput>, key: string): WeightInput {
  const found = forms[key];
  if (found === undefined) throw new BugError(`no form '${key}' of a norm`);
  return found;
}
