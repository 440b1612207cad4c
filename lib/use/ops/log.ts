/** `dlv log`: versions and how they follow from one another, newest first. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { branchRefName } from '../../storage/repo/layout.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import type { Version } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { PathInput } from '../worktree/path-input.js';

export interface LogOptions {
  /** Where to start; default: HEAD, or the branches of `model`. */
  revisions?: string[];
  /** Starts from every branch, tag and remote branch. */
  all?: boolean;
  /** Shows only versions of this model. */
  model?: string;
  /** Shows only versions that changed one of these paths, or something below it. */
  paths?: string[];
  /** Shows at most so many. */
  maxCount?: number;
  /** Keeps the versions of one line together, as a drawing needs it; else newest first. */
  topological?: boolean;
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
): Promise<VersionSummary[]> {
  return (await readHistory(repo, options, context)).versions;
}

/** As `log`, with what connects the versions that are shown. */
export async function readHistory(
  repo: Repository,
  options: LogOptions,
  context: OpContext,
): Promise<History> {
  const starts = await startingPoints(repo, options);
  const versions = await collect(repo, starts, context);
  const ordered = order(versions, starts, options.topological === true);
  const describer = new Describer(repo);
  const shown = new Set<Id>();
  const wanted = await pathFilter(repo, describer, options, context);
  const ids: Id[] = [];
  for (const id of ordered) {
    if (ids.length >= (options.maxCount ?? Number.POSITIVE_INFINITY)) break;
    throwIfAborted(context.signal);
    const version = versions.get(id) as Version;
    if (options.model !== undefined && version.model !== options.model) continue;
    if (!(await wanted(version))) continue;
    shown.add(id);
    ids.push(id);
  }
  const filtered = options.model !== undefined || (options.paths?.length ?? 0) > 0;
  const found = filtered ? new ShownAncestors(versions, shown) : null;
  const history: History = { versions: [], ancestors: new Map() };
  for (const id of ids) {
    const summary = await describer.describe(id);
    history.versions.push(summary);
    history.ancestors.set(id, found?.of(id) ?? summary.parents);
  }
  return history;
}

async function startingPoints(repo: Repository, options: LogOptions): Promise<Id[]> {
  const { revisions = [], all, model } = options;
  if (model !== undefined) checkModelName(model);
  const starts = new Set<Id>();
  for (const revision of revisions) starts.add(await resolveId(repo, revision));
  if (all) for (const { id } of await listRefs(repo.layout)) starts.add(id);
  if (all || (revisions.length === 0 && model === undefined)) {
    const head = await resolveHead(repo.layout);
    if (head !== null) starts.add(head);
    else if (!all) throw await noVersion(repo);
  } else if (model !== undefined && revisions.length === 0) {
    for (const { id } of await listRefs(repo.layout, `refs/heads/${model}`)) starts.add(id);
    if (starts.size === 0) {
      // Says which names are near, or that there is no such model.
      starts.add(await resolveId(repo, model));
    }
  }
  return [...starts];
}

async function noVersion(repo: Repository): Promise<NotFoundError> {
  const head = await repo.head();
  const name = head.kind === 'branch' ? branchRefName(head.model, head.branch) : 'HEAD';
  return new NotFoundError(`'${name.replace('refs/heads/', '')}' has no version yet`, {
    kind: 'version',
    name,
    hint: "'dlv add' and 'dlv commit' make the first one; 'dlv log --all' shows other lines",
  });
}

/** All versions that the starting points derive from, themselves among them. */
async function collect(
  repo: Repository,
  starts: readonly Id[],
  context: OpContext,
): Promise<Map<Id, Version>> {
  const versions = new Map<Id, Version>();
  const queue = [...starts];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (versions.has(id)) continue;
    throwIfAborted(context.signal);
    const version = await repo.version(id);
    versions.set(id, version);
    queue.push(...version.parents);
  }
  return versions;
}

/**
 * Children before parents; among those that may come next the newest, or, if `topological`, the
 * parent of what came last.
 */
function order(
  versions: ReadonlyMap<Id, Version>,
  starts: readonly Id[],
  topological: boolean,
): Id[] {
  const children = new Map<Id, number>();
  for (const { parents } of versions.values()) {
    for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const timeOf = (id: Id): number => (versions.get(id) as Version).time;
  const older = (a: Id, b: Id): number => timeOf(a) - timeOf(b) || (a < b ? 1 : -1);
  /** Those whose children all came: the last is the next. */
  const ready = starts.filter((id) => !children.has(id)).sort(older);
  const ordered: Id[] = [];
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    ordered.push(id);
    const free: Id[] = [];
    for (const parent of (versions.get(id) as Version).parents) {
      const left = (children.get(parent) as number) - 1;
      children.set(parent, left);
      if (left === 0) free.push(parent);
    }
    // The last one in is the next: the first parent, which goes on the line.
    if (topological) ready.push(...free.reverse());
    else for (const parent of free) insert(ready, parent, older);
  }
  return ordered;
}

/** Puts `item` into a sorted list. */
function insert<T>(sorted: T[], item: T, compare: (a: T, b: T) => number): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle] as T, item) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, item);
}

/** Tells whether a version changed one of the paths against each of its parents. */
async function pathFilter(
  repo: Repository,
  describer: Describer,
  options: LogOptions,
  context: OpContext,
): Promise<(version: Version) => Promise<boolean>> {
  const inputs = (options.paths ?? []).map((text) => new PathInput(repo.layout, context.cwd, text));
  if (inputs.length === 0 || inputs.some(({ path }) => path === '')) return async () => true;
  const isWanted = (file: string): boolean =>
    inputs.some((input) => (input.findByName(file) ?? input.findByGlob(file)) !== null);
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
    for (const parent of version.parents) {
      if ((await stateOf(await repo.version(parent))) === own) return false;
    }
    return version.parents.length > 0 || own !== '';
  };
}

/** The nearest ancestors that are shown, where versions between are left out. */
class ShownAncestors {
  readonly #versions: ReadonlyMap<Id, Version>;
  readonly #shown: ReadonlySet<Id>;

  constructor(versions: ReadonlyMap<Id, Version>, shown: ReadonlySet<Id>) {
    this.#versions = versions;
    this.#shown = shown;
  }

  of(id: Id): Id[] {
    const found = new Set<Id>();
    const seen = new Set<Id>();
    const queue = [...(this.#versions.get(id)?.parents ?? [])];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (seen.has(next)) continue;
      seen.add(next);
      if (this.#shown.has(next)) found.add(next);
      else queue.push(...(this.#versions.get(next)?.parents ?? []));
    }
    return [...found];
  }
}
