/**
 * The networks of a version: read from the files that define them, stored with the version, and read
 * back. A version of an older dlv has none stored; its networks are then found when they are asked for.
 */
import { type ByteSource, MemorySource } from '../../../base/bytes/byte-source.js';
import type { Id } from '../../../base/bytes/hash.js';
import { isDamage, isUnreadable } from '../../../base/errors.js';
import { readOnnxModel } from '../../../pure/formats/onnx/onnx-graph.js';
import { decodeNetworks } from '../../../pure/network/decode.js';
import {
  type DescribedNetwork,
  encodeNetworks,
  type StoredNetwork,
  type StoredStructure,
} from '../../../pure/network/encode.js';
import { layerView } from '../../../pure/network/layers/layer-view.js';
import { networkOfOnnx } from '../../../pure/network/onnx-network.js';
import type { StoredWeights } from '../../../pure/network/weights/stored-weights.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  type FileRef,
  openStoredFile,
  type Readers,
  type StoredFile,
} from '../../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../../storage/objects/stored/stored-structure.js';
import type { OpContext } from '../../context.js';
import { definingCandidates, NETWORK_SUFFIX } from './candidates.js';

/** The format whose files define networks. */
export const NETWORK_FORMAT = 'onnx';

type BlobReaders = Pick<Readers, 'blobs'>;

/** The format of files that are stored as they are, without tensors. */
const NO_FORMAT = 'blob';

/** True for a file that defines a network. One without tensors is told by its name. */
export function definesNetwork(format: string, path: string): boolean {
  return format === NO_FORMAT ? path.endsWith(NETWORK_SUFFIX) : format === NETWORK_FORMAT;
}

function isDefinition({ skeleton, recipe, ref }: StoredFile): boolean {
  return definesNetwork(recipe === null ? NO_FORMAT : (skeleton?.format ?? ''), ref.path);
}

/** The network that the bytes of a file define. @throws as `networkOfOnnx`. */
export async function networkFrom(
  source: ByteSource,
  path: string,
  signal?: AbortSignal,
): Promise<DescribedNetwork> {
  const network = networkOfOnnx(await readOnnxModel(source, signal), path);
  return { network, view: layerView(network) };
}

/** What is told of a file whose network cannot be read. */
export type OnNetworkProblem = (path: string, why: string) => void;

/** The network that a stored file defines; null if it defines none. @throws as `networkOfOnnx`. */
export async function readNetwork(
  readers: BlobReaders,
  ref: FileRef,
  signal?: AbortSignal,
): Promise<DescribedNetwork | null> {
  const file = await openStoredFile(readers, ref);
  if (!isDefinition(file)) return null;
  const source =
    structureSource(readers, file) ??
    new MemorySource(await readers.blobs.readBlob(ref.recipe.id, 'blob'), ref.path);
  return networkFrom(source, ref.path, signal);
}

/** The networks that files define, in the order of their paths. Files that cannot be read are told of. */
export async function findNetworks(
  readers: BlobReaders,
  files: readonly FileRef[],
  { signal, onProblem }: { signal?: AbortSignal | undefined; onProblem?: OnNetworkProblem },
): Promise<(StoredNetwork & { path: string })[]> {
  const found: (StoredNetwork & { path: string })[] = [];
  for (const ref of files) {
    if (ref.tombstone !== undefined) continue;
    try {
      const described = await readNetwork(readers, ref, signal);
      if (described !== null) found.push({ ...described, path: ref.path });
    } catch (error) {
      if (!isDamage(error)) throw error;
      onProblem?.(ref.path, error.message);
    }
  }
  return found;
}

/**
 * The bytes that a version keeps of its networks, and of its checkpoints that have none; null if it has neither.
 * The path of a lone one is left out: files of one network, named after their steps, have equal bytes here.
 */
export function packNetworks(
  networks: readonly StoredNetwork[],
  weights: readonly StoredWeights[] = [],
): Uint8Array | null {
  if (networks.length + weights.length === 0) return null;
  const isLone = networks.length === 1;
  const isOnly = weights.length === 1;
  return encodeNetworks(
    networks.map((one) => (isLone ? { ...one, path: null } : one)),
    weights.map((one) => (isOnly ? { ...one, key: null } : one)),
  );
}

/** The networks that a version keeps, and its views of weights. @param id of its blob. @throws {CorruptError} */
export async function keptNetworks(readers: BlobReaders, id: Id): Promise<StoredStructure> {
  return decodeNetworks(await readers.blobs.readBlob(id, 'blob'), `network ${id.slice(0, 10)}`);
}

/** A network of a version, and whether its layers and names are those that the version keeps. */
export interface VersionNetwork extends StoredNetwork {
  path: string;
  stored: boolean;
}

/**
 * The networks of a version: those that it keeps, else those that its files define. A kept one that is
 * damaged, or of a newer dlv, is found again with a warning: the files hold all of it but the names.
 */
export async function networksOfVersion(
  repo: ReadAccess,
  id: Id,
  { signal, warn }: OpContext,
): Promise<VersionNetwork[]> {
  const version = await repo.version(id);
  const candidates = definingCandidates(await repo.tree(id));
  if (version.network !== null) {
    try {
      const { networks: kept } = await keptNetworks(repo, version.network);
      const [only] = kept;
      if (kept.length === 1 && only?.path === null) {
        const path = await definingPath(repo, candidates);
        if (path !== null) return [{ ...only, path, stored: true }];
      }
      // Where views of weights alone are kept, a file may define what could not be read.
      if (kept.length > 0) {
        return kept.flatMap((one) =>
          one.path === null ? [] : [{ ...one, path: one.path, stored: true }],
        );
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      warn(`the network stored with this version cannot be read, its files are: ${error.message}`);
    }
  }
  const found = await findNetworks(repo, candidates, {
    signal,
    onProblem: (path, why) => warn(`'${path}' is described by its tensors alone: ${why}`),
  });
  return found.map((one) => ({ ...one, stored: false }));
}

/** The first file that defines a network. */
async function definingPath(
  readers: BlobReaders,
  files: readonly FileRef[],
): Promise<string | null> {
  for (const ref of files) {
    // Of one that was given up, the kept network says that it defined it.
    const isGone = ref.tombstone !== undefined;
    if (isGone || isDefinition(await openStoredFile(readers, ref))) return ref.path;
  }
  return null;
}
