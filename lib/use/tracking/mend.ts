/** Brings objects that are lost or damaged here from a remote that has them. */
import type { Id } from '../../base/bytes/hash.js';
import { WIDTH_MAX } from '../../base/limits.js';
import type { FetchingRepository } from '../../storage/exchange/fetch-plan.js';
import type { FetchParts } from '../../storage/exchange/fetching/parts.js';
import { Incoming } from '../../storage/exchange/incoming.js';
import { bringObjects, openParts } from '../../storage/exchange/partial/bring.js';
import type { NamedSource } from '../../storage/exchange/partial/waiting.js';
import type { TransferOptions } from '../../storage/exchange/transports/transport.js';

/** What was brought, and what the remote does not have either. */
export interface Mended {
  objects: number;
  lacking: number;
}

export interface MendOptions extends TransferOptions {
  /** Leading planes that a partial clone takes; null: all. */
  readonly planes: number | null;
}

/** @throws {RemoteError}; {CorruptError} if the remote is damaged itself. */
export async function mendFrom(
  repo: FetchingRepository,
  from: NamedSource,
  lost: Iterable<Id>,
  options: MendOptions,
): Promise<Mended> {
  const { blobs, extents, lacking } = await placesOf(repo, from, lost, options);
  const objects = blobs.length + extents.size;
  if (objects > 0) {
    await bringObjects(repo, from, { blobs, extents }, { ...options, replaces: true });
  }
  return { objects, lacking };
}

/** What the remote has of what is lost. */
async function placesOf(
  repo: FetchingRepository,
  from: NamedSource,
  lost: Iterable<Id>,
  options: MendOptions,
) {
  const incoming = await Incoming.open(repo.layout, from.source, options);
  const blobs: Id[] = [];
  const extents = new Map<Id, { planes: number; segments: number }>();
  let lacking = 0;
  try {
    const { remote }: FetchParts = await openParts(repo, from, incoming, {
      ...options,
      replaces: true,
    });
    for (const id of lost) {
      const segment = await remote.here.findSegment(id, 0);
      if (segment !== null) {
        extents.set(id, { planes: options.planes ?? WIDTH_MAX, segments: segment.segments });
      } else if ((await remote.findBlob(id)) !== null) blobs.push(id);
      else lacking++;
    }
  } finally {
    await incoming.close();
  }
  return { blobs, extents, lacking };
}
