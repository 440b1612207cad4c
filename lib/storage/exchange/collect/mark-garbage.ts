/** First step of a collection: the sets that stay are listed, and everything else is noted as garbage. */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { SetId, SetInfo } from '../../store/types.js';
import type { Remote } from '../remote/remote.js';
import { type ListLine, type ListPart, listName, type RemoteState } from '../remote/remote-file.js';
import type { Holdings } from '../remote/remote-lists.js';
import type { RemoteObject } from '../transports/transport.js';
import type { Garbage } from './garbage-file.js';
import type { CollectionParts, GarbageLists } from './garbage-lists.js';
import { garbageName, listedNames, setName } from './garbage-names.js';

/** What a survey of a remote found. */
export interface Marking {
  /** The state that was surveyed. */
  readonly surveyed: RemoteState;
  /** Sets that are listed no more. */
  readonly gone: ReadonlySet<SetId>;
  /** Sets that are listed from now on. */
  readonly after: readonly SetInfo[];
  /** Versions that refs need. */
  readonly versions: ReadonlySet<Id>;
  /** All that is at the remote. */
  readonly objects: readonly RemoteObject[];
}

/** @throws {ConflictError} with `moved`, if the remote is no longer the one that was surveyed. */
export async function markGarbage(
  { ends: { remote }, options }: CollectionParts,
  lists: GarbageLists,
  marking: Marking,
): Promise<void> {
  await lists.publish(async (state) => {
    if (state.generation !== marking.surveyed.generation) throw moved(remote);
    // Readers see what goes until the swap; the survey and the rewriting may have taken hours.
    const since = await lists.now();
    const next = listingOf(state, await remote.holdings(options), marking);
    const garbage = await garbageAfter(lists, { state, next, since }, marking);
    const before = state.collection;
    const parts = await lists.store(garbage);
    if (next === state && sameParts(parts, before?.garbage ?? [])) return null;
    const collection = {
      collected: before?.collected ?? 0,
      garbage: parts,
      removing: before?.removing ?? [],
    };
    return { ...next, collection };
  });
}

/** The state whose list has what stays; `state` itself if that is all. */
function listingOf(state: RemoteState, { notes }: Holdings, marking: Marking): RemoteState {
  const { gone, after, versions } = marking;
  const lines: ListLine[] = after.map((info) => ({ kind: 'set', info }));
  let isSame = gone.size === 0;
  for (const [version, ids] of notes) {
    if (!versions.has(version)) isSame = false;
    else for (const note of ids) lines.push({ kind: 'note', version, note });
  }
  return isSame ? state : { ...state, lists: [], lines };
}

/** All garbage once `next` takes the place of `state`, without what is being removed. */
async function garbageAfter(
  lists: GarbageLists,
  { state, next, since }: { state: RemoteState; next: RemoteState; since: number },
  { surveyed, gone, after, objects }: Marking,
): Promise<Garbage[]> {
  const listed = listedNames(next, after);
  const garbage = new Map((await lists.waiting(state)).map((one) => [one.name, one]));
  const removing = await lists.removing(state);
  const unlisted = next === state ? [] : surveyed.lists.map(({ sha256 }) => listName(sha256));
  // Garbage that a push made use of was listed until now: its time begins anew.
  for (const name of [...[...gone].map(setName), ...unlisted]) {
    if (!removing.has(name) && !listed.has(name)) garbage.set(name, { name, since });
  }
  for (const object of objects) {
    const name = garbageName(object.name);
    const isKnown = name === null || garbage.has(name) || removing.has(name);
    if (!isKnown && !listed.has(name)) garbage.set(name, { name, since });
  }
  for (const name of listed) garbage.delete(name);
  return [...garbage.values()];
}

function sameParts(a: readonly ListPart[], b: readonly ListPart[]): boolean {
  return a.length === b.length && a.every(({ sha256 }, i) => sha256 === b[i]?.sha256);
}

function moved({ shown }: Remote): ConflictError {
  return new ConflictError(`others keep pushing to '${shown}'`, {
    url: shown,
    moved: true,
    hint: 'run the command again when it is quieter',
  });
}
