/**
 * Collects a remote: what its refs need stays, what they do not need goes in two steps.
 *
 * First it is listed no more, and noted as garbage with the time. Only a run that comes a grace period later removes
 * its files, so that readers of the older state find them until then. Start at `collectRemote`; the crash states
 * are in docs/format/remote.md. A push that runs at the same time is safe: see `checkCollected` in push-objects.ts.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { minOf } from '../../../base/bytes/many.js';
import { ConflictError } from '../../../base/errors.js';
import { ObjectStore } from '../../store/object-store.js';
import { FETCH_ALL_FLAGS } from '../../store/promised.js';
import { type SetId, type SetInfo, setBytes } from '../../store/types.js';
import { waitingSets } from '../partial/waiting.js';
import type { PushEnds } from '../pushing/push-ends.js';
import type { RemoteState } from '../remote/remote-file.js';
import { RemoteBackend } from '../remote/remote-store.js';
import { type RemoteObject, readOnlyError, type TransferOptions } from '../transports/transport.js';
import type { Garbage } from './garbage-file.js';
import { type CollectionParts, GarbageLists } from './garbage-lists.js';
import { garbageSizes, listedNames, setName } from './garbage-names.js';
import { markGarbage } from './mark-garbage.js';
import { type OpenSurvey, openSurvey } from './open-survey.js';
import { removeGarbage } from './remove-garbage.js';
import { chooseRewritten, rewriteSets } from './rewrite-sets.js';
import type { SurveyedSet } from './survey-remote.js';

export interface CollectOptions extends TransferOptions {
  /** How long garbage is kept once nothing names it; at least GRACE_MS_MIN. */
  graceMs: number;
  /** Versions by name that this repository has in part: what it left at the remote of that name must stay there. */
  counted?: { readonly remote: string; readonly versions: ReadonlyMap<string, Id> };
  dryRun?: boolean;
  onStart?(what: 'survey' | 'rewrite' | 'remove', bytes: number): void;
}

/** What a collection did, or would do. */
export interface Collected {
  setsBefore: number;
  setsAfter: number;
  /** Bytes of listed packs. */
  bytesBefore: number;
  bytesAfter: number;
  /** Bytes that were removed from the remote. */
  removedBytes: number;
  /** Bytes that nothing needs and that readers may still be reading; removed by a run after `untilMs`. */
  waitingBytes: number;
  untilMs: number | null;
  /** Bytes of uploads that nobody ended. */
  unfinishedBytes: number;
}

/** A reader of ten minutes ago finds all that it needs, whatever the user asks for. */
export const GRACE_MS_MIN = 15 * 60_000;
const ATTEMPTS = 5;

/** @throws {ConflictError} if others keep pushing; {CorruptError} if the remote lacks something that a ref needs. */
export async function collectRemote(ends: PushEnds, options: CollectOptions): Promise<Collected> {
  const { upkeep } = ends.remote.transport;
  if (upkeep === undefined) throw readOnlyError(ends.remote.shown, 'a web server only gives');
  const graceMs = Math.max(GRACE_MS_MIN, options.graceMs);
  const parts = { ends, upkeep, options: { ...options, graceMs } };
  for (let attempt = 1; ; attempt++) {
    try {
      return await collectOnce(parts);
    } catch (error) {
      const isChanged = error instanceof ConflictError && error.data.moved === true;
      if (!isChanged || attempt === ATTEMPTS) throw error;
      await ends.remote.refresh(options);
    }
  }
}

interface Parts extends CollectionParts {
  readonly options: CollectOptions;
}

async function collectOnce(parts: Parts): Promise<Collected> {
  const { ends, upkeep, options } = parts;
  const { signal, dryRun = false, graceMs } = options;
  const how = signal ? { signal } : {};
  options.onStart?.('survey', 0);
  const { state } = ends.remote;
  const nowMs = await upkeep.now(how);
  const survey = await openSurvey(ends, state, options);
  try {
    await checkCounted(parts, survey);
    const sorted = await sortOut(parts, { state, survey, nowMs });
    const unfinishedBytes = await upkeep.removeUnfinished(nowMs - graceMs, { ...how, dryRun });
    const { waiting, ...done } = dryRun ? foresee(sorted) : await carryOut(parts, sorted);
    const swept = new Set(sorted.over.map(({ name }) => name));
    const later = waiting.filter(({ name }) => !swept.has(name));
    const first = minOf(later.map(({ since }) => since));
    return {
      setsBefore: survey.sets.length,
      bytesBefore: sum(survey.sets.map(({ info }) => setBytes(info))),
      ...done,
      waitingBytes: bytesOf(later, sorted.sizes),
      untilMs: later.length === 0 ? null : first * 1000 + graceMs,
      unfinishedBytes,
    };
  } finally {
    await survey.close();
  }
}

/** What a collection begins with. */
interface Begin {
  readonly state: RemoteState;
  readonly survey: OpenSurvey;
  /** The remote's clock, in milliseconds. */
  readonly nowMs: number;
}

/** What becomes of all that is at the remote. */
interface Sorted extends Begin {
  readonly objects: readonly RemoteObject[];
  /** Bytes that each garbage frees. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly kept: readonly SetInfo[];
  readonly rewritten: readonly SurveyedSet[];
  /** Sets that are listed no more: nothing needs them, or they are written again. */
  readonly gone: ReadonlySet<SetId>;
  /** Garbage that was noted before, and that of it whose grace period is over. */
  readonly noted: readonly Garbage[];
  readonly over: readonly Garbage[];
}

/** @throws {CorruptError} if a file that the remote lists is not there. */
async function sortOut({ ends, upkeep, options }: Parts, begin: Begin): Promise<Sorted> {
  const { remote } = ends;
  const { state, survey, nowMs } = begin;
  const how = options.signal ? { signal: options.signal } : {};
  const dropped = survey.sets.filter(({ live }) => live.length === 0);
  const rewritten = chooseRewritten(survey.sets);
  const objects = [...(await upkeep.list('packs', how)), ...(await upkeep.list('lists', how))];
  const files = new Map(objects.map(({ name, bytes }) => [name, bytes]));
  await remote.checkFiles((name, bytes) => files.get(name) === bytes, how);
  const listed = listedNames(state, (await remote.holdings(how)).sets);
  const lists = new GarbageLists({ ends, upkeep, options });
  const noted = await lists.waiting(state);
  const gone = new Set([...dropped, ...rewritten].map(({ info }) => info.id));
  return {
    ...{ ...begin, objects, rewritten, gone, noted },
    sizes: garbageSizes(objects),
    kept: survey.sets.filter(({ info }) => !gone.has(info.id)).map(({ info }) => info),
    over: noted.filter(({ name, since }) => !listed.has(name) && lists.isOver(since, nowMs)),
  };
}

/** The part of the result that tells whether anything was done, and all garbage there is afterwards. */
interface Done extends Pick<Collected, 'setsAfter' | 'bytesAfter' | 'removedBytes'> {
  readonly waiting: readonly Garbage[];
}

/** What a collection would do. */
function foresee({ nowMs, kept, rewritten, gone, noted, over, sizes }: Sorted): Done {
  const since = Math.floor(nowMs / 1000);
  return {
    setsAfter: kept.length + (rewritten.length > 0 ? 1 : 0),
    bytesAfter: sum(kept.map(setBytes)) + sum(rewritten.map(({ liveBytes }) => liveBytes)),
    removedBytes: bytesOf(over, sizes),
    waiting: [...noted, ...[...gone].map((id) => ({ name: setName(id), since }))],
  };
}

async function carryOut(parts: Parts, sorted: Sorted): Promise<Done> {
  const { ends, options } = parts;
  const { state: surveyed, survey, nowMs, kept, rewritten, gone, over, sizes, objects } = sorted;
  const lists = new GarbageLists(parts);
  options.onStart?.('rewrite', sum(rewritten.map(({ liveBytes }) => liveBytes)));
  const after = [...(await rewriteSets(ends, survey, rewritten, options)), ...kept];
  const { versions } = survey;
  await markGarbage(parts, lists, { surveyed, gone, after, versions, objects });
  options.onStart?.('remove', bytesOf(over, sizes));
  return {
    setsAfter: after.length,
    bytesAfter: sum(after.map(setBytes)),
    removedBytes: await removeGarbage(parts, lists, { garbage: over, sizes, nowMs }),
    waiting: await lists.waiting(ends.remote.state),
  };
}

/** @throws {ConflictError} if the remote still has a version that is counted on, listed or as garbage, and no ref needs it. */
async function checkCounted(
  { ends, options }: Parts,
  { versions, remote, incoming }: OpenSurvey,
): Promise<void> {
  const { counted } = options;
  if (counted === undefined || counted.versions.size === 0) return;
  const { repo, cache } = ends;
  const { store } = repo;
  const from = { source: ends.remote, remote: counted.remote };
  const waiting = await waitingSets(repo.layout, from, options);
  const places = { local: store.backend, listed: store.sets(), cache, incoming };
  const garbage = await ObjectStore.open(new RemoteBackend(waiting, places));
  for (const [name, id] of counted.versions) {
    if (versions.has(id)) continue;
    if ((await remote.hasBlob(id)) || (await garbage.hasBlob(id)))
      throw countedOn(name, ends.remote.shown);
  }
}

function countedOn(name: string, shown: string): ConflictError {
  return new ConflictError(`'${name}' is here in part, and no branch of '${shown}' has it`, {
    url: shown,
    name,
    hint: `push it first, so that what it left there stays, or fetch all of it: 'dlv fetch ${FETCH_ALL_FLAGS}'`,
  });
}

function bytesOf(garbage: readonly Garbage[], sizes: ReadonlyMap<string, number>): number {
  return sum(garbage.map(({ name }) => sizes.get(name) ?? 0));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
