/** Spaces of hyperparameters: axes with values to try one by one, and axes that are sampled. */

/** A value of a hyperparameter. */
export type Setting = null | boolean | number | string;

/** A value for each axis, by its key. */
export type Assignment = Readonly<Record<string, Setting>>;

/** Values of which each is tried. */
export interface GridAxis {
  kind: 'grid';
  key: string;
  values: readonly Setting[];
}

/** Numbers between two, or some of a list, of which a sampler takes some. */
export interface SampledAxis {
  kind: 'sampled';
  key: string;
  low: number;
  high: number;
  /** Evenly by the logarithm. */
  log: boolean;
  /** In place of low and high: numbers in order. */
  choices: readonly number[] | null;
}

/** What `auto` means for hyperparameters by the last part of their key, where no range is given. */
export const AUTO_RANGES: Readonly<Record<string, Omit<SampledAxis, 'kind' | 'key'>>> = {
  base_lr: { low: 1e-5, high: 1e-1, log: true, choices: null },
  weight_decay: { low: 1e-6, high: 1e-2, log: true, choices: null },
  momentum: { low: 0.8, high: 0.99, log: false, choices: null },
  batch: { low: 0, high: 0, log: false, choices: [16, 32, 64, 128, 256] },
};

/** What `auto` means for the factor of the rate of a layer. */
export const AUTO_FACTOR: Omit<SampledAxis, 'kind' | 'key'> = {
  low: 0.01,
  high: 10,
  log: true,
  choices: null,
};

/** More cells of a grid are refused. */
export const CELLS_MAX = 100_000;

/** Values of a range with a step: the last one is at most `high`. */
export function stepped(low: number, high: number, step: number): number[] {
  const count = Math.floor((high - low) / step + 1e-9) + 1;
  return Array.from({ length: Math.min(count, CELLS_MAX + 1) }, (_, i) => low + i * step);
}

/** All combinations of the axes of a grid, the last axis the fastest. */
export function cellsOf(axes: readonly GridAxis[]): Assignment[] {
  return axes.reduce<Assignment[]>(
    (cells, { key, values }) =>
      cells.flatMap((cell) => values.map((value) => ({ ...cell, [key]: value }))),
    [{}],
  );
}

/** The value of a sampled axis for a place from 0 to 1. */
export function valueAt({ low, high, log, choices }: SampledAxis, place: number): number {
  if (choices !== null) {
    return choices[Math.min(choices.length - 1, Math.floor(place * choices.length))] as number;
  }
  const value = log ? low * (high / low) ** place : low + (high - low) * place;
  // Six digits say all that a search knows.
  return Math.min(high, Math.max(low, Number(value.toPrecision(6))));
}

/** The mirror of valueAt. */
export function placeOf({ low, high, log, choices }: SampledAxis, value: number): number {
  if (choices !== null) return (choices.indexOf(value) + 0.5) / choices.length;
  if (high === low) return 0.5;
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** Text that is the same for equal assignments. */
export function canonicalAssignment(assignment: Assignment): string {
  return JSON.stringify(Object.entries(assignment).sort(([a], [b]) => (a < b ? -1 : 1)));
}
