/** How weights of several versions are combined: as the user says it, with defaults, and as a version records it. */
import { UsageError } from '../../base/errors.js';
import type { Combination } from '../../pure/merge/combine.js';

/** Names of the methods. */
export const METHODS = ['average', 'slerp', 'task', 'ties', 'dare'] as const;
export type Method = (typeof METHODS)[number];

/** How weights are combined. What a method does not use may not be given. */
export interface MethodOptions {
  method: Method;
  /** A factor for each version: HEAD's first, then in the order named. Default: 1 each. */
  weights?: readonly number[];
  /** task, ties, dare: factor of the sum of changes. Default: 1. */
  lambda?: number;
  /** ties, dare: share of each version's changes that stays. Default: 0.2 for ties, 0.1 for dare. */
  density?: number;
  /** slerp: how far from the first version to the second. Default: 0.5. */
  t?: number;
  /** dare: leaves out changes against the sign of the sum, as ties does. */
  elect?: boolean;
  /** dare: what is drawn depends on it. Default: 0. */
  seed?: number;
  /** task, ties, dare: the version that changes are told from. Default: the newest common ancestor. */
  base?: string;
}

const USES: Record<Method, readonly (keyof MethodOptions)[]> = {
  average: ['weights'],
  slerp: ['t'],
  task: ['weights', 'lambda', 'base'],
  ties: ['weights', 'lambda', 'density', 'base'],
  dare: ['weights', 'lambda', 'density', 'elect', 'seed', 'base'],
};

/** True for methods that add up changes against a common base. */
export function needsBase({ method }: MethodOptions): boolean {
  return USES[method].includes('base');
}

function checkShare(value: number, name: string): void {
  if (value > 0 && value <= 1) return;
  throw new UsageError(`the ${name} is ${value}`, { hint: 'give a number above 0, at most 1' });
}

/**
 * The method with its numbers.
 * @param count  versions that are combined.
 * @throws {UsageError} for numbers that do not fit, or that the method does not use.
 */
export function combinationOf(options: MethodOptions, count: number): Combination {
  const { method, lambda = 1, t = 0.5, elect = false, seed = 0 } = options;
  for (const [name, value] of Object.entries(options)) {
    if (name === 'method' || value === undefined || value === false) continue;
    if (USES[method].includes(name as keyof MethodOptions)) continue;
    const users = METHODS.filter((one) => USES[one].includes(name as keyof MethodOptions));
    throw new UsageError(`'${name}' means nothing to '${method}'`, {
      hint: `it is for ${users.join(', ')}`,
    });
  }
  const weights = options.weights ?? new Array<number>(count).fill(1);
  if (weights.length !== count) {
    throw new UsageError(`${weights.length} weights are given for ${count} versions`, {
      hint: 'one for each version that is combined: that of HEAD first, unless HEAD is the base',
    });
  }
  if (![...weights, lambda, t].every(Number.isFinite))
    throw new UsageError('a factor is no number');
  if (method === 'average') {
    if (Math.abs(weights.reduce((all, one) => all + one, 0)) < 1e-8) {
      throw new UsageError('the weights add up to 0', {
        hint: 'an average is divided by their sum',
      });
    }
    return { method, weights };
  }
  if (method === 'slerp') {
    if (count !== 2) throw new UsageError(`slerp is of two versions, not of ${count}`);
    return { method, t };
  }
  const density = options.density ?? (method === 'ties' ? 0.2 : 0.1);
  checkShare(density, 'density');
  const isTies = method === 'ties';
  return {
    method: 'deltas',
    weights,
    lambda,
    trim: method === 'task' ? null : { density, by: isTies ? 'size' : 'chance' },
    elects: isTies || elect,
    normalizes: isTies,
    seed,
  };
}

/** Versions of the arithmetic: a change of what a method computes raises it. */
const ARITHMETIC = 1;

/** What a version records of the method; `/1` is the version of its arithmetic. */
export function describeMethod(method: Method, combination: Combination): string {
  const parts = [`${method}/${ARITHMETIC}`];
  if (combination.method === 'slerp') parts.push(`t=${combination.t}`);
  else parts.push(`weights=${combination.weights.join(',')}`);
  if (combination.method === 'deltas') {
    const { lambda, trim, elects, seed } = combination;
    parts.push(`lambda=${lambda}`);
    if (trim !== null) parts.push(`density=${trim.density}`);
    if (method === 'dare') parts.push(`elect=${elects}`, `seed=${seed}`);
  }
  return parts.join(' ');
}
