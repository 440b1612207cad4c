/**
 * Loads a module that is chosen while the command runs. The one file of the command (bin/bundle.mjs) has another
 * implementation in this place: Node does not let code out of a code cache import anything.
 */
import { pathToFileURL } from 'node:url';

/** What the module in `file` exports. Its code runs: the file must be dlv's own, or named by the user. */
export function importFile(file: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
}
