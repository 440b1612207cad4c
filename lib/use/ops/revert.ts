/** `dlv revert`: makes a version that undoes what an earlier one changed. */

import type { Id } from '../../base/bytes/hash.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import { encodeStaging } from '../../storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import {
  changesOnto,
  checkNoneInTheWay,
  checkNothingStaged,
  type FileChanges,
  isStaged,
} from '../checkout/change-files.js';
import { commitChanges } from '../checkout/commit-changes.js';
import type { OpContext } from '../context.js';
import { branchLine } from '../history/commit/draft-version.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import { needTip } from '../history/lines/lines.js';
import { resolveId } from '../history/lines/resolve.js';
import { checkTiers } from '../history/tier-gate.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface RevertOptions {
  revision: string;
  /** Which parent the changes of the version are told from; default: 1, the first. */
  mainline?: number;
  /** Default: says what it takes back. */
  message?: string;
  /** Changes the files and stages them, and makes no version. */
  noCommit?: boolean;
  /** Says what would change. */
  dryRun?: boolean;
}

export interface RevertResult {
  dryRun: boolean;
  /** The new version; null if none was made. */
  version: Id | null;
  model: string;
  branch: string;
  number: number | null;
  /** The version whose changes were taken back. */
  reverted: Id;
  message: string;
  changes: PathChange[];
  written: string[];
  removed: string[];
}

/**
 * @throws {ConflictError} if a file was changed again since, changes are staged, or there is nothing to
 *   take back; {NotFoundError} {UsageError}
 */
export async function revert(
  repo: Repository,
  options: RevertOptions,
  context: OpContext,
): Promise<RevertResult> {
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const stagingBefore = encodeStaging(staging);
  const line = await branchLine(repo, staging);
  const tip = needTip(line);
  if (options.revision.includes('..')) {
    throw new UsageError(`'${options.revision}' is a range: revert takes one version at a time`, {
      revision: options.revision,
      hint: "name each version, the last one first: 'dlv revert HEAD'",
    });
  }
  const reverted = await resolveId(repo, options.revision);
  const changes = await changesBack(repo, options, line.model, { tip, reverted });
  // A run that was killed before the branch moved has staged this very change.
  if (!isStaged(staging.entries(line.model), (await repo.tree(tip)).files, changes)) {
    await checkNothingStaged(repo, line, staging, 'take a version back');
  }
  const message = options.message ?? (await messageFor(repo, reverted));
  const result: RevertResult = {
    dryRun: options.dryRun === true,
    version: null,
    model: line.model,
    branch: line.branch,
    number: null,
    reverted,
    message,
    changes: await pathChanges(repo, tip, changes),
    written: [],
    removed: [],
  };
  if (options.dryRun) return result;
  checkTiers(changes.target.files, false, context);
  return withSession(repo, async (session) => {
    const noCommit = options.noCommit === true;
    const change = { line, tip, onDisk, stagingBefore, changes, content: { message }, noCommit };
    return Object.assign(result, await commitChanges(repo, session, change, context));
  });
}

/** What takes the changes of a version back, on the files of the tip. */
async function changesBack(
  repo: Repository,
  { revision, mainline = 1 }: RevertOptions,
  model: string,
  { tip, reverted }: { tip: Id; reverted: Id },
): Promise<FileChanges> {
  const version = await repo.version(reverted);
  if (version.model !== model) {
    throw new ConflictError(`'${revision}' is a version of '${version.model}', not of '${model}'`, {
      model: version.model,
      hint: `run 'dlv switch ${version.model}' first`,
    });
  }
  const parent = version.parents[mainline - 1];
  if (parent === undefined && (mainline > 1 || version.parents.length > 0)) {
    throw new NotFoundError(`'${revision}' has no parent ${mainline}`, {
      kind: 'version',
      name: revision,
    });
  }
  const before = parent === undefined ? { files: [], snapshots: [] } : await repo.tree(parent);
  const { files } = await repo.tree(reverted);
  const { files: present } = await repo.tree(tip);
  const { changes, conflicts } = changesOnto(files, before, present);
  const [conflict] = conflicts;
  if (conflict !== undefined) {
    const from = `${revision}${mainline > 1 ? `^${mainline}` : '~1'}`;
    const remedy = before.files.some(({ path }) => path === conflict)
      ? `take such a file as it was with 'dlv checkout ${from} ${conflict}'`
      : `such a file was not there before: 'dlv rm ${conflict}' removes it`;
    throw new ConflictError(`changed again since '${revision}': ${quoteSome(conflicts)}`, {
      paths: conflicts,
      hint: `nothing was changed; ${remedy}`,
    });
  }
  checkNoneInTheWay(present, changes);
  if (changes.target.files.length + changes.removes.length > 0) return changes;
  throw new ConflictError(`nothing to revert: no file is as '${revision}' made it`, {
    version: reverted,
  });
}

async function messageFor(repo: Repository, id: Id): Promise<string> {
  const { model, message } = await repo.version(id);
  const subject = message.split('\n', 1)[0] as string;
  const name = `${model}@${await new Describer(repo).number(id)}`;
  return `Revert "${subject}"\n\nThis takes back ${name} (${id}).`;
}

async function pathChanges(
  repo: Repository,
  tip: Id,
  { target, removes }: FileChanges,
): Promise<PathChange[]> {
  const known = new Set((await repo.tree(tip)).files.map(({ path }) => path));
  const changes: PathChange[] = target.files.map(({ path }) => {
    return { path, status: known.has(path) ? 'modified' : 'added' };
  });
  for (const path of removes) changes.push({ path, status: 'deleted' });
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}
