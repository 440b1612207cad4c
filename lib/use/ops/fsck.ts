/** `dlv fsck`: verifies the repository; with `rebuild`, rebuilds derived files first. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, isDamage, isUnreadable } from '../../base/errors.js';
import { isMissing, statOrNull } from '../../base/files/files.js';
import { openReader } from '../../storage/exchange/open-remote.js';
import { promisedToItself } from '../../storage/exchange/partial/own-promises.js';
import { copyToTrash } from '../../storage/fsck/copy-to-trash.js';
import { checkRepository, type FsckResult } from '../../storage/fsck/fsck.js';
import { type RebuildReport, rebuildPacks } from '../../storage/fsck/rebuild.js';
import {
  rebuildBudgets,
  rebuildLines,
  rebuildNumbers,
  rebuildStagedApart,
  refuseNewer,
} from '../../storage/fsck/rebuild-lines.js';
import { rebuildFrame, rebuildMoves, rebuildRefs } from '../../storage/fsck/rebuild-state.js';
import {
  findWrongRecords,
  type Suspect,
  suspectKey,
  type WrongRecords,
} from '../../storage/fsck/wrong-records.js';
import { findRepository } from '../../storage/repo/find-repository.js';
import type { Layout } from '../../storage/repo/layout.js';
import { type RepositoryLock, withLock } from '../../storage/repo/processes/lock.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import {
  readSoundStaging,
  type SalvagedStaging,
} from '../../storage/repo/staging/staging-salvage.js';
import type { OpContext } from '../context.js';
import { moveLine, stagedEntriesOf } from '../history/commit/staged-version.js';
import { Repository } from '../repository.js';
import { lineOf } from '../tracking/line.js';
import { mendFrom } from '../tracking/mend.js';
import { findRemote } from '../tracking/remotes.js';
import { nameRepairs } from '../tracking/repair-remedy.js';

export interface FsckOpOptions {
  /** Also rebuilds every distinct file and compares its sha256. */
  files?: boolean;
  /** Mends what can be mended first. */
  rebuild?: boolean;
  /** Brings what is lost from a remote, by its name; true: that of the current branch, else origin. */
  repair?: string | true;
}

/** What came from a remote. */
export interface RepairReport {
  remote: string;
  /** Objects that were brought, and those that the remote does not have either. */
  objects: number;
  lacking: number;
}

export interface FsckOpResult extends FsckResult {
  /** What `rebuild` did and could not do; null without it. */
  rebuilt: RebuildReport | null;
  /** What `repair` brought; null without it. */
  repaired: RepairReport | null;
}

/** Verifies the repository around `context.cwd`, also one that cannot be opened. */
export async function fsck(context: OpContext, options: FsckOpOptions = {}): Promise<FsckOpResult> {
  const layout = await findRepository(context.cwd);
  const found = await checkOrMend(layout, options, context);
  const own = await promisedToItself(layout, found.promised, context.cwd);
  return own.length === 0 ? found : { ...found, ok: false, problems: [...found.problems, ...own] };
}

async function checkOrMend(
  layout: Layout,
  options: FsckOpOptions,
  context: OpContext,
): Promise<FsckOpResult> {
  if (options.repair !== undefined) return repair(layout, options, context);
  const found: FsckOpResult = options.rebuild
    ? { ...(await rebuildAll(layout, options, context)), repaired: null }
    : { ...(await check(layout, options, context)).result, rebuilt: null, repaired: null };
  if (!found.ok) await nameRemotes(layout, found, context);
  return found;
}

/** Says where what is lost can be had. */
async function nameRemotes(
  layout: Layout,
  { problems }: FsckOpResult,
  { signal }: OpContext,
): Promise<void> {
  const how = { promised: 'left', ...(signal ? { signal } : {}) } as const;
  const repo = await Repository.openForRepair(layout, how).catch((error: unknown) => {
    if (!isUnreadable(error)) throw error;
    return null;
  });
  if (repo === null) return;
  try {
    await nameRepairs(repo, problems);
  } finally {
    await repo.close();
  }
}

/**
 * Brings what is lost from a remote and then rebuilds, again as long as that brings anything: of one pack file
 * not all places are reported at once.
 */
async function repair(
  layout: Layout,
  options: FsckOpOptions,
  context: OpContext,
): Promise<FsckOpResult> {
  let repaired: RepairReport | null = null;
  const met = new Set<Id>();
  for (;;) {
    const { result, lost } = await check(layout, options, context);
    const fresh = lost.filter((id) => !met.has(id));
    for (const id of fresh) met.add(id);
    repaired = await bringLost(layout, fresh, repaired, { options, context });
    if (result.problems.length === 0) return { ...result, rebuilt: null, repaired };
    const done = await rebuildAll(layout, options, context);
    if (done.problems.length === 0 || fresh.length === 0) return { ...done, repaired };
  }
}

async function bringLost(
  layout: Layout,
  lost: readonly Id[],
  before: RepairReport | null,
  { options, context }: { options: FsckOpOptions; context: OpContext },
): Promise<RepairReport> {
  const signal = context.signal ? { signal: context.signal } : {};
  const repo = await Repository.openForRepair(layout, { promised: 'left', ...signal });
  try {
    const head = await readHead(layout).catch((error: unknown) => {
      if (isDamage(error) || isMissing(error)) return null;
      throw error;
    });
    const given = options.repair === true ? undefined : options.repair;
    const { name, url } = await findRemote(repo, given, head?.kind === 'branch' ? head : null);
    const report = before ?? { remote: name ?? url, objects: 0, lacking: 0 };
    if (lost.length === 0) return report;
    const source = await openReader(url, lineOf(repo, {}, context));
    try {
      const from = { source, remote: name ?? '' };
      const planes = repo.promises?.planes ?? null;
      const mended = await mendFrom(repo, from, lost, { planes, ...signal });
      return {
        ...report,
        objects: report.objects + mended.objects,
        lacking: report.lacking + mended.lacking,
      };
    } finally {
      await source.close();
    }
  } finally {
    await repo.close();
  }
}

async function rebuildAll(
  layout: Layout,
  options: FsckOpOptions,
  context: OpContext,
): Promise<FsckResult & { rebuilt: RebuildReport }> {
  const rebuilt: RebuildReport = { done: [], failed: [] };
  let wrong: WrongRecords = new Map();
  // Each round takes wrong records away, and looks at what stood on them; so there is a last one.
  const known = new Set<string>();
  for (;;) {
    await rebuild(layout, rebuilt, wrong, context);
    const { result, suspects } = await check(layout, options, context);
    if (suspects.length === 0) return { ...result, rebuilt };
    wrong = await findWrong(layout, suspects, context);
    const before = known.size;
    for (const [set, keys] of wrong) for (const key of keys) known.add(`${set} ${key}`);
    if (known.size === before) return { ...result, rebuilt };
  }
}

async function check(
  layout: Layout,
  options: FsckOpOptions,
  { progress, signal }: OpContext,
): Promise<{ result: FsckResult; suspects: Suspect[]; lost: Id[] }> {
  const lost = new Set<Id>();
  const suspects = new Map<string, Suspect>();
  const result = await checkRepository(layout, {
    files: options.files === true,
    onStart: (label, total) => progress.start(label, total),
    onBytes: (count) => progress.advance(count),
    onSuspect: (suspect) => suspects.set(suspectKey(suspect), suspect),
    onLost: (id) => lost.add(id),
    open: (found) =>
      Repository.openForRepair(found, { promised: 'left', ...(signal ? { signal } : {}) }),
    ...(signal ? { signal } : {}),
  });
  progress.finish();
  return { result, suspects: [...suspects.values()], lost: [...lost] };
}

async function findWrong(
  layout: Layout,
  suspects: readonly Suspect[],
  { signal }: OpContext,
): Promise<WrongRecords> {
  const repo = await Repository.openForRepair(layout, signal ? { signal } : {});
  try {
    return await findWrongRecords(repo, suspects, signal);
  } finally {
    await repo.close();
  }
}

/** Mends a repository, alone in it. @throws {LockedError} {IoError} {FormatVersionError} */
async function rebuild(
  layout: Layout,
  report: RebuildReport,
  wrong: WrongRecords,
  { signal }: OpContext,
): Promise<void> {
  const abort = signal ? { signal } : {};
  await withLock(
    layout,
    async (lock) => {
      await refuseNewer(layout);
      await rebuildFrame(layout, report);
      await rebuildPacks(layout, report, { wrong, ...abort });
      const repo = await Repository.openForRepair(layout, abort);
      try {
        await rebuildRefs(repo, lock, report);
        await rebuildMoves(lock, report);
        await rebuildStaging(repo, lock, report);
        await rebuildLines(repo, lock, report);
        await rebuildBudgets(layout, report);
        await rebuildNumbers(repo, lock, report);
        await rebuildStagedApart(layout, report);
      } finally {
        await repo.close();
      }
    },
    abort,
  );
}

/**
 * Makes the staging file again if it is damaged or lost: of what is sound in it, and from the tips of
 * the branches for lines and files of which nothing is.
 */
async function rebuildStaging(
  repo: Repository,
  lock: RepositoryLock,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const there = (await statOrNull(layout.staging)) !== null;
  if (there && (await isReadable(layout))) return;
  const tips = await tipsOfModels(repo);
  if (!there && tips.size === 0) return;
  const salvaged = there ? await salvage(layout) : null;
  const staging = salvaged?.staging ?? new Staging();
  if (salvaged !== null) await restoreCommitted(repo, salvaged);
  for (const [model, { branch, id }] of tips) {
    if (salvaged?.staging.get(model) !== undefined) continue;
    try {
      const entries = await stagedEntriesOf(repo, await repo.tree(id), staging);
      moveLine(staging, model, { version: id, branch, entries });
    } catch (error) {
      if (!isUnusable(error)) throw error;
      staging.drop(model);
      report.failed.push(
        `the files of '${model}' are not tracked now: ${(error as Error).message}`,
      );
    }
  }
  await copyToTrash(layout, 'staging');
  await writeStaging(lock, staging);
  if (salvaged === null) {
    report.done.push("rebuilt 'staging' from the last versions; add uncommitted changes again");
    return;
  }
  const kept = staging.models().reduce((sum, line) => sum + staging.count(line.model), 0);
  report.done.push(`rebuilt 'staging' and kept ${kept} files in it`, ...salvaged.lost);
}

/** What is sound in a staging file that cannot be read; null if its bytes changed since it was written. */
async function salvage(layout: Layout): Promise<SalvagedStaging | null> {
  try {
    return await readSoundStaging(layout);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

/**
 * Puts the committed state of files back that could not be saved: without it the next version would
 * leave them out.
 */
async function restoreCommitted(repo: Repository, salvaged: SalvagedStaging): Promise<void> {
  const { staging, lostPaths } = salvaged;
  for (const { model, base } of staging.models()) {
    const paths = new Set(lostPaths.filter((lost) => lost.model === model).map(({ path }) => path));
    if (base === null || paths.size === 0) continue;
    try {
      const tree = await repo.tree(base);
      const files = tree.files.filter((file) => paths.has(file.path));
      const entries = await stagedEntriesOf(repo, { ...tree, files }, staging);
      for (const entry of entries) staging.put(model, entry);
    } catch (error) {
      if (!isUnusable(error)) throw error;
    }
  }
}

/** True for errors of a version that is damaged or gone, or of a path that another model has. */
function isUnusable(error: unknown): boolean {
  return isUnreadable(error) || error instanceof ConflictError;
}

interface Tip {
  branch: string | null;
  id: Id;
}

/** For each model the version that its files are taken from: HEAD's, else of its first branch. */
async function tipsOfModels(repo: Repository): Promise<Map<string, Tip>> {
  const head = await readHead(repo.layout);
  const first = repo.config.get('init.branch');
  const tips = new Map<string, Tip>();
  const rank = (model: string, branch: string | null): number => {
    if (head.kind === 'branch' && head.model === model && head.branch === branch) return 2;
    return branch === first ? 1 : 0;
  };
  for (const { name, id } of await readableRefs(repo)) {
    const place = parseRefName(name);
    if (place?.kind !== 'head') continue;
    const { model, branch } = place;
    const known = tips.get(model);
    if (known === undefined || rank(model, branch) > rank(model, known.branch)) {
      tips.set(model, { branch, id });
    }
  }
  if (head.kind === 'detached') tips.set(head.model, { branch: null, id: head.id });
  return tips;
}

async function readableRefs(repo: Repository): ReturnType<typeof listRefs> {
  try {
    return await listRefs(repo.layout, 'refs/heads');
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  }
}

async function isReadable(layout: Layout): Promise<boolean> {
  try {
    await readStaging(layout);
    return true;
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    return false;
  }
}
