/**
 * What the refs of a remote need of its pack sets: live records, with the bases of deltas.
 *
 * Indexes, versions and recipes are read, of planes nothing.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../objects/access.js';
import type { ObjectStore } from '../../store/object-store.js';
import {
  type BlobEntry,
  recordKey,
  type SegmentEntry,
  type SetInfo,
  segmentKey,
  storedBytes,
} from '../../store/types.js';
import { type Reachable, reachFrom } from '../../upkeep/reachable.js';
import { layeredBlobs } from '../fetching/remote-blobs.js';
import { damagedRemote } from '../remote/remote-damage.js';
import type { Holdings } from '../remote/remote-lists.js';
import type { TransferOptions } from '../transports/transport.js';

/** One pack set and what is needed of it. */
export interface SurveyedSet {
  readonly info: SetInfo;
  readonly bytes: number;
  /** Bytes of records that are needed. */
  readonly liveBytes: number;
  readonly live: readonly (BlobEntry | SegmentEntry)[];
}

export interface SurveyParts {
  /** What is here is not read there. */
  readonly repo: ReadAccess;
  readonly remote: ObjectStore;
  readonly holdings: Holdings;
  /** The address, for messages. */
  readonly shown: string;
}

export interface RemoteSurvey {
  readonly sets: SurveyedSet[];
  readonly versions: ReadonlySet<Id>;
  /** First version seen that needs an object. */
  readonly users: Reachable['users'];
}

export interface SurveyOptions extends TransferOptions {
  /** Recipes of files that shall be given up, by version. */
  givenUp?: ReadonlyMap<Id, ReadonlySet<Id>>;
}

type Entry = BlobEntry | SegmentEntry;

/** @throws {CorruptError} if something that a ref needs is missing: nothing may be removed then. */
export async function surveyRemote(
  parts: SurveyParts,
  tips: readonly Id[],
  { signal, givenUp }: SurveyOptions = {},
): Promise<RemoteSurvey> {
  const { remote, holdings, shown } = parts;
  // Every record of the remote: the first set that holds it has the live one.
  const entries = new Map<string, Entry>();
  const sizes = new Map<string, number>();
  for (const info of holdings.sets) {
    throwIfAborted(signal);
    let bytes = 0;
    for await (const entry of remote.recordsIn(info)) {
      bytes += storedBytes(entry);
      const key = recordKey(entry);
      if (!entries.has(key)) entries.set(key, entry);
    }
    sizes.set(info.id, bytes);
  }
  const blobs = layeredBlobs({ repo: parts.repo, remote });
  const needed = await reachFrom(
    {
      blobs,
      layout: parts.repo.layout,
      readBlob: (id, kind) => blobs.readBlob(id, kind),
      noteIds: async (version) => [...(holdings.notes.get(version) ?? [])].sort(),
    },
    tips,
    {
      isKnown: () => false,
      onBroken: ({ message, name }) => {
        throw damagedRemote(shown, message, name);
      },
      ...(givenUp === undefined ? {} : { givenUp }),
      ...(signal ? { signal } : {}),
    },
  );
  const live = new Set<Entry>();
  const queue: string[] = [...needed.blobs.keys()];
  for (const [id, segments] of needed.extents) {
    for (let segment = 0; segment < segments; segment++) queue.push(segmentKey(id, segment));
  }
  for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
    const entry = entries.get(key);
    if (entry === undefined) {
      throw damagedRemote(shown, `it lacks object '${key.slice(0, 16)}…'`, key.split(':')[0]);
    }
    if (live.has(entry)) continue;
    live.add(entry);
    if (entry.base !== null) {
      queue.push('kind' in entry ? entry.base : segmentKey(entry.base, entry.segment));
    }
  }
  const bySet = new Map<string, Entry[]>();
  for (const entry of live) {
    const group = bySet.get(entry.set);
    if (group) group.push(entry);
    else bySet.set(entry.set, [entry]);
  }
  const sets = holdings.sets.map((info) => {
    const found = bySet.get(info.id) ?? [];
    return {
      info,
      bytes: sizes.get(info.id) ?? 0,
      live: found,
      liveBytes: found.reduce((sum, entry) => sum + storedBytes(entry), 0),
    };
  });
  return { sets, versions: needed.versions, users: needed.users };
}
