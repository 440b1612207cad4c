/** Timing of short work: repeated until it takes long enough to be told, by wall and processor time. */

/** Seconds that one call took. */
export interface Sample {
  wall: number;
  /** Processor time of all threads of this process. */
  cpu: number;
}

/** Least time of one sample: a hundred times what the clocks and a call to the pool cost. */
const SAMPLE_SECONDS = 0.02;

/** Which clock a figure is taken from. */
export type Clock = keyof Sample;

/** Calls `work` again and again for one sample. */
export async function sample(work: () => Promise<unknown> | unknown): Promise<Sample> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  let calls = 0;
  let wall = 0;
  do {
    const pending = work();
    if (pending instanceof Promise) await pending;
    calls++;
    wall = (performance.now() - started) / 1000;
  } while (wall < SAMPLE_SECONDS);
  const used = process.cpuUsage(cpu);
  return { wall: wall / calls, cpu: (used.user + used.system) / 1e6 / calls };
}
