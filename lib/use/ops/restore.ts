/** `dlv restore`: discards changes of files, in the work tree or in staging. */

import { type Restored, type RestoreFiles, restoreFiles } from '../checkout/restore-files.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import type { Repository } from '../repository.js';

export interface RestoreOptions extends Omit<RestoreFiles, 'source'> {
  /** Revision to take the files from instead. */
  source?: string;
}

export type RestoreResult = Restored;

/** @throws {NotFoundError} for a path that is neither in the source nor tracked; {UsageError} */
export async function restore(
  repo: Repository,
  options: RestoreOptions,
  context: OpContext,
): Promise<RestoreResult> {
  const { source, ...files } = options;
  if (source === undefined) return restoreFiles(repo, files, context);
  return restoreFiles(repo, { ...files, source: await resolveId(repo, source) }, context);
}
