/** The network of a version as a file of its own, with the data files that it names. */
import os from 'node:os';
import path from 'node:path';
import { MemorySource } from '../../base/bytes/byte-source.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { makeDirectory, WriteFile } from '../../base/files/files.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { streamFile } from '../../storage/objects/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import { structureSource } from '../../storage/objects/stored-structure.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { fileOf } from '../history/find-file.js';
import { networksOfVersion } from '../history/networks.js';

/** The file of the network that is meant. @throws {NotFoundError} {UsageError} if it is not clear. */
export async function chooseNetwork(
  repo: ReadAccess,
  version: Id,
  network: string | undefined,
  context: OpContext,
): Promise<FileEntry> {
  if (network !== undefined) return fileOf(repo, version, network);
  const paths = (await networksOfVersion(repo, version, context)).map((one) => one.path);
  const [first, more] = paths;
  const short = version.slice(0, 10);
  if (first === undefined) {
    throw new NotFoundError(`version ${short} defines no network that can be run`, {
      kind: 'network',
      name: short,
      hint: 'networks are ONNX files; export the model and commit the file with its weights',
    });
  }
  if (more !== undefined) {
    throw new UsageError(`version ${short} defines ${paths.length} networks`, {
      hint: `name one: --network ${paths.slice(0, 6).join(', --network ')}`,
    });
  }
  return fileOf(repo, version, first);
}

/** A placed network. */
export interface PlacedNetwork {
  path: string;
  remove(): Promise<void>;
}

/** Writes the file of a network to a temporary folder, verified. @throws as `streamFile`. */
export async function placeNetwork(
  repo: ReadAccess,
  version: Id,
  entry: FileEntry,
  signal?: AbortSignal,
): Promise<PlacedNetwork> {
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-eval-'));
  const remove = (): Promise<void> => removeFolder(folder);
  try {
    for (const [place, file] of await filesOf(repo, version, entry, signal)) {
      const target = path.join(folder, ...place.split('/'));
      await makeDirectory(path.dirname(target));
      const out = await WriteFile.create(target);
      try {
        const stored = await openStoredFile(repo, file);
        for await (const bytes of streamFile(repo, stored, signal ? { signal } : {})) {
          await out.write(bytes);
        }
      } finally {
        await out.close();
      }
    }
    return { path: path.join(folder, path.posix.basename(entry.path)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Where the network and its data files are to lie → the files of the version. */
async function filesOf(
  repo: ReadAccess,
  version: Id,
  entry: FileEntry,
  signal?: AbortSignal,
): Promise<Map<string, FileEntry>> {
  const stored = await openStoredFile(repo, entry);
  const source =
    structureSource(repo, stored) ??
    new MemorySource(await repo.blobs.readBlob(entry.recipe.id, 'blob'), entry.path);
  const { graph } = await readOnnxModel(source, signal);
  const files = new Map([[path.posix.basename(entry.path), entry]]);
  for (const { data } of graph.initializers) {
    if (data.kind !== 'external') continue;
    const place = path.posix.normalize(data.location);
    if (place.startsWith('..') || path.posix.isAbsolute(place)) {
      throw new UsageError(`'${entry.path}' names data outside its folder`, { file: entry.path });
    }
    if (files.has(place)) continue;
    files.set(
      place,
      await fileOf(repo, version, path.posix.join(path.posix.dirname(entry.path), place)),
    );
  }
  return files;
}
