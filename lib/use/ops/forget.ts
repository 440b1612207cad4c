/** `dlv forget`: removes versions or files from history. Descendants get other ids. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { dropRows } from '../../knowledge/catalog/rows.js';
import { dropLoaded } from '../../storage/repo/loaded-files.js';
import type { RefMove } from '../../storage/repo/moves/journal.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import type { Version } from '../../storage/repo/version/version.js';
import { freedBytes } from '../../storage/upkeep/drop-plan.js';
import type { OpContext } from '../context.js';
import { collectVersions } from '../history/lines/ancestry.js';
import { resolveRanges } from '../history/lines/ranges.js';
import { resolveId } from '../history/lines/resolve.js';
import { type Lines, readLines } from '../history/lines/together.js';
import { rewriteHistory, versionsOfLines } from '../history/rewrite/rewrite-history.js';
import type { RewrittenVersion, VersionChange } from '../history/rewrite/rewrite-versions.js';
import { Describer, shortRef } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { PathInput } from '../worktree/operands/path-input.js';

export interface ForgetOptions {
  /** Versions to forget; with `paths`, versions or ranges in which the files are left out (default: all). */
  revisions?: string[];
  /** Files, folders or globs that are left out of versions. */
  paths?: string[];
  /** Deletes tags of forgotten versions, and drops staged changes that are in the way. */
  force?: boolean;
  /** Says what would be done. */
  dryRun?: boolean;
}

/** A version that is forgotten, or from which files are left out. */
export interface ForgottenVersion {
  version: Id;
  model: string;
  number: number;
  message: string;
  /** The version in its place; null if there is none. */
  becomes: Id | null;
}

export interface ForgetResult {
  dryRun: boolean;
  /** The versions that were named, or that lost files. */
  versions: ForgottenVersion[];
  /** Paths that were left out. */
  paths: string[];
  /** Versions that only got another id, since they derive from one of those. */
  moved: number;
  /** Branches and tags that moved, `after` null if they are gone. */
  refs: { name: string; before: Id | null; after: Id | null }[];
  /** True if HEAD names another version, or none: `reset HEAD@{1}` takes that back. */
  headMoved: boolean;
  /** Bytes that `gc --prune=now` will drop, over those that it drops now. */
  freedBytes: number;
  /** Remote branches, as they were seen last, that still have versions which were named: those keep their bytes. */
  heldBy: string[];
  /** When a plain gc begins to drop them; ISO 8601, UTC. */
  freedFrom: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** @throws {NotFoundError} {UsageError}; {ConflictError} if a tag or staged changes would be lost. */
export async function forget(
  repo: Repository,
  options: ForgetOptions,
  context: OpContext,
): Promise<ForgetResult> {
  const { paths = [], revisions = [], force = false, dryRun = false } = options;
  if (paths.length === 0 && revisions.length === 0) {
    throw new UsageError('nothing is named', {
      hint: "name versions, or files with --path: 'dlv forget --path big.pt'",
    });
  }
  const lines = await readLines(repo);
  const versions = await versionsOfLines(repo, lines, context.signal);
  const job: Job = { repo, lines, versions, context };
  const plan =
    paths.length > 0 ? await planPaths(job, paths, revisions) : await planVersions(job, revisions);
  if (!force) checkTags(lines, plan);
  // Before anything moves: what is fetched meanwhile is none of this.
  const held = await remotesThatHold(job, plan);
  let freed = 0;
  const { rewritten, refs } = await rewriteHistory(
    repo,
    {
      lines,
      versions,
      changeOf: async (id) => plan.get(id) ?? null,
      force,
      dryRun,
      reason: reasonOf(paths, plan.size),
      before: async (found) => {
        const count = async (): Promise<void> => {
          freed = await freedBy(job, found);
        };
        await (repo.promises?.leaving(count) ?? count());
      },
    },
    context,
  );
  // It holds messages and names of versions that are to be forgotten.
  if (!dryRun) {
    await dropRows(repo.layout.versionRows);
    await dropLoaded(repo.layout);
  }
  return {
    dryRun,
    versions: await describe(job, plan, rewritten),
    paths: [...new Set([...plan.values()].flatMap(({ leaveOut }) => [...(leaveOut ?? [])]))].sort(),
    moved: rewritten.size - plan.size,
    refs: refs.map(shownMove),
    headMoved: lines.headId !== null && rewritten.has(lines.headId),
    freedBytes: freed,
    heldBy: held,
    freedFrom: new Date(Date.now() + repo.config.get('gc.graceDays') * DAY_MS).toISOString(),
  };
}

interface Job {
  repo: Repository;
  lines: Lines;
  versions: ReadonlyMap<Id, Version>;
  context: OpContext;
}

type Plan = ReadonlyMap<Id, VersionChange>;

function reasonOf(paths: readonly string[], versions: number): string {
  if (paths.length > 0) return `forget --path ${paths.join(' ')}`;
  return versions === 1 ? 'forget: 1 version' : `forget: ${versions} versions`;
}

function shownMove({ name, before, after }: RefMove): ForgetResult['refs'][number] {
  return { name: shortRef(name), before, after };
}

async function planVersions(job: Job, revisions: readonly string[]): Promise<Plan> {
  const plan = new Map<Id, VersionChange>();
  for (const revision of revisions) {
    if (revision.includes('..')) {
      throw new UsageError(`'${revision}' is a range: whole versions are forgotten one by one`, {
        revision,
        hint: 'name each version; ranges are only for --path',
      });
    }
    const id = await resolveId(job.repo, revision);
    if (!job.versions.has(id)) {
      throw new ConflictError(`'${revision}' is on no branch and no tag: only reflogs keep it`, {
        version: id,
        hint: "'dlv gc --prune=now' deletes what only reflogs keep",
      });
    }
    plan.set(id, { forget: true });
  }
  return plan;
}

async function planPaths(
  job: Job,
  texts: readonly string[],
  revisions: readonly string[],
): Promise<Plan> {
  const { repo, versions, context } = job;
  const inputs = texts.map((text) => new PathInput(repo.layout, context.cwd, text));
  const wanted = await rangeOf(job, revisions);
  const describer = new Describer(repo);
  const plan = new Map<Id, VersionChange>();
  const met = new Set<PathInput>();
  for (const id of wanted) {
    const leaveOut = new Set<string>();
    for await (const page of describer.pages((versions.get(id) as Version).tree)) {
      for (const input of inputs) {
        for (const path of input.select(page.files.map((file) => file.path)).keys()) {
          leaveOut.add(path);
          met.add(input);
        }
      }
    }
    if (leaveOut.size > 0) plan.set(id, { leaveOut });
  }
  const missed = inputs.find((input) => !met.has(input));
  if (missed === undefined) return plan;
  throw new NotFoundError(`'${missed.text}' matches no file of ${wanted.length} versions`, {
    kind: 'path',
    name: missed.text,
    hint: "'dlv du --paths' lists all paths of all versions and their sizes",
  });
}

/** The versions that revisions and ranges mean: of a revision alone, that version; of none, all. */
async function rangeOf({ repo, versions, context }: Job, texts: readonly string[]): Promise<Id[]> {
  if (texts.length === 0) return [...versions.keys()];
  const chosen = new Set<Id>();
  for (const text of texts) {
    if (!text.includes('..')) {
      chosen.add(await resolveId(repo, text));
      continue;
    }
    const { include, exclude } = await resolveRanges(repo, [text], context.signal);
    const found = await collectVersions(repo, include, { signal: context.signal });
    const left = await collectVersions(repo, exclude, { signal: context.signal });
    for (const id of found.keys()) if (!left.has(id)) chosen.add(id);
  }
  return [...chosen].filter((id) => versions.has(id));
}

/** @throws {ConflictError} if a tag names a version that is forgotten. */
function checkTags({ refs }: Lines, plan: Plan): void {
  for (const { name, id } of refs) {
    const place = parseRefName(name);
    if (place?.kind !== 'tag' || !plan.get(id)?.forget) continue;
    throw new ConflictError(`the tag '${place.tag}' names the version`, {
      tag: place.tag,
      version: id,
      hint: `delete it first with 'dlv tag -d ${place.tag}'; --force deletes it and forgets the version`,
    });
  }
}

/** Remote branches whose history has a version of the plan. */
async function remotesThatHold({ repo, lines, context }: Job, plan: Plan): Promise<string[]> {
  const held: string[] = [];
  for (const { name, id } of lines.refs) {
    if (!name.startsWith('refs/remotes/')) continue;
    const found = await collectVersions(repo, [id], { signal: context.signal });
    if ([...plan.keys()].some((version) => found.has(version))) held.push(shortRef(name));
  }
  return held.sort();
}

async function freedBy(
  { repo, lines, versions, context }: Job,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
): Promise<number> {
  const roots = new Set<Id>();
  for (const id of versions.keys()) if (!rewritten.has(id)) roots.add(id);
  for (const { name, id } of lines.refs) if (name.startsWith('refs/remotes/')) roots.add(id);
  const kept = [...rewritten.values()].filter(({ becomes }) => becomes !== null);
  const planned = new Map(kept.map((version) => [version.id, version]));
  const history = { roots, rewritten: planned };
  return freedBytes(repo, { history }, lines.staging, context.signal);
}

async function describe(
  { repo, versions }: Job,
  plan: Plan,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
): Promise<ForgottenVersion[]> {
  const describer = new Describer(repo);
  const rows: ForgottenVersion[] = [];
  for (const id of plan.keys()) {
    const { model, message } = versions.get(id) as Version;
    const number = await describer.number(id);
    const becomes = rewritten.get(id)?.becomes ?? null;
    rows.push({ version: id, model, number, message, becomes });
  }
  return rows;
}
