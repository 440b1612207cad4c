/** `dlv copy`: begins a new model from a version of any model; no data is copied. */

import type { Id } from '../../base/bytes/hash.js';
import { ExistsError } from '../../base/errors.js';
import type { PackSession } from '../../storage/objects/session.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import { branchRefName } from '../../storage/repo/layout.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { updateRef } from '../../storage/repo/refs/refs.js';
import { currentAuthor, currentMoment } from '../../storage/repo/settings/author.js';
import { readGitState } from '../../storage/repo/settings/gitinfo.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { FilePage } from '../../storage/repo/version/file-page.js';
import { buildTree } from '../../storage/repo/version/file-tree.js';
import { type Version, writeVersion } from '../../storage/repo/version/version.js';
import { toVersionPath } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import { knownModels } from '../history/lines/branches.js';
import { moveReason } from '../history/lines/moves.js';
import { resolveId } from '../history/lines/resolve.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import { Describer, type Lineage } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { checkoutVersion } from '../worktree/checkout-version.js';

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

/** @throws {ExistsError} if there is such a model; {NotFoundError} {ConflictError} {UsageError} */
export async function copy(
  repo: Repository,
  options: CopyOptions,
  context: OpContext,
): Promise<CopyResult> {
  const source = await resolveId(repo, options.revision);
  const { staging } = await readStaging(repo.layout);
  const model = checkModelName(options.name);
  if ((await knownModels(repo, staging)).has(model)) {
    throw new ExistsError(`model '${model}' exists already`, {
      kind: 'model',
      name: model,
      hint: 'choose another name',
    });
  }
  const from = await repo.version(source);
  const number = await new Describer(repo).number(source);
  const tree = options.empty ? { files: [], snapshots: [] } : await repo.tree(source);
  checkTiers(tree.files, options.acceptTier, context);
  const into = folderFor(repo, options, tree, staging, context);
  const page = moveInto(tree, into);
  for (const { path } of options.checkout ? page.files : []) staging.checkOwner(model, path);
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    const message = options.message ?? `copy of ${from.model}@${number}`;
    const version = await draft(repo, session, { ...from, parents: [source] }, page, context);
    const id = await writeVersion(
      { ...version, model, message },
      { writeBlob: (kind, bytes, base) => session.putBlob(kind, bytes, 1, base ?? null) },
    );
    await session.flush();
    const branch = repo.config.get('init.branch');
    const why = await moveReason(repo, `copy: from ${options.revision}`);
    const create = (lock: RepositoryLock): Promise<void> =>
      updateRef(lock, branchRefName(model, branch), null, id, why);
    let written: string[] = [];
    if (options.checkout) {
      const head = { kind: 'branch', model, branch } as const;
      const accept = { acceptTier: options.acceptTier === true };
      const how = {
        force: false,
        ...accept,
        context,
        reason: why.reason,
        first: create,
        keepHead: true,
      };
      written = (await checkoutVersion(repo, id, head, how)).written;
    } else await repo.locked(create);
    return {
      version: id,
      model,
      branch,
      number: 1,
      source: { version: source, model: from.model, number },
      into,
      files: page.files.length,
      logicalBytes: version.tree.bytes,
      ...publishedBytes(session),
      written,
    };
  } finally {
    await session.abort();
    await reader.close();
  }
}

/** Where the files go: as asked, else where they are, or below the model's name if they are taken. */
function folderFor(
  repo: Repository,
  options: CopyOptions,
  tree: FilePage,
  staging: Staging,
  context: OpContext,
): string {
  if (options.into !== undefined) return toVersionPath(repo.layout, context.cwd, options.into);
  return tree.files.some(({ path }) => staging.ownerOf(path) !== null) ? options.name : '';
}

/** The same files below a folder. */
function moveInto(tree: FilePage, into: string): FilePage {
  const move = (path: string): string => (into === '' ? path : `${into}/${path}`);
  return {
    files: tree.files.map((file) => ({ ...file, path: move(file.path) })),
    snapshots: tree.snapshots.map((snapshot) => ({
      ...snapshot,
      key: move(snapshot.key),
      members: snapshot.members.map(move),
    })),
  };
}

/** The first version of the new model: the network and hyperparameters of its source, no results. */
async function draft(
  repo: Repository,
  session: PackSession,
  from: Version,
  page: FilePage,
  context: OpContext,
): Promise<Version> {
  const tree = await buildTree(
    page.files,
    page.snapshots,
    { writeBlob: (kind, bytes, base) => session.putBlob(kind, bytes, 1, base ?? null) },
    from.tree,
  );
  return {
    ...from,
    author: await currentAuthor(repo.config, repo.layout.workTree),
    ...currentMoment(),
    tree,
    metrics: [],
    logs: [],
    git: await readGitState(repo.layout.workTree, context.signal),
    extensions: [],
  };
}
