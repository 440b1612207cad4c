/** Updates a line of the work tree, or some of its files, to a version. */
import type { Id } from '../../base/bytes/hash.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { type Head, readHead } from '../../storage/repo/refs/head.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import { checkUnchanged, moveLine, stagedEntriesOf } from '../history/commit/staged-version.js';
import { checkHead, moveHead, moveReason } from '../history/lines/moves.js';
import { takeIn } from '../history/lines/open-staging.js';
import { selectPaths } from '../worktree/operands/select-paths.js';
import { type CheckoutPlan, planCheckout } from './checkout-plan.js';
import { type Applied, applyPlan, withStates } from './place-files.js';
import { checkPlaceable } from './portable-places.js';

/** What a checkout did. */
export interface CheckedOut {
  version: Id;
  model: string;
  /** Branch that HEAD names now; null if HEAD names the version itself or did not move. */
  branch: string | null;
  /** True if HEAD now names the version itself. */
  detached: boolean;
  /** Folder that was written to. */
  path: string;
  written: string[];
  removed: string[];
  /** Paths whose changes, in the work tree or staged, were left as they are. */
  carried: string[];
  /** Files that were right already. */
  unchanged: number;
  /** Bytes of the files written. */
  bytes: number;
}

function report(
  repo: ChangeAccess,
  place: { version: Id; model: string; head: Head | null },
  applied: Applied,
  plan: Pick<CheckoutPlan, 'bytes' | 'carried'>,
): CheckedOut {
  const { version, model, head } = place;
  return {
    version,
    model,
    branch: head?.kind === 'branch' ? head.branch : null,
    detached: head?.kind === 'detached',
    path: repo.layout.workTree,
    written: applied.written,
    removed: applied.removed,
    carried: plan.carried,
    unchanged: applied.states.size - applied.written.length,
    bytes: plan.bytes,
  };
}

/** Brings the tracked files of a line to those of a version, and HEAD to `head`. */
export async function checkoutVersion(
  repo: ChangeAccess,
  id: Id,
  head: Head,
  how: {
    force: boolean;
    /** Replaces links to folders in which files belong; default: false. */
    replaceLinks?: boolean;
    acceptTier?: boolean;
    context: OpContext;
    reason: string;
    /** Runs under the lock before HEAD moves: what must fail together with it. */
    first?: (lock: RepositoryLock) => Promise<void>;
    /** Leaves HEAD where it is. */
    keepHead?: boolean;
  },
): Promise<CheckedOut> {
  const { model } = head;
  const { staging, writtenNs } = await readStaging(repo.layout);
  const line = staging.get(model);
  const tree = await repo.tree(id);
  await checkPlaceable(
    repo.layout.workTree,
    tree.files.map((file) => file.path),
  );
  const base = line?.base ?? null;
  const committed = base === null ? [] : (await repo.tree(base)).files;
  const wanted = new Set(tree.files.map((file) => file.path));
  const plan = await planCheckout(
    repo,
    {
      staging,
      writtenNs,
      model,
      target: tree.files,
      removes: staging.entries(model).filter((entry) => !wanted.has(entry.path)),
      committed: new Map(committed.map((file) => [file.path, file])),
      force: how.force,
      carries: !how.force,
      replaceLinks: how.replaceLinks === true,
      isWrittenOver: () => how.force,
      acceptTier: how.acceptTier === true,
    },
    how.context,
  );
  const carried = new Set(plan.carried);
  const entries = [
    ...(await stagedEntriesOf(repo, tree, staging)).filter(({ path }) => !carried.has(path)),
    ...staging.entries(model).filter(({ path }) => carried.has(path)),
  ];
  const before = { head: await readHead(repo.layout), id: await resolveHead(repo.layout) };
  const why = await moveReason(repo, how.reason);
  const applied = await applyPlan(repo, plan, how.context);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    if (!how.keepHead) await checkHead(repo.layout, before.head);
    await how.first?.(lock);
    moveLine(now.staging, model, {
      version: id,
      branch: head.kind === 'branch' ? head.branch : null,
      entries: withStates(entries, applied),
    });
    if (head.kind === 'branch') await takeIn(repo, lock, now.staging, head);
    await writeStaging(lock, now.staging);
    if (!how.keepHead) await moveHead(lock, before, { head, id }, why);
  });
  return report(repo, { version: id, model, head }, applied, plan);
}

/** Brings some files of a version into the work tree and into staging. */
export async function checkoutPaths(
  repo: ChangeAccess,
  id: Id,
  options: { paths: readonly string[]; force?: boolean; acceptTier?: boolean },
  context: OpContext,
): Promise<CheckedOut> {
  const { model } = await repo.version(id);
  const { staging, writtenNs } = await readStaging(repo.layout);
  const tree = await repo.tree(id);
  const target = pickFiles(
    { layout: repo.layout, cwd: context.cwd },
    id,
    tree.files,
    options.paths,
  );
  await checkPlaceable(
    repo.layout.workTree,
    target.map((file) => file.path),
  );
  const base = staging.get(model)?.base ?? null;
  const committed = base === null ? [] : (await repo.tree(base)).files;
  const plan = await planCheckout(
    repo,
    {
      staging,
      writtenNs,
      model,
      target,
      removes: [],
      committed: new Map(committed.map((file) => [file.path, file])),
      force: options.force === true,
      discard: "'dlv checkout --force <revision> -- <paths>'",
      carries: false,
      replaceLinks: options.force === true,
      isWrittenOver: () => options.force === true,
      acceptTier: options.acceptTier === true,
    },
    context,
  );
  // Only these: a damaged file beside them must not keep them from being checked out.
  const part = { files: target, snapshots: tree.snapshots };
  const entries = await stagedEntriesOf(repo, part, staging);
  const applied = await applyPlan(repo, plan, context);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    for (const entry of withStates(entries, applied)) now.staging.put(model, entry);
    await writeStaging(lock, now.staging);
  });
  return report(repo, { version: id, model, head: null }, applied, plan);
}

/** Files of a version that paths and globs name; all if there are none. @throws {NotFoundError} */
export function pickFiles(
  { layout, cwd }: { readonly layout: Layout; readonly cwd: string },
  id: Id,
  files: readonly FileEntry[],
  paths: readonly string[],
): FileEntry[] {
  if (paths.length === 0) return [...files];
  const known = files.map((file) => file.path);
  const where = `version ${id.slice(0, 10)}`;
  const chosen = selectPaths({ layout, cwd }, paths, known, where);
  return files.filter((file) => chosen.has(file.path));
}
