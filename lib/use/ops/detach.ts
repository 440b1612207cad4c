/** `dlv detach`: frees low planes here that a remote has, once it has shown that it has them. */

import { UsageError } from '../../base/errors.js';
import { checkPlanes } from '../../pure/tensor/prefix.js';
import { openKeeper, shownUrl } from '../../storage/exchange/open-remote.js';
import { type Detached, detachPlanes } from '../../storage/exchange/partial/detach.js';
import { PartialTaking } from '../../storage/exchange/partial/taking.js';
import { wholeFilter } from '../../storage/repo/promised.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { namedVersions } from '../../storage/repo/refs/named-versions.js';
import { reachFrom, refuseBroken } from '../../storage/upkeep/reachable.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { type TrafficReport, trafficOf } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { findRemote } from '../tracking/remotes.js';

export interface DetachOptions extends LineSettings {
  /** Leading planes of floats that stay here, 2 to 7. */
  planes: number;
  /** The remote that keeps the others; default: that of the current branch, else origin. */
  to?: string;
  /** Only says what would be freed. */
  dryRun?: boolean;
}

export interface DetachResult extends Detached, TrafficReport {
  remote: string;
  url: string;
  planes: number;
  dryRun: boolean;
}

/**
 * @throws {UsageError} for a remote that cannot keep it; {RemoteError}; {CorruptError} if the remote has other
 *   bytes: nothing is freed then.
 */
export async function detach(
  repo: Repository,
  options: DetachOptions,
  context: OpContext,
): Promise<DetachResult> {
  const planes = checkPlanes(options.planes);
  const head = await readHead(repo.layout);
  const { name, url } = await findRemote(repo, options.to, head.kind === 'branch' ? head : null);
  if (name === null) {
    throw new UsageError(
      `'${shownUrl(url)}' has no name here, so nothing can be fetched from it later`,
      {
        option: '--to',
        hint: "name it first: 'dlv remote add <name> <url>'",
      },
    );
  }
  const { progress, signal } = context;
  const filter = { ...wholeFilter(), planes: Math.max(2, planes) };
  const taking = new PartialTaking(filter);
  const find = async (): Promise<void> => {
    // What no version names stays as it is: nobody knows what it holds.
    const tips = await namedVersions(repo.layout);
    await reachFrom(repo, tips, {
      isKnown: () => false,
      onBroken: (link) => refuseBroken('cannot detach', link),
      ...taking.walking,
      ...(signal ? { signal } : {}),
    });
  };
  await (repo.promises?.leaving(find) ?? find());
  const source = await openKeeper(url, lineOf(repo, options, context));
  try {
    const dryRun = options.dryRun === true;
    const done = await detachPlanes(
      repo,
      { source, remote: name },
      {
        planes: filter.planes,
        planesOf: taking.planesOf,
        dryRun,
        onStart: (bytes) => progress.start(`comparing with ${source.shown}`, bytes),
        onBytes: (bytes) => progress.advance(bytes),
        ...(signal ? { signal } : {}),
      },
    );
    return { remote: name, url: shownUrl(url), planes, dryRun, ...done, ...trafficOf(source) };
  } finally {
    progress.finish();
    await source.close();
  }
}
