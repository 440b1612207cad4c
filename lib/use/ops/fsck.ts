/** `dlv fsck`: verifies the repository; with `rebuild`, rebuilds derived files first. */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { isDamage, isUnreadable } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
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
import { writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import { stagingAgain } from '../history/commit/staging-again.js';
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

/** Makes the staging file again if it is damaged or lost. */
async function rebuildStaging(
  repo: Repository,
  lock: RepositoryLock,
  report: RebuildReport,
): Promise<void> {
  const made = await stagingAgain(repo);
  if (made === null) return;
  pushAll(report.failed, made.failed);
  await copyToTrash(repo.layout, 'staging');
  await writeStaging(lock, made.staging);
  pushAll(report.done, made.done);
}
