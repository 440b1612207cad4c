/** Stores new networks as versions: their files, with what these name beside them, and a branch for each. */
import os from 'node:os';
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { BugError } from '../../base/errors.js';
import { makeDirectory, ReadFile, WriteFile } from '../../base/files/files.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import { BLOB_BYTES_MAX } from '../../base/limits.js';
import { parseLevel } from '../../pure/codec/segment.js';
import { streamPieces } from '../../pure/formats/onnx/write/edited-model.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { type BatchResult, ingestBatch } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { bringFiles } from '../../storage/objects/stored/bring.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import {
  blobWriter,
  type PublishedBytes,
  publishedBytes,
} from '../../storage/objects/stored-bytes.js';
import { currentAuthor, currentMoment } from '../../storage/repo/settings/author.js';
import { readGitState } from '../../storage/repo/settings/gitinfo.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { buildTree } from '../../storage/repo/version/file-tree.js';
import { knowledgeExtension, noKnowledge } from '../../storage/repo/version/knowledge.js';
import { type HintedFile, makeSnapshots } from '../../storage/repo/version/snapshots.js';
import { type Version, writeVersion } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { giveNumber } from '../history/commit/give-number.js';
import { type BranchName, makeBranch } from '../history/lines/branches.js';
import { filesWithSteps } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { findNetworks, packNetworks } from '../history/networks/networks.js';
import { checkTiers } from '../history/tier-gate.js';
import type { PlannedNetwork } from './change-networks.js';

/** A version that is to be made. */
export interface PlannedVersion {
  line: BranchName;
  /** The version that it derives from; null for none. */
  source: Id | null;
  /** Where a file of the source is in the new version. */
  moved(path: string): string;
  message: string;
  operation: { kind: string; detail: string };
  networks: readonly PlannedNetwork[];
}

/** A version that was stored. */
export interface StoredVersion extends PublishedBytes {
  version: Id;
  number: number;
  files: number;
  logicalBytes: number;
}

/** Stores a version and makes its branch. @throws {ConflictError} {ExistsError} {IoError} */
export async function storePlanned(
  repo: StoreAccess,
  planned: PlannedVersion,
  context: OpContext,
): Promise<StoredVersion> {
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-construct-'));
  try {
    const written: { path: string; file: string }[] = [];
    for (const [i, network] of planned.networks.entries()) {
      const file = path.join(folder, String(i), path.posix.basename(network.shown.path));
      await makeDirectory(path.dirname(file));
      await writeNetwork(repo, network, file, context.signal);
      written.push({ path: network.shown.path, file });
    }
    return await withSession(repo, async (session) => {
      const results: BatchResult[] = [];
      for await (const result of ingestBatch(
        session,
        written,
        await batchOptions(repo, planned, context),
      ))
        results.push(result);
      const files = await allFiles(repo, planned, results, context);
      const number = await giveNumber(repo, planned.line.model, []);
      const id = await storeVersion(repo, session, { ...planned, number, files }, context.signal);
      await session.flush();
      const why = await moveReason(
        repo,
        `${planned.operation.kind}: ${planned.message.split('\n', 1)[0]}`,
      );
      await repo.locked((lock) => makeBranch(lock, planned.line, id, why));
      return {
        version: id,
        number,
        files: files.length,
        logicalBytes: files.reduce((sum, { size }) => sum + size, 0),
        ...publishedBytes(session),
      };
    });
  } finally {
    await removeFolder(folder);
  }
}

async function batchOptions(
  repo: StoreAccess,
  { source }: PlannedVersion,
  { signal }: OpContext,
): Promise<Parameters<typeof ingestBatch>[2]> {
  return {
    parentFiles: source === null ? [] : await filesWithSteps(repo, source),
    chainDepth: repo.config.get('chain.depth'),
    chainCost: repo.config.get('chain.cost'),
    level: parseLevel(repo.config.get('codec.level')),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** Writes the file of a network, from that of its source where it has one. */
async function writeNetwork(
  repo: StoreAccess,
  { source, pieces, bytes }: PlannedNetwork,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const from = source === null ? null : await placeSource(repo, source, `${target}.source`, signal);
  const out = await WriteFile.create(target);
  try {
    for await (const part of streamPieces(pieces, from)) {
      throwIfAborted(signal);
      await out.write(part);
    }
    if (out.offset !== bytes) throw new BugError(`${out.offset} bytes were written, not ${bytes}`);
  } finally {
    await out.close();
    await from?.close();
  }
}

async function placeSource(
  repo: StoreAccess,
  entry: FileEntry,
  target: string,
  signal?: AbortSignal,
): Promise<ReadFile> {
  // In a partial clone, what is not here comes in one go.
  await bringFiles(repo, [entry]);
  const out = await WriteFile.create(target);
  try {
    const file = await openStoredFile(repo, entry);
    for await (const bytes of streamFile(repo, file, signal ? { signal } : {}))
      await out.write(bytes);
  } finally {
    await out.close();
  }
  return ReadFile.open(target);
}

type VersionFile = FileEntry & HintedFile;

/** The new files, and those of the source that they name: external data stays as it is. */
async function allFiles(
  repo: StoreAccess,
  { source, moved }: PlannedVersion,
  results: readonly BatchResult[],
  context: OpContext,
): Promise<VersionFile[]> {
  const files = new Map<string, VersionFile>();
  for (const { path: name, format, step, references, roles, ...rest } of results) {
    const { size, sha256, gitSha1, recipe } = rest;
    files.set(name, {
      ...{ path: name, mode: 0o644, size, sha256, gitSha1, recipe },
      ...{ format, step, hint: { references, roles } },
    });
  }
  const beside = source === null ? [] : (await repo.tree(source)).files;
  const known = new Map(beside.map((entry) => [moved(entry.path), entry]));
  for (const reference of results.flatMap(({ references }) => references)) {
    const entry = known.get(reference);
    if (entry === undefined || files.has(reference)) continue;
    checkTiers([entry], false, context);
    files.set(reference, {
      ...{ ...entry, path: reference, format: 'onnx-data', step: null },
      hint: { references: [], roles: ['weights'] },
    });
  }
  return [...files.values()].sort((a, b) => comparePaths(a.path, b.path));
}

async function storeVersion(
  repo: StoreAccess,
  session: PackSession,
  planned: PlannedVersion & { number: number; files: readonly VersionFile[] },
  signal?: AbortSignal,
): Promise<Id> {
  const { line, source, message, operation, number, files } = planned;
  const writer = blobWriter(session);
  const before = source === null ? null : await repo.version(source);
  const packed = packNetworks(
    await findNetworks(session, files, signal === undefined ? {} : { signal }),
  );
  const network =
    packed === null || packed.length > BLOB_BYTES_MAX
      ? null
      : await session.putBlob('blob', packed, 1, before?.network ?? null);
  const version: Version = {
    model: line.model,
    number,
    parents: source === null ? [] : [source],
    author: await currentAuthor(repo.config, repo.layout.workTree),
    ...currentMoment(),
    message,
    tree: await buildTree(files, makeSnapshots(files), writer, before?.tree ?? null),
    params: [],
    metrics: [],
    logs: [],
    network,
    git: await readGitState(repo.layout.workTree, signal),
    extensions: knowledgeExtension({ ...noKnowledge(), operation }),
  };
  return writeVersion(version, writer);
}

/** The path of a file in a version of another model: below its folder, as it was below that of its own. */
export function movedPath(path: string, from: string, to: string): string {
  return path.startsWith(`${from}/`) ? `${to}${path.slice(from.length)}` : `${to}/${path}`;
}
