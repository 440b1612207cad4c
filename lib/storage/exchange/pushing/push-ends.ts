/** Between what a push goes, and how it walks versions. */
import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError } from '../../../base/errors.js';
import type { SuppliedReader } from '../../objects/stored/bring.js';
import { type ReachFromOptions, refuseBroken } from '../../upkeep/reachable.js';
import type { Remote } from '../remote/remote.js';
import type { RemoteCache } from '../remote/remote-cache.js';
import type { TransferOptions } from '../transports/transport.js';

/** From where, to where, and what is known of there. */
export interface PushEnds {
  readonly repo: SuppliedReader;
  readonly remote: Remote;
  /** Null for a remote that is new each time. */
  readonly cache: RemoteCache | null;
  /** Versions that whoever reads it has, with all that they need. Notes about them do not travel. */
  readonly had?: readonly Id[];
}

/** How versions are walked that are pushed: what is broken is not. */
export function pushWalking({
  signal,
}: TransferOptions): Pick<ReachFromOptions, 'onBroken' | 'signal'> {
  return {
    onBroken: (link) => refuseBroken('cannot push', link),
    ...(signal ? { signal } : {}),
  };
}

/** That packs went away while they were looked at. */
export function changedMeanwhile(): NotFoundError {
  return new NotFoundError('another command merged packs while versions were pushed', {
    kind: 'pack',
    gone: true,
    hint: 'run the command again',
  });
}
