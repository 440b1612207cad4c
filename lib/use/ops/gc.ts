/** `dlv gc`: reclaims what nothing needs and merges small packs. */

import { collectGarbage, type GcResult } from '../../storage/upkeep/gc.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';

export interface GcOpOptions {
  /** Drops garbage of any age and empties trash. */
  pruneNow?: boolean;
  /** Only says what would be done. */
  dryRun?: boolean;
}

export interface GcOpResult extends GcResult {
  dryRun: boolean;
  seconds: number;
}

/** @throws {ConflictError} while other processes work (pruneNow); {CorruptError} in a damaged repository. */
export async function gc(
  repo: Repository,
  options: GcOpOptions,
  context: OpContext,
): Promise<GcOpResult> {
  const started = performance.now();
  const dryRun = options.dryRun === true;
  const result = await collectGarbage(repo, {
    pruneNow: options.pruneNow === true,
    dryRun,
    ...(context.signal ? { signal: context.signal } : {}),
  });
  return { ...result, dryRun, seconds: (performance.now() - started) / 1000 };
}
