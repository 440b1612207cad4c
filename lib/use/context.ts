/**
 * The context of every use case: where it runs, who receives progress and warnings, how it is
 * aborted.
 *
 * Ops never print. They return plain objects (the command's `--json` document), report progress and
 * warnings through the context, and throw errors of the table.
 */
import type { ProgressSink } from './progress.js';

export interface OpContext {
  /** Folder the user is in; relative paths are taken from it. */
  cwd: string;
  progress: ProgressSink;
  /** Receives one sentence each, for stderr; 'last': to be said below the answer, where it is seen. */
  warn(message: string, when?: 'last'): void;
  signal?: AbortSignal;
  /** False: nothing that remotes promised is fetched; what needs it fails. */
  fetches?: boolean;
}

/** What a use case answers, with the warnings that it gave on the way. */
export type Warned<T extends object> = T & { warnings: string[] };
