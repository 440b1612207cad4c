/**
 * Collects a remote: what its refs need stays, what they do not need goes in two steps.
 *
 * First it is listed no more, and noted as garbage with the time. Only a run that comes a grace period later removes
 * its files, so that readers of the older state find them until then. Start at `collectRemote`; the crash states
 * are in docs/format/remote.md. A push that runs at the same time is safe: see `checkCollected` in push-objects.ts.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { minOf } from '../../../base/bytes/many.js';
import { ConflictError } from '../../../base/errors.js';
import { packName } from '../../store/names.js';
import { ObjectStore } from '../../store/object-store.js';
import { FETCH_ALL_FLAGS } from '../../store/promised.js';
import { FILE_CLASSES, isSetId, type SetInfo, setBytes } from '../../store/types.js';
import { waitingSets } from '../partial/waiting.js';
import type { PushEnds } from '../push-plan.js';
import type { Holdings, Remote } from '../remote.js';
import { type ListLine, type ListPart, listName, type RemoteState } from '../remote-file.js';
import { flagsToPush } from '../remote-flags.js';
import { RemoteBackend } from '../remote-store.js';
import {
  bytesSource,
  type RemoteObject,
  readOnlyError,
  type TransferOptions,
  type TransportUpkeep,
} from '../transports/transport.js';
import {
  decodeGarbage,
  encodeGarbage,
  GARBAGE_LINES,
  type Garbage,
  setName,
} from './garbage-file.js';
import { type OpenSurvey, openSurvey } from './open-survey.js';
import { rewriteSets } from './rewrite-sets.js';
import type { SurveyedSet } from './survey-remote.js';
import { timeLeft } from './time-left.js';

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
/** A removal that began so long ago was interrupted: a batch that takes half of that is given up. */
const REMOVAL_MS_MAX = 10 * 60_000;
const BATCH = 1000;
const ATTEMPTS = 5;
/** A set is written again if it holds this share of garbage. */
const WASTE_SHARE = 0.25;
/** Small sets are joined if there are more than this. */
const SMALL_SETS_MAX = 64;
const SMALL_SET_BYTES = 8 * 1024 * 1024;

/** @throws {ConflictError} if others keep pushing; {CorruptError} if the remote lacks something that a ref needs. */
export async function collectRemote(ends: PushEnds, options: CollectOptions): Promise<Collected> {
  const { upkeep } = ends.remote.transport;
  if (upkeep === undefined) throw readOnlyError(ends.remote.shown, 'a web server only gives');
  const collection = new RemoteCollection(ends, upkeep, options);
  for (let attempt = 1; ; attempt++) {
    try {
      return await collection.run();
    } catch (error) {
      const isChanged = error instanceof ConflictError && error.data.moved === true;
      if (!isChanged || attempt === ATTEMPTS) throw error;
      await ends.remote.refresh(options);
    }
  }
}

class RemoteCollection {
  readonly #ends: PushEnds;
  readonly #remote: Remote;
  readonly #upkeep: TransportUpkeep;
  readonly #options: CollectOptions;

  constructor(ends: PushEnds, upkeep: TransportUpkeep, options: CollectOptions) {
    this.#ends = ends;
    this.#remote = ends.remote;
    this.#upkeep = upkeep;
    this.#options = { ...options, graceMs: Math.max(GRACE_MS_MIN, options.graceMs) };
  }

  async run(): Promise<Collected> {
    const { onStart, dryRun = false, signal } = this.#options;
    const how = signal ? { signal } : {};
    onStart?.('survey', 0);
    const { state } = this.#remote;
    const nowMs = await this.#upkeep.now(how);
    const survey = await openSurvey(this.#ends, state, this.#options);
    try {
      const { sets } = survey;
      await this.#checkCounted(survey);
      const dropped = sets.filter(({ live }) => live.length === 0);
      const rewritten = chooseRewritten(sets);
      const objects = [
        ...(await this.#upkeep.list('packs', how)),
        ...(await this.#upkeep.list('lists', how)),
      ];
      const files = new Map(objects.map(({ name, bytes }) => [name, bytes]));
      await this.#remote.checkFiles((name, bytes) => files.get(name) === bytes, how);
      const sizes = sizesOf(objects);
      const listed = listedNames(state, await this.#remote.holdings(how));
      const known = await this.#garbageOf(state);
      const sweep = known.filter(
        ({ name, since }) => !listed.has(name) && this.#isOver(since, nowMs),
      );
      const result: Collected = {
        setsBefore: sets.length,
        setsAfter: sets.length - dropped.length,
        bytesBefore: sum(sets.map(({ info }) => setBytes(info))),
        bytesAfter: 0,
        removedBytes: 0,
        waitingBytes: 0,
        untilMs: null,
        unfinishedBytes: await this.#upkeep.removeUnfinished(nowMs - this.#options.graceMs, {
          ...how,
          dryRun,
        }),
      };
      const gone = new Set([...dropped, ...rewritten].map(({ info }) => info.id));
      const kept = sets.filter(({ info }) => !gone.has(info.id)).map(({ info }) => info);
      if (dryRun) {
        result.setsAfter = kept.length + (rewritten.length > 0 ? 1 : 0);
        result.bytesAfter =
          sum(kept.map(setBytes)) + sum(rewritten.map(({ liveBytes }) => liveBytes));
        result.removedBytes = sum(sweep.map(({ name }) => sizes.get(name) ?? 0));
      } else {
        onStart?.('rewrite', sum(rewritten.map(({ liveBytes }) => liveBytes)));
        const made = await rewriteSets(this.#ends, survey, rewritten, this.#options);
        const after = [...made, ...kept];
        result.setsAfter = after.length;
        result.bytesAfter = sum(after.map(setBytes));
        await this.#mark(state, { gone, after, versions: survey.versions, objects });
        onStart?.('remove', sum(sweep.map(({ name }) => sizes.get(name) ?? 0)));
        result.removedBytes = await this.#sweep(sweep, sizes, nowMs);
      }
      const names = dryRun
        ? [...known, ...[...gone].map((id) => ({ name: setName(id), since: seconds(nowMs) }))]
        : await this.#garbageOf(this.#remote.state);
      const swept = new Set(sweep.map(({ name }) => name));
      const waiting = names.filter(({ name }) => !swept.has(name));
      result.waitingBytes = sum(waiting.map(({ name }) => sizes.get(name) ?? 0));
      const first = minOf(waiting.map(({ since }) => since));
      result.untilMs = waiting.length === 0 ? null : first * 1000 + this.#options.graceMs;
      return result;
    } finally {
      await survey.close();
    }
  }

  /** @throws {ConflictError} if the remote still has a version that is counted on, listed or as garbage, and no ref needs it. */
  async #checkCounted({ versions, remote, incoming }: OpenSurvey): Promise<void> {
    const { counted } = this.#options;
    if (counted === undefined || counted.versions.size === 0) return;
    const { repo, cache } = this.#ends;
    const { store } = repo;
    const from = { source: this.#remote, remote: counted.remote };
    const waiting = await waitingSets(repo.layout, from, this.#options);
    const places = { local: store.backend, listed: store.sets(), cache, incoming };
    const garbage = await ObjectStore.open(new RemoteBackend(waiting, places));
    for (const [name, id] of counted.versions) {
      if (versions.has(id)) continue;
      if ((await remote.hasBlob(id)) || (await garbage.hasBlob(id))) throw this.#counted(name);
    }
  }

  /** The remote's clock, in whole seconds. */
  async #now(): Promise<number> {
    const { signal } = this.#options;
    return seconds(await this.#upkeep.now(signal ? { signal } : {}));
  }

  #isOver(since: number, nowMs: number): boolean {
    return since * 1000 + this.#options.graceMs <= nowMs;
  }

  /** All garbage that is noted, without what is being removed at this moment. */
  #garbageOf(state: RemoteState): Promise<Garbage[]> {
    return this.#remote.garbage(state, this.#options);
  }

  async #read(part: ListPart): Promise<Garbage[]> {
    const bytes = await this.#remote.part(part, this.#options);
    return decodeGarbage(bytes, part, listName(part.sha256));
  }

  async #store(entries: readonly Garbage[]): Promise<ListPart[]> {
    const parts: ListPart[] = [];
    const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (let at = 0; at < sorted.length; at += GARBAGE_LINES) {
      const lines = sorted.slice(at, at + GARBAGE_LINES);
      const bytes = encodeGarbage(lines);
      const sha256 = sha256Hex(bytes);
      const { signal } = this.#options;
      const how = signal ? { signal } : {};
      await this.#remote.transport.store(listName(sha256), bytesSource(bytes), how);
      parts.push({ sha256, lines: lines.length, bytes: bytes.length });
    }
    return parts;
  }

  /** Lists the sets that stay, and notes everything else as garbage. */
  async #mark(
    surveyed: RemoteState,
    found: {
      gone: ReadonlySet<string>;
      after: readonly SetInfo[];
      versions: ReadonlySet<string>;
      objects: readonly RemoteObject[];
    },
  ): Promise<void> {
    const { gone, after, versions, objects } = found;
    await this.#publish(async (state) => {
      if (state.generation !== surveyed.generation) throw this.#moved();
      // Readers see what goes until the swap; the survey and the rewriting may have taken hours.
      const since = await this.#now();
      const holdings = await this.#remote.holdings(this.#options);
      const lines: ListLine[] = after.map((info) => ({ kind: 'set', info }));
      let isSame = gone.size === 0;
      for (const [version, notes] of holdings.notes) {
        if (!versions.has(version)) isSame = false;
        else for (const note of notes) lines.push({ kind: 'note', version, note });
      }
      const next = isSame ? state : { ...state, lists: [], lines };
      const listed = listedNames(next, { sets: [...after], notes: new Map() });
      const garbage = new Map<string, Garbage>();
      for (const one of await this.#garbageOf(state)) garbage.set(one.name, one);
      const removing = await this.#removing(state);
      const orphans = objects.map(({ name }) => garbageName(name));
      const unlisted = isSame ? [] : surveyed.lists.map(({ sha256 }) => listName(sha256));
      // Garbage that a push made use of was listed until now: its time begins anew.
      for (const name of [...[...gone].map((id) => setName(id)), ...unlisted]) {
        if (!removing.has(name) && !listed.has(name)) garbage.set(name, { name, since });
      }
      for (const name of orphans) {
        const isKnown = name === null || garbage.has(name) || removing.has(name);
        if (!isKnown && !listed.has(name)) garbage.set(name, { name, since });
      }
      for (const name of listed) garbage.delete(name);
      const before = state.collection;
      const parts = await this.#store([...garbage.values()]);
      if (isSame && sameParts(parts, before?.garbage ?? [])) return null;
      const collection = {
        collected: before?.collected ?? 0,
        garbage: parts,
        removing: before?.removing ?? [],
      };
      return { ...next, collection };
    });
  }

  /** Names that are being removed, by this run or another. */
  async #removing(state: RemoteState): Promise<Map<string, Garbage>> {
    const names = new Map<string, Garbage>();
    for (const part of state.collection?.removing ?? []) {
      for (const one of await this.#read(part)) names.set(one.name, one);
    }
    return names;
  }

  /**
   * Removes the files of garbage, batch by batch: what is being removed is noted first, so that no push counts on it.
   * @returns bytes that went.
   */
  async #sweep(
    sweep: readonly Garbage[],
    sizes: ReadonlyMap<string, number>,
    nowMs: number,
  ): Promise<number> {
    const stale = [...(await this.#removing(this.#remote.state)).values()].filter(
      ({ since }) => since * 1000 + REMOVAL_MS_MAX <= nowMs,
    );
    const all = [...new Map([...stale, ...sweep].map((one) => [one.name, one])).values()];
    let bytes = 0;
    for (let at = 0; at < all.length; at += BATCH) {
      const batch = new Set(all.slice(at, at + BATCH).map(({ name }) => name));
      const begun = await this.#begin(batch, new Set(stale.map(({ name }) => name)), nowMs);
      if (begun === null) continue;
      const left = timeLeft(REMOVAL_MS_MAX / 2);
      await forEachLimit(begun.names, this.#remote.concurrency, async (name) => {
        throwIfAborted(this.#options.signal);
        if (left() <= 0) throw this.#late();
        for (const file of filesOf(name)) await this.#upkeep.remove(file, this.#options);
        bytes += sizes.get(name) ?? 0;
        this.#options.onBytes?.(sizes.get(name) ?? 0);
      });
      await this.#publish(async (state) => {
        const { collection } = state;
        if (collection === null) return null;
        const isOther = ({ sha256 }: ListPart): boolean =>
          !begun.parts.some((part) => part.sha256 === sha256);
        return {
          ...state,
          collection: { ...collection, removing: collection.removing.filter(isOther) },
        };
      });
    }
    return bytes;
  }

  /** Notes that a batch is being removed. @returns what of it is, by then, still garbage. */
  async #begin(
    batch: ReadonlySet<string>,
    stale: ReadonlySet<string>,
    nowMs: number,
  ): Promise<{ names: string[]; parts: ListPart[] } | null> {
    let begun: { names: string[]; parts: ListPart[] } | null = null;
    await this.#publish(async (state) => {
      begun = null;
      const { collection } = state;
      if (collection === null) return null;
      const listed = listedNames(state, await this.#remote.holdings(this.#options));
      const garbage = await this.#garbageOf(state);
      const removing: ListPart[] = [];
      // Of an interrupted removal, what is taken over goes on as part of this one.
      let left: Garbage[] = [];
      for (const part of collection.removing) {
        const entries = await this.#read(part);
        if (entries.every(({ name }) => stale.has(name))) left = [...left, ...entries];
        else removing.push(part);
      }
      const isFree = ({ name }: Garbage): boolean => batch.has(name) && !listed.has(name);
      const isAgain = ({ name, since }: Garbage): boolean =>
        !stale.has(name) && !this.#isOver(since, nowMs);
      const due = [...garbage.filter((one) => !isAgain(one)), ...left].filter(isFree);
      const names = new Set(due.map(({ name }) => name));
      if (names.size === 0) return null;
      const since = await this.#now();
      const parts = await this.#store([...names].map((name) => ({ name, since })));
      begun = { names: [...names], parts };
      const rest = [...garbage, ...left].filter(
        ({ name }) => !names.has(name) && !listed.has(name),
      );
      const next = {
        collected: state.generation + 1,
        garbage: await this.#store(rest),
        removing: [...removing, ...parts],
      };
      return { ...state, collection: next };
    });
    return begun;
  }

  /** Swaps the state, unless `change` gives none. */
  async #publish(change: (state: RemoteState) => Promise<RemoteState | null>): Promise<void> {
    const nothing = new Error('nothing to change');
    try {
      await this.#remote.publish(
        async (state) => {
          const next = await change(state);
          if (next === null) throw nothing;
          return next;
        },
        await flagsToPush(this.#ends.repo.layout),
        this.#options.signal ? { signal: this.#options.signal } : {},
      );
    } catch (error) {
      if (error !== nothing) throw error;
    }
  }

  #counted(name: string): ConflictError {
    const { shown } = this.#remote;
    return new ConflictError(`'${name}' is here in part, and no branch of '${shown}' has it`, {
      url: shown,
      name,
      hint: `push it first, so that what it left there stays, or fetch all of it: 'dlv fetch ${FETCH_ALL_FLAGS}'`,
    });
  }

  /** Others may take over what this run goes on to remove: then a push may have brought it again. */
  #late(): ConflictError {
    return new ConflictError(`removing files from '${this.#remote.shown}' took too long`, {
      url: this.#remote.shown,
      hint: 'run the command again in ten minutes: it goes on where this one ended',
    });
  }

  #moved(): ConflictError {
    return new ConflictError(`others keep pushing to '${this.#remote.shown}'`, {
      url: this.#remote.shown,
      moved: true,
      hint: 'run the command again when it is quieter',
    });
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Sets of which much is garbage, and small ones if there are many. */
function chooseRewritten(sets: readonly SurveyedSet[]): SurveyedSet[] {
  const needed = sets.filter(({ live }) => live.length > 0);
  const small = needed.filter(({ info }) => setBytes(info) < SMALL_SET_BYTES);
  const joined = new Set(small.length > SMALL_SETS_MAX ? small : []);
  return needed.filter(
    (set) => joined.has(set) || set.bytes - set.liveBytes > set.bytes * WASTE_SHARE,
  );
}

/** The garbage that a file would be part of; null for what is none of a remote's. */
function garbageName(name: string): string | null {
  const [folder = '', file = ''] = name.split('/');
  if (folder === 'lists') return /^[0-9a-f]{64}$/.test(file) ? name : null;
  const [id = '', fileClass = ''] = file.split('.');
  const isPack = isSetId(id) && FILE_CLASSES.some((known) => known === fileClass);
  return isPack ? setName(id) : null;
}

/** The index first: without it a set is none. */
function filesOf(name: string): string[] {
  const [folder, id = ''] = name.split('/');
  if (folder === 'lists' || !isSetId(id)) return [name];
  const classes = [...FILE_CLASSES].sort((a, b) => Number(b === 'idx') - Number(a === 'idx'));
  return classes.map((fileClass) => packName(id, fileClass));
}

function sizesOf(objects: readonly RemoteObject[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, bytes } of objects) {
    const key = garbageName(name);
    if (key !== null) sizes.set(key, (sizes.get(key) ?? 0) + bytes);
  }
  return sizes;
}

/** Everything that a state names. */
function listedNames(state: RemoteState, { sets }: Holdings): Set<string> {
  const { lists, collection } = state;
  const parts = [...lists, ...(collection?.garbage ?? []), ...(collection?.removing ?? [])];
  return new Set([
    ...sets.map(({ id }) => setName(id)),
    ...parts.map(({ sha256 }) => listName(sha256)),
  ]);
}

function sameParts(a: readonly ListPart[], b: readonly ListPart[]): boolean {
  return a.length === b.length && a.every(({ sha256 }, i) => sha256 === b[i]?.sha256);
}
