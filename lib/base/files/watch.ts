/** Hears of changes in a folder. What is heard is only ever a reason to look: events get lost. */
import { watch } from 'node:fs';

/**
 * Calls `onChange` soon after something in a folder changed, not in folders below it.
 * @returns ends it; null where the system cannot watch the folder, and looking now and then has to do.
 */
export function watchFolder(folder: string, onChange: () => void): (() => void) | null {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return null;
  }
}
