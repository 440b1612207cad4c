/** `dlv checkout`: writes the files of a version into the work tree or into a separate folder. */
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import { checkPlanes } from '../../pure/tensor/prefix.js';
import { noteRead } from '../../storage/repo/reads.js';
import type { Head } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { type CheckedOut, checkoutPaths, checkoutVersion } from '../checkout/checkout-version.js';
import { exportFiles } from '../checkout/export-files.js';
import type { OpContext } from '../context.js';
import { resolve } from '../history/lines/resolve.js';
import type { AcceptTier } from '../history/tier-gate.js';
import type { Repository } from '../repository.js';

export interface CheckoutOptions extends AcceptTier {
  revision: string;
  /** Only these files; HEAD stays. */
  paths?: string[];
  /** Writes into this folder instead of the work tree; HEAD and staging stay. */
  out?: string;
  /** Overwrites changes that are in no version. */
  force?: boolean;
  /** With `out`: reads only so many leading planes of floats, 1 to 8. The files are approximate copies. */
  planes?: number;
}

export interface CheckoutResult extends CheckedOut {
  /** Files whose floats have leading planes only. */
  approximate: string[];
  seconds: number;
}

/** @throws {NotFoundError} {ConflictError} {ExistsError} {TierError} {CorruptError} {IoError} */
export async function checkout(
  repo: Repository,
  options: CheckoutOptions,
  context: OpContext,
): Promise<CheckoutResult> {
  const started = performance.now();
  const result = await run(repo, options, context);
  await noteRead(repo.layout, result.version);
  return { approximate: [], ...result, seconds: (performance.now() - started) / 1000 };
}

async function run(
  repo: Repository,
  options: CheckoutOptions,
  context: OpContext,
): Promise<CheckedOut & { approximate?: string[] }> {
  const { revision, paths = [], out, force = false, acceptTier = false, planes } = options;
  if (planes !== undefined && out === undefined) {
    throw new UsageError('approximate copies go into a folder of their own', {
      option: '--planes',
      hint: 'add --out <dir>',
    });
  }
  const { id, ref } = await resolve(repo, revision);
  const how = { paths, force, acceptTier };
  if (out !== undefined) {
    const leading = planes === undefined ? {} : { planes: checkPlanes(planes) };
    return exportFiles(repo, id, { ...how, out, ...leading }, context);
  }
  if (paths.length > 0) return checkoutPaths(repo, id, how, context);
  const head = headFor(ref, (await repo.version(id)).model, id);
  const reason = `checkout: moving to ${revision}`;
  return checkoutVersion(repo, id, head, {
    force,
    replaceLinks: force,
    acceptTier,
    context,
    reason,
  });
}

/** What HEAD names after a checkout: the branch, if that is what the revision names. */
function headFor(ref: string | null, model: string, id: Id): Head {
  const place = ref === null ? null : parseRefName(ref);
  if (place?.kind !== 'head') return { kind: 'detached', model, id };
  return { kind: 'branch', model: place.model, branch: place.branch };
}
