/**
 * What clone, fetch and pull share: which refs of a remote are wanted, bringing what they need here, and
 * remembering where its branches stand.
 */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import {
  type Fetched,
  fetchVersions,
  type NewNotes,
} from '../../storage/exchange/fetch-objects.js';
import type { FetchingRepository } from '../../storage/exchange/fetch-plan.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import { wholeFilesWarning } from '../../storage/exchange/transports/transport.js';
import type { SettingAccess } from '../../storage/objects/access.js';
import { makeMoves } from '../../storage/repo/moves/carry-out.js';
import type { Moves, RefMove } from '../../storage/repo/moves/journal.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import type { PartialFilter } from '../../storage/repo/promised.js';
import type { MoveReason } from '../../storage/repo/refs/reflog.js';
import { listRefs, readRef } from '../../storage/repo/refs/refs.js';
import type { OpContext } from '../context.js';
import { moveReason } from '../history/lines/moves.js';
import { derivesFrom } from './ahead-behind.js';
import { judgeImport } from './bundles/import-branch.js';
import { checkForgotten, ForgottenVersions } from './fetch-forgotten.js';
import { chooseBranches, chooseTags, type FetchSource, type Wanted } from './fetch-names.js';
import { withoutTombstones } from './tombstones.js';

/**
 * What became of one ref. `rejected`: it was asked for and not taken. `kept`: a tag that nobody asked for names
 * another version here, and stays. `pruned`: the remote has it no more, and it was taken away here.
 */
export type RefStatus = 'new' | 'updated' | 'forced' | 'same' | 'rejected' | 'kept' | 'pruned';

/** A ref of a remote and what fetching it did. */
export interface FetchedRef {
  kind: 'branch' | 'tag';
  /** `model/branch`, or the tag. */
  name: string;
  before: Id | null;
  after: Id | null;
  status: RefStatus;
  /** Why it was rejected or kept, as a sentence. */
  reason: string | null;
}

export interface FetchRefsOptions {
  /** Branches, `model/branch`, or models; default: all branches. */
  only?: readonly string[];
  /** auto: tags of versions that are here then; all; none. */
  tags: 'auto' | 'all' | 'none';
  /** Tags that are wanted whatever `tags` says; if no branches are named beside them, none are fetched. */
  namedTags?: readonly string[];
  /** Forgets branches that the remote has no more. */
  prune: boolean;
  /** Moves tags that name another version here. */
  force: boolean;
  /** Also versions that were forgotten here. */
  forgotten: boolean;
  /** Gives up here what the remote gave up. */
  tombstones?: boolean;
  dryRun: boolean;
  /** What is taken of the versions; the remote has to have a name then. Default: all. */
  filter?: PartialFilter;
}

/** What crossed the line. */
export interface TrafficReport {
  requests: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface FetchReport extends TrafficReport {
  refs: FetchedRef[];
  /** Versions that were not here. */
  versions: number;
  /** Bytes of packs that they take, and of them those that an interrupted run had brought. */
  bytes: number;
  resumedBytes: number;
}

/** A repository that fetches. */
export type TrackingRepository = FetchingRepository & SettingAccess;

const TAG_MOVED =
  "there is a tag of that name here, for another version: 'dlv fetch --force' takes the one there";

/** Fetches what refs of a remote need, and notes where its branches stand. */
export async function fetchRefs(
  repo: TrackingRepository,
  { source, remote, isImport = false }: FetchSource,
  options: FetchRefsOptions,
  context: OpContext,
): Promise<FetchReport> {
  const hasTagsAlone = options.only === undefined && (options.namedTags ?? []).length > 0;
  const branches = hasTagsAlone ? [] : chooseBranches({ source, remote, isImport }, options.only);
  const rejected = new Map<Id, string>();
  const why = await moveReason(
    repo,
    `${isImport ? 'import' : 'fetch'}: from ${remote ?? source.shown}`,
  );
  for (;;) {
    const fetch = new RefFetch(repo, source, { options, rejected, why, isImport, context });
    try {
      return await fetch.run(branches, remote);
    } catch (error) {
      if (!(error instanceof ForgottenVersions)) throw error;
      for (const [tip, reason] of error.tips) rejected.set(tip, reason);
    }
  }
}

interface RefFetchParts {
  readonly options: FetchRefsOptions;
  /** Tips that are not fetched, and why. */
  readonly rejected: ReadonlyMap<Id, string>;
  readonly why: MoveReason;
  readonly isImport: boolean;
  readonly context: OpContext;
}

class RefFetch {
  readonly #repo: TrackingRepository;
  readonly #source: RemoteReader;
  readonly #parts: RefFetchParts;

  constructor(repo: TrackingRepository, source: RemoteReader, parts: RefFetchParts) {
    this.#repo = repo;
    this.#source = source;
    this.#parts = parts;
  }

  async run(branches: readonly Wanted[], remote: string | null): Promise<FetchReport> {
    const { options, rejected, context } = this.#parts;
    const allTags = chooseTags(this.#source);
    const isTaken = ({ id }: Wanted): boolean => !rejected.has(id);
    const asked = [...branches, ...allTags.filter((tag) => this.#isAsked(tag))];
    const taken = asked.filter(isTaken);
    const tips = [...new Set(taken.map(({ id }) => id))];
    const refs: FetchedRef[] = asked
      .filter((one) => !isTaken(one))
      .map((one) => rejection(one, rejected.get(one.id) ?? ''));
    const stale = options.prune && remote !== null ? await this.#stale(remote) : [];
    const fetched = await fetchVersions(
      this.#repo,
      this.#source,
      {
        tips,
        moveRefs: async (lock, notes) => {
          const following = options.tags === 'auto' ? await this.#followingTags(allTags) : [];
          pushAll(refs, await this.#move(lock, [...taken, ...following], notes, stale));
        },
      },
      {
        ...(context.signal ? { signal: context.signal } : {}),
        dryRun: options.dryRun,
        ...(options.filter && remote !== null
          ? { partial: { remote, filter: options.filter } }
          : {}),
        ...progressOf(context, this.#source.shown),
        checkVersions: async (versions, parentsOf) => {
          if (!options.forgotten)
            await checkForgotten(this.#repo.layout, { versions, parentsOf, tips });
        },
      },
    );
    if (options.dryRun) refs.push(...stale.map(pruned), ...(await this.#plan(taken)));
    const { sendsWhole, shown } = this.#source;
    if (sendsWhole) context.warn(wholeFilesWarning(shown));
    return report(this.#source, fetched, refs);
  }

  /** True unless it is a tag that only follows its version. */
  #isAsked({ kind, name }: Wanted): boolean {
    const { tags, namedTags = [] } = this.#parts.options;
    return kind === 'branch' || tags === 'all' || namedTags.includes(name);
  }

  /** Tags of versions that are here, and that nobody asked for. */
  async #followingTags(tags: readonly Wanted[]): Promise<Wanted[]> {
    const found: Wanted[] = [];
    for (const tag of tags) {
      if (this.#parts.rejected.has(tag.id) || this.#isAsked(tag)) continue;
      if ((await this.#repo.store.findBlob(tag.id)) !== null) found.push(tag);
    }
    return found;
  }

  /** What fetching would do to refs. */
  async #plan(wanted: readonly Wanted[]): Promise<FetchedRef[]> {
    const refs: FetchedRef[] = [];
    for (const one of wanted) {
      const before = one.here === null ? null : await readRef(this.#repo.layout, one.here);
      // Which of two comes first can be told only once both are here.
      const isHere = await this.#repo.store.hasBlob(one.id);
      if (one.kind === 'tag' || (this.#parts.isImport && isHere))
        refs.push(await this.#outcome(one, before));
      else {
        const status = before === null ? 'new' : before === one.id ? 'same' : 'updated';
        refs.push({ kind: one.kind, name: one.name, before, after: one.id, status, reason: null });
      }
    }
    return refs;
  }

  /** Branches that were seen at the remote and are there no more. */
  async #stale(remote: string): Promise<RefMove[]> {
    const { refs } = this.#source.state;
    const seen = await listRefs(this.#repo.layout, `refs/remotes/${remote}`);
    return seen
      .filter(({ name }) => !refs.has(name.replace(`refs/remotes/${remote}/`, 'refs/heads/')))
      .map(({ name, id }) => ({ name, before: id, after: null }));
  }

  async #move(
    lock: RepositoryLock,
    wanted: readonly Wanted[],
    notes: NewNotes[],
    stale: readonly RefMove[],
  ): Promise<FetchedRef[]> {
    const { why } = this.#parts;
    const refs: FetchedRef[] = stale.map(pruned);
    const moves: RefMove[] = [];
    for (const one of wanted) {
      const before = one.here === null ? null : await readRef(this.#repo.layout, one.here);
      const ref = await this.#outcome(one, before);
      refs.push(ref);
      if (one.here !== null && !['same', 'rejected', 'kept'].includes(ref.status)) {
        moves.push({ name: one.here, before, after: one.id });
      }
    }
    const noted = await this.#notes(notes);
    const whole = { ...why, head: null, gone: [] };
    // A name that goes may be the folder of one that comes.
    if (stale.length > 0) await makeMoves(lock, { ...whole, refs: [...stale], notes: [] }, null);
    if (moves.length + noted.length > 0) {
      await makeMoves(lock, { ...whole, refs: moves, notes: noted }, null);
    }
    return refs;
  }

  /** The notes that are taken, as moves list them. */
  async #notes(notes: readonly NewNotes[]): Promise<Moves['notes']> {
    const { options, context } = this.#parts;
    const { notes: taken, left } = options.tombstones
      ? { notes, left: 0 }
      : await withoutTombstones(this.#repo, notes);
    if (left > 0) {
      const what = left === 1 ? 'a version that is' : `${left} versions that are`;
      context.warn(
        `'${this.#source.shown}' gave up files of ${what} whole here: they stay here; ` +
          "'dlv fetch --tombstones' gives them up here as well",
        'last',
      );
    }
    return taken.map(({ version, ids }) => ({ version, ids }));
  }

  async #outcome(one: Wanted, before: Id | null): Promise<FetchedRef> {
    const { options, context } = this.#parts;
    const ref = { kind: one.kind, name: one.name, before, after: one.id, reason: null };
    if (before === one.id) return { ...ref, status: 'same' };
    if (this.#parts.isImport && one.kind === 'branch') {
      const verdict = await judgeImport(this.#repo, one, before, this.#source.shown);
      return typeof verdict === 'string'
        ? { ...ref, status: verdict }
        : rejection(one, verdict.reason, before);
    }
    if (before === null) return { ...ref, status: 'new' };
    if (one.kind === 'tag') {
      if (options.force) return { ...ref, status: 'forced' };
      const refused = rejection(one, TAG_MOVED, before);
      return this.#isAsked(one) ? refused : { ...refused, status: 'kept' };
    }
    const isForward = await derivesFrom(this.#repo, one.id, before, context.signal);
    return { ...ref, status: isForward ? 'updated' : 'forced' };
  }
}

/** A branch that was seen at the remote and is there no more. */
function pruned({ name, before }: RefMove): FetchedRef {
  const title = name.split('/').slice(3).join('/');
  return { kind: 'branch', name: title, before, after: null, status: 'pruned', reason: null };
}

function rejection(
  { kind, name, id }: Wanted,
  reason: string,
  before: Id | null = null,
): FetchedRef {
  return { kind, name, before, after: id, status: 'rejected', reason };
}

function report(source: RemoteReader, fetched: Fetched, refs: FetchedRef[]): FetchReport {
  const { versions, bytes, resumedBytes } = fetched;
  return { refs, versions, bytes, resumedBytes, ...trafficOf(source) };
}

/** What crossed the line to a remote so far. */
export function trafficOf({ traffic }: RemoteReader): TrafficReport {
  const { requests, receivedBytes, sentBytes } = traffic;
  return { requests, receivedBytes, sentBytes };
}

const LABELS = { plan: 'looking at', fetch: 'fetching from', check: 'checking what came from' };

/** Shows the parts of a fetch as progress. */
function progressOf({ progress }: OpContext, shown: string) {
  return {
    onStart: (what: keyof typeof LABELS, bytes: number) =>
      progress.start(`${LABELS[what]} ${shown}`, bytes),
    onBytes: (bytes: number) => progress.advance(bytes),
  };
}

/** True if nothing that was asked for was rejected. */
export function isWhollyFetched({ refs }: Pick<FetchReport, 'refs'>): boolean {
  return refs.every(({ status }) => status !== 'rejected');
}
