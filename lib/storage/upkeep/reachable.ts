/**
 * Everything that a repository needs: what its refs, its recent reflogs, its notes and its staging
 * name, and the bases of all of that. gc keeps it, fsck checks it. Damage on the way is reported,
 * and the rest is still visited.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { type BlobKind, ID_BYTES, type Id } from '../../base/bytes/hash.js';
import { Pace } from '../../base/bytes/pace.js';
import {
  CorruptError,
  FormatVersionError,
  isDamage,
  isUnreadable,
  type ObjectFault,
  objectFault,
} from '../../base/errors.js';
import { isMissing, statOrNull } from '../../base/files/files.js';
import { forEachInTurns } from '../../base/files/small-files.js';
import type { ObjectAccess } from '../objects/access.js';
import { linksOf } from '../objects/chain.js';
import { namedObjects, openStoredFile, type StoredFile } from '../objects/stored/stored-file.js';
import { type NoteReader, readTier } from '../objects/tiers.js';
import { branchRefName, type Layout, notesRefName } from '../repo/layout.js';
import { readHead } from '../repo/refs/head.js';
import {
  DELETED_LOG,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  type ReflogEntry,
  readListLog,
  readReflog,
} from '../repo/refs/reflog.js';
import { listNotedVersions, readEachRef, readNotes } from '../repo/refs/refs.js';
import type { StagedBranch, Staging } from '../repo/staging/staging.js';
import { readLineStagings } from '../repo/staging/staging-file.js';
import type { FileEntry } from '../repo/version/file-page.js';
import { type FileTree, readPages } from '../repo/version/file-tree.js';
import { readVersion, type Version } from '../repo/version/version.js';
import { segmentCount } from '../store/types.js';

/** An object that is named but cannot be read, and by what. */
export interface BrokenLink {
  kind: 'ref' | 'blob' | 'extent' | 'staging';
  /** Id, or the name of a ref. */
  name: string;
  what: ObjectFault;
  message: string;
  /** The version and path that need it, where one does. */
  version: Id | null;
  path: string | null;
}

/** Ends a command that must not guess what a damaged repository needs. @throws {CorruptError} {FormatVersionError} */
export function refuseBroken(what: string, { name, what: fault, message }: BrokenLink): void {
  // A remote has it: it is safe there, and what it needs is.
  if (fault === 'promised') return;
  if (fault === 'newer') {
    throw new FormatVersionError(`${what}: ${message}`, { name, hint: 'upgrade dlv' });
  }
  throw new CorruptError(`${what}: ${message}`, {
    name,
    hint: "run 'dlv fsck' and repair the repository first",
  });
}

/** Where a link stands: what it names, and the version and file that need it. */
interface LinkPlace extends Partial<Pick<BrokenLink, 'path' | 'kind'>> {
  readonly id: Id;
  readonly version: Id | null;
}

/** Objects that are needed, by id. */
export class Reachable {
  readonly versions = new Set<Id>();
  readonly blobs = new Map<Id, BlobKind>();
  /** Extents and the number of their segments. */
  readonly extents = new Map<Id, number>();
  /** What it was found from; null if history was planned. */
  roots: Roots | null = null;
  /** First version and path seen that need an object. */
  readonly users = new Map<Id, { version: Id | null; path: string | null }>();
}

/** A file that something other than a version names: an entry of the staging area. */
export type NamedFile = Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>;

export interface ReachableOptions {
  /** Reflog lines from this time on keep their versions; milliseconds since 1970. Default: all. */
  reflogSince?: number;
  /** The staging area: its files, and the versions that its lines are based on or will derive from. */
  staging: Staging;
  onBroken(link: BrokenLink): void;
  /** Called for a file that a snapshot of a version names and the version does not hold. */
  onMissingMember?(version: Id, snapshot: string, path: string): void;
  /** Versions whose files are left out: what others need is found then. */
  without?: ReadonlySet<Id>;
  /** What history shall be like, in place of what refs, HEAD and reflogs say. */
  history?: PlannedHistory;
  /** What refs, HEAD and reflogs say, where a walk a moment ago read them: `Reachable.roots` of it. */
  roots?: Roots;
  signal?: AbortSignal;
}

/** Versions that a repository names, apart from those that are staged. */
export interface Roots {
  /** Those of refs, HEAD, and of refs that were lost. */
  named: ReadonlySet<Id>;
  /** Those of reflogs, with the time of the last line that names each; milliseconds since 1970. */
  moved: ReadonlyMap<Id, number>;
}

/** Versions as they shall be once some of them are rewritten. */
export interface PlannedHistory {
  /** Versions that stay, with all that they derive from. */
  roots: ReadonlySet<Id>;
  /** Versions that get another id: files that they leave out. Else they need what they need now. */
  rewritten: ReadonlyMap<Id, ReadonlySet<string>>;
}

/** Where a walk reads: versions and recipes, and notes. */
export type ReachSource = Pick<ObjectAccess, 'blobs'> & NoteReader;

/** How some versions are walked, apart from what refs name. */
export interface ReachFromOptions {
  /** Versions that are not walked, nor what they derive from: all that they need is known to be there. */
  isKnown(version: Id): Promise<boolean> | boolean;
  /** Only the versions given, not what they derive from. */
  shallow?: boolean;
  /** False for files whose content is not walked. */
  takesFile?(version: Id, file: NamedFile): Promise<boolean> | boolean;
  /** Is told of each file that is walked, once it is opened. */
  onFile?(file: StoredFile): void;
  onBroken(link: BrokenLink): void;
  signal?: AbortSignal;
}

/** Finds what some versions, and all that they derive from, need. Bases are not in it. */
export async function reachFrom(
  source: ReachSource,
  roots: Iterable<Id>,
  options: ReachFromOptions,
): Promise<Reachable> {
  const walk = new Walk(source, options);
  for (const id of roots) await walk.version(id, null);
  return walk.found;
}

/** Finds what is needed. Bases are not in it: see `withBases`. */
export async function findReachable(
  repo: ObjectAccess & NoteReader,
  options: ReachableOptions,
): Promise<Reachable> {
  const walk = new Walk(repo, options);
  const roots = new Set(options.history?.roots);
  if (options.history === undefined) {
    const known = options.roots ?? (await readRoots(repo, options));
    walk.found.roots = known;
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
  for (const [id, leftOut] of options.history?.rewritten ?? []) await walk.rewritten(id, leftOut);
  for (const staging of stagings) {
    for (const line of staging.models()) {
      for (const file of staging.entries(line.model)) await walk.file(file, null);
    }
  }
  return walk.found;
}

/**
 * What is staged for branches apart from where HEAD is. That of a branch that is gone counts no more:
 * its base is in no history.
 */
async function stagedApart(layout: Layout, options: ReachableOptions): Promise<Staging[]> {
  const found = await readLineStagings(layout, (file, error) => {
    if (!isDamage(error)) throw error;
    const name = layout.nameOf(file);
    const message = (error as Error).message;
    options.onBroken({
      kind: 'staging',
      name,
      what: 'damaged',
      message,
      version: null,
      path: null,
    });
  });
  const kept: Staging[] = [];
  for (const staging of found) {
    const { model, branch } = staging.only as StagedBranch;
    const isNew = staging.get(model)?.base === null;
    if (isNew || (await hasRef(layout, branchRefName(model, branch)))) kept.push(staging);
  }
  return kept;
}

/** True also for a ref that is damaged. */
async function hasRef(layout: Layout, name: string): Promise<boolean> {
  return (await statOrNull(layout.ref(name)))?.isFile === true;
}

/** Versions that refs, HEAD and reflogs name. */
async function readRoots(
  repo: ObjectAccess & NoteReader,
  options: ReachableOptions,
): Promise<Roots> {
  const { layout } = repo;
  const named = new Set<Id>();
  const moved = new Map<Id, number>();
  const addMoves = async (entries: readonly ReflogEntry[]): Promise<void> => {
    for (const entry of entries) {
      for (const id of [entry.before, entry.after]) {
        if (id === null || entry.time <= (moved.get(id) ?? Number.NEGATIVE_INFINITY)) continue;
        // A reflog keeps what is there; what was pruned before is not damage.
        if ((await repo.store.findBlob(id)) !== null) moved.set(id, entry.time);
      }
    }
  };
  const tryRead = async (name: string, action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      if (!isDamage(error) && !isMissing(error)) throw error;
      options.onBroken({
        kind: 'ref',
        name,
        what: isMissing(error) ? 'missing' : 'damaged',
        message: (error as Error).message,
        version: null,
        path: null,
      });
    }
  };
  await tryRead('HEAD', async () => {
    const head = await readHead(layout);
    if (head.kind === 'detached') named.add(head.id);
  });
  const logs = new Set((await listReflogs(layout)).filter((name) => !isListLog(name))).add('HEAD');
  const present = new Set(['HEAD']);
  for await (const { name, parse } of readEachRef(layout)) {
    present.add(name);
    await tryRead(name, async () => {
      named.add(parse());
    });
  }
  await forEachInTurns(
    logs,
    async (name) => {
      const log = await readReflog(layout, name, NOT_A_VERSION);
      if (log.damaged.length > 0) {
        const message = `reflog of '${name}' has damaged lines: ${log.damaged.join(', ')}`;
        options.onBroken({
          kind: 'ref',
          name,
          what: 'damaged',
          message,
          version: null,
          path: null,
        });
      }
      await addMoves(log.entries);
      // The ref of a log that ends at a version was lost: fsck says so, and nothing of it goes until then.
      const last = log.entries.at(-1)?.after ?? null;
      if (!present.has(name) && last !== null && (await repo.store.findBlob(last)) !== null) {
        named.add(last);
      }
    },
    options.signal,
  );
  await addMoves(await readListLog(layout, DELETED_LOG));
  return { named, moved };
}

type WalkOptions = Pick<ReachableOptions, 'onBroken' | 'onMissingMember' | 'without' | 'signal'> &
  Partial<Pick<ReachFromOptions, 'isKnown' | 'shallow' | 'takesFile' | 'onFile'>>;

class Walk {
  readonly found = new Reachable();
  readonly #repo: ReachSource;
  readonly #options: WalkOptions;
  #noted: Promise<Set<Id>> | null = null;

  constructor(repo: ReachSource, options: WalkOptions) {
    this.#repo = repo;
    this.#options = options;
  }

  async #notes(version: Id): Promise<Id[]> {
    const { layout } = this.#repo;
    const elsewhere = this.#repo.noteIds?.(version);
    if (elsewhere !== undefined) return elsewhere;
    this.#noted ??= listNotedVersions(layout).then((ids) => new Set(ids));
    return (await this.#noted).has(version) ? readNotes(layout, version) : [];
  }

  #add(id: Id, kind: BlobKind, version: Id | null, path: string | null): boolean {
    if (this.found.blobs.has(id)) return false;
    this.found.blobs.set(id, kind);
    this.found.users.set(id, { version, path });
    return true;
  }

  /** Reports an object that cannot be read instead of failing. @returns null then. */
  async #guard<T>(
    { id, version, path = null, kind = 'blob' }: LinkPlace,
    action: () => Promise<T>,
  ): Promise<T | null> {
    try {
      return await action();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const { data, message } = error;
      const broken = (data.id ?? data.name ?? id) as string;
      this.#options.onBroken({
        kind,
        name: kind === 'ref' ? notesRefName(id) : broken,
        what: objectFault(error) ?? 'damaged',
        message,
        version,
        path,
      });
      return null;
    }
  }

  /** Adds a version and its ancestors; iterative, since a line may have many thousands. */
  async version(start: Id, path: string | null): Promise<void> {
    const queue = [start];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      throwIfAborted(this.#options.signal);
      if (this.found.versions.has(id) || (await this.#options.isKnown?.(id))) continue;
      this.found.versions.add(id);
      this.#add(id, 'version', id, path);
      const current = id;
      const place: LinkPlace = { id, version: id };
      const version = await this.#guard(place, () => readVersion(current, this.#repo));
      if (version === null) continue;
      if (!this.#options.shallow) queue.push(...version.parents);
      for (const page of version.tree.pages) this.#add(page.id, 'files', current, null);
      await this.#content(current, version, null);
    }
  }

  /** Adds what a version needs that gets another id: all but its own bytes and the files it leaves out. */
  async rewritten(id: Id, leftOut: ReadonlySet<string>): Promise<void> {
    throwIfAborted(this.#options.signal);
    const version = await this.#guard({ id, version: id }, () => readVersion(id, this.#repo));
    if (version === null) return;
    if (leftOut.size === 0) {
      for (const page of version.tree.pages) this.#add(page.id, 'files', id, null);
    }
    await this.#content(id, version, leftOut);
  }

  /** @param leftOut  files of a version that is rewritten; null: it stays, and so do its notes. */
  async #content(
    current: Id,
    version: Version,
    leftOut: ReadonlySet<string> | null,
  ): Promise<void> {
    const place: LinkPlace = { id: current, version: current };
    for (const log of version.logs) this.#add(log.id, 'blob', current, log.name);
    if (version.network !== null) this.#add(version.network, 'blob', current, null);
    const notes = await this.#guard({ ...place, kind: 'ref' }, () => this.#notes(current));
    for (const note of leftOut === null ? (notes ?? []) : [])
      this.#add(note, 'note', current, null);
    if (this.#options.without?.has(current)) return;
    const noted = (notes ?? []).length > 0;
    const tier = noted ? await this.#guard(place, () => readTier(this.#repo, current)) : null;
    await this.#guard(place, async () => {
      const members = new Map<string, string>();
      for await (const page of readPages(version.tree, this.#repo)) {
        for (const file of page.files) {
          if (!leftOut?.has(file.path)) await this.file(tier?.entryOf(file) ?? file, current);
        }
        for (const { key, members: named } of page.snapshots) {
          for (const path of named) if (path !== key) members.set(path, key);
        }
      }
      await this.#members(current, version.tree, members);
    });
  }

  /** @param members  files that snapshots name, and the key of one that does. */
  async #members(version: Id, tree: FileTree, members: Map<string, string>): Promise<void> {
    const report = this.#options.onMissingMember;
    if (report === undefined || members.size === 0) return;
    // Once more: a snapshot may be in a page before those of its members.
    for await (const page of readPages(tree, this.#repo)) {
      for (const { path } of page.files) members.delete(path);
    }
    for (const [path, key] of members) report(version, key, path);
  }

  /** Adds what a file is rebuilt from. */
  async file(file: NamedFile, version: Id | null): Promise<void> {
    const { id, kind } = file.recipe;
    const { takesFile, onFile } = this.#options;
    if (version !== null && takesFile && !(await takesFile(version, file))) return;
    if (!this.#add(id, kind === 'blob' ? 'blob' : 'recipe', version, file.path)) return;
    const stored = await this.#guard({ id, version, path: file.path }, () =>
      openStoredFile(this.#repo, file),
    );
    if (stored === null) return;
    onFile?.(stored);
    for (const page of stored.pages) this.#add(page, 'ids', version, file.path);
    for (const object of namedObjects(stored)) {
      if (object.kind === 'blob') {
        const blobKind = object.id === stored.recipe?.skeleton ? 'skeleton' : 'blob';
        this.#add(object.id, blobKind, version, file.path);
      } else if (!this.found.extents.has(object.id)) {
        this.found.extents.set(object.id, segmentCount(object.count as number));
        this.found.users.set(object.id, { version, path: file.path });
      }
    }
  }
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
