import { setTimeout as pause } from 'node:timers/promises';

/** Fulfilled as soon as `holds` says so, which is asked again and again. @throws after a minute */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries === 6000) throw new Error('what was waited for did not happen');
    await pause(10);
  }
}
