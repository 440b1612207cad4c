/**
 * What garbage collection would drop: what is needed, which sets are worth writing again, and what goes
 * with them.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import type { Staging } from '../repo/staging/staging.js';
import { readStaging } from '../repo/staging/staging-file.js';
import { absentBytes } from '../store/promised.js';
import {
  type BlobEntry,
  recordBytesOf,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  storedBytes,
} from '../store/types.js';
import {
  type FoundObjects,
  heldBytes,
  isIn,
  type KeptBytes,
  type Needed,
  youngSets,
} from './kept.js';
import { type CollectedRepository, isSmall, isThin, pinnedSets } from './merge-small-sets.js';
import { findReachable, type NeededOptions, withBases } from './needed.js';
import { refuseBroken } from './reachable.js';
import { readRoots } from './roots.js';

/** Share of garbage from which a large set is worth writing again. */
const GARBAGE_SHARE = 0.2;
const DAY_MS = 24 * 60 * 60 * 1000;

export interface DropOptions {
  /** Drops garbage of any age. */
  pruneNow?: boolean;
  /** Is told of each record that is dropped. */
  onDropped?(entry: BlobEntry | SegmentEntry): void;
  signal?: AbortSignal;
}

export interface Dropped {
  blobs: number;
  segments: number;
  bytes: number;
  versions: Id[];
  kept: KeptBytes[];
  /** Sets that are (or would be) replaced. */
  chosen: number;
}

/** How old garbage has to be. */
export function graceOf(repo: CollectedRepository, options: DropOptions): number {
  return options.pruneNow ? 0 : repo.config.get('gc.graceDays') * DAY_MS;
}

/** What roots reach. @throws {CorruptError} if something of it is damaged: gc must not guess then. */
export async function findNeeded(
  repo: CollectedRepository,
  options: DropOptions,
): Promise<FoundObjects> {
  const { staging } = await readStaging(repo.layout);
  const since = options.pruneNow ? Number.POSITIVE_INFINITY : Date.now() - graceOf(repo, options);
  const how: NeededOptions = {
    staging,
    reflogSince: since,
    onBroken: (link) => refuseBroken('cannot collect garbage', link),
    ...(options.pruneNow ? {} : { givenUpSince: since }),
    ...(options.signal ? { signal: options.signal } : {}),
  };
  how.roots = await readRoots(repo, how);
  const reachable = await findReachable(repo, how);
  const found = { reachable, needed: await withBases(repo, reachable, options.signal) };
  if (options.pruneNow) return { ...found, now: reachable };
  const { givenUpSince: _, ...atOnce } = how;
  const refsAlone: NeededOptions = { ...atOnce, reflogSince: Number.POSITIVE_INFINITY };
  // Versions alone cost little to find; files are walked again only where reflogs name others.
  const { versions } = await findReachable(repo, { ...refsAlone, without: reachable.versions });
  const isSame = versions.size === reachable.versions.size && reachable.waiting.size === 0;
  return { ...found, now: isSame ? reachable : await findReachable(repo, refsAlone) };
}

/** Which sets are replaced, and what is dropped with them. Adds to `needed` what stays in any case. */
export async function planDrop(
  repo: CollectedRepository,
  needed: Needed,
  options: DropOptions,
): Promise<{ chosen: SetInfo[]; dropped: Dropped }> {
  const young = await youngSets(repo, graceOf(repo, options));
  const chosen = await chooseSets(repo, needed, young, options);
  const chosenIds = new Set(chosen.map((info) => info.id));
  const stays = (entry: BlobEntry | SegmentEntry): boolean =>
    !chosenIds.has(entry.set) || young.has(entry.set);
  await keepWithBases(repo, needed, stays, options.signal);
  const dropped: Dropped = {
    blobs: 0,
    segments: 0,
    bytes: 0,
    versions: [],
    kept: [],
    chosen: chosen.length,
  };
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(options.signal);
    if (!chosenIds.has(entry.set) || (live && isIn(needed, entry))) continue;
    dropped.bytes += heldBytes(repo, entry);
    options.onDropped?.(entry);
    if (live) dropped['kind' in entry ? 'blobs' : 'segments']++;
    if (live && 'kind' in entry && entry.kind === 'version') dropped.versions.push(entry.id);
  }
  return { chosen, dropped };
}

/** What shall be, in place of what is: history as it will be rewritten, or files that will be given up. */
export type PlannedChange = Pick<NeededOptions, 'history' | 'givenUp'>;

/** What a planned change frees. */
export interface PlannedDrop {
  /** Bytes of records that `gc --prune=now` drops then, over those that it drops now. */
  freedBytes: number;
  /** Of them, by version: each record counts where it is needed first. */
  freedOf: ReadonlyMap<Id, number>;
  /** Bytes that nothing but bases needs then: they stay as what other versions are differences from. */
  baseBytes: number;
}

/** Bytes that a planned change frees. @throws {CorruptError} if something that is needed is damaged. */
export async function freedBytes(
  repo: CollectedRepository,
  planned: PlannedChange,
  staging: Staging,
  signal?: AbortSignal,
): Promise<number> {
  return (await plannedDrop(repo, planned, staging, signal)).freedBytes;
}

/** What a planned change frees. @throws {CorruptError} if something that is needed is damaged. */
export async function plannedDrop(
  repo: CollectedRepository,
  planned: PlannedChange,
  staging: Staging,
  signal?: AbortSignal,
): Promise<PlannedDrop> {
  const dropped = new Set<string>();
  const options: DropOptions = {
    pruneNow: true,
    onDropped: (entry) => dropped.add(placeOf(entry)),
    ...(signal ? { signal } : {}),
  };
  const { needed, reachable } = await findNeeded(repo, options);
  const now = await planDrop(repo, needed, options);
  const found = await findReachable(repo, {
    staging,
    ...planned,
    onBroken: (link) => refuseBroken('cannot say what is freed', link),
    ...(signal ? { signal } : {}),
    ...(planned.history === undefined ? { reflogSince: Number.POSITIVE_INFINITY } : {}),
  });
  const freedOf = new Map<Id, number>();
  const onDropped = (entry: BlobEntry | SegmentEntry): void => {
    const version = reachable.users.get(entry.id)?.version ?? null;
    if (version === null || dropped.has(placeOf(entry))) return;
    freedOf.set(version, (freedOf.get(version) ?? 0) + storedBytes(entry));
  };
  const neededThen = await withBases(repo, found, signal);
  const before = { blobs: new Set(neededThen.blobs), extents: new Set(neededThen.extents) };
  const then = await planDrop(repo, neededThen, { ...options, onDropped });
  let baseBytes = 0;
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(signal);
    const isWanted = 'kind' in entry ? found.blobs.has(entry.id) : found.extents.has(entry.id);
    const was = 'kind' in entry ? reachable.blobs.has(entry.id) : reachable.extents.has(entry.id);
    if (live && was && !isWanted && isIn(before, entry)) baseBytes += storedBytes(entry);
  }
  return { freedBytes: then.dropped.bytes - now.dropped.bytes, freedOf, baseBytes };
}

/** Names one record: others may be of the same object. */
function placeOf(entry: BlobEntry | SegmentEntry): string {
  const segment = 'segment' in entry ? entry.segment : '';
  return `${entry.set} ${entry.id} ${segment} ${entry.offset}`;
}

/** The sets that are worth writing again. */
async function chooseSets(
  repo: CollectedRepository,
  needed: Needed,
  young: { has(id: SetId): boolean },
  options: DropOptions,
): Promise<SetInfo[]> {
  const dead = new Map<SetId, number>();
  const pinned = await pinnedSets(repo, options.signal);
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(options.signal);
    // A record that another one hides is never read, however young it is.
    if (live && (young.has(entry.set) || isIn(needed, entry))) continue;
    dead.set(entry.set, (dead.get(entry.set) ?? 0) + heldBytes(repo, entry));
  }
  const sets = repo.store.sets().filter(({ id }) => !pinned.has(id));
  // A set of which planes are elsewhere is written again by itself.
  const small = sets.filter((info) => isSmall(info) && !isThin(repo, info.id));
  const autoSets = repo.config.get('gc.autoSets');
  const mergeSmall = small.length > Math.max(1, autoSets);
  return sets.filter((info) => {
    const garbage = dead.get(info.id) ?? 0;
    if (garbage > 0 && options.pruneNow) return true;
    const elsewhere = absentBytes(repo.store.promised, info);
    if (garbage > GARBAGE_SHARE * (recordBytesOf(info) - elsewhere)) return true;
    return mergeSmall && small.includes(info);
  });
}

/** Adds to `needed` every record that stays in any case, and then the bases of all of it. */
async function keepWithBases(
  repo: CollectedRepository,
  needed: Needed,
  stays: (entry: BlobEntry | SegmentEntry) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  for (let changed = true; changed; ) {
    changed = false;
    for await (const { entry, live } of repo.store.records()) {
      throwIfAborted(signal);
      const ids = 'kind' in entry ? needed.blobs : needed.extents;
      // A hidden record comes to light when the one that hides it is dropped.
      if (stays(entry) && !ids.has(entry.id)) ids.add(entry.id);
      const isKept = stays(entry) || (live && ids.has(entry.id));
      if (!isKept || entry.base === null || ids.has(entry.base)) continue;
      ids.add(entry.base);
      changed = true;
    }
  }
}
