/**
 * Makes a version of files as they are in a folder, on any line: a checkpoint that a training has written. Work
 * files and what is staged elsewhere do not change.
 */

import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import { listTree } from '../../base/files/small-files.js';
import { parseLevel } from '../../pure/codec/segment.js';
import { comparePaths, pathProblem } from '../../pure/paths/version-path.js';
import { fileOf, ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import type { BatchFile } from '../../storage/ingest/open-ahead.js';
import { withSession } from '../../storage/objects/access.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import { isRepositoryData } from '../../storage/repo/layout.js';
import type { Extension } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { branchLine, countTensors } from '../history/commit/draft-version.js';
import { entriesBeside } from '../history/commit/entries-beside.js';
import { makeVersion, type NewFile, versionFiles } from '../history/commit/make-version.js';
import { nameVersion, unseen } from '../history/commit/name-version.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import { baseCandidates, type Line } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { openStaging } from '../history/lines/open-staging.js';
import { Describer } from '../history/versions.js';
import type { CommitRequest, CommittedVersion } from './commit-files.js';
import { OddFiles } from './scan/odd-files.js';
import { notReadable } from './scan/work-file.js';

/** A version of what lies in a folder. */
export interface CommitFromRequest extends Omit<CommitRequest, 'stage' | 'amend'> {
  /** Folder whose files the version has, under their names below it; or one file. Absolute. */
  from: string;
  /** What a run holds: it lies within the repository's data. */
  held?: boolean;
  /** What of the line's last version stays beside these files: all that they do not replace. Default: nothing. */
  keeps?: (tip: Id | null) => Promise<{ replaced: readonly string[] }>;
  /** What the version says besides, of the paths that came. */
  tellPaths?: (paths: readonly string[]) => readonly Extension[];
}

/** How often another command may move the branch first. */
const ATTEMPTS = 8;

/** @throws {NotFoundError} {ConflictError} if it is the same as the line's last version; {UsageError} */
export async function commitFrom(
  repo: StoreAccess,
  request: CommitFromRequest,
  context: OpContext,
): Promise<CommittedVersion> {
  const { message = '' } = request;
  if (message.trim() === '') {
    throw new UsageError('no message is given', {
      hint: 'say what this version is with -m <text> or -F <file>',
    });
  }
  const files = await filesOf(request, context);
  for (let attempt = 1; ; attempt++) {
    const { staging, model } = await openStaging(repo, request);
    const line = await branchLine(repo, staging, model);
    try {
      return await store(repo, { ...request, message }, { files, line }, context);
    } catch (error) {
      const { tip } = await branchLine(repo, staging, model);
      if (!(error instanceof ConflictError) || tip === line.tip || attempt === ATTEMPTS)
        throw error;
    }
  }
}

async function filesOf(
  { from, held }: CommitFromRequest,
  context: OpContext,
): Promise<BatchFile[]> {
  const there = await statThrough(from);
  if (there.kind === 'denied') throw notReadable(from);
  if (there.kind !== 'file' && there.kind !== 'folder') {
    throw new NotFoundError(`there is no file or folder '${from}'`, {
      kind: 'path',
      name: from,
      hint: 'correct what stands behind --from',
    });
  }
  if (!held && isRepositoryData(from)) {
    throw new UsageError(`'${from}' is data of a repository`, { option: '--from' });
  }
  // What a run holds has the names that it was given; where it is held is nobody's business.
  const top = held ? '' : fromHere(from, context);
  if (there.kind === 'file') {
    const name = path.basename(from);
    return [{ path: name, file: from, shown: top || name }];
  }
  const skip = (name: string): boolean => name === '.git' || name === '.dlv';
  const { signal } = context;
  const found: BatchFile[] = [];
  const odd = new OddFiles();
  const onOdd = (name: string, isLink: boolean): void => odd.add(isLink, path.join(top, name));
  for (const name of await listTree(from, { skip, onOdd, ...(signal ? { signal } : {}) })) {
    const problem = pathProblem(name);
    const [file, shown] = [path.join(from, name), path.join(top, name)];
    if (problem === null) found.push({ path: name, file, shown });
    else context.warn(`'${shown}' is left out: ${problem}`);
  }
  for (const warning of odd.warnings()) context.warn(warning);
  if (found.length > 0) return found.sort((a, b) => comparePaths(a.path, b.path));
  throw new NotFoundError(`there is no file in '${from}'`, {
    kind: 'path',
    name: from,
    hint: 'name the folder that the files are in',
  });
}

/** The folder, or file, as it is called from where the user is; one that is not below has its whole path. */
function fromHere(from: string, { cwd }: OpContext): string {
  const relative = path.relative(cwd, from);
  return relative.startsWith('..') ? from : relative;
}

async function store(
  repo: StoreAccess,
  request: CommitFromRequest & { message: string },
  { files, line }: { files: readonly BatchFile[]; line: Line & { branch: string } },
  context: OpContext,
): Promise<CommittedVersion> {
  const { model, branch, tip } = line;
  const { signal } = context;
  const { step, parents: others = [], level, message } = request;
  return withSession(repo, async (session) => {
    const entries: NewFile[] = [];
    const shown = new Map(files.map((file) => [file.path, file.shown]));
    for await (const result of ingestBatch(session, files, {
      parentFiles: await baseCandidates(repo, line),
      ...ingestSettings(repo.config),
      ...(level === undefined ? {} : { level: parseLevel(level) }),
      follow: true,
      ...(signal ? { signal } : {}),
    })) {
      const { path: own, warnings } = result;
      for (const warning of warnings) context.warn(`'${shown.get(own) ?? own}' ${warning}`);
      const executable = (result.stat.mode & 0o111) !== 0;
      const file = fileOf(result, executable ? 0o755 : 0o644);
      entries.push({ ...file, step: step ?? file.step });
    }
    const came = entries.map(({ path: own }) => own);
    if (request.keeps !== undefined) {
      const { replaced } = await request.keeps(tip);
      pushAll(entries, await entriesBeside(repo, tip, entries, replaced));
      entries.sort((a, b) => comparePaths(a.path, b.path));
    }
    const changes = await stagedChanges(repo, { tip }, unseen(entries));
    if (changes.length === 0 && !request.allowEmpty && others.length === 0) {
      throw new ConflictError(
        `nothing to commit: '${request.from}' is as the last version of '${model}'`,
        {
          model,
          hint: 'use --allow-empty to make a version all the same',
        },
      );
    }
    const parents = [...new Set([...(tip === null ? [] : [tip]), ...others])];
    const { params, metrics, logs, knowledge, author, moment } = request;
    const wanted = {
      ...{ params, metrics, logs, knowledge, author, moment },
      ...versionFiles(entries),
      ...{ model, message, parents, near: tip },
      extensions: request.tellPaths?.(came) ?? [],
    };
    const why = await moveReason(repo, `commit: ${message.split('\n', 1)[0]}`);
    const made = await makeVersion(repo, session, wanted, {
      name: (lock, { id }) =>
        nameVersion(repo, lock, { model, branch, before: tip, id, entries, why }),
      signal,
    });
    return {
      ...(await new Describer(repo).called(made.id)),
      branch,
      files: made.version.tree.count,
      tensors: await countTensors(repo, unseen(entries)),
      logicalBytes: made.version.tree.bytes,
      changes,
      amended: null,
      logs: made.kept,
      ...publishedBytes(session),
    };
  });
}
