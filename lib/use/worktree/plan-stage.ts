/**
 * Which files of the work tree differ from what is staged, by their sizes and times: what `add` and `commit --all` do
 * first.
 */

import { Pace } from '../../base/bytes/pace.js';
import type { Level } from '../../pure/codec/segment.js';
import { portabilityWarnings } from '../../pure/paths/portable-names.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { isClean, type StagedEntry, type Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, type StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import { LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { checkNewModel } from '../history/lines/branches.js';
import { currentLine, type Line } from '../history/lines/lines.js';
import { WorkStates, wasHere } from './changes.js';
import { leftOutWarning, modelsAmong } from './left-out.js';
import { lookAtWork, UNREADABLE, unreadable } from './scan/work-file.js';
import { type Selection, selectFiles, selectTracked } from './scan/work-tree.js';

/** Which files, and how they are stored. */
export interface StageOptions {
  /** Paths, folders and globs; relative to the context's folder. */
  paths: string[];
  /** Model that new paths belong to; default: HEAD's. */
  model?: string;
  /** Training step of the added files. */
  step?: number;
  /** Adds ignored files that are named explicitly. */
  force?: boolean;
  /** Reads through symbolic links: what they lead to is stored as a regular file. */
  follow?: boolean;
  /** `paths` are tracked files, as paths of the version (`commit --all`). */
  update?: boolean;
  /** Reads every file, whatever its size and times say. */
  rehash?: boolean;
  /** Also files that say, or are known, to be approximate copies of others. */
  approximate?: boolean;
  /** Encoder effort; default: the setting codec.level. */
  level?: Level;
}

export interface StagePlan {
  line: Line;
  /** Paths whose content has to be read. */
  changed: string[];
  unchanged: StagedEntry[];
  missing: string[];
  /** Tracked files that are not there and were never written here: they stay as they are. */
  absent: string[];
  /** The staged files of the line, by path. */
  known: ReadonlyMap<string, StagedEntry>;
  totalBytes: number;
  /** Paths that were named themselves: if one cannot be stored, that is an error. */
  named: ReadonlySet<string>;
  /** Files that could not be stored, of those that were named or may not be read; the rest was. */
  failures: { path: string; error: unknown }[];
}

/** Says what would be stored and staged; nothing is read but times and sizes. */
export async function planStage(
  repo: LineAccess,
  { staging, writtenNs }: StagingOnDisk,
  options: StageOptions,
  context: OpContext,
): Promise<StagePlan> {
  const line = await currentLine(repo, staging, options.model);
  await checkNewModel(repo, staging, line.model);
  const tracked = new Set(
    staging.models().flatMap((m) => staging.entries(m.model).map((entry) => entry.path)),
  );
  const own = new Map(staging.entries(line.model).map((entry) => [entry.path, entry]));
  const isKnown = !options.rehash && options.step === undefined;
  const states = new WorkStates(repo, writtenNs, context.signal);
  const pace = new Pace(context.signal);
  const tell = isKnown && staging.only === null ? own : new Map<string, StagedEntry>();
  const { same, rest } = await partSame(options.update ? options.paths : [], tell, states, pace);
  const selection = options.update
    ? await selectTracked(repo.layout, rest, options.follow === true)
    : await selectFiles(repo.layout, context.cwd, options.paths, {
        tracked,
        ...(options.force ? { force: true } : {}),
        ...(options.follow ? { follow: true } : {}),
        ...(context.signal ? { signal: context.signal } : {}),
      });
  const plan: StagePlan = {
    line,
    changed: [],
    unchanged: same,
    ...sortMissing(staging, line.model, selection, options.update === true),
    known: own,
    totalBytes: 0,
    named: options.update ? new Set() : selection.named,
    failures: [...selection.failures],
  };
  for (const warning of selection.warnings) context.warn(warning);
  if (plan.absent.length > 0) context.warn(leftAsTheyAre(line.model, plan.absent));
  const leftOut = leftOutWarning(await modelsAmong(repo.layout, selection.gitIgnored));
  if (leftOut !== null) context.warn(leftOut, 'last');
  await warnOfOdd(repo, { staging, writtenNs }, { ...selection, follow: options.follow }, context);
  const guard = new LinkGuard(repo.layout.workTree);
  // What is staged for one branch alone may hold no file of another model's work tree either.
  const shared = staging.only === null ? staging : (await readStaging(repo.layout)).staging;
  for (const path of selection.files) {
    if (pace.isDue()) await pace.step();
    const owner = shared.ownerOf(path);
    if (owner !== null && owner !== line.model) {
      // A folder may hold files of other models: only a path that was named itself is an error.
      if (selection.named.has(path)) shared.checkOwner(line.model, path);
      continue;
    }
    if (options.update && !own.has(path)) continue;
    const entry = staging.entry(path);
    if (entry && isKnown && states.isSurelySame(entry)) {
      plan.unchanged.push(entry);
      continue;
    }
    const there = await lookAtWork(repo.layout, guard, path);
    const behind = there.kind === 'odd' && options.follow ? there.behind : null;
    const stat = there.kind === 'file' ? there.stat : behind;
    if (stat === null) {
      // Gone, or changed since it was listed; or in a folder whose names may be listed and no more.
      if (there.kind !== 'odd') continue;
      if (there.became === UNREADABLE.became) plan.failures.push({ path, error: unreadable(path) });
      else context.warn(`'${path}' is skipped: it ${there.says}`);
      continue;
    }
    if (entry && isKnown && isClean(entry, stat, writtenNs)) {
      plan.unchanged.push(entry);
    } else {
      plan.changed.push(path);
      plan.totalBytes += stat.size;
    }
  }
  if (options.update) plan.unchanged.sort((a, b) => comparePaths(a.path, b.path));
  const added = plan.changed.filter((path) => !own.has(path));
  for (const warning of portabilityWarnings(added, [...own.keys(), ...added])) {
    context.warn(warning);
  }
  return plan;
}

/** Parts tracked files into those that are surely as they were staged, which need no other look, and the rest. */
async function partSame(
  paths: readonly string[],
  staged: ReadonlyMap<string, StagedEntry>,
  states: WorkStates,
  pace: Pace,
): Promise<{ same: StagedEntry[]; rest: string[] }> {
  const [same, rest]: [StagedEntry[], string[]] = [[], []];
  for (const path of paths) {
    if (pace.isDue()) await pace.step();
    const entry = staged.get(path);
    if (entry !== undefined && states.isSurelySame(entry)) same.push(entry);
    else rest.push(path);
  }
  return { same, rest };
}

/** Tells files of a line that a person removed from those that were never written here. */
function sortMissing(
  staging: Staging,
  model: string,
  { missing, named }: Pick<Selection, 'missing' | 'named'>,
  isUpdate: boolean,
): Pick<StagePlan, 'missing' | 'absent'> {
  const sorted: Pick<StagePlan, 'missing' | 'absent'> = { missing: [], absent: [] };
  for (const path of missing) {
    const entry = staging.ownerOf(path) === model ? staging.entry(path) : null;
    if (entry === null) continue;
    // Who names a file that is not there says that it is gone.
    const isGone = wasHere(entry) || (!isUpdate && named.has(path));
    (isGone ? sorted.missing : sorted.absent).push(path);
  }
  return sorted;
}

function leftAsTheyAre(model: string, absent: readonly string[]): string {
  const many = `${absent.length} files of '${model}' were never written here and stay`;
  const what = absent.length === 1 ? `'${absent[0]}' was never written here and stays` : many;
  return `${what} as in its version: 'dlv restore <path>' writes a file, 'dlv rm --cached <path>' takes it out`;
}

/**
 * Says which tracked files stay as they were added, since something odd is in their place. A link
 * whose file has the staged content is not odd: `add --follow` staged it.
 */
async function warnOfOdd(
  repo: LineAccess,
  { staging, writtenNs }: StagingOnDisk,
  { odd, follow }: Pick<Selection, 'odd'> & { follow: boolean | undefined },
  context: OpContext,
): Promise<void> {
  const states = new WorkStates(repo, writtenNs, context.signal);
  for (const { path, says } of odd) {
    const entry = staging.entry(path);
    if (entry !== null && (await states.of(entry)).status === 'same') continue;
    const isLink = says.includes('symbolic link');
    const remedy = isLink && !follow ? "'dlv add --follow' reads through it, " : '';
    context.warn(
      `'${path}' ${says}: it keeps the content that was added last (${remedy}'dlv rm --cached' stops tracking it)`,
    );
  }
}
