/** Commands that are killed in the middle. */
import { spawn } from 'node:child_process';
import { DLV_BIN } from './dlv.js';
import { NO_SETTINGS } from './paths.js';

/** Runs a command and kills it after so many milliseconds. @returns true if it was killed before its end. */
export async function killed(
  args: readonly string[],
  cwd: string,
  afterMs: number,
): Promise<boolean> {
  const env = { ...process.env, DLV_CONFIG: NO_SETTINGS };
  const child = spawn(process.execPath, [DLV_BIN, ...args], { cwd, env, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const signal = await new Promise((resolve) => {
    child.once('close', (_code, by) => resolve(by));
  });
  clearTimeout(timer);
  return signal === 'SIGKILL';
}
