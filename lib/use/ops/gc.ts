/** `dlv gc`: deletes data that nothing needs, and merges small packs. */

import { dropRows } from '../../knowledge/catalog/rows.js';
import { dropLoaded } from '../../storage/repo/loaded-files.js';
import { collectGarbage, type GcResult, isFullDisk } from '../../storage/upkeep/gc.js';
import type { KeptBytes } from '../../storage/upkeep/kept.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';

export interface GcOpOptions {
  /** Drops garbage of any age and empties trash. */
  pruneNow?: boolean;
  /** Only says what would be done. */
  dryRun?: boolean;
}

/** Bytes that stay for one reason; `until` is ISO 8601, UTC. */
export interface KeptRow extends Omit<KeptBytes, 'untilMs'> {
  until: string | null;
}

export interface GcOpResult extends Omit<GcResult, 'kept'> {
  kept: KeptRow[];
  dryRun: boolean;
  seconds: number;
}

/** What a full disk wants: gc takes sets off their list, and writes what it keeps of others, before it deletes anything. */
const ROOM =
  'delete or move away another file on that disk: gc writes its lock, the list of packs and what it keeps ' +
  'of mixed packs before it deletes any; often 64 KiB are enough. Nothing was lost';

/** @throws {ConflictError} while other processes work (pruneNow); {CorruptError} in a damaged repository. */
export async function gc(
  repo: Repository,
  options: GcOpOptions,
  context: OpContext,
): Promise<GcOpResult> {
  const started = performance.now();
  const dryRun = options.dryRun === true;
  const collect = (): ReturnType<typeof collectGarbage> =>
    collectGarbage(repo, {
      pruneNow: options.pruneNow === true,
      dryRun,
      onFull: () => dropDerived(repo),
      ...(context.signal ? { signal: context.signal } : {}),
    }).catch((error: unknown) => {
      if (isFullDisk(error)) error.data.hint = ROOM;
      throw error;
    });
  // What is promised is not fetched to find out what is needed.
  const result = await (repo.promises?.leaving(collect) ?? collect());
  // Versions may be gone: the catalog is made again of those that are there.
  if (!dryRun) await dropDerived(repo);
  const kept = result.kept.map(({ untilMs, ...row }): KeptRow => {
    return { ...row, until: untilMs === null ? null : new Date(untilMs).toISOString() };
  });
  return { ...result, kept, dryRun, seconds: (performance.now() - started) / 1000 };
}

/** Deletes what is made again from versions when it is asked for. */
async function dropDerived({ layout }: Repository): Promise<void> {
  for (const dir of [layout.versionRows, ...layout.olderVersionRows]) await dropRows(dir);
  await dropLoaded(layout);
}
