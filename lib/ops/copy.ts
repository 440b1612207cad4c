/** `dlv copy`: begins a new model from a version of any model; no data is copied. */
import type { Repository } from '../archive/repository.js';
import type { PackSession } from '../archive/session.js';
import type { Id } from '../bytes/hash.js';
import { ExistsError } from '../errors.js';
import { currentAuthor, currentMoment } from '../repo/author.js';
import type { FilePage } from '../repo/file-page.js';
import { buildTree } from '../repo/file-tree.js';
import { readGitState } from '../repo/gitinfo.js';
import { branchRefName } from '../repo/layout.js';
import type { RepositoryLock } from '../repo/lock.js';
import { registerReader } from '../repo/readers.js';
import { checkModelName } from '../repo/ref-name.js';
import { updateRef } from '../repo/refs.js';
import type { Staging } from '../repo/staging.js';
import { readStaging } from '../repo/staging-file.js';
import { type Version, writeVersion } from '../repo/version.js';
import { toVersionPath } from '../repo/work-path.js';
import { moveReason } from './apply-checkout.js';
import { knownModels } from './branches.js';
import { checkoutVersion } from './checkout.js';
import type { OpContext } from './context.js';
import { resolveId } from './resolve.js';
import { type AcceptTier, checkTiers } from './tier-gate.js';
import { Describer, type Lineage } from './versions.js';

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
    let storedBytes = 0;
    let metadataBytes = 0;
    for (const { bytes } of session.published) {
      storedBytes += bytes.blob + bytes.hi + bytes.mid + bytes.low;
      metadataBytes += bytes.idx;
    }
    return {
      version: id,
      model,
      branch,
      number: 1,
      source: { version: source, model: from.model, number },
      into,
      files: page.files.length,
      logicalBytes: version.tree.bytes,
      storedBytes,
      metadataBytes,
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
