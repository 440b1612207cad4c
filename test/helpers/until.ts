import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE_MS = 90_000;

/** Fulfilled as soon as `holds` says so, which is asked again and again. @throws after a minute and a half */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > PATIENCE_MS) {
      throw new Error(`what was waited for did not happen: ${holds}`);
    }
    await pause(10);
  }
}
