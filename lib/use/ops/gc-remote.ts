/** `dlv gc --remote`: deletes data of a remote that nothing there needs, and joins its small packs. */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { type Collected, collectRemote } from '../../storage/exchange/collect/collect-remote.js';
import { openWritable, shownUrl } from '../../storage/exchange/open-remote.js';
import { RemoteCache } from '../../storage/exchange/remote/remote-cache.js';
import { readPromised } from '../../storage/repo/promised.js';
import { shownRef } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import type { TrafficReport } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { findRemote } from '../tracking/remotes.js';

export interface GcRemoteOptions extends LineSettings {
  /** Name of a remote. */
  remote: string;
  /** Waits a quarter of an hour for readers, not gc.graceDays. */
  pruneNow?: boolean;
  /** Only says what would be done. */
  dryRun?: boolean;
}

export interface GcRemoteResult extends Omit<Collected, 'untilMs'>, TrafficReport {
  remote: string;
  url: string;
  /** From when on a run removes the first of what waits; ISO 8601, UTC. */
  until: string | null;
  dryRun: boolean;
}

const DAY_MS = 24 * 60 * 60_000;
const LABELS = {
  survey: 'looking at what is needed of',
  rewrite: 'writing packs again at',
  remove: 'removing from',
};

/** @throws {NotFoundError} {RemoteError} {ConflictError}; {CorruptError} if the remote is damaged: nothing goes then. */
export async function gcRemote(
  repo: Repository,
  options: GcRemoteOptions,
  context: OpContext,
): Promise<GcRemoteResult> {
  const { name, url } = await findRemote(repo, options.remote, null);
  if (name === null) {
    throw new NotFoundError('only a remote that has a name is collected', {
      kind: 'remote',
      hint: "give it one with 'dlv remote add <name> <url>'",
    });
  }
  const cache = new RemoteCache(repo.layout);
  const remote = await openWritable(url, { ...lineOf(repo, options, context), cache });
  try {
    remote.checkThere();
    const dryRun = options.dryRun === true;
    const days = options.pruneNow === true ? 0 : repo.config.get('gc.graceDays');
    if (!dryRun) await remote.prepare(context.signal ? { signal: context.signal } : {});
    const { untilMs, ...collected } = await collectRemote(
      { repo, remote, cache },
      {
        graceMs: days * DAY_MS,
        counted: { remote: name, versions: await countedVersions(repo, name) },
        dryRun,
        ...(context.signal ? { signal: context.signal } : {}),
        onStart: (what, bytes) => context.progress.start(`${LABELS[what]} ${remote.shown}`, bytes),
        onBytes: (bytes) => context.progress.advance(bytes),
      },
    );
    const { requests, receivedBytes, sentBytes } = remote.traffic;
    const until = untilMs === null ? null : new Date(untilMs).toISOString();
    const traffic = { requests, receivedBytes, sentBytes };
    return { remote: name, url: shownUrl(url), ...collected, until, dryRun, ...traffic };
  } finally {
    await remote.close();
  }
}

/** What branches and tags name here, where part of it was left at the remote. */
async function countedVersions(repo: Repository, remote: string): Promise<Map<string, Id>> {
  const counted = new Map<string, Id>();
  if ((await readPromised(repo.layout)).get(remote) === undefined) return counted;
  for (const prefix of ['refs/heads', 'refs/tags']) {
    for (const { name, id } of await listRefs(repo.layout, prefix)) counted.set(shownRef(name), id);
  }
  return counted;
}
