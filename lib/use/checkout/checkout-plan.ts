/**
 * Decides what a checkout does to the work tree, before anything is written.
 *
 * A checkout of a whole version keeps local changes of a file if both versions have the same file,
 * as git does. Any other file may be replaced or removed only if its content, and what is staged of
 * it, is in a version: the current one of the line or, looked up only if needed, any other.
 * Everything else is work that would be lost: a conflict, unless forced. So is a symbolic link in
 * the way, which would be replaced. A link above files is a conflict unless its replacement was
 * asked for. Files of other models always are.
 */

import nodePath from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError } from '../../base/errors.js';
import { type FileStat, listDirectory, statOrNull } from '../../base/files/files.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import {
  isClean,
  nowNs,
  type StagedEntry,
  type Staging,
} from '../../storage/repo/staging/staging.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import { sameFile } from '../history/commit/staged-version.js';
import { checkTiers } from '../history/tier-gate.js';
import { hashFile, modeOf } from '../worktree/changes.js';
import { LostWork, linksInTheWay } from '../worktree/lost-work.js';
import { isDenied } from '../worktree/scan/work-file.js';

const DISCARD = "'dlv checkout --force <revision>'";

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
  /** Paths whose changes stay, staged ones too. */
  carried: string[];
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
  /** Files of the version that the line is at, by path. */
  committed: ReadonlyMap<string, FileEntry>;
  force: boolean;
  /** The command that discards work which would be lost, for a hint; default: a forced checkout of the version. */
  discard?: string;
  /** Leaves changes alone of what is the same in the version that the line is at and in the target. */
  carries: boolean;
  /** Replaces links above files too, each of which may stand for a whole folder of other files. */
  replaceLinks: boolean;
  /**
   * Whether a link at this path gives way to the file even if it leads to the same content: nothing
   * says whether it was added so or took the place of the file later.
   */
  isWrittenOver: (path: string) => boolean;
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
  if (!options.replaceLinks) planner.checkLinks();
  planner.replaceLinks();
  if (!options.force) await planner.lost.check(options.discard ?? DISCARD);
  const { writes } = planner.plan;
  checkTiers(
    writes.map(({ entry }) => entry),
    options.acceptTier,
    context,
  );
  return planner.plan;
}

/** What is at a path. */
interface Found {
  /** Of what is there itself. */
  stat: FileStat;
  /** Of the file that it leads to, where it is a link or lies below one; else null. */
  behind: FileStat | null;
  isLink: boolean;
  /** Hex sha256; null for what is not a file, or if its size shows that it is none of the wanted. */
  sha256: string | null;
  mode: number;
  readAtNs: string;
}

class Planner {
  readonly plan: CheckoutPlan = { writes: [], removes: [], kept: new Map(), carried: [], bytes: 0 };
  readonly #repo: ReadAccess;
  readonly #options: PlanOptions;
  readonly #context: OpContext;
  readonly #guard: LinkGuard;
  /** What the plan would destroy. */
  readonly lost: LostWork;
  readonly #removed = new Set<string>();
  readonly #folders: string[] = [];
  /** Links to folders that are above files and are removed. */
  readonly #linksAbove = new Set<string>();
  /** Wanted files that lie below a link and are right as they are. */
  readonly #keptBelow: FileEntry[] = [];

  constructor(repo: ReadAccess, options: PlanOptions, context: OpContext) {
    this.#repo = repo;
    this.#options = options;
    this.#context = context;
    this.#guard = new LinkGuard(repo.layout.workTree);
    this.lost = new LostWork(repo, options.model, context);
  }

  /** True if what is staged at a path is in the version that the line is at. */
  #isCommitted(entry: StagedEntry): boolean {
    const committed = this.#options.committed.get(entry.path);
    return committed !== undefined && sameFile(committed, entry);
  }

  async remove(entry: StagedEntry): Promise<void> {
    throwIfAborted(this.#context.signal);
    const { path } = entry;
    if (this.#options.carries && !this.#options.committed.has(path)) {
      this.plan.carried.push(path);
      return;
    }
    this.#removed.add(path);
    if (!this.#isCommitted(entry)) this.lost.add(path, entry.sha256);
    if ((await this.#guard.findLink(path)) !== null) return;
    const found = await this.#look(path, entry, []);
    if (found === null) return;
    if (found === 'folder') return;
    if (found.isLink) this.lost.addLink(path);
    else if (!isEntry(found, entry)) this.lost.add(path, found.sha256);
    this.plan.removes.push(path);
  }

  /** True if a file of the user stays: it was changed or staged, and the versions say the same of it. */
  #isCarried(entry: FileEntry, staged: StagedEntry, found: Found | 'folder' | null): boolean {
    const committed = this.#options.committed.get(entry.path);
    if (!this.#options.carries || committed === undefined) return false;
    if (found === null || found === 'folder' || found.isLink) return false;
    return sameFile(committed, entry) && !(sameFile(staged, entry) && isEntry(found, entry));
  }

  async place(entry: FileEntry): Promise<void> {
    throwIfAborted(this.#context.signal);
    const { path } = entry;
    const { staging, model, force } = this.#options;
    staging.checkOwner(model, path);
    const staged = staging.entry(path);
    const blocking = await this.#guard.findLink(path);
    const found = await this.#look(path, staged, force ? [] : [entry], blocking !== null);
    if (staged !== null && blocking === null && this.#isCarried(entry, staged, found)) {
      this.plan.carried.push(path);
      return;
    }
    if (staged !== null && !sameFile(staged, entry) && !this.#isCommitted(staged)) {
      this.lost.add(path, staged.sha256);
    }
    const isLink = blocking === null && found !== null && found !== 'folder' && found.isLink;
    const isLeft = !isLink || !this.#options.isWrittenOver(path);
    if (found !== null && found !== 'folder' && isEntry(found, entry) && isLeft) {
      // Also what 'add --follow' staged: the link stays as it is.
      const stat = found.behind ?? found.stat;
      this.plan.kept.set(path, { stat, stagedAtNs: found.readAtNs });
      if (blocking !== null) this.#keptBelow.push(entry);
    } else if (blocking !== null) await this.#replaceAbove(entry, blocking);
    else if (found === 'folder') {
      this.#folders.push(path);
      this.#write(entry, null, true);
    } else if (found === null) this.#write(entry, null, false);
    else {
      if (found.isLink) this.lost.addLink(path);
      else if (staged === null || !isEntry(found, staged)) this.lost.add(path, found.sha256);
      this.#write(entry, found.stat, false);
    }
  }

  #write(entry: FileEntry, seen: FileStat | null, late: boolean): void {
    this.plan.writes.push({ entry, seen, late });
    this.plan.bytes += entry.size;
  }

  /** A part of the path above the file is not a folder: a file or link that goes, or what is in the way. */
  async #replaceAbove(entry: FileEntry, blocking: string): Promise<void> {
    const there = await statOrNull(this.#repo.layout.workFile(blocking));
    const owner = this.#options.staging.ownerOf(blocking);
    const isLink = there?.isSymlink === true;
    if ((!there?.isFile && !isLink) || (owner !== null && owner !== this.#options.model)) {
      await this.#guard.check(entry.path);
    }
    if (!this.#removed.has(blocking)) {
      this.#removed.add(blocking);
      if (isLink) {
        this.#linksAbove.add(blocking);
        this.lost.addLink(blocking);
      } else this.lost.add(blocking, null);
      this.plan.removes.push(blocking);
    }
    this.#write(entry, null, true);
  }

  /**
   * What is at a path. A file is read only if its size is that of a file it may be and its times
   * do not say which it is; so is the file behind a link.
   * @param below a folder above the path is a link or a file.
   */
  async #look(
    path: string,
    staged: StagedEntry | null,
    candidates: readonly FileEntry[],
    below = false,
  ): Promise<Found | 'folder' | null> {
    const file = this.#repo.layout.workFile(path);
    const there = await statOrNull(file);
    if (there === null) return null;
    if (there.isDirectory) return 'folder';
    const isLink = there.isSymlink || below;
    const target = isLink ? await statThrough(file) : null;
    const behind = target?.kind === 'file' ? target.stat : null;
    const found: Found = {
      stat: there.stat,
      behind,
      isLink: there.isSymlink,
      sha256: null,
      mode: 0,
      readAtNs: nowNs(),
    };
    const stat = isLink ? behind : there.isFile ? there.stat : null;
    if (stat === null) return found;
    found.mode = modeOf(stat);
    if (staged !== null && isClean(staged, stat, this.#options.writtenNs)) {
      return { ...found, sha256: staged.sha256, readAtNs: staged.stagedAtNs };
    }
    const sizes = [staged?.size, ...candidates.map((candidate) => candidate.size)];
    if (sizes.includes(stat.size)) found.sha256 = await this.#hash(file);
    return found;
  }

  /** Hex sha256; null for a file that may not be read, which only a forced checkout replaces. */
  async #hash(file: string): Promise<string | null> {
    try {
      return await hashFile(file, this.#context.signal);
    } catch (error) {
      if (this.#options.force && isDenied(error)) return null;
      throw error;
    }
  }

  /** @throws {ConflictError} if a link above a file would be replaced. */
  checkLinks(): void {
    if (this.#linksAbove.size > 0) throw linksInTheWay([...this.#linksAbove]);
  }

  /**
   * Where a link to a folder goes, the files that were right below it are written too.
   * @throws {ConflictError} if other tracked files lie below it, which would be gone.
   */
  replaceLinks(): void {
    const { staging, target } = this.#options;
    const wanted = new Set(target.map(({ path }) => path));
    for (const link of this.#linksAbove) {
      const isBelow = ({ path }: { path: string }): boolean => path.startsWith(`${link}/`);
      const other = staging
        .models()
        .flatMap(({ model }) => staging.entries(model))
        .find(
          (entry) => isBelow(entry) && !wanted.has(entry.path) && !this.#removed.has(entry.path),
        );
      if (other !== undefined) {
        throw new ConflictError(
          `cannot replace the symbolic link '${link}': '${other.path}' lies below it too`,
          {
            path: link,
            hint: `name '${link}', so that all its files are written, or move the link away`,
          },
        );
      }
      for (const entry of this.#keptBelow.filter(isBelow)) {
        if (this.plan.kept.delete(entry.path)) this.#write(entry, null, true);
      }
    }
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
      { paths: blocked, hint: `move away: ${quoteSome(blocked)}` },
    );
  }
}

function isEntry(found: Found, entry: FileEntry): boolean {
  return found.sha256 === entry.sha256 && found.mode === entry.mode;
}
