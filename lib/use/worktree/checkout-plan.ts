/**
 * What a checkout does to the work tree, decided before anything is written.
 *
 * A file may be replaced or removed only if what it holds, and what is staged of it, is in a version:
 * the one that the line stands on, or, asked only if need be, any other. All else is work that would
 * be lost: a conflict, unless forced. Files of other models and links in the way always are one.
 */
import nodePath from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { ConflictError } from '../../base/errors.js';
import { type FileStat, listDirectory, statOrNull } from '../../base/files/files.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import {
  isClean,
  nowNs,
  type StagedEntry,
  type Staging,
} from '../../storage/repo/staging/staging.js';
import type { FileEntry, FilePage } from '../../storage/repo/version/file-page.js';
import { LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import { sameFile } from '../history/commit/staged-version.js';
import { versionRoots, versionsByModel } from '../history/sizes.js';
import { checkTiers } from '../history/tier-gate.js';
import { Describer } from '../history/versions.js';
import { hashFile } from './changes.js';

/** A file to be written. */
export interface PlannedWrite {
  entry: FileEntry;
  /** State of what it replaces; null if nothing is there. */
  seen: FileStat | null;
  /** True if something has to be removed before it can be written: a file above, a folder at it. */
  late: boolean;
}

/** A file that has the wanted content already. */
export interface KeptFile {
  stat: FileStat;
  /** When it was read, or staged. */
  stagedAtNs: string;
}

export interface CheckoutPlan {
  writes: PlannedWrite[];
  removes: string[];
  kept: Map<string, KeptFile>;
  /** Bytes to be written. */
  bytes: number;
}

export interface PlanOptions {
  staging: Staging;
  /** mtime of the staging file. */
  writtenNs: bigint;
  model: string;
  /** Files that shall be there. */
  target: readonly FileEntry[];
  /** Staged files of the model that shall not be there. */
  removes: readonly StagedEntry[];
  /** Files of the version that the line stands on, by path. */
  committed: ReadonlyMap<string, FileEntry>;
  force: boolean;
  /** Writes files of a tier as well. */
  acceptTier?: boolean;
}

/** Decides. @throws {ConflictError} that lists the paths whose work would be lost; {TierError}. */
export async function planCheckout(
  repo: ReadAccess,
  options: PlanOptions,
  context: OpContext,
): Promise<CheckoutPlan> {
  const planner = new Planner(repo, options, context);
  for (const entry of options.removes) await planner.remove(entry);
  for (const entry of options.target) await planner.place(entry);
  await planner.checkFolders();
  if (!options.force) await planner.checkLost();
  const { writes } = planner.plan;
  checkTiers(
    writes.map(({ entry }) => entry),
    options.acceptTier,
    context,
  );
  return planner.plan;
}

/** What stands at a path. */
interface Found {
  stat: FileStat;
  /** Hex sha256; null for what is no file, or if its size shows that it is none of the wanted. */
  sha256: string | null;
  mode: number;
  readAtNs: string;
}

class Planner {
  readonly plan: CheckoutPlan = { writes: [], removes: [], kept: new Map(), bytes: 0 };
  readonly #repo: ReadAccess;
  readonly #options: PlanOptions;
  readonly #context: OpContext;
  readonly #guard: LinkGuard;
  /** Contents that would be lost, by path: sha256, or null for what has to be read to know it. */
  readonly #lost = new Map<string, (string | null)[]>();
  readonly #removed = new Set<string>();
  readonly #folders: string[] = [];

  constructor(repo: ReadAccess, options: PlanOptions, context: OpContext) {
    this.#repo = repo;
    this.#options = options;
    this.#context = context;
    this.#guard = new LinkGuard(repo.layout.workTree);
  }

  /** True if what is staged at a path is in the version that the line stands on. */
  #isCommitted(entry: StagedEntry): boolean {
    const committed = this.#options.committed.get(entry.path);
    return committed !== undefined && sameFile(committed, entry);
  }

  #lose(path: string, sha256: string | null): void {
    this.#lost.set(path, [...(this.#lost.get(path) ?? []), sha256]);
  }

  async remove(entry: StagedEntry): Promise<void> {
    throwIfAborted(this.#context.signal);
    const { path } = entry;
    this.#removed.add(path);
    if (!this.#isCommitted(entry)) this.#lose(path, entry.sha256);
    if ((await this.#guard.findLink(path)) !== null) return;
    const found = await this.#look(path, entry, []);
    if (found === null) return;
    if (found === 'folder') return;
    if (!isEntry(found, entry)) this.#lose(path, found.sha256);
    this.plan.removes.push(path);
  }

  async place(entry: FileEntry): Promise<void> {
    throwIfAborted(this.#context.signal);
    const { path } = entry;
    const { staging, model, force } = this.#options;
    staging.checkOwner(model, path);
    const staged = staging.entry(path);
    if (staged !== null && !sameFile(staged, entry) && !this.#isCommitted(staged)) {
      this.#lose(path, staged.sha256);
    }
    const blocking = await this.#guard.findLink(path);
    if (blocking !== null) {
      await this.#replaceAbove(entry, blocking);
      return;
    }
    const found = await this.#look(path, staged, force ? [] : [entry]);
    if (found === 'folder') {
      this.#folders.push(path);
      this.#write(entry, null, true);
    } else if (found === null) this.#write(entry, null, false);
    else if (isEntry(found, entry)) {
      this.plan.kept.set(path, { stat: found.stat, stagedAtNs: found.readAtNs });
    } else {
      if (staged === null || !isEntry(found, staged)) this.#lose(path, found.sha256);
      this.#write(entry, found.stat, false);
    }
  }

  #write(entry: FileEntry, seen: FileStat | null, late: boolean): void {
    this.plan.writes.push({ entry, seen, late });
    this.plan.bytes += entry.size;
  }

  /** A part of the path above the file is no folder: a file that goes, or something in the way. */
  async #replaceAbove(entry: FileEntry, blocking: string): Promise<void> {
    const there = await statOrNull(this.#repo.layout.workFile(blocking));
    const owner = this.#options.staging.ownerOf(blocking);
    if (!there?.isFile || (owner !== null && owner !== this.#options.model)) {
      await this.#guard.check(entry.path);
    }
    if (!this.#removed.has(blocking)) {
      this.#removed.add(blocking);
      this.#lose(blocking, null);
      this.plan.removes.push(blocking);
    }
    this.#write(entry, null, true);
  }

  /**
   * What stands at a path. A file is read only if its size is that of a file it may be and its times
   * do not say which it is.
   */
  async #look(
    path: string,
    staged: StagedEntry | null,
    candidates: readonly FileEntry[],
  ): Promise<Found | 'folder' | null> {
    const file = this.#repo.layout.workFile(path);
    const there = await statOrNull(file);
    if (there === null) return null;
    if (there.isDirectory) return 'folder';
    const { stat } = there;
    const found: Found = { stat, sha256: null, mode: 0, readAtNs: nowNs() };
    if (!there.isFile) return found;
    found.mode = stat.mode & 0o100 ? 0o755 : 0o644;
    if (staged !== null && isClean(staged, stat, this.#options.writtenNs)) {
      return { ...found, sha256: staged.sha256, readAtNs: staged.stagedAtNs };
    }
    const sizes = [staged?.size, ...candidates.map((candidate) => candidate.size)];
    if (sizes.includes(stat.size)) found.sha256 = await hashFile(file, this.#context.signal);
    return found;
  }

  /** A folder where a file shall be: it may hold nothing but files that go. */
  async checkFolders(): Promise<void> {
    const { workTree } = this.#repo.layout;
    const blocked: string[] = [];
    const walk = async (path: string): Promise<void> => {
      for (const name of await listDirectory(nodePath.join(workTree, ...path.split('/')))) {
        const child = `${path}/${name}`;
        const there = await statOrNull(nodePath.join(workTree, ...child.split('/')));
        if (there?.isDirectory) await walk(child);
        else if (!this.#removed.has(child)) blocked.push(child);
      }
    };
    for (const folder of this.#folders) await walk(folder);
    if (blocked.length === 0) return;
    throw new ConflictError(
      `cannot write '${this.#folders[0]}': a folder of that name holds other files`,
      { paths: blocked, hint: `move away: ${someOf(blocked)}` },
    );
  }

  /** @throws {ConflictError} if content would be lost that is in no version. */
  async checkLost(): Promise<void> {
    if (this.#lost.size === 0) return;
    await this.#readUnknown();
    await this.#forgetKept();
    if (this.#lost.size === 0) return;
    const paths = [...this.#lost.keys()].sort(comparePaths);
    const what = paths.length === 1 ? 'a file has' : `${paths.length} files have`;
    throw new ConflictError(`${what} changes that are in no version: ${someOf(paths)}`, {
      paths,
      hint: "commit or move them away first, or lose them with 'dlv checkout --force'",
    });
  }

  async #readUnknown(): Promise<void> {
    for (const [path, contents] of this.#lost) {
      if (!contents.includes(null)) continue;
      const file = this.#repo.layout.workFile(path);
      if (!(await statOrNull(file))?.isFile) continue; // a link, which no version has
      const sha256 = await hashFile(file, this.#context.signal);
      this.#lost.set(
        path,
        contents.map((known) => known ?? sha256),
      );
    }
  }

  /** Looks for the contents in all versions and takes from the lost what is found. */
  async #forgetKept(): Promise<void> {
    const describer = new Describer(this.#repo);
    const models = await versionsByModel(this.#repo, await versionRoots(this.#repo));
    const seen = new WeakSet<FilePage>();
    for (const id of models.get(this.#options.model) ?? []) {
      throwIfAborted(this.#context.signal);
      const { tree } = await this.#repo.version(id);
      const tier = await this.#repo.tier(id);
      for await (const page of describer.pages(tree)) {
        if (tier === null && seen.has(page)) continue;
        if (tier === null) seen.add(page);
        for (const file of page.files) {
          // What was given up for a tier is in no version any more.
          const { path, sha256 } = tier?.entryOf(file) ?? file;
          const contents = this.#lost.get(path);
          if (contents === undefined) continue;
          const left = contents.filter((content) => content !== sha256);
          if (left.length > 0) this.#lost.set(path, left);
          else this.#lost.delete(path);
        }
      }
      if (this.#lost.size === 0) return;
    }
  }
}

function isEntry(found: Found, entry: FileEntry): boolean {
  return found.sha256 === entry.sha256 && found.mode === entry.mode;
}

/** The first few of some paths, as text. */
export function someOf(paths: readonly string[]): string {
  const shown = paths.slice(0, 5).map((path) => `'${path}'`);
  return paths.length > shown.length ? `${shown.join(', ')}, …` : shown.join(', ');
}
