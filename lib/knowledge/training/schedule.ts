/** Learning rates over the steps of a job. */
import type { ScheduleOptions } from './job.js';

/** What the rate is multiplied by in step `done` + 1, of `iterations`. */
export function rateFactor(schedule: ScheduleOptions, done: number, iterations: number): number {
  const { name, warmup, every, factor, over, to } = schedule;
  if (done < warmup) return (done + 1) / warmup;
  if (name === 'constant') return 1;
  if (name === 'step') return factor ** Math.floor(done / every);
  const span = Math.max(1, (over === 0 ? iterations : over) - warmup);
  const share = Math.min(1, (done - warmup) / span);
  if (name === 'linear') return 1 + (to - 1) * share;
  return to + ((1 - to) * (1 + Math.cos(Math.PI * share))) / 2;
}
