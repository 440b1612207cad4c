/** Sets unfinished work aside: a stash is made of it, and the work files become those of the line's version. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { requireWriteFlag, STASH_FLAG } from '../../storage/repo/format.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { parseRefName, stashRefName } from '../../storage/repo/refs/ref-name.js';
import { type Ref, updateRef } from '../../storage/repo/refs/refs.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { encodeStaging } from '../../storage/repo/staging/staging-bytes.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import { stashExtensions, wasStagedSince } from '../../storage/repo/version/staged-removals.js';
import { changesOnto, changeWorkFiles, isSame, stageFiles } from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import {
  draftVersion,
  newVersionOf,
  type VersionContent,
} from '../history/commit/draft-version.js';
import { type MadeVersion, makeVersion } from '../history/commit/make-version.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import { sameFile } from '../history/commit/staged-version.js';
import { needTip } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { stageFirst } from '../worktree/commit-files.js';
import { describeStash, type StashEntry, stashRefs } from './stashes.js';

export interface SetAsideOptions {
  message?: string;
  /** Takes files that are not tracked, too. */
  untracked?: boolean;
}

/** A stash, and the work files that were written and removed. */
export interface StashedWork {
  stash: StashEntry;
  written: string[];
  removed: string[];
}

/**
 * Puts the changes of the line aside: the work files become those of its version. The stash is kept
 * before a file is touched; a run that was interrupted in between is finished by the next one.
 * @throws {ConflictError} if nothing changed.
 */
export async function setAside(
  repo: StoreAccess,
  options: SetAsideOptions,
  context: OpContext,
): Promise<StashedWork> {
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
    return { stash: await describeStash(repo, ref, 0), written, removed };
  });
}

/** Ends a run that was killed when the work files were as in the version, and staging was not yet. */
async function endPush(
  repo: StoreAccess,
  { line, staging, stagingBefore }: Awaited<ReturnType<typeof stageFirst>>,
): Promise<StashedWork | null> {
  const { model, tip } = line;
  const [newest] = await stashRefs(repo, model);
  const { staging: onDisk } = await readStaging(repo.layout);
  const odd = await stagedChanges(repo, line, onDisk.entries(model));
  if (newest === undefined || odd.length === 0) return null;
  const stash = await describeStash(repo, newest, 0);
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
  return { stash, written: [], removed: [] };
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
  repo: StoreAccess,
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

async function filesOf(repo: StoreAccess, version: Id): Promise<Map<string, FileEntry>> {
  return new Map((await repo.tree(version)).files.map((file) => [file.path, file]));
}

/** Stores the version and names it. */
async function keepStash(
  job: { repo: StoreAccess; session: PackSession; context: OpContext },
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
