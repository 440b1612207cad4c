/**
 * `dlv status`: what is staged, what changed since, what is not tracked. Reads no file contents unless
 * asked to.
 */

import type { Id } from '../../base/bytes/hash.js';
import { isDamage } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { PatternFile } from '../../storage/repo/settings/ignore.js';
import { GIT_IGNORE_FILE } from '../../storage/repo/settings/pattern-file.js';
import { readLineStagings, readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import { type PathChange, stagedChanges } from '../history/commit/staged-changes.js';
import { readBranch } from '../history/lines/branches.js';
import { currentLine, type Line } from '../history/lines/lines.js';
import { openStaging } from '../history/lines/open-staging.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { type Followed, followed } from '../tracking/ahead-behind.js';
import { type WorkChange, workChanges } from '../worktree/changes.js';
import { modelsAmong } from '../worktree/left-out.js';
import { PathInput, pathFilter, pathTest } from '../worktree/operands/path-input.js';
import { type PathFilter, walkFiles } from '../worktree/scan/walk-files.js';

export interface ModelStatus {
  model: string;
  branch: string | null;
  /** Version that the line is at, and what it is called. */
  version: string | null;
  name: string | null;
  /** Other versions that the next version will have as parents, as after `merge --no-commit`. */
  merging: { version: Id; name: string }[];
  /** True for HEAD's model. */
  current: boolean;
  /** Staged files against the version. */
  staged: PathChange[];
  /** Work tree against the staged files. */
  unstaged: WorkChange[];
  /** Tracked files that are not in the work tree and never were, as after `copy` and `switch`. */
  absent: string[];
  trackedFiles: number;
}

/** What is staged for a branch that no files of the work tree are on: `add --branch`. */
export interface StagedApart {
  model: string;
  branch: string;
  staged: PathChange[];
}

/** What is left out, and the kind of file that says so. */
export interface IgnoredPath {
  path: string;
  by: PatternFile;
}

export interface StatusResult {
  head: {
    model: string;
    branch: string | null;
    version: string | null;
    name: string | null;
    /** The branch of a remote that it follows, and how far it is from it, as seen last. */
    upstream: Followed | null;
  };
  models: ModelStatus[];
  /** Branches for which something is staged apart from where HEAD is. */
  apart: StagedApart[];
  untracked: string[];
  /** Model files that are not tracked because git ignores them, and folders (with '/') that hold one. */
  gitIgnored: string[];
  /** What is not tracked because a file of patterns says so, if that was asked for; folders end with '/'. */
  ignored: IgnoredPath[];
  /** True if nothing is staged, changed, untracked or being merged. */
  clean: boolean;
}

export interface StatusOptions {
  /** Reads every tracked file, whatever its size and times say. */
  rehash?: boolean;
  /** Only files at or below these paths, or that these globs match. */
  paths?: string[];
  /** False leaves out what is not tracked: the work tree is not walked. */
  untracked?: boolean;
  /** Lists what is ignored as well, with what says so. */
  ignored?: boolean;
}

async function called(
  describer: Describer,
  versions: readonly Id[],
): Promise<{ version: Id; name: string }[]> {
  const found: { version: Id; name: string }[] = [];
  for (const version of versions) found.push({ version, name: await describer.name(version) });
  return found;
}

/** No file is older than this: as the time of staging it makes every file worth reading. */
const NEVER_CLEAN = 0n;

/** Compares version, staging and work tree of every model line. */
export async function status(
  repo: Repository,
  context: OpContext,
  options: StatusOptions = {},
): Promise<StatusResult> {
  const { staging, writtenNs } = await readStaging(repo.layout);
  const trustedNs = options.rehash ? NEVER_CLEAN : writtenNs;
  const wantedPaths = pathFilter(repo.layout, context.cwd, options.paths ?? []);
  const isWanted = wantedPaths?.covers ?? (() => true);
  const only = <T extends PathChange>(changes: T[]): T[] =>
    changes.filter(({ path }) => isWanted(path));
  const head = await currentLine(repo, staging);
  const describer = new Describer(repo);
  const nameOf = async ({ tip }: Line): Promise<string | null> =>
    tip === null ? null : describer.name(tip);
  const models: ModelStatus[] = [];
  const names = new Set([head.model, ...staging.models().map((line) => line.model)]);
  for (const model of [...names].sort(comparePaths)) {
    const line = await currentLine(repo, staging, model);
    const entries = staging.entries(model);
    const wanted = entries.filter(({ path }) => isWanted(path));
    const work = await workChanges(repo, wanted, trustedNs, context);
    models.push({
      model,
      branch: line.branch,
      version: line.tip,
      name: await nameOf(line),
      merging: await called(describer, staging.get(model)?.otherParents ?? []),
      current: model === head.model,
      staged: only(await stagedChanges(repo, line, entries)),
      unstaged: work.changes,
      absent: work.absent,
      trackedFiles: entries.length,
    });
  }
  const tracked = new Set(models.flatMap(({ model }) => staging.entries(model).map((e) => e.path)));
  const isWalked = options.untracked !== false || options.ignored;
  const found = isWalked
    ? await listUntracked(repo, tracked, wantedPaths, context)
    : { untracked: [], ignored: [] };
  const untracked = options.untracked === false ? [] : found.untracked;
  const busy = models.some((m) => m.staged.length + m.unstaged.length + m.merging.length > 0);
  return {
    head: {
      model: head.model,
      branch: head.branch,
      version: head.tip,
      name: await nameOf(head),
      upstream: await upstreamOfLine(repo, head, context),
    },
    models,
    apart: await stagedApart(repo, only, context),
    untracked,
    gitIgnored: options.untracked === false ? [] : await gitIgnoredModels(repo, found, isWanted),
    ignored: options.ignored ? await shownIgnored(repo, found, options.paths ?? [], context) : [],
    clean: !busy && untracked.length === 0,
  };
}

function upstreamOfLine(
  repo: Repository,
  { model, branch, tip }: Line,
  { signal }: OpContext,
): Promise<Followed | null> {
  if (branch === null) return Promise.resolve(null);
  return followed(repo, { model, branch }, tip, signal);
}

interface Untracked {
  untracked: string[];
  /** What is ignored in the folders that may hold what is meant. */
  ignored: IgnoredPath[];
}

async function stagedApart(
  repo: Repository,
  only: (changes: PathChange[]) => PathChange[],
  context: OpContext,
): Promise<StagedApart[]> {
  const found: StagedApart[] = [];
  const damage = (_file: string, error: unknown): void => {
    if (!isDamage(error)) throw error;
    context.warn(`${(error as Error).message}: run 'dlv fsck --rebuild'`);
  };
  for (const { only: place } of await readLineStagings(repo.layout, damage)) {
    if (place === null || (await readBranch(repo, place)) === null) continue;
    const { staging } = await openStaging(repo, { branch: `${place.model}/${place.branch}` });
    if (staging.only === null) continue;
    const line = await currentLine(repo, staging);
    const staged = only(await stagedChanges(repo, line, staging.entries(place.model)));
    if (staged.length > 0) found.push({ ...place, staged });
  }
  return found.sort((a, b) => comparePaths(`${a.model}/${a.branch}`, `${b.model}/${b.branch}`));
}

async function listUntracked(
  repo: Repository,
  tracked: ReadonlySet<string>,
  only: PathFilter | null,
  context: OpContext,
): Promise<Untracked> {
  const untracked: string[] = [];
  const ignored: IgnoredPath[] = [];
  const warn = (message: string): void => context.warn(message);
  const signal = context.signal ? { signal: context.signal } : {};
  const onIgnored = (path: string, by: PatternFile): void => void ignored.push({ path, by });
  const walk = { tracked, untrackedOnly: true, warn, onIgnored, ...signal };
  const meant = only === null ? walk : { ...walk, only };
  for await (const path of walkFiles(repo.layout, '', meant)) untracked.push(path);
  return {
    untracked: untracked.sort(comparePaths),
    ignored: ignored.sort((a, b) => comparePaths(a.path, b.path)),
  };
}

/** Model files among what git ignores, and folders that hold one. */
async function gitIgnoredModels(
  { layout }: Repository,
  { ignored }: Untracked,
  isWanted: (path: string) => boolean,
): Promise<string[]> {
  const paths = ignored.filter(({ path, by }) => by === GIT_IGNORE_FILE && isWanted(path));
  const models = await modelsAmong(
    layout,
    paths.map(({ path }) => path),
  );
  return models.sort(comparePaths);
}

/** What is ignored of the paths that are named; of an ignored folder, what of it was named. */
async function shownIgnored(
  { layout }: Repository,
  { ignored }: Untracked,
  texts: readonly string[],
  { cwd }: OpContext,
): Promise<IgnoredPath[]> {
  const isWanted = pathTest(layout, cwd, texts);
  if (isWanted === null) return ignored;
  const shown: IgnoredPath[] = [];
  const named = texts.flatMap((text) => new PathInput(layout, cwd, text).path ?? []);
  for (const one of ignored) {
    if (isWanted(one.path)) shown.push(one);
    for (const path of one.path.endsWith('/') ? named : []) {
      const isInside = path.startsWith(one.path);
      if (isInside && (await statOrNull(layout.workFile(path))) !== null) {
        shown.push({ path, by: one.by });
      }
    }
  }
  return shown;
}
