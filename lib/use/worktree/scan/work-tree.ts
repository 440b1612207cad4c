/**
 * The files of the work tree that a command means: paths, folders and globs → paths of versions.
 *
 * Walks folders with the ignore rules, follows a symbolic link only if asked to, and lists tracked
 * files that are gone, so that `add <folder>` sees deletions. Nothing odd is taken for a deletion.
 */
import nodePath from 'node:path';
import { Pace } from '../../../base/bytes/pace.js';
import { DlvError, UsageError } from '../../../base/errors.js';
import { statOrNull } from '../../../base/files/files.js';
import { statThrough } from '../../../base/files/places/user-paths.js';
import { isGlob } from '../../../pure/paths/glob.js';
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { type IgnoredBy, IgnoreRules } from '../../../storage/repo/settings/ignore.js';
import { GIT_IGNORE_FILE } from '../../../storage/repo/settings/pattern-file.js';
import { LinkGuard, toVersionPath } from '../../../storage/repo/work-path.js';
import { PathInput } from '../operands/path-input.js';
import { LinkFollower } from './follow-links.js';
import { ignored, inNested, notFollowed, notFound } from './refusals.js';
import { foldersOf, NestedRepositories, type WalkOptions, walkFiles } from './walk-files.js';
import { isDenied, lookAtWork, notReadable, UNREADABLE, unreadable } from './work-file.js';

/** What a selection of the work tree gave. Paths are those of versions, in order. */
export interface Selection {
  /** Files that exist: regular ones, or with `follow` links to such. */
  files: string[];
  /** Those of them that were named themselves, not found in a folder or by a glob. */
  named: Set<string>;
  /** Tracked paths that the selection covers and that do not exist. */
  missing: string[];
  /** Tracked paths that the selection covers and that are not plain files now. */
  odd: { path: string; says: string }[];
  /**
   * Paths that were named and are not plain files, and tracked ones that may not be looked at: an error, but no
   * reason to drop the others.
   */
  failures: { path: string; error: unknown }[];
  /** Sentences about what was left out. */
  warnings: string[];
  /** What folders hold and was left out because git ignores it; folders end with '/'. */
  gitIgnored: string[];
}

export interface SelectOptions {
  /** Paths that count as known: they are never ignored, and are missing if they are gone. */
  tracked: ReadonlySet<string>;
  /** Takes ignored files that are named explicitly. */
  force?: boolean;
  /** Reads through symbolic links, also out of the work tree. */
  follow?: boolean;
  signal?: AbortSignal;
}

/**
 * Selects files by paths, folders and globs, as the user wrote them.
 * @param cwd  folder that relative paths start from.
 * @throws {NotFoundError} for a path or glob that matches nothing; {UsageError} for one outside.
 */
export async function selectFiles(
  layout: Layout,
  cwd: string,
  inputs: readonly string[],
  options: SelectOptions,
): Promise<Selection> {
  const selector = new Selector(layout, cwd, options);
  for (const input of inputs) await selector.add(input);
  return selector.finish();
}

class Selector {
  readonly #layout: Layout;
  readonly #cwd: string;
  readonly #options: SelectOptions;
  readonly #found = {
    files: new Set<string>(),
    missing: new Set<string>(),
    named: new Set<string>(),
    warnings: new Set<string>(),
    gitIgnored: new Set<string>(),
    failures: [] as Selection['failures'],
  };
  readonly #guard: LinkGuard;
  readonly #rules: IgnoreRules;
  readonly #nested: NestedRepositories;
  readonly #follower: LinkFollower | null;
  readonly #trackedFolders: ReadonlySet<string>;

  constructor(layout: Layout, cwd: string, options: SelectOptions) {
    this.#layout = layout;
    this.#cwd = cwd;
    this.#options = options;
    this.#guard = new LinkGuard(layout.workTree);
    this.#rules = new IgnoreRules(layout, (message) => this.#found.warnings.add(message));
    this.#nested = new NestedRepositories(layout);
    this.#follower = options.follow ? new LinkFollower(layout) : null;
    this.#trackedFolders = foldersOf(options.tracked);
  }

  /** Takes what one word means. What is odd there is a failure of its own; a mistyped word throws. */
  async add(input: string): Promise<void> {
    const place = nodePath.resolve(this.#cwd, input);
    if (isGlob(input) && !(await isThere(place))) {
      await this.#addGlob(new PathInput(this.#layout, this.#cwd, input));
      return;
    }
    const path = toVersionPath(this.#layout, this.#cwd, input);
    try {
      await this.#addPath(input, path);
    } catch (error) {
      const isOdd = isDenied(error) || (error instanceof DlvError && error.data.path === path);
      if (!isOdd) throw error;
      this.#found.failures.push({ path, error });
    }
  }

  async #addPath(input: string, path: string): Promise<void> {
    const kind = await this.#kindOf(input, path);
    const inner = await this.#nested.around(path, kind === 'folder');
    if (kind === null) {
      if (this.#options.tracked.has(path)) this.#found.named.add(path);
      if (this.#coverTracked(path)) return;
      throw notFound(input);
    }
    const isTracked = this.#options.tracked.has(path) || this.#trackedFolders.has(path);
    if (inner !== null && !isTracked) throw inNested(input, inner);
    if (kind === 'folder') {
      let count = 0;
      const walk = { ...this.#walk(), ...(this.#options.force ? { force: true } : {}) };
      for await (const file of walkFiles(this.#layout, path, walk)) {
        this.#found.files.add(file);
        count++;
      }
      if (this.#coverTracked(path) || count > 0) return;
      // What lies in a folder that is ignored is ignored.
      if (path !== '' && (await isRefused(this.#rules, `${path}/a`))) throw ignored(input);
      return;
    }
    const isKnown = this.#options.tracked.has(path) || this.#options.force;
    if (!isKnown && (await isRefused(this.#rules, path))) throw ignored(input);
    this.#found.files.add(path);
    this.#found.named.add(path);
  }

  /** What is at a path that was named; null for nothing. @throws {UsageError} for what is odd. */
  async #kindOf(input: string, path: string): Promise<'file' | 'folder' | null> {
    const below = path === '' ? null : await this.#guard.findLink(path);
    if (below !== null && this.#follower === null) await this.#guard.check(path);
    const there = await statOrNull(this.#layout.workFile(path));
    if (there === null) return null;
    if (this.#follower !== null && (there.isSymlink || below !== null)) {
      const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
      const target = await this.#follower.target(path, await this.#follower.chainOf(folder));
      if (target.kind !== 'none') return target.kind;
      if ((await statThrough(this.#layout.workFile(path))).kind === 'denied')
        throw unreadable(path);
      throw notFollowed(input, path, target);
    }
    if (there.isFile) return 'file';
    if (there.isDirectory) return 'folder';
    throw there.isSymlink
      ? new UsageError(`'${input}' is a symbolic link`, {
          path,
          hint: "'dlv add --follow' stores the file that it leads to",
        })
      : new UsageError(`'${input}' is not a regular file`, {
          path,
          hint: 'dlv versions regular files',
        });
  }

  #walk(): WalkOptions {
    const { tracked, follow, signal } = this.#options;
    return {
      tracked,
      warn: (message) => this.#found.warnings.add(message),
      onIgnored: (path, by) => {
        if (by === GIT_IGNORE_FILE) this.#found.gitIgnored.add(path);
      },
      ...(follow ? { follow } : {}),
      ...(signal ? { signal } : {}),
    };
  }

  /** Notes tracked files at or below a path that were not found. @returns whether there are any. */
  #coverTracked(folder: string): boolean {
    let any = false;
    for (const path of this.#options.tracked) {
      if (folder !== '' && path !== folder && !path.startsWith(`${folder}/`)) continue;
      any = true;
      if (!this.#found.files.has(path)) this.#found.missing.add(path);
    }
    return any;
  }

  /** Files that are there and match, and tracked ones that are gone, as for a folder. */
  async #addGlob(input: PathInput): Promise<void> {
    let taken = 0;
    const denied: { path: string; says: string }[] = [];
    const walk: WalkOptions = {
      ...this.#walk(),
      withGitIgnored: true,
      ...(this.#options.force ? { force: true } : {}),
      only: {
        covers: (path) => input.findByGlob(path) !== null,
        mayCoverBelow: (folder) => input.mayMatchBelow(folder),
      },
      onDenied: (path, says) => denied.push({ path, says }),
    };
    for await (const path of walkFiles(this.#layout, '', walk)) {
      this.#found.files.add(path);
      taken++;
    }
    for (const path of input.select(this.#options.tracked).keys()) {
      if (!this.#found.files.has(path)) this.#found.missing.add(path);
      taken++;
    }
    if (taken === 0 && denied.length === 0) throw notFound(input.text);
    for (const { path, says } of denied) {
      if (taken > 0) this.#found.warnings.add(says);
      else this.#found.failures.push({ path, error: notReadable(path) });
    }
  }

  async finish(): Promise<Selection> {
    const candidates = [...this.#found.missing].filter((path) => !this.#found.files.has(path));
    const follow = this.#options.follow === true;
    // Files are among them if the names in their folder may not be listed.
    const { files, missing, odd, failures } = await sortOut(this.#layout, candidates, follow);
    return {
      files: [...this.#found.files, ...files].sort(comparePaths),
      named: this.#found.named,
      missing: missing.sort(comparePaths),
      odd,
      failures: [...this.#found.failures, ...failures],
      warnings: [...this.#found.warnings],
      gitIgnored: [...this.#found.gitIgnored]
        .filter((path) => !this.#found.files.has(path))
        .sort(comparePaths),
    };
  }
}

type Sorted = Pick<Selection, 'files' | 'missing' | 'odd' | 'failures'>;

/**
 * Tells tracked paths that are gone from those that became something odd.
 * @param follow  a file that is gone from behind a link to a folder counts as gone. One that cannot be
 *   looked at, or to which a link on the way leads nowhere, never does.
 * @param follower  takes files behind links; without it they are odd, since a walk left them out.
 */
async function sortOut(
  layout: Layout,
  paths: readonly string[],
  follow: boolean,
  follower: LinkFollower | null = null,
): Promise<Sorted> {
  const guard = new LinkGuard(layout.workTree);
  const sorted: Sorted = { files: [], missing: [], odd: [], failures: [] };
  const pace = new Pace();
  for (const path of paths) {
    await pace.step();
    const found = await lookAtWork(layout, guard, path);
    if (found.kind === 'file') sorted.files.push(path);
    else if (found.kind === 'gone' || (follow && found.isGoneBehind)) sorted.missing.push(path);
    else if (
      follower !== null &&
      found.behind !== null &&
      (await follower.target(path, [])).kind === 'file'
    ) {
      sorted.files.push(path);
    } else if (found.became === UNREADABLE.became) {
      sorted.failures.push({ path, error: unreadable(path) });
    } else sorted.odd.push({ path, says: found.says });
  }
  return sorted;
}

/**
 * The tracked files among `paths`, as they are in the work tree; none is an error by itself.
 * @param follow  takes the files that links lead to as well, but for a repository's own data.
 */
export async function selectTracked(
  layout: Layout,
  paths: readonly string[],
  follow: boolean,
): Promise<Selection> {
  const sorted = await sortOut(layout, paths, follow, follow ? new LinkFollower(layout) : null);
  return { ...sorted, named: new Set(), warnings: [], gitIgnored: [] };
}

/** True if something has that very name; what may not be looked at, or is too long, need not be there. */
function isThere(place: string): Promise<boolean> {
  return statOrNull(place).then(
    (there) => there !== null,
    () => false,
  );
}

/** True if the file or a folder above it is ignored, and not by git alone: who names a file means it. */
async function isRefused(rules: IgnoreRules, path: string): Promise<boolean> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    if (isOurs(await rules.ignoredBy(path.slice(0, at), true))) return true;
  }
  return isOurs(await rules.ignoredBy(path, false));
}

function isOurs(ignoredBy: IgnoredBy | null): boolean {
  return ignoredBy !== null && ignoredBy !== GIT_IGNORE_FILE;
}
