/** `dlv copy`: starts a new model from a version of any model; no data is copied. */

import type { Id } from '../../base/bytes/hash.js';
import { ExistsError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { checkModelName, checkNewBranchName } from '../../storage/repo/refs/ref-name.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { FilePage } from '../../storage/repo/version/file-page.js';
import { toVersionPath } from '../../storage/repo/work-path.js';
import { checkoutVersion } from '../checkout/checkout-version.js';
import type { OpContext } from '../context.js';
import { checkPresent, type NewVersion, storeVersion } from '../history/commit/make-version.js';
import {
  type BranchName,
  checkNewModel,
  knownModels,
  makeBranch,
  readBranch,
  wasMadeFor,
} from '../history/lines/branches.js';
import { movePaths, pathBelow } from '../history/lines/model-folder.js';
import { moveReason } from '../history/lines/moves.js';
import { resolveId } from '../history/lines/resolve.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import { Describer, type Lineage } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface CopyOptions extends AcceptTier {
  revision: string;
  /** Name of the new model. */
  name: string;
  /** Folder of the work tree that the new model's files belong in. */
  into?: string;
  /** Takes no files. */
  empty?: boolean;
  /** Writes the files into the work tree. */
  checkout?: boolean;
  message?: string;
}

export interface CopyResult {
  version: Id;
  model: string;
  branch: string;
  number: number;
  /** `model@number`, which names the version for good. */
  name: string;
  /** The version that it derives from. */
  source: Lineage;
  /** Folder that its files are in, '' for the root of the work tree. */
  into: string;
  files: number;
  logicalBytes: number;
  /** Bytes of packs written, without and only indexes. */
  storedBytes: number;
  metadataBytes: number;
  /** Work files written (checkout). */
  written: string[];
}

/**
 * Begins a model. A run with `checkout` that was interrupted after it had made the model is finished by
 * the next one.
 * @throws {ExistsError} if there is such a model; {NotFoundError} {ConflictError} {UsageError}
 */
export async function copy(
  repo: Repository,
  options: CopyOptions,
  context: OpContext,
): Promise<CopyResult> {
  const source = await resolveId(repo, options.revision);
  const { staging } = await readStaging(repo.layout);
  const model = checkModelName(options.name);
  const isKnown = (await knownModels(repo, staging)).has(model);
  if (isKnown && (!options.checkout || staging.get(model) !== undefined)) throw exists(model);
  await checkNewModel(repo, staging, model);
  const from = await repo.version(source);
  const called = await new Describer(repo).called(source);
  const tree = options.empty ? { files: [], snapshots: [] } : await repo.tree(source);
  checkTiers(tree.files, options.acceptTier, context);
  const into =
    options.into === undefined
      ? defaultFolder(tree, staging, model)
      : toVersionPath(repo.layout, context.cwd, options.into);
  const page = movePaths(tree, (path) => pathBelow(into, path));
  for (const { path } of options.checkout ? page.files : []) staging.checkOwner(model, path);
  const message = options.message ?? `copy of ${called.name}`;
  const why = await moveReason(repo, `copy: from ${options.revision}`);
  const line = { model, branch: repo.config.get('init.branch') };
  if (!isKnown) checkNewBranchName(line.branch);
  // Network and hyperparameters of its source, no results.
  const wanted: NewVersion = {
    ...page,
    networks: { known: from.network },
    ...{ model, message, parents: [source], near: source, params: from.params },
  };
  const made = isKnown ? await findMade(repo, line, wanted, why.reason) : null;
  if (isKnown && made === null) throw exists(model);
  return withSession(repo, async (session) => {
    const fresh = made === null ? await storeVersion(repo, session, wanted, context.signal) : null;
    const id = fresh?.id ?? (made as Id);
    const create = async (lock: RepositoryLock): Promise<void> => {
      if (fresh !== null) await checkPresent(session, wanted, fresh);
      await makeBranch(lock, line, id, why);
    };
    const written = options.checkout
      ? await placeFiles(repo, id, { line, options, reason: why.reason, create, context })
      : [];
    if (!options.checkout) await repo.locked(create);
    return {
      ...(await new Describer(repo).called(id)),
      ...line,
      source: called,
      into,
      files: page.files.length,
      logicalBytes: page.files.reduce((sum, { size }) => sum + size, 0),
      ...publishedBytes(session),
      written,
    };
  });
}

function exists(model: string): ExistsError {
  return new ExistsError(`model '${model}' exists already`, {
    kind: 'model',
    name: model,
    hint: 'choose another name',
  });
}

/** The version of a model that an interrupted run of the same command made; null if it is another's. */
async function findMade(
  repo: Repository,
  line: BranchName,
  wanted: NewVersion,
  reason: string,
): Promise<Id | null> {
  const tip = await readBranch(repo, line);
  if (tip === null || !(await wasMadeFor(repo, line, tip, reason))) return null;
  const { parents, message } = await repo.version(tip);
  const { files } = await repo.tree(tip);
  const told = (of: Pick<NewVersion, 'parents' | 'message' | 'files'>): string =>
    JSON.stringify([of.parents, of.message, of.files.map(({ path, sha256 }) => [path, sha256])]);
  return told({ parents, message, files }) === told(wanted) ? tip : null;
}

/** Writes the files of the new model into the work tree; HEAD stays. @returns their paths. */
async function placeFiles(
  repo: Repository,
  id: Id,
  how: {
    line: BranchName;
    options: CopyOptions;
    reason: string;
    create(lock: RepositoryLock): Promise<void>;
    context: OpContext;
  },
): Promise<string[]> {
  const done = await checkoutVersion(
    repo,
    id,
    { kind: 'branch', ...how.line },
    {
      force: false,
      acceptTier: how.options.acceptTier === true,
      context: how.context,
      reason: how.reason,
      first: how.create,
      keepHead: true,
    },
  );
  return done.written;
}

/** Where the files go if nobody says: where they are, or below the model's name if a path is taken. */
function defaultFolder(tree: FilePage, staging: Staging, model: string): string {
  return tree.files.some(({ path }) => staging.ownerOf(path) !== null) ? model : '';
}
