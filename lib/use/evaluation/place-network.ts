/** The network of a version as a file of its own, with the data files that it names. */
import os from 'node:os';
import path from 'node:path';
import { MemorySource } from '../../base/bytes/byte-source.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { makeDirectory, WriteFile } from '../../base/files/files.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import type { LayerView } from '../../pure/network/layers/layer-view.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { bringFiles } from '../../storage/objects/stored/bring.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../storage/objects/stored/stored-structure.js';
import type { FileEntry, Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { splitPlace } from '../history/diff/places.js';
import { fileOf } from '../history/find-file.js';
import { type NamedTensor, namedTensorsOf } from '../history/find-tensors.js';
import { resolveId } from '../history/lines/resolve.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { warnOfMissingParts } from '../history/steps/missing-parts.js';
import type { Checkpoint } from './fitted-values.js';

/** The file of the network that is meant. @throws {NotFoundError} {UsageError} if it is not clear. */
async function chooseNetwork(
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
      hint:
        'networks are ONNX files: run these weights through that of another version with ' +
        '--network <rev>:<path>, or export the model and commit the file',
    });
  }
  if (more !== undefined) {
    throw new UsageError(`version ${short} defines ${paths.length} networks`, {
      hint: `name one: --network ${paths.slice(0, 6).join(', --network ')}`,
    });
  }
  return fileOf(repo, version, first);
}

/** What is run for a version. */
export interface Target {
  /** The version whose file defines the network. */
  owner: Id;
  entry: FileEntry;
  /** How it is called in results: its path, or `rev:path`. */
  label: string;
  /** What takes the place of the network's weights; null if they stay. */
  weights: TargetWeights | null;
}

export interface TargetWeights extends Checkpoint {
  files: readonly FileEntry[];
  view: LayerView;
}

/** The network that is asked for: path of a file of the version, or `rev:path` for that of another version. */
export async function networkFor(
  repo: ReadAccess,
  version: Id,
  network: string | undefined,
  context: OpContext,
): Promise<{ owner: Id; entry: FileEntry }> {
  const place = network === undefined ? null : splitPlace(network);
  if (place === null) {
    return { owner: version, entry: await chooseNetwork(repo, version, network, context) };
  }
  const owner = await resolveId(repo, place.revision);
  return { owner, entry: await fileOf(repo, owner, place.path) };
}

/** True for `rev:path`: the network of another version, with the weights of each. */
export function isElsewhere(network: string | undefined): boolean {
  return network !== undefined && splitPlace(network) !== null;
}

/**
 * What is run for a version.
 * @param network   path of a file of it, or `rev:path`.
 * @param snapshot  the weights that are put in the network; null: it keeps its own.
 * @throws {NotFoundError} {UsageError} if it is not clear; {AmbiguousError}
 */
export async function chooseTarget(
  repo: ReadAccess,
  version: Id,
  { network, snapshot }: { network?: string | undefined; snapshot: Snapshot | null },
  context: OpContext,
): Promise<Target> {
  const { owner, entry } = await networkFor(repo, version, network, context);
  const label = isElsewhere(network) ? (network as string) : entry.path;
  if (snapshot === null) return { owner, entry, label, weights: null };
  const found = (await networksOfVersion(repo, owner, context)).find(
    (one) => one.path === entry.path,
  );
  if (found === undefined) {
    throw new UsageError(`'${label}' defines no network`, { file: entry.path });
  }
  const page = await repo.tree(version);
  await warnOfMissingParts(repo, page, snapshot, context);
  const members = new Set(snapshot.members);
  const files = page.files.filter((file) => members.has(file.path));
  // The network itself, with the weights that it has.
  const [file] = files;
  if (files.length === 1 && file?.recipe.id === entry.recipe.id) {
    return { owner, entry, label, weights: null };
  }
  return {
    owner,
    entry,
    label,
    weights: {
      checkpoint: snapshot.key,
      files,
      tensors: await namedTensorsOf(repo, page, snapshot),
      view: found.view,
      origins: () => checkpointsBeside(repo, owner, entry),
    },
  };
}

/** Most checkpoints beside a network that it is compared with. */
const BESIDE_MAX = 8;

/** Checkpoints of the version that a network is of: one of them may be what it was exported from. */
async function checkpointsBeside(
  repo: ReadAccess,
  owner: Id,
  entry: FileEntry,
): Promise<NamedTensor[][]> {
  const page = await repo.tree(owner);
  const own = page.snapshots.filter(({ role, key }) => role === 'weights' && key !== entry.path);
  const found: NamedTensor[][] = [];
  for (const snapshot of own.slice(0, BESIDE_MAX)) {
    found.push(await namedTensorsOf(repo, page, snapshot));
  }
  return found;
}

/** A placed network. */
export interface PlacedNetwork {
  path: string;
  remove(): Promise<void>;
}

/** Writes the file of a network to a temporary folder, verified. @throws as `streamFile`. */
export async function placeNetwork(
  repo: ReadAccess,
  { owner, entry }: Pick<Target, 'owner' | 'entry'>,
  signal?: AbortSignal,
): Promise<PlacedNetwork> {
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-eval-'));
  const remove = (): Promise<void> => removeFolder(folder);
  try {
    const files = await filesOf(repo, owner, entry, signal);
    await bringFiles(repo, [...files.values()]);
    for (const [place, file] of files) {
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
