/**
 * The files of the work tree that a command means: paths, folders and globs → paths of versions.
 *
 * Walks folders with the ignore rules, follows no symbolic link, and lists tracked files that are
 * gone, so that `add <folder>` and `status` see deletions.
 */
import nodePath from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { IoError, NotFoundError, UsageError } from '../../base/errors.js';
import { listEntries, statOrNull } from '../../base/files/files.js';
import { isGlob } from '../../pure/paths/glob.js';
import { comparePaths, pathProblem } from '../../pure/paths/version-path.js';
import { holdsRepository, type Layout } from '../../storage/repo/layout.js';
import { IgnoreRules } from '../../storage/repo/settings/ignore.js';
import { LinkGuard, toVersionPath } from '../../storage/repo/work-path.js';
import { PathInput } from './path-input.js';

/** What a selection of the work tree gave. Paths are those of versions, in order. */
export interface Selection {
  /** Regular files that exist. */
  files: string[];
  /** Those of them that were named themselves, not found in a folder or by a glob. */
  named: Set<string>;
  /** Tracked paths that the selection covers and that do not exist. */
  missing: string[];
  /** Sentences about what was left out. */
  warnings: string[];
}

export interface SelectOptions {
  /** Paths that count as known: they are never ignored, and are missing if they are gone. */
  tracked: ReadonlySet<string>;
  /** Takes ignored files that are named explicitly. */
  force?: boolean;
  signal?: AbortSignal;
}

export interface WalkOptions extends SelectOptions {
  warn?: (message: string) => void;
  /** Says whether to go into a folder; default: into all. */
  enter?: (folder: string) => boolean;
}

/** Every file below `folder` ('' is the work tree) that is tracked or, unless forced, not ignored. */
export async function* walkFiles(
  layout: Layout,
  folder: string,
  options: WalkOptions,
): AsyncGenerator<string> {
  const rules = new IgnoreRules(layout, options.warn);
  const trackedFolders = foldersOf(options.tracked);
  const nested = new NestedRepositories(layout);
  const queue = [folder];
  for (let dir = queue.pop(); dir !== undefined; dir = queue.pop()) {
    throwIfAborted(options.signal);
    let entries: Awaited<ReturnType<typeof listEntries>>;
    try {
      entries = await listEntries(dir === '' ? layout.workTree : layout.workFile(dir));
    } catch (error) {
      if (!isDenied(error) || dir === '' || trackedFolders.has(dir)) throw error;
      options.warn?.(`'${dir}' is left out: it may not be read`);
      continue;
    }
    for (const entry of entries) {
      const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
      const isFolder = entry.isDirectory();
      if (isFolder && options.enter?.(path) === false) continue;
      const known = isFolder ? trackedFolders.has(path) : options.tracked.has(path);
      if (!known && (await rules.isIgnored(path, isFolder, options.force))) continue;
      if (!known && (await nested.around(path, isFolder)) !== null) continue;
      if (isFolder) queue.push(path);
      else if (entry.isFile()) {
        const problem = pathProblem(path) ?? (await nameProblem(layout, path));
        if (problem === null) yield path;
        else options.warn?.(`'${path}' is left out: ${problem}`);
      } else if (!known) {
        const what = entry.isSymbolicLink() ? 'it is a symbolic link' : 'it is not a regular file';
        options.warn?.(`'${path}' is left out: ${what}`);
      }
    }
  }
}

/**
 * Repositories inside the work tree: each looks after its own files, so that none of these counts as
 * a file of the outer one unless it was tracked before.
 */
class NestedRepositories {
  readonly #layout: Layout;
  /** By folder: the repository that it is or lies in, or null. */
  readonly #known = new Map<string, string | null>([['', null]]);

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** The folder of the repository that a path lies in, or is if it is a folder; null for the outer. */
  async around(path: string, isFolder: boolean): Promise<string | null> {
    const folder = isFolder ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const known = this.#known.get(folder);
    if (known !== undefined) return known;
    const above = await this.around(folder, false);
    const found = above ?? ((await isRepository(this.#layout.workFile(folder))) ? folder : null);
    this.#known.set(folder, found);
    return found;
  }
}

/** True if the system refuses to let this user look. */
function isDenied(error: unknown): boolean {
  const errno = error instanceof IoError ? error.data.errno : null;
  return errno === 'EACCES' || errno === 'EPERM';
}

/** True if `folder` is the work tree of a repository; a folder that may not be entered is none. */
async function isRepository(folder: string): Promise<boolean> {
  try {
    return await holdsRepository(folder);
  } catch (error) {
    if (isDenied(error)) return false;
    throw error;
  }
}

/** What is wrong with a name that was listed: bytes that are no UTF-8 are shown as U+FFFD. */
async function nameProblem(layout: Layout, path: string): Promise<string | null> {
  if (!path.includes('\uFFFD')) return null;
  return (await statOrNull(layout.workFile(path))) === null ? 'its name is no valid UTF-8' : null;
}

function foldersOf(paths: ReadonlySet<string>): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      folders.add(path.slice(0, at));
  }
  return folders;
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
  const files = new Set<string>();
  const missing = new Set<string>();
  const named = new Set<string>();
  const warnings = new Set<string>();
  const warn = (message: string) => {
    warnings.add(message);
  };
  const rules = new IgnoreRules(layout, warn);
  const guard = new LinkGuard(layout.workTree);
  const nested = new NestedRepositories(layout);
  const trackedFolders = foldersOf(options.tracked);
  const isTracked = (path: string): boolean =>
    options.tracked.has(path) || trackedFolders.has(path);
  const coverTracked = (folder: string): boolean => {
    let any = false;
    for (const path of options.tracked) {
      if (folder !== '' && path !== folder && !path.startsWith(`${folder}/`)) continue;
      any = true;
      if (!files.has(path)) missing.add(path);
    }
    return any;
  };
  for (const input of inputs) {
    const there = await statOrNull(nodePath.resolve(cwd, input));
    if (there === null && isGlob(input)) {
      await addGlob(new PathInput(layout, cwd, input));
      continue;
    }
    const path = toVersionPath(layout, cwd, input);
    if (path !== '') await guard.check(path);
    const inner = await nested.around(path, there?.isDirectory === true);
    if (there === null || (!there.isFile && !there.isDirectory)) {
      if (there === null && coverTracked(path)) continue;
      throw there === null
        ? notFound(input)
        : new UsageError(
            `'${input}' is ${there.isSymlink ? 'a symbolic link' : 'not a regular file'}`,
            {
              path: input,
              hint: there.isSymlink
                ? 'dlv follows no symbolic links: add the file that it leads to'
                : 'dlv versions regular files',
            },
          );
    }
    if (inner !== null && !isTracked(path)) throw inNested(input, inner);
    if (there.isDirectory) {
      const walk = { ...options, force: false, warn };
      for await (const file of walkFiles(layout, path, walk)) files.add(file);
      coverTracked(path);
    } else {
      if (!options.tracked.has(path) && !options.force && (await isIgnored(rules, path))) {
        throw new UsageError(`'${input}' is ignored by a .dlvignore file`, {
          path: input,
          hint: 'use --force to add it all the same',
        });
      }
      files.add(path);
      named.add(path);
    }
  }

  /** Files that are there and match, and tracked ones that are gone, as for a folder. */
  async function addGlob(input: PathInput): Promise<void> {
    let taken = 0;
    const walk: WalkOptions = { ...options, warn, enter: (folder) => input.mayMatchBelow(folder) };
    for await (const path of walkFiles(layout, '', walk)) {
      if (input.findByGlob(path) === null) continue;
      files.add(path);
      taken++;
    }
    for (const path of input.select(options.tracked).keys()) {
      if (!files.has(path)) missing.add(path);
      taken++;
    }
    if (taken === 0) throw notFound(input.text);
  }

  for (const path of missing) {
    if (files.has(path)) missing.delete(path);
    else {
      const found = await lookAt(layout, guard, path);
      if (found !== 'gone') missing.delete(path);
      if (found !== 'gone' && found !== 'file') warn(staysStaged(path, found));
    }
  }
  return {
    files: [...files].sort(comparePaths),
    named,
    missing: [...missing].sort(comparePaths),
    warnings: [...warnings],
  };
}

/** What stands where a tracked file was: itself, nothing (or a folder), or what it became. */
async function lookAt(layout: Layout, guard: LinkGuard, path: string): Promise<string> {
  const blocking = await guard.findLink(path);
  if (blocking !== null) {
    const above = await statOrNull(layout.workFile(blocking));
    return above?.isSymlink ? `lies below a symbolic link, '${blocking}'` : 'gone';
  }
  const there = await statOrNull(layout.workFile(path));
  if (there === null || there.isDirectory) return 'gone';
  if (there.isFile) return 'file';
  return there.isSymlink ? 'is a symbolic link' : 'is not a regular file';
}

function staysStaged(path: string, what: string): string {
  return `'${path}' ${what} now: it stays as it was added last ('dlv rm --cached' takes it out)`;
}

/** The tracked files among `paths`, as they are in the work tree; none is an error by itself. */
export async function selectTracked(layout: Layout, paths: readonly string[]): Promise<Selection> {
  const guard = new LinkGuard(layout.workTree);
  const selection: Selection = { files: [], named: new Set(), missing: [], warnings: [] };
  for (const path of paths) {
    const found = await lookAt(layout, guard, path);
    if (found === 'file') selection.files.push(path);
    else if (found === 'gone') selection.missing.push(path);
    else selection.warnings.push(staysStaged(path, found));
  }
  return selection;
}

/** True if the file or a folder above it is ignored. */
async function isIgnored(rules: IgnoreRules, path: string): Promise<boolean> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    if (await rules.isIgnored(path.slice(0, at), true)) return true;
  }
  return rules.isIgnored(path, false);
}

function inNested(input: string, repository: string): UsageError {
  return new UsageError(`'${input}' lies in a repository of its own, '${repository}'`, {
    path: input,
    hint: `add it there: 'dlv -C ${repository} add …'`,
  });
}

function notFound(input: string): NotFoundError {
  return new NotFoundError(`'${input}' matches no file`, {
    kind: 'path',
    name: input,
    hint: "'dlv status' lists the files that can be added",
  });
}
