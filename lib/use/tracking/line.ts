/** How remotes are spoken to: limits that the user gave for one command or set for all. */
import { UsageError } from '../../base/errors.js';
import type { OpenOptions } from '../../storage/exchange/open-remote.js';
import { RemoteCache } from '../../storage/exchange/remote/remote-cache.js';
import { RateLimit } from '../../storage/exchange/transports/rate-limit.js';
import type { ReadAccess, SettingAccess } from '../../storage/objects/access.js';
import { lowSpeedOf, parseRate, RATE_FORM } from '../../storage/repo/settings/rate.js';
import type { OpContext } from '../context.js';

/** Options of every command that speaks to a remote. */
export interface LineSettings {
  /** Bytes per second, in both directions together, as text: `10M`. Default: transfer.limitRate. */
  limitRate?: string;
  /** Requests at once. Default: transfer.jobs. */
  jobs?: number;
}

const JOBS_MAX = 64;

/** What limits mean. @throws {UsageError} for one that is none. */
export function checkLine({ limitRate, jobs }: LineSettings): { rate: number } {
  const rate = limitRate === undefined ? Number.POSITIVE_INFINITY : parseRate(limitRate);
  if (rate === null) {
    throw new UsageError(`'${limitRate}' is no rate`, { hint: `write ${RATE_FORM}` });
  }
  if (jobs !== undefined && (!Number.isInteger(jobs) || jobs < 1 || jobs > JOBS_MAX)) {
    throw new UsageError(`cannot make ${jobs} requests at once`, {
      hint: `choose a number from 1 to ${JOBS_MAX}`,
    });
  }
  return { rate };
}

/** Settings of a line to a remote. @throws {UsageError} for a limit that is none. */
export function lineOf(
  repo: Pick<ReadAccess, 'layout'> & SettingAccess,
  given: LineSettings,
  context: OpContext,
): OpenOptions {
  const limitRate = given.limitRate ?? repo.config.get('transfer.limitRate');
  const jobs = given.jobs ?? repo.config.get('transfer.jobs');
  const { rate } = checkLine({ ...(limitRate === null ? {} : { limitRate }), jobs });
  return {
    cwd: context.cwd,
    cache: new RemoteCache(repo.layout),
    connections: jobs,
    lowSpeed: lowSpeedOf(repo.config),
    ...(rate === Number.POSITIVE_INFINITY ? {} : { rate: new RateLimit(rate) }),
    ...(context.signal ? { signal: context.signal } : {}),
  };
}
