/**
 * Everything that a repository needs: what its refs, its recent reflogs, its notes and its staging
 * name, and the bases of all of that. gc keeps it, fsck checks it.
 */

import { ID_BYTES, type Id } from '../../base/bytes/hash.js';
import { Pace } from '../../base/bytes/pace.js';
import type { ObjectAccess } from '../objects/access.js';
import { linksOf } from '../objects/chain.js';
import type { NoteReader } from '../objects/tiers.js';
import type { Staging } from '../repo/staging/staging.js';
import { type LeftOut, type Reachable, Walk, type WalkOptions } from './reachable.js';
import { type Roots, readRoots, stagedApart } from './roots.js';

export interface NeededOptions
  extends Pick<
    WalkOptions,
    'onBroken' | 'onMissingMember' | 'without' | 'givenUpSince' | 'givenUp' | 'signal'
  > {
  /** Reflog lines from this time on keep their versions; milliseconds since 1970. Default: all. */
  reflogSince?: number;
  /** The staging area: its files, and the versions that its lines are based on or will derive from. */
  staging: Staging;
  /** What history shall be like, in place of what refs, HEAD and reflogs say. */
  history?: PlannedHistory;
  /** What refs, HEAD and reflogs say, where it is known already. */
  roots?: Roots;
}

/** Versions as they shall be once some of them are rewritten. */
export interface PlannedHistory {
  /** Versions that stay, with all that they derive from. */
  roots: ReadonlySet<Id>;
  /** Versions that get another id: files that they leave out. Else they need what they need now. */
  rewritten: ReadonlyMap<Id, LeftOut>;
}

/** Finds what refs, reflogs, notes and staging reach. Bases that only deltas need are not in it: see `withBases`. */
export async function findReachable(
  repo: ObjectAccess & NoteReader,
  options: NeededOptions,
): Promise<Reachable> {
  const walk = new Walk(repo, options);
  const roots = new Set(options.history?.roots);
  if (options.history === undefined) {
    const known = options.roots ?? (await readRoots(repo, options));
    for (const id of known.named) roots.add(id);
    for (const [id, time] of known.moved) if (time >= (options.reflogSince ?? 0)) roots.add(id);
  }
  const stagings = [options.staging, ...(await stagedApart(repo.layout, options))];
  for (const line of stagings.flatMap((staging) => staging.models())) {
    // A planned history has its new versions nowhere yet.
    if (options.history !== undefined) continue;
    for (const id of [line.base, ...line.otherParents]) if (id !== null) roots.add(id);
  }
  for (const id of roots) await walk.version(id, null);
  for (const [id, without] of options.history?.rewritten ?? []) await walk.rewritten(id, without);
  for (const staging of stagings) {
    for (const line of staging.models()) {
      for (const file of staging.entries(line.model)) await walk.file(file, null);
    }
  }
  return walk.found;
}

/**
 * Ids of everything that must stay: the reachable objects and, through their chains, all bases. A chain
 * that lacks a base or goes in a circle gives as much as there is of it: that is fsck's business.
 */
export async function withBases(
  repo: ObjectAccess & NoteReader,
  reachable: Reachable,
  signal?: AbortSignal,
): Promise<{ blobs: Set<Id>; extents: Set<Id> }> {
  const { store } = repo;
  const pace = new Pace(signal);
  const blobs = new Set<Id>();
  for (const id of reachable.blobs.keys()) {
    for await (const link of linksOf(id, (next) => store.findBlob(next))) {
      if (blobs.has(link.id)) break;
      await pace.step();
      blobs.add(link.id);
    }
  }
  const extents = new Set<Id>(reachable.extents.keys());
  // Segments of one base may be chained differently, so each has a walk of its own.
  const walked = new Set<string>();
  // A recipe may claim more segments than all indexes have rows, each of which holds an id.
  const rows = store.sets().reduce((sum, { bytes }) => sum + bytes.idx / ID_BYTES, 0);
  for (const [id, segments] of reachable.extents) {
    for (let segment = 0; segment < Math.min(segments, rows); segment++) {
      for await (const link of linksOf(id, (next) => store.here.findSegment(next, segment))) {
        const key = segment === 0 ? link.id : `${link.id}:${segment}`;
        if (walked.has(key)) break;
        await pace.step();
        // What is missing is not remembered: a recipe may claim more segments than memory holds.
        if (link.entry !== null) walked.add(key);
        extents.add(link.id);
      }
    }
  }
  return { blobs, extents };
}
