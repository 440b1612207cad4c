/**
 * `dlv stash`: sets unfinished work aside and brings it back. A stash is a version that a ref under
 * `refs/stash` names.
 */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { requireWriteFlag, STASH_FLAG } from '../../storage/repo/format.js';
import { stashRefName } from '../../storage/repo/layout.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, type Ref, updateRef } from '../../storage/repo/refs/refs.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { encodeStaging } from '../../storage/repo/staging/staging-bytes.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import {
  stagedRemovals,
  stashExtensions,
  wasStagedSince,
} from '../../storage/repo/version/staged-removals.js';
import { shortId } from '../../storage/repo/version/version.js';
import {
  changesOnto,
  changeWorkFiles,
  checkNoneInTheWay,
  isSame,
  stageFiles,
} from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import {
  draftVersion,
  newVersionOf,
  type VersionContent,
} from '../history/commit/draft-version.js';
import { type MadeVersion, makeVersion } from '../history/commit/make-version.js';
import { type PathChange, stagedChanges } from '../history/commit/staged-changes.js';
import { checkUnchanged, sameFile } from '../history/commit/staged-version.js';
import { currentLine, needTip } from '../history/lines/lines.js';
import { deletionReason, moveReason } from '../history/lines/moves.js';
import { formatMoment } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { stageFirst } from '../worktree/commit-files.js';
import { nameSome } from '../worktree/lost-work.js';

/** Work that was put aside. */
export interface StashEntry {
  /** `stash@{0}` is the newest of its model. */
  name: string;
  /** A revision that names its version. */
  ref: string;
  version: Id;
  model: string;
  /** The version that it was changed from. */
  base: Id;
  message: string;
  time: string;
  /** Against `base`. */
  changes: PathChange[];
}

export interface StashPushOptions {
  message?: string;
  /** Takes files that are not tracked, too. */
  untracked?: boolean;
}

export interface StashResult {
  action: 'pushed' | 'applied' | 'popped' | 'dropped';
  stash: StashEntry;
  /** Work files written and removed. */
  written: string[];
  removed: string[];
}

/** Stashes of HEAD's model, the newest first. */
export async function listStashes(
  repo: Repository,
  _options: object,
  _context: OpContext,
): Promise<StashEntry[]> {
  const { model } = await repo.head();
  const entries: StashEntry[] = [];
  for (const ref of await stashRefs(repo, model)) {
    entries.push(await describe(repo, ref, entries.length));
  }
  return entries;
}

/** Refs of the stashes of a model, the newest first. */
async function stashRefs(repo: Repository, model: string): Promise<Ref[]> {
  const numberOf = ({ name }: Ref): number => {
    const place = parseRefName(name);
    return place?.kind === 'stash' ? place.number : 0;
  };
  const refs = await listRefs(repo.layout, `refs/stash/${model}`);
  return refs.sort((a, b) => numberOf(b) - numberOf(a));
}

async function describe(repo: Repository, ref: Ref, index: number): Promise<StashEntry> {
  const { model, parents, message, time, tzMinutes } = await repo.version(ref.id);
  const base = parents[0] as Id;
  return {
    name: `stash@{${index}}`,
    ref: ref.name,
    version: ref.id,
    model,
    base,
    message,
    time: formatMoment(time, tzMinutes),
    changes: await changesBetween(repo, base, ref.id),
  };
}

async function changesBetween(repo: Repository, before: Id, after: Id): Promise<PathChange[]> {
  const { files: old } = await repo.tree(before);
  const { files: now } = await repo.tree(after);
  const { changes } = changesOnto(old, { files: now, snapshots: [] }, old);
  const known = new Set(old.map(({ path }) => path));
  const found: PathChange[] = changes.target.files.map(({ path }) => {
    return { path, status: known.has(path) ? 'modified' : 'added' };
  });
  for (const path of changes.removes) found.push({ path, status: 'deleted' });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Puts the changes of the line aside: the work files become those of its version. The stash is kept
 * before a file is touched; a run that was interrupted in between is finished by the next one.
 * @throws {ConflictError} if nothing changed.
 */
export async function pushStash(
  repo: Repository,
  options: StashPushOptions,
  context: OpContext,
): Promise<StashResult> {
  return withSession(repo, async (session) => {
    const stage = options.untracked ? { paths: ['.'] } : 'tracked';
    const root = { ...context, cwd: repo.layout.workTree };
    const { staging: before, writtenNs } = await readStaging(repo.layout);
    const staged = await stageFirst(repo, session, { stage }, root);
    const { line, staging, stagingBefore } = staged;
    const { model } = line;
    const tip = needTip(line);
    const changes = await stagedChanges(repo, line, staging.entries(model));
    if (changes.length === 0) {
      const ended = await endPush(repo, staged);
      if (ended !== null) return ended;
      throw new ConflictError(
        `nothing to stash: '${model}' has not changed since its last version`,
        {
          model,
          hint: options.untracked
            ? 'ignored files are never stashed'
            : "'-u' includes untracked files",
        },
      );
    }
    const tree = await repo.tree(tip);
    const gone = tree.files.filter(({ path }) => before.ownerOf(path) !== model);
    const paths = gone.map(({ path }) => path);
    const extensions = stashExtensions(paths, staged.stagingBefore);
    const content = {
      ...(options.message === undefined ? {} : { message: options.message }),
      extensions,
    };
    const ref =
      (await unfinishedStash(repo, { model, tip }, { before, staging, stagingBefore })) ??
      (await keepStash({ repo, session, context }, staged, content));
    const back = changesOnto(staging.entries(model), tree, staging.entries(model)).changes;
    const work = { staging, writtenNs, model, tip };
    const done = await changeWorkFiles(repo, work, back, context);
    await repo.locked(async (lock) => {
      const now = await readStaging(repo.layout);
      if (Buffer.compare(encodeStaging(now.staging), stagingBefore) !== 0) throw changed(model);
      // Every file is as in the version then, also one that only staging had changed, or that an
      // interrupted run had taken back in the work tree.
      stageFiles(staging, model, back, done);
      await writeStaging(lock, staging);
    });
    const { written, removed } = done;
    return { action: 'pushed', stash: await describe(repo, ref, 0), written, removed };
  });
}

/** Ends a run that was killed when the work files were as in the version, and staging was not yet. */
async function endPush(
  repo: Repository,
  { line, staging, stagingBefore }: Awaited<ReturnType<typeof stageFirst>>,
): Promise<StashResult | null> {
  const { model, tip } = line;
  const [newest] = await stashRefs(repo, model);
  const { staging: onDisk } = await readStaging(repo.layout);
  const odd = await stagedChanges(repo, line, onDisk.entries(model));
  if (newest === undefined || odd.length === 0) return null;
  const stash = await describe(repo, newest, 0);
  const kept = await filesOf(repo, newest.id);
  const isKept = odd.every(({ path }) => {
    const [entry, file] = [onDisk.entry(path), kept.get(path)];
    return entry === null || (file !== undefined && sameFile(file, entry));
  });
  if (stash.base !== tip || !isKept) return null;
  await repo.locked(async (lock) => {
    const now = encodeStaging((await readStaging(repo.layout)).staging);
    if (Buffer.compare(now, stagingBefore) !== 0) throw changed(model);
    await writeStaging(lock, staging);
  });
  return { action: 'pushed', stash, written: [], removed: [] };
}

function changed(model: string): ConflictError {
  return new ConflictError(`another command changed what is staged for '${model}' meanwhile`, {
    model,
    hint: "the work is kept: 'dlv stash list' shows it; run the command again",
  });
}

/**
 * The newest stash, if an interrupted run made it: staging is as it was, and each file is as the stash keeps it, or
 * as in the version because that run had written it already, which `before` does not know of.
 * @param before         staging on the disk.
 * @param staging        the same with all changes of the work tree.
 * @param stagingBefore  the bytes of the first.
 */
async function unfinishedStash(
  repo: Repository,
  { model, tip }: { model: string; tip: Id },
  {
    before,
    staging,
    stagingBefore,
  }: { before: Staging; staging: Staging; stagingBefore: Uint8Array },
): Promise<Ref | null> {
  const [newest] = await stashRefs(repo, model);
  if (newest === undefined || (await repo.version(newest.id)).parents[0] !== tip) return null;
  // A run that ended wrote staging: what is to be stashed now was changed since.
  const { extensions } = await repo.version(newest.id);
  if (wasStagedSince(extensions, stagingBefore, `version ${shortId(newest.id)}`)) return null;
  const [kept, old] = [await filesOf(repo, newest.id), await filesOf(repo, tip)];
  const entries = staging.entries(model);
  const now = new Map(entries.map((entry) => [entry.path, entry]));
  for (const path of new Set([...kept.keys(), ...old.keys(), ...now.keys()])) {
    const entry = now.get(path);
    if (isSame(entry, kept.get(path))) continue;
    if (!isSame(entry, old.get(path))) return null;
    // A file that was seen since, as it is: a person made it so, and means another stash.
    const seen = before.entry(path);
    if (seen !== null && seen.stat !== null && seen.stagedAtNs === entry?.stagedAtNs) return null;
  }
  return newest;
}

async function filesOf(repo: Repository, version: Id): Promise<Map<string, FileEntry>> {
  return new Map((await repo.tree(version)).files.map((file) => [file.path, file]));
}

/** Stores the version and names it. */
async function keepStash(
  job: { repo: Repository; session: PackSession; context: OpContext },
  staged: Awaited<ReturnType<typeof stageFirst>>,
  { message, extensions }: Pick<VersionContent, 'message' | 'extensions'>,
): Promise<Ref> {
  const { repo, session, context } = job;
  const { line, stagingBefore } = staged;
  const tip = needTip(line);
  const subject = (await repo.version(tip)).message.split('\n', 1)[0];
  const text = message ?? `WIP on ${line.model}/${line.branch}: ${subject}`;
  const draft = await draftVersion(repo, staged, {
    message: text,
    extensions,
    allowRemovals: true,
  });
  const why = await moveReason(repo, `stash: ${text.split('\n', 1)[0]}`);
  const name = async (lock: RepositoryLock, made: MadeVersion): Promise<Ref> => {
    const now = encodeStaging((await readStaging(repo.layout)).staging);
    if (Buffer.compare(now, stagingBefore) !== 0) throw changed(line.model);
    const [newest] = await stashRefs(repo, line.model);
    const place = newest === undefined ? null : parseRefName(newest.name);
    const number = place?.kind === 'stash' ? place.number + 1 : 1;
    const ref = stashRefName(line.model, number);
    await requireWriteFlag(lock, STASH_FLAG);
    await updateRef(lock, { name: ref, before: null, after: made.id, why });
    return { name: ref, id: made.id };
  };
  const { signal } = context;
  return (await makeVersion(repo, session, newVersionOf(draft), { name, signal })).named;
}

async function findStash(repo: Repository, index: number): Promise<StashEntry> {
  const { model } = await repo.head();
  const refs = await stashRefs(repo, model);
  const ref = refs[index];
  if (ref !== undefined) return describe(repo, ref, index);
  const what = refs.length === 0 ? 'there are no stashes' : `there is no stash@{${index}}`;
  throw new NotFoundError(`${what} for model '${model}'`, {
    kind: 'stash',
    name: `stash@{${index}}`,
    hint: refs.length === 0 ? "'dlv stash' sets changes aside" : "'dlv stash list' shows them",
  });
}

/** One stash and its changes. @throws {NotFoundError} */
export function showStash(
  repo: Repository,
  { index = 0 }: { index?: number },
  _context: OpContext,
): Promise<StashEntry> {
  return findStash(repo, index);
}

/**
 * Brings the changes of a stash back into the work tree; files that it added are staged, and so are
 * removals that were. As in git, the changes are told against what is staged: a file that is neither
 * there nor in the stash is left alone, and a warning names what the work tree holds under its name.
 * @param options.drop  deletes the stash then.
 * @throws {ConflictError} if a file changed since, in what is staged or in the work tree.
 */
export async function applyStash(
  repo: Repository,
  { index = 0, drop = false }: { index?: number; drop?: boolean },
  context: OpContext,
): Promise<StashResult> {
  const stash = await findStash(repo, index);
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const { model, tip } = await currentLine(repo, staging);
  const base = (await repo.tree(stash.base)).files;
  const tree = await repo.tree(stash.version);
  const ofTip = tip === null ? [] : (await repo.tree(tip)).files;
  const present = staging.get(model) === undefined ? ofTip : staging.entries(model);
  const { changes, conflicts } = changesOnto(base, tree, present);
  const [conflict] = conflicts;
  if (conflict !== undefined) {
    const remedy = tree.files.some(({ path }) => path === conflict)
      ? `take such a file with 'dlv checkout ${stash.ref} ${conflict}'`
      : `the stash removes such a file, as 'dlv rm ${conflict}' does`;
    throw new ConflictError(`changed since the stash, too: ${nameSome(conflicts)}`, {
      paths: conflicts,
      hint: `nothing was changed; ${remedy}`,
    });
  }
  checkNoneInTheWay(present, changes);
  const done = await changeWorkFiles(repo, { ...onDisk, model, tip }, changes, context);
  const known = new Set(present.map(({ path }) => path));
  const left = await untrackedFiles(repo, staging, stash, known);
  if (left.length > 0) {
    context.warn(
      `removed in the stash and not tracked any more, so that the work file stays: ${nameSome(left)}`,
      'last',
    );
  }
  const added = done.entries.filter(({ path }) => !known.has(path));
  const { extensions } = await repo.version(stash.version);
  const wereStaged = stagedRemovals(extensions, `version ${shortId(stash.version)}`);
  const removes = changes.removes.filter((path) => wereStaged.has(path));
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    stageFiles(now.staging, model, { removes }, { entries: added });
    await writeStaging(lock, now.staging);
  });
  if (drop) await deleteStash(repo, stash);
  const { written, removed } = done;
  return { action: drop ? 'popped' : 'applied', stash, written, removed };
}

/** Files that a stash removes, that are not tracked, and that the work tree holds all the same. */
async function untrackedFiles(
  { layout }: Repository,
  staging: Staging,
  { changes }: StashEntry,
  tracked: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = [];
  for (const { path, status } of changes) {
    if (status !== 'deleted' || tracked.has(path) || staging.ownerOf(path) !== null) continue;
    const there = await statOrNull(layout.workFile(path));
    if (there !== null && !there.isDirectory) found.push(path);
  }
  return found;
}

/** Deletes a stash; reflogs keep its version from gc for a while. @throws {NotFoundError} */
export async function dropStash(
  repo: Repository,
  { index = 0 }: { index?: number },
  _context: OpContext,
): Promise<StashResult> {
  const stash = await findStash(repo, index);
  await deleteStash(repo, stash);
  return { action: 'dropped', stash, written: [], removed: [] };
}

/** Deletes all stashes of HEAD's model, the newest first. @returns those. */
export async function clearStashes(
  repo: Repository,
  _options: object,
  context: OpContext,
): Promise<StashEntry[]> {
  const stashes = await listStashes(repo, {}, context);
  for (const stash of stashes) await deleteStash(repo, stash);
  return stashes;
}

async function deleteStash(repo: Repository, { ref, version }: StashEntry): Promise<void> {
  const why = await moveReason(repo, deletionReason('stash', ref));
  await repo.locked((lock) => updateRef(lock, { name: ref, before: version, after: null, why }));
}
