/** Flags of `format` that have to travel with versions: what readers and writers of them must know. */
import {
  type Format,
  PROMISED_FLAG,
  REMOTE_FLAG,
  readFormat,
  requireReadFlag,
  requireWriteFlag,
  TIERS_FLAG,
  TOMBSTONES_FLAG,
} from '../../repo/format.js';
import type { Layout } from '../../repo/layout.js';
import type { RepositoryLock } from '../../repo/processes/lock.js';

/** Write-required flags that concern versions, and not only the repository that they are in. */
const TRAVELLING: readonly string[] = [TIERS_FLAG, TOMBSTONES_FLAG];

/** Read-required flags that concern the place where versions are, and not the versions. */
const OF_ONE_PLACE: readonly string[] = [REMOTE_FLAG, PROMISED_FLAG];

/** Adds the flags of a remote to those here, before its versions are here. */
export async function addRemoteFlags(
  lock: RepositoryLock,
  { readRequired, writeRequired }: Format,
): Promise<void> {
  for (const flag of readRequired)
    if (!OF_ONE_PLACE.includes(flag)) await requireReadFlag(lock, flag);
  for (const flag of writeRequired) {
    if (TRAVELLING.includes(flag)) await requireWriteFlag(lock, flag);
  }
}

/** The flags here that a remote needs once it holds versions of this repository. */
export async function flagsToPush(layout: Layout): Promise<Format> {
  const { readRequired, writeRequired, optional } = await readFormat(layout);
  return {
    readRequired: [...readRequired.filter((flag) => flag !== PROMISED_FLAG), REMOTE_FLAG].sort(),
    writeRequired: writeRequired.filter(
      (flag) => flag === 'manifest-1' || TRAVELLING.includes(flag),
    ),
    optional,
  };
}
