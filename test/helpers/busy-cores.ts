/** Keeps every core busy with other work, to find tests that need a quiet machine. */
import os from 'node:os';
import { Worker } from 'node:worker_threads';

/** Starts one endless loop for each core. They end with this process at the latest. */
export function occupyCores(): { release(): Promise<unknown> } {
  const loops = Array.from(
    { length: os.availableParallelism() },
    () => new Worker('for (;;);', { eval: true }),
  );
  return { release: () => Promise.all(loops.map((loop) => loop.terminate())) };
}
