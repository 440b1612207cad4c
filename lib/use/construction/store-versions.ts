/** Stores new networks as versions: their files, with what these name beside them, and a branch for each. */
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { BugError } from '../../base/errors.js';
import { makeDirectory, ReadFile, WriteFile } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import { streamPieces } from '../../pure/formats/onnx/write/edited-model.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import {
  type BatchResult,
  fileOf,
  ingestBatch,
  ingestSettings,
} from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import { bringFiles } from '../../storage/objects/stored/bring.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { type PublishedBytes, publishedBytes } from '../../storage/objects/stored-bytes.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import {
  type MadeVersion,
  makeVersion,
  type NewFile,
  type NewVersion,
  versionFiles,
} from '../history/commit/make-version.js';
import { type BranchName, makeBranch } from '../history/lines/branches.js';
import { filesWithSteps } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
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
  const { line, source, message, operation } = planned;
  const { signal } = context;
  const folder = repo.layout.newWork('construct');
  await makeDirectory(folder);
  try {
    const written: { path: string; file: string }[] = [];
    for (const [i, network] of planned.networks.entries()) {
      const [file, from] = [2 * i, 2 * i + 1].map((n) => path.join(folder, String(n))) as [
        string,
        string,
      ];
      await writeNetwork(repo, network, { file, from }, signal);
      written.push({ path: network.shown.path, file });
    }
    return await withSession(repo, async (session) => {
      const results: BatchResult[] = [];
      for await (const result of ingestBatch(session, written, {
        parentFiles: source === null ? [] : await filesWithSteps(repo, source),
        ...ingestSettings(repo.config),
        ...(signal === undefined ? {} : { signal }),
      }))
        results.push(result);
      const wanted: NewVersion = {
        ...versionFiles(await allFiles(repo, planned, results, context)),
        model: line.model,
        message,
        parents: source === null ? [] : [source],
        near: source,
        knowledge: { operation },
      };
      const why = await moveReason(repo, `${operation.kind}: ${message.split('\n', 1)[0]}`);
      const name = (lock: RepositoryLock, { id }: MadeVersion): Promise<void> =>
        makeBranch(lock, line, id, why);
      const { id, version } = await makeVersion(repo, session, wanted, { name, signal });
      return {
        version: id,
        number: version.number as number,
        files: version.tree.count,
        logicalBytes: version.tree.bytes,
        ...publishedBytes(session),
      };
    });
  } finally {
    await removeFolder(folder);
  }
}

/** Writes the file of a network, from that of its source where it has one. */
async function writeNetwork(
  repo: StoreAccess,
  { source, pieces, bytes }: PlannedNetwork,
  at: { file: string; from: string },
  signal?: AbortSignal,
): Promise<void> {
  const from = source === null ? null : await placeSource(repo, source, at.from, signal);
  const out = await WriteFile.create(at.file);
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

/** The new files, and those of the source that they name: external data stays as it is. */
async function allFiles(
  repo: StoreAccess,
  { source, moved }: PlannedVersion,
  results: readonly BatchResult[],
  context: OpContext,
): Promise<NewFile[]> {
  const files = new Map<string, NewFile>();
  for (const result of results) files.set(result.path, fileOf(result, 0o644));
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

/** The path of a file in a version of another model: below its folder, as it was below that of its own. */
export function movedPath(path: string, from: string, to: string): string {
  return path.startsWith(`${from}/`) ? `${to}${path.slice(from.length)}` : `${to}/${path}`;
}
