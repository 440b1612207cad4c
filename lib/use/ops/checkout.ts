/** `dlv checkout`: brings the files of a version into the work tree, or into a folder of their own. */
import fs from 'node:fs/promises';
import nodePath from 'node:path';
import { ioError, listDirectory, makeDirectory, statOrNull } from '../../base/bytes/files.js';
import type { Id } from '../../base/bytes/hash.js';
import { ExistsError, UsageError } from '../../base/errors.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { noteRead } from '../../storage/repo/reads.js';
import type { Head } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { resolve } from '../history/resolve.js';
import { checkUnchanged, moveLine, stagedEntriesOf } from '../history/staged-version.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import type { Repository } from '../repository.js';
import {
  type Applied,
  applyPlan,
  moveHead,
  moveReason,
  withStates,
} from '../worktree/apply-checkout.js';
import { planCheckout } from '../worktree/checkout-plan.js';
import { checkCollisions } from '../worktree/collisions.js';
import { FilePlacer, type WantedFile } from '../worktree/place-files.js';
import { selectPaths } from '../worktree/select-paths.js';

export interface CheckoutOptions extends AcceptTier {
  revision: string;
  /** Only these files; HEAD stays. */
  paths?: string[];
  /** Writes into this folder instead of the work tree; HEAD and staging stay. */
  out?: string;
  /** Overwrites changes that are in no version. */
  force?: boolean;
}

export interface CheckoutResult {
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
  /** Files that were right already. */
  unchanged: number;
  /** Bytes of the files written. */
  bytes: number;
  seconds: number;
}

/** @throws {NotFoundError} {ConflictError} {ExistsError} {TierError} {CorruptError} {IoError} */
export async function checkout(
  repo: Repository,
  options: CheckoutOptions,
  context: OpContext,
): Promise<CheckoutResult> {
  const started = performance.now();
  const { id, ref } = await resolve(repo, options.revision);
  const seconds = (): number => (performance.now() - started) / 1000;
  if (options.out !== undefined) {
    const result = await exportFiles(repo, id, { ...options, out: options.out }, context);
    await noteRead(repo.layout, id);
    return { ...result, seconds: seconds() };
  }
  const hasPaths = (options.paths?.length ?? 0) > 0;
  const result = hasPaths
    ? await checkoutPaths(repo, id, options, context)
    : await checkoutVersion(repo, id, headFor(ref, (await repo.version(id)).model, id), {
        force: options.force === true,
        acceptTier: options.acceptTier === true,
        context,
        reason: `checkout: moving to ${options.revision}`,
      });
  await noteRead(repo.layout, id);
  return { ...result, seconds: seconds() };
}

/** What a checkout did, without how long it took. */
export type Untimed = Omit<CheckoutResult, 'seconds'>;

/** What HEAD names after a checkout: the branch, if that is what the revision names. */
function headFor(ref: string | null, model: string, id: Id): Head {
  const place = ref === null ? null : parseRefName(ref);
  if (place?.kind !== 'head') return { kind: 'detached', model, id };
  return { kind: 'branch', model: place.model, branch: place.branch };
}

function report(
  repo: Repository,
  place: { version: Id; model: string; head: Head | null },
  applied: Applied,
  bytes: number,
): Untimed {
  const { version, model, head } = place;
  return {
    version,
    model,
    branch: head?.kind === 'branch' ? head.branch : null,
    detached: head?.kind === 'detached',
    path: repo.layout.workTree,
    written: applied.written,
    removed: applied.removed,
    unchanged: applied.states.size - applied.written.length,
    bytes,
  };
}

/** Brings the tracked files of a line to those of a version, and HEAD to `head`. */
export async function checkoutVersion(
  repo: Repository,
  id: Id,
  head: Head,
  how: {
    force: boolean;
    acceptTier?: boolean;
    context: OpContext;
    reason: string;
    /** Runs under the lock before HEAD moves: what must fail together with it. */
    first?: (lock: RepositoryLock) => Promise<void>;
    /** Leaves HEAD where it is. */
    keepHead?: boolean;
  },
): Promise<Untimed> {
  const { model } = head;
  const { staging, writtenNs } = await readStaging(repo.layout);
  const line = staging.get(model);
  const tree = await repo.tree(id);
  await checkCollisions(
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
      acceptTier: how.acceptTier === true,
    },
    how.context,
  );
  const entries = await stagedEntriesOf(repo, tree, staging);
  const before = { head: await repo.head(), id: await resolveHead(repo.layout) };
  const why = await moveReason(repo, how.reason);
  const applied = await applyPlan(repo, plan, how.context);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    await how.first?.(lock);
    moveLine(now.staging, model, {
      version: id,
      branch: head.kind === 'branch' ? head.branch : null,
      entries: withStates(entries, applied),
    });
    await writeStaging(lock, now.staging);
    if (!how.keepHead) await moveHead(lock, before, { head, id }, why);
  });
  return report(repo, { version: id, model, head }, applied, plan.bytes);
}

/** Brings some files of a version into the work tree and into staging. */
async function checkoutPaths(
  repo: Repository,
  id: Id,
  options: CheckoutOptions,
  context: OpContext,
): Promise<Untimed> {
  const { model } = await repo.version(id);
  const { staging, writtenNs } = await readStaging(repo.layout);
  const tree = await repo.tree(id);
  const target = pickFiles(repo, id, tree.files, options.paths ?? [], context);
  await checkCollisions(
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
  return report(repo, { version: id, model, head: null }, applied, plan.bytes);
}

function pickFiles(
  repo: Repository,
  id: Id,
  files: readonly FileEntry[],
  paths: readonly string[],
  context: OpContext,
): FileEntry[] {
  if (paths.length === 0) return [...files];
  const known = files.map((file) => file.path);
  const where = `version ${id.slice(0, 10)}`;
  const chosen = selectPaths(repo.layout, context.cwd, paths, known, where);
  return files.filter((file) => chosen.has(file.path));
}

/** Writes files of a version into a folder that has nothing to do with the work tree. */
async function exportFiles(
  repo: Repository,
  id: Id,
  options: CheckoutOptions & { out: string },
  context: OpContext,
): Promise<Untimed> {
  const root = nodePath.resolve(context.cwd, options.out);
  const { model } = await repo.version(id);
  const { files } = await repo.tree(id);
  const target = pickFiles(repo, id, files, options.paths ?? [], context);
  checkTiers(target, options.acceptTier, context);
  await prepareFolder(repo, root, options);
  await checkCollisions(
    root,
    target.map((file) => file.path),
  );
  const bytes = target.reduce((sum, file) => sum + file.size, 0);
  const reader = await registerReader(repo.layout, repo.store.generation);
  const placer = new FilePlacer(repo, root, context);
  context.progress.start('checking out', bytes);
  try {
    const wanted: WantedFile[] = [];
    for (const entry of target) {
      const there = await statOrNull(nodePath.join(root, ...entry.path.split('/')));
      wanted.push({ entry, seen: there?.stat ?? null });
    }
    await placer.writeAll(wanted);
  } finally {
    context.progress.finish();
    await placer.close();
    await reader.close();
  }
  const written = target.map((file) => file.path);
  const head = { branch: null, detached: false };
  return { version: id, model, ...head, path: root, written, removed: [], unchanged: 0, bytes };
}

/** Makes the folder of an export. @throws {ExistsError} if something is in it. */
async function prepareFolder(
  repo: Repository,
  root: string,
  options: CheckoutOptions,
): Promise<void> {
  const { dir, workTree } = repo.layout;
  if (root === dir || root.startsWith(dir + nodePath.sep) || root === workTree) {
    throw new UsageError(`'${options.out}' cannot be written to: the repository lies there`, {
      path: root,
      hint: 'name a folder of its own, or leave out --out to write into the work tree',
    });
  }
  const isFolder = await fs.stat(root).then(
    (there) => there.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw ioError('stat', root, error);
    },
  );
  if (isFolder === false) {
    throw new ExistsError(`'${options.out}' is a file`, { path: root, hint: 'name a folder' });
  }
  if (isFolder && !options.force && (await listDirectory(root)).length > 0) {
    throw new ExistsError(`'${options.out}' is not empty`, {
      path: root,
      hint: 'name another folder, or write over files of the same names with --force',
    });
  }
  await makeDirectory(root);
}
