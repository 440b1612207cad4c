/** Fetches what a remote promised: finds its address, opens it, and brings the objects here. */
import { RemoteError } from '../../../base/errors.js';
import type { SupplyWants } from '../../objects/stored/bring.js';
import { readRemotes } from '../../repo/remotes.js';
import { type LowSpeed, parseRate } from '../../repo/settings/rate.js';
import { neededBytes, type PromisedBy, promisedSize } from '../../store/promised.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { openReader } from '../open-remote.js';
import { RemoteCache } from '../remote/remote-cache.js';
import { RateLimit } from '../transports/rate-limit.js';
import type { TransferOptions } from '../transports/transport.js';
import { bringObjects } from './bring.js';

export interface FetchPromisedOptions extends TransferOptions {
  /** Folder that relative addresses are taken from. */
  readonly cwd: string;
  /** Settings of the line: bytes per second as text, and requests at once. */
  readonly limitRate: string | null;
  readonly jobs: number;
  readonly lowSpeed: LowSpeed;
  /** Begins to fetch so many bytes. */
  onFetch?(remote: string, bytes: number): void;
}

/**
 * Files of the remote that came whole stay in .dlv/incoming for the next call.
 * @returns the address, if the remote sends whole files; else null.
 * @throws {RemoteError} that says what was to come from where.
 */
export async function fetchPromised(
  repo: FetchingRepository,
  by: PromisedBy,
  wants: SupplyWants,
  options: FetchPromisedOptions,
): Promise<string | null> {
  const { remote } = by;
  const url = (await readRemotes(repo.layout)).urls.get(remote);
  if (url === undefined) {
    throw new RemoteError(`the remote '${remote}', which has what is needed, is not known here`, {
      remote,
      bytes: neededBytes(by),
      hint: `name its address again: 'dlv remote add ${remote} <url>'`,
    });
  }
  const { signal, cwd, onFetch, jobs, limitRate, lowSpeed } = options;
  const rate = limitRate === null ? null : parseRate(limitRate);
  const how = {
    cwd,
    cache: new RemoteCache(repo.layout),
    connections: jobs,
    lowSpeed,
    ...(rate === null ? {} : { rate: new RateLimit(rate) }),
    ...(signal ? { signal } : {}),
  };
  onFetch?.(remote, 0);
  let source: Awaited<ReturnType<typeof openReader>>;
  try {
    source = await openReader(url, how);
  } catch (error) {
    throw unreachable(error, by);
  }
  try {
    const onPlan = (planned: number): void => onFetch?.(remote, planned);
    await bringObjects(repo, { source, remote }, wants, { ...options, onPlan, keepsWhole: true });
    return source.sendsWhole ? source.shown : null;
  } catch (error) {
    throw unreachable(error, by);
  } finally {
    await source.close();
  }
}

/** An error of the line that says what for, and how much it is about. */
function unreachable(error: unknown, by: PromisedBy): unknown {
  if (!(error instanceof RemoteError)) return error;
  const { remote } = by;
  const bytes = neededBytes(by);
  const size = (bytes > 0 && promisedSize(by)) || 'objects';
  return new RemoteError(
    `${size} that are needed are at the remote '${remote}' alone, and it cannot be read: ${error.message}`,
    {
      ...error.data,
      remote,
      bytes,
      hint: `make '${remote}' reachable, then run the command again`,
    },
  );
}
