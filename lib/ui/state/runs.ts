/** Runs as views show them: what they are called, how they stand, their metrics as curves. */
import type { Curve } from '../../use/history/curves.js';
import type { RunDetails, RunEntry } from '../../use/ops/runs.js';

/** What people call a run: its name with its id, or its command. */
export function runTitle({
  run,
  name,
  command,
}: Pick<RunEntry, 'run' | 'name' | 'command'>): string {
  return name ?? (command.join(' ') || run);
}

/** The metrics of a run as curves. What is not finite has no value in JSON. */
export function plottedRun({ run, name, series, metrics }: RunDetails): {
  name: string;
  curves: Curve[];
} {
  const counts = new Map(metrics.map((one) => [one.name, one.count]));
  return {
    name: name === null ? run : `${name} ${run.slice(0, 4)}`,
    curves: series
      .filter(({ steps }) => steps.length > 0)
      .map(({ name: metric, steps, values }) => ({
        ...{ name: metric, direction: null, steps },
        count: counts.get(metric) ?? steps.length,
        values: values.map((value) => value ?? 'NaN'),
      })),
  };
}
