/** `dlv log`: versions and how they follow from one another, newest first. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import type { VersionFacts } from '../../knowledge/catalog/facts.js';
import { matchTest } from '../../pure/where/pattern.js';
import { branchRefName, checkModelName } from '../../storage/repo/refs/ref-name.js';
import { listRefNames, listRefs } from '../../storage/repo/refs/refs.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import { formatAuthor } from '../../storage/repo/settings/author.js';
import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { Version } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import { type Curve, readCurves } from '../history/curves.js';
import { collectFacts, orderVersions, ShownAncestors } from '../history/lines/ancestry.js';
import { resolveRanges, type VersionRange } from '../history/lines/ranges.js';
import { resolveId } from '../history/lines/resolve.js';
import {
  type ChangeDetail,
  type VersionChanges,
  versionChanges,
} from '../history/version-changes.js';
import { Describer, openCatalog, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { type PathTest, pathTest } from '../worktree/operands/path-input.js';
import { splitWords } from '../worktree/operands/revisions-or-paths.js';

/** True for a text that fits. */
export type TextTest = (text: string) => boolean;

/** Looks for a regular expression in each line of a text. @throws {UsageError} if it is none. */
export function lineTest(pattern: string, ignoreCase: boolean): TextTest {
  const test = matchTest(pattern, ignoreCase);
  return (text) => text.split('\n').some(test);
}

export interface LogOptions {
  /**
   * Where to start: revisions, `a..b` (what b derives from and a does not), `^a`; default: HEAD, or
   * the branches of `model`. Unless `paths` is given, the last ones may be paths.
   */
  revisions?: string[];
  /** Starts from every branch, tag and remote branch. */
  all?: boolean;
  /** Shows only versions of this model. */
  model?: string;
  /** Shows only versions that changed one of these paths, or something below it. */
  paths?: string[];
  /** Shows only versions whose message fits one of these. */
  grep?: TextTest[];
  /** Shows only versions whose author ('name <email>') fits one of these. */
  author?: TextTest[];
  /** Shows only versions of this time or later, or earlier, in milliseconds since 1970. */
  since?: number;
  until?: number;
  /** Shows only versions with several parents, or only others. */
  merges?: boolean;
  /** Follows first parents alone. */
  firstParent?: boolean;
  /** Leaves out this many of those that fit, then shows at most so many. */
  skip?: number;
  maxCount?: number;
  /** Turns round what is shown: the oldest first. */
  reverse?: boolean;
  /** Keeps the versions of one line together, as a drawing needs it; else newest first. */
  topological?: boolean;
  /** Says what each version changed against its first parent. */
  changes?: ChangeDetail;
  /** Adds curves of metrics. */
  curves?: boolean;
}

/** A version, what it changed and its curves, if they were asked for. */
export interface LogEntry extends VersionSummary, Partial<VersionChanges> {
  curves?: Curve[];
}

/** A history and what a drawing of it needs. */
export interface History {
  versions: VersionSummary[];
  /** For each version its nearest shown ancestors: its parents, where none is left out. */
  ancestors: Map<Id, Id[]>;
}

/** Versions, newest first. @throws {NotFoundError} {UsageError} {AmbiguousError} */
export async function log(
  repo: Repository,
  options: LogOptions,
  context: OpContext,
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  await walkLog(repo, options, context, async (entry) => entries.push(entry) > 0);
  return entries;
}

/**
 * As `log`, one version after another: with `changes`, the next one is read once `visit` has answered.
 * @param visit is told the history as a whole, too; false ends the walk.
 */
export async function walkLog(
  repo: Repository,
  options: LogOptions,
  context: OpContext,
  visit: (entry: LogEntry, history: History) => Promise<boolean>,
): Promise<void> {
  const words = await splitLogWords(repo, options, context);
  const isWanted = pathTest(repo.layout, context.cwd, words.paths);
  const history = await readHistory(repo, { ...options, ...words }, isWanted, context);
  for (const version of history.versions) {
    throwIfAborted(context.signal);
    const { changes: detail } = options;
    const changes =
      detail === undefined
        ? {}
        : await versionChanges(
            repo,
            version.version,
            { detail, ...(isWanted === null ? {} : { isWanted }) },
            context,
          );
    const { files, checkpoints, snapshots } = changes as Partial<VersionChanges>;
    const entry: LogEntry = {
      ...version,
      ...(files === undefined ? {} : { files, checkpoints }),
      ...(detail === 'tensors' && snapshots !== undefined ? { snapshots } : {}),
      ...(options.curves ? { curves: await curvesOf(repo, version.version, context) } : {}),
    };
    if (!(await visit(entry, history))) return;
  }
}

async function curvesOf(repo: Repository, id: Id, { warn }: OpContext): Promise<Curve[]> {
  const { metrics, extensions } = await repo.version(id);
  const knowledge = readKnowledge(extensions, `version ${shortId(id)}`);
  return readCurves(repo, id, { metrics, knowledge }, warn);
}

async function splitLogWords(
  repo: Repository,
  { revisions = [], paths }: LogOptions,
  context: OpContext,
): Promise<{ revisions: string[]; paths: string[] }> {
  return paths !== undefined && paths.length > 0
    ? { revisions, paths }
    : splitWords(repo, revisions, context);
}

async function readHistory(
  repo: Repository,
  options: LogOptions,
  isWanted: PathTest | null,
  context: OpContext,
): Promise<History> {
  const { include, exclude } = await startingPoints(repo, options, context);
  const walk = { firstParent: options.firstParent === true, signal: context.signal };
  const catalog = openCatalog(repo);
  const factsOf = (id: Id): Promise<VersionFacts> => catalog.facts(id);
  const versions = await collectFacts(factsOf, include, walk);
  if (exclude.length > 0) {
    const without = await collectFacts(factsOf, exclude, { signal: context.signal });
    for (const id of without.keys()) versions.delete(id);
  }
  await catalog.save();
  const describer = new Describer(repo, undefined, factsOf);
  const fits = versionFilter(options);
  const changed = changeFilter(repo, describer, isWanted, walk.firstParent);
  const ids: Id[] = [];
  const { skip = 0, maxCount = Number.POSITIVE_INFINITY } = options;
  let skipped = 0;
  for (const id of orderVersions(versions, include, options.topological === true)) {
    if (ids.length >= maxCount) break;
    throwIfAborted(context.signal);
    if (!fits(versions.get(id) as VersionFacts)) continue;
    if (isWanted !== null && !(await changed(await repo.version(id)))) continue;
    if (skipped < skip) skipped++;
    else ids.push(id);
  }
  // A drawing shows parents even where they are beyond its end, unless versions between are left out.
  const isFiltered = isWanted !== null || fits !== ANY || options.firstParent === true;
  const found = isFiltered ? new ShownAncestors(versions, new Set(ids)) : null;
  const history: History = { versions: [], ancestors: new Map() };
  if (options.reverse) ids.reverse();
  for (const id of ids) {
    const summary = await describer.describe(id);
    history.versions.push(summary);
    history.ancestors.set(id, found?.of(id) ?? summary.parents);
  }
  return history;
}

async function startingPoints(
  repo: Repository,
  options: LogOptions,
  context: OpContext,
): Promise<VersionRange> {
  const { revisions = [], all, model, reverse, topological } = options;
  if (reverse && topological) {
    throw new UsageError('a drawing goes from the newest version down: it cannot be reversed');
  }
  if (model !== undefined) checkModelName(model);
  const { include, exclude } = await resolveRanges(repo, revisions, context.signal);
  const starts = new Set(include);
  if (all) for (const { id } of await listRefs(repo.layout)) starts.add(id);
  if (all || (include.length === 0 && model === undefined)) {
    const head = await resolveHead(repo.layout);
    if (head !== null) starts.add(head);
    else if (!all) throw await noVersion(repo);
  } else if (model !== undefined && include.length === 0) {
    for (const { id } of await listRefs(repo.layout, `refs/heads/${model}`)) starts.add(id);
    if (starts.size === 0) {
      // Says which names are near, or that there is no such model.
      starts.add(await resolveId(repo, model));
    }
  }
  return { include: [...starts], exclude };
}

async function noVersion(repo: Repository): Promise<NotFoundError> {
  const head = await repo.head();
  const name = head.kind === 'branch' ? branchRefName(head.model, head.branch) : 'HEAD';
  const heads = await listRefNames(repo.layout, 'refs/heads');
  const others = heads.map((ref) => ref.replace('refs/heads/', ''));
  return new NotFoundError(`'${name.replace('refs/heads/', '')}' has no version yet`, {
    kind: 'version',
    name,
    hint:
      others.length === 0
        ? "'dlv add' and 'dlv commit' make the first one"
        : `there are versions on ${quoteSome(others)}: 'dlv log --all' shows them`,
  });
}

const ANY = (): boolean => true;

/** Whether a version fits, by what it says itself. */
function versionFilter(options: LogOptions): (version: VersionFacts) => boolean {
  const { model, grep = [], author = [], since, until, merges } = options;
  const tests: ((version: VersionFacts) => boolean)[] = [];
  if (model !== undefined) tests.push((version) => version.model === model);
  if (grep.length > 0) tests.push(({ message }) => grep.some((test) => test(message)));
  if (author.length > 0) {
    tests.push((version) => author.some((test) => test(formatAuthor(version.author))));
  }
  if (since !== undefined) tests.push(({ time }) => time >= since);
  if (until !== undefined) tests.push(({ time }) => time <= until);
  if (merges !== undefined) tests.push(({ parents }) => parents.length > 1 === merges);
  return tests.length === 0 ? ANY : (version) => tests.every((test) => test(version));
}

/** Tells whether a version changed one of the paths against each of its parents, or the first. */
function changeFilter(
  repo: Repository,
  describer: Describer,
  isWanted: PathTest | null,
  firstParent: boolean,
): (version: Version) => Promise<boolean> {
  if (isWanted === null) return async () => true;
  const states = new WeakMap<Version, Promise<string>>();
  /** The files below the paths, as one text: equal texts are equal files. */
  const stateOf = (version: Version): Promise<string> => {
    let state = states.get(version);
    if (state === undefined) {
      state = (async () => {
        const rows: string[] = [];
        for await (const page of describer.pages(version.tree)) {
          for (const { path, mode, sha256 } of page.files) {
            if (isWanted(path)) rows.push(`${path}\0${mode}\0${sha256}`);
          }
        }
        return rows.join('\n');
      })();
      states.set(version, state);
    }
    return state;
  };
  return async (version) => {
    const own = await stateOf(version);
    for (const parent of firstParent ? version.parents.slice(0, 1) : version.parents) {
      if ((await stateOf(await repo.version(parent))) === own) return false;
    }
    return version.parents.length > 0 || own !== '';
  };
}
