/**
 * Listens to signals so that the process can be ended by them all the same.
 *
 * A listener replaces the default action of a signal, and runs only when the event loop turns: while
 * JavaScript computes without a pause, the process would ignore Ctrl-C. The addon therefore ends the
 * process by the signal if no listener was called for some time. WebAssembly cannot do that: without
 * the addon, Ctrl-\ (SIGQUIT) and SIGKILL end such a process, and no other signal.
 */
import { loadAddon } from './kernel.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `listener` for each SIGINT, SIGTERM and SIGHUP. A process that does not get to call it within
 * `seconds` after the first dies of that signal.
 * @param seconds  1 to 3,600, whole.
 * @returns true if the addon guards the process.
 */
export function listenToSignals(
  listener: (signal: NodeJS.Signals) => void,
  seconds: number,
): boolean {
  const addon = loadAddon();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      addon?.signalHeard?.();
      listener(signal);
    });
  }
  addon?.guardSignals?.(seconds);
  return addon?.guardSignals !== undefined;
}
