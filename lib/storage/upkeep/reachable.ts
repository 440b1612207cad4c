/**
 * What versions need: their files' objects, and what they derive from. Damage on the way is reported,
 * and the rest is still visited.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { BlobKind, Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import {
  CorruptError,
  FormatVersionError,
  isUnreadable,
  type ObjectFault,
  objectFault,
} from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import type { ObjectAccess } from '../objects/access.js';
import { namedObjects, openStoredFile, type StoredFile } from '../objects/stored/stored-file.js';
import { type NoteReader, readTier, type VersionTier } from '../objects/tiers.js';
import { notesRefName } from '../repo/refs/ref-name.js';
import { notesReader } from '../repo/refs/refs.js';
import type { FileEntry } from '../repo/version/file-page.js';
import { type FileTree, readPages } from '../repo/version/file-tree.js';
import type { Version } from '../repo/version/version.js';
import { readVersion } from '../repo/version/version-bytes.js';
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
  /** True if it may be gone: it was given up. */
  readonly mayLack?: boolean;
}

/** Objects that are needed, by id. */
export class Reachable {
  readonly versions = new Set<Id>();
  readonly blobs = new Map<Id, BlobKind>();
  /** Extents and the number of their segments. */
  readonly extents = new Map<Id, number>();
  /** First version and path seen that need an object. */
  readonly users = new Map<Id, { version: Id | null; path: string | null }>();
  /** Versions of which files were given up that are needed for some time yet, and when the last of them was. */
  readonly waiting = new Map<Id, number>();
}

/** What a version that is rewritten has no more. */
export interface LeftOut {
  /** Paths of files. */
  readonly leftOut: ReadonlySet<string>;
  readonly keepsNetwork: boolean;
}

/** A file that something other than a version names: an entry of the staging area. */
export type NamedFile = Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>;

/** Where a walk reads: versions and recipes, and notes. */
export type ReachSource = Pick<ObjectAccess, 'blobs'> &
  NoteReader & {
    /** Reads a version, where it is read several times. */
    version?(id: Id): Promise<Version>;
  };

/** How some versions are walked, apart from what refs name. */
export interface ReachFromOptions {
  /** Versions that are not walked, nor what they derive from: all that they need is known to be there. */
  isKnown(version: Id): Promise<boolean> | boolean;
  /** Only the versions given, not what they derive from. */
  shallow?: boolean;
  /** False for files whose content is not walked. */
  takesFile?(version: Id, file: NamedFile): Promise<boolean> | boolean;
  /** True for versions of which the recipes and skeletons of such files are needed all the same. */
  describesFile?(version: Id): boolean;
  /** Is told of each file that is walked, once it is opened. */
  onFile?(file: StoredFile): void;
  /** Recipes of files that shall be given up, by version. */
  givenUp?: ReadonlyMap<Id, ReadonlySet<Id>>;
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
  walk.addDescriptions();
  return walk.found;
}

/** How a walk goes on from what it is given. */
export interface WalkOptions
  extends Partial<
    Pick<
      ReachFromOptions,
      'isKnown' | 'shallow' | 'takesFile' | 'describesFile' | 'onFile' | 'givenUp'
    >
  > {
  onBroken(link: BrokenLink): void;
  /** Called for a file that a snapshot of a version names and the version does not hold. */
  onMissingMember?(version: Id, snapshot: string, path: string): void;
  /** Versions whose files are left out: what others need is found then. */
  without?: ReadonlySet<Id>;
  /** Files that were given up from this time on are walked all the same; milliseconds since 1970. Default: none. */
  givenUpSince?: number;
  signal?: AbortSignal;
}

/** Goes from versions and files to all that they need, which is in `found` then. */
export class Walk {
  readonly found = new Reachable();
  readonly #repo: ReachSource;
  readonly #options: WalkOptions;
  readonly #readNotes: (version: Id) => Promise<Id[]>;
  /** Recipes of files that are described and not walked. */
  readonly #described = new Map<Id, { version: Id; path: string }>();

  constructor(repo: ReachSource, options: WalkOptions) {
    this.#repo = repo;
    this.#options = options;
    this.#readNotes = notesReader(repo.layout);
  }

  #readVersion(id: Id): Promise<Version> {
    return this.#repo.version?.(id) ?? readVersion(id, this.#repo);
  }

  async #notes(version: Id): Promise<Id[]> {
    return (await this.#repo.noteIds?.(version)) ?? this.#readNotes(version);
  }

  #add(id: Id, kind: BlobKind, version: Id | null, path: string | null): boolean {
    if (this.found.blobs.has(id)) return false;
    this.found.blobs.set(id, kind);
    this.found.users.set(id, { version, path });
    return true;
  }

  /** Reports an object that cannot be read instead of failing. @returns null then. */
  async #guard<T>(
    { id, version, path = null, kind = 'blob', mayLack = false }: LinkPlace,
    action: () => Promise<T>,
  ): Promise<T | null> {
    try {
      return await action();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      if (mayLack && objectFault(error) === 'missing') return null;
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
      const version = await this.#guard(place, () => this.#readVersion(current));
      if (version === null) continue;
      if (!this.#options.shallow) pushAll(queue, version.parents);
      for (const page of version.tree.pages) this.#add(page.id, 'files', current, null);
      await this.#content(current, version, null);
    }
  }

  /** Adds what a version needs that gets another id: all but its own bytes and the files it leaves out. */
  async rewritten(id: Id, without: LeftOut): Promise<void> {
    throwIfAborted(this.#options.signal);
    const version = await this.#guard({ id, version: id }, () => readVersion(id, this.#repo));
    if (version === null) return;
    if (without.leftOut.size === 0) {
      for (const page of version.tree.pages) this.#add(page.id, 'files', id, null);
    }
    await this.#content(id, version, without);
  }

  /** @param without  of a version that is rewritten; null: it stays, and so do its notes. */
  async #content(current: Id, version: Version, without: LeftOut | null): Promise<void> {
    const place: LinkPlace = { id: current, version: current };
    for (const log of version.logs) this.#add(log.id, 'blob', current, log.name);
    const keepsNetwork = without === null || without.keepsNetwork;
    if (version.network !== null && keepsNetwork) {
      this.#add(version.network, 'blob', current, null);
    }
    const notes = await this.#guard({ ...place, kind: 'ref' }, () => this.#notes(current));
    for (const note of without === null ? (notes ?? []) : [])
      this.#add(note, 'note', current, null);
    if (this.#options.without?.has(current)) return;
    const noted = (notes ?? []).length > 0;
    const tier = noted ? await this.#guard(place, () => readTier(this.#repo, current)) : null;
    await this.#guard(place, async () => {
      const members = new Map<string, string>();
      for await (const page of readPages(version.tree, this.#repo)) {
        for (const file of page.files) {
          if (without?.leftOut.has(file.path)) continue;
          const entry = await this.#asNeeded(current, file, tier);
          if (entry === null) continue;
          const mayLack = (tier?.tombstones.of(file.recipe.id) ?? null) !== null;
          await this.file(entry, current, mayLack);
        }
        for (const { key, members: named } of page.snapshots) {
          for (const path of named) if (path !== key) members.set(path, key);
        }
      }
      await this.#members(current, version.tree, members);
    });
  }

  /** The file that a version needs now; null: none, since it was given up. */
  async #asNeeded(
    version: Id,
    file: FileEntry,
    tier: VersionTier | null,
  ): Promise<FileEntry | null> {
    const { givenUp, givenUpSince } = this.#options;
    if (givenUp?.get(version)?.has(file.recipe.id)) return null;
    const entry = tier?.entryOf(file) ?? file;
    if (entry.tombstone === undefined) return entry;
    if (givenUpSince === undefined) return null;
    // A tombstone that was fetched counts from when it came.
    const came = (await statOrNull(this.#repo.layout.ref(notesRefName(version))))?.stat.mtimeNs;
    const arrived = came === undefined ? 0 : Number(BigInt(came) / 1_000_000n);
    const since = Math.max(entry.tombstone.time, arrived);
    if (since < givenUpSince) return null;
    const { waiting } = this.found;
    waiting.set(version, Math.max(since, waiting.get(version) ?? 0));
    return file;
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

  /** Adds the recipes of described files, at the end: until then they may still be walked. */
  addDescriptions(): void {
    for (const [id, { version, path }] of this.#described) this.#add(id, 'recipe', version, path);
  }

  /** Adds what says of a file how it is rebuilt, and none of its content. */
  async #description(file: NamedFile, version: Id): Promise<void> {
    const { id } = file.recipe;
    const stored = await this.#guard({ id, version, path: file.path }, () =>
      openStoredFile(this.#repo, file),
    );
    if (stored === null) return;
    // A file that is walked later must not be taken for one that was.
    this.#described.set(id, { version, path: file.path });
    for (const page of stored.pages) this.#add(page, 'ids', version, file.path);
    const skeleton = stored.recipe?.skeleton ?? null;
    if (skeleton !== null) this.#add(skeleton, 'skeleton', version, file.path);
  }

  /** Adds what a file is rebuilt from. @param mayLack  it was given up, and gc may have deleted it already. */
  async file(file: NamedFile, version: Id | null, mayLack = false): Promise<void> {
    const { id, kind } = file.recipe;
    const { takesFile, describesFile, onFile } = this.#options;
    if (version !== null && takesFile && !(await takesFile(version, file))) {
      if (kind !== 'blob' && describesFile?.(version)) await this.#description(file, version);
      return;
    }
    if (!this.#add(id, kind === 'blob' ? 'blob' : 'recipe', version, file.path)) return;
    const stored = await this.#guard({ id, version, path: file.path, mayLack }, () =>
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
