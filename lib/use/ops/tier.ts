/**
 * `dlv archive --tier`: replaces the exact bytes of versions by fewer, only on request. The work
 * itself is in lib/storage/tiers/tier-job.ts.
 */
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import { formatTier, type Tier } from '../../pure/tensor/tier.js';
import type { TierErrors } from '../../pure/tensor/tier-errors.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import {
  refuseExact,
  type TierHost,
  TierJob,
  type TierOutcome,
} from '../../storage/tiers/tier-job.js';
import { extentBytes } from '../../storage/tiers/tier-plan.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export type { TierErrors } from '../../pure/tensor/tier-errors.js';

export interface TierOptions {
  /** Versions to be replaced, named one by one. */
  revisions: readonly string[];
  tier: Tier;
  /** Says what would be given up and changes nothing. */
  dryRun?: boolean;
  /** Asked with what will be given up before anything is written; false ends the work. */
  confirm?: (preview: TierResult) => Promise<boolean>;
}

/** One file of a version and how far its values are from the exact ones. */
export interface TieredFile extends TierErrors {
  path: string;
  /** Extents replaced. */
  extents: number;
}

export interface TierResult {
  /** Canonical name: 'bf16', 'fixed12', 'quant4:random:7'. */
  tier: string;
  versions: (CalledVersion & { files: TieredFile[] })[];
  /** Over all values that are replaced. */
  errors: TierErrors;
  /** Extents replaced, and those that stay exact since other versions, tags or staging need them. */
  replacedExtents: number;
  sharedExtents: number;
  /** Bytes in packs of the exact extents given up, and of their replacements. */
  exactBytes: number;
  tierBytes: number;
  /** Bytes of `exactBytes` that are still bases of other deltas: free once those are re-encoded. */
  baseBytes: number;
  /** True if versions were changed; false for a dry run, a refusal, or if nothing can be replaced. */
  done: boolean;
  seconds: number;
}

/**
 * Replaces the exact bytes of the named versions by a tier, where nothing else needs them.
 * @throws {UsageError} for a bad tier; {ConflictError} if an exact tag names one of the versions, or
 *   another command collected objects meanwhile; {NotFoundError} {CorruptError} {IoError}
 */
export async function tierVersions(
  repo: Repository,
  options: TierOptions,
  context: OpContext,
): Promise<TierResult> {
  const started = performance.now();
  const { tier } = options;
  repo.requireWhole('a tier');
  if (options.revisions.length === 0) {
    throw new UsageError('no version given', {
      hint: 'name each version',
    });
  }
  const ids: Id[] = [];
  for (const revision of options.revisions) {
    const id = await resolveId(repo, revision);
    if (!ids.includes(id)) ids.push(id);
  }
  await refuseExact(repo, ids);
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const job = new TierJob(repo, tier, await inOrder(repo, ids), hostOf(context));
    await job.plan();
    const { dryRun = false, confirm } = options;
    let result: TierResult | null = null;
    if (dryRun || confirm) result = await describe(repo, tier, await job.measure());
    const isAgreed = dryRun || result === null || (await confirm?.(result)) === true;
    if (!dryRun && isAgreed) result = await describe(repo, tier, await job.store());
    return { ...(result as TierResult), seconds: (performance.now() - started) / 1000 };
  } finally {
    context.progress.finish();
    await reader.close();
  }
}

/** Oldest first, so that each finds its predecessor as a base. */
async function inOrder(repo: Repository, ids: readonly Id[]): Promise<Id[]> {
  const times = new Map<Id, number>();
  for (const id of ids) times.set(id, (await repo.version(id)).time);
  return [...ids].sort((a, b) => (times.get(a) as number) - (times.get(b) as number));
}

function hostOf({ progress, signal }: OpContext): TierHost {
  return {
    start: (label, bytes) => progress.start(label, bytes),
    advance: (bytes) => progress.advance(bytes),
    ...(signal ? { signal } : {}),
  };
}

async function describe(repo: Repository, tier: Tier, outcome: TierOutcome): Promise<TierResult> {
  const { plan, changed, tierBytes, done } = outcome;
  const { extents, shared } = plan;
  const bases = [...changed].filter((id) => plan.bases.has(id));
  const describer = new Describer(repo);
  const versions: TierResult['versions'] = [];
  for (const { version, files } of plan.versions) {
    const rows: TieredFile[] = [];
    for (const file of files) {
      const ids = outcome.changedOf(file);
      if (ids.length === 0) continue;
      rows.push({ path: file.entry.path, extents: ids.length, ...outcome.errorsOf(ids) });
    }
    versions.push({ ...(await describer.called(version)), files: rows });
  }
  return {
    tier: formatTier(tier),
    versions,
    errors: outcome.errorsOf(changed),
    replacedExtents: changed.size,
    sharedExtents: shared.size,
    exactBytes: await extentBytes(repo, changed, extents),
    tierBytes,
    baseBytes: await extentBytes(repo, bases, extents),
    done,
    seconds: 0,
  };
}
