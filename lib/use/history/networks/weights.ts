/** What is known of the checkpoints of a version that no network describes. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import type {
  CountedTensor,
  ParameterCounts,
} from '../../../pure/network/cost/parameter-counts.js';
import type { LayerKind } from '../../../pure/network/layers/kinds.js';
import type { LayerView } from '../../../pure/network/layers/layer-view.js';
import {
  type Architecture,
  architectureOfCard,
  architectureOfConfig,
  architectureOfMetadata,
} from '../../../pure/network/weights/architecture.js';
import { totalOf } from '../../../pure/network/weights/groups.js';
import {
  groupsOf,
  isViewOf,
  type StoredWeights,
  viewOfWeights,
} from '../../../pure/network/weights/stored-weights.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { streamFile } from '../../../storage/objects/stored/rebuild.js';
import {
  type FileRef,
  openStoredFile,
  type Readers,
  type StoredFile,
} from '../../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../../storage/objects/stored/stored-structure.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import { keptNetworks } from './networks.js';
import { type DescribedPairing, pairCheckpoint } from './pairings.js';

/** Files that say what an architecture is; no longer than this. */
const CONFIG_NAMES = ['config.json', 'adapter_config.json', 'model_index.json'];
const CARD_NAMES = ['README.md'];
const CONFIG_BYTES_MAX = 1024 * 1024;

/** A layer as the names and shapes of its tensors tell it. */
export interface WeightLayer extends ParameterCounts {
  name: string;
  kind: LayerKind;
  type: string;
  tensors: { name: string; dtype: string | null; shape: readonly number[] }[];
}

/** A checkpoint without a network. */
export interface DescribedWeights extends ParameterCounts {
  /** Path of its file, or of the index of its shards. */
  key: string;
  /** True if layers and names are those stored with the version, false if they were inferred now. */
  kept: boolean;
  step: number | null;
  tensors: number;
  layers: WeightLayer[];
  /** How it goes together with a network of the version; null if with none. */
  pairing: DescribedPairing | null;
}

/**
 * Describes the weights of a version whose files define no network.
 * @param networks those that files of the version define.
 */
export async function describeWeights(
  repo: ReadAccess,
  id: Id,
  networks: readonly { path: string; view: LayerView }[],
  {
    signal,
    isWanted = () => true,
  }: { signal?: AbortSignal | undefined; isWanted?: (path: string) => boolean } = {},
): Promise<{ weights: DescribedWeights[]; architecture: Architecture | null }> {
  const tree = await repo.tree(id);
  const files = tree.files.filter(({ path }) => isWanted(path));
  const snapshots = tree.snapshots.filter(({ key }) => isWanted(key));
  const byPath = new Map(files.map((file) => [file.path, file]));
  const described = new Set(networks.map(({ path }) => path));
  const weights: DescribedWeights[] = [];
  let said: Architecture | null = null;
  let inferred: Architecture | null = null;
  const kept = await keptWeights(repo, id);
  for (const { key, role, step, members } of snapshots) {
    if (role !== 'weights' || described.has(key)) continue;
    const own = members.flatMap((path) => byPath.get(path) ?? []);
    const { tensors, files: opened } = await tensorsOf(repo, own, signal);
    for (const stored of opened) said ??= await readMetadata(repo, stored);
    const known = kept.find((view) => (view.key ?? key) === key && isViewOf(view, tensors));
    const view = known ?? viewOfWeights(key, tensors);
    const groups = groupsOf(view);
    inferred ??= view.inferred;
    const layers = groups.map((group) => ({ ...group, tensors: [...group.tensors] }));
    const checkpoint = { key, paths: members, tensors };
    let pairing: DescribedPairing | null = null;
    for (const network of networks) pairing ??= await pairCheckpoint(repo, id, network, checkpoint);
    weights.push({
      key,
      kept: known !== undefined,
      step,
      tensors: tensors.length,
      ...totalOf(groups),
      layers,
      pairing,
    });
  }
  return { weights, architecture: (await readConfig(repo, files)) ?? said ?? inferred };
}

/** The views of weights that a version keeps; none if it keeps none, or they cannot be read. */
async function keptWeights(repo: ReadAccess, id: Id): Promise<StoredWeights[]> {
  const { network } = await repo.version(id);
  if (network === null) return [];
  try {
    return (await keptNetworks(repo, network)).weights;
  } catch (error) {
    // Whoever asked for the networks was told.
    if (!isUnreadable(error)) throw error;
    return [];
  }
}

/** The tensors of the weights of a checkpoint, over all of its files, and these files. */
export async function tensorsOf(
  readers: Pick<Readers, 'blobs'>,
  members: readonly FileRef[],
  signal?: AbortSignal,
): Promise<{ tensors: CountedTensor[]; files: StoredFile[] }> {
  const tensors: CountedTensor[] = [];
  const files: StoredFile[] = [];
  for (const member of members) {
    throwIfAborted(signal);
    const stored = await openStoredFile(readers, member);
    files.push(stored);
    for (const { name, dtype, shape, role } of stored.skeleton?.tensors ?? []) {
      if (role === 'weights') tensors.push({ name, dtype, shape });
    }
  }
  return { tensors, files };
}

/** What the config.json that stands highest says, else a model card. */
async function readConfig(
  repo: ReadAccess,
  files: readonly FileEntry[],
): Promise<Architecture | null> {
  const depth = ({ path }: FileEntry): number => path.split('/').length;
  const named = (names: readonly string[]): FileEntry[] =>
    files
      .filter(({ path, size }) => {
        return names.includes(path.split('/').at(-1) ?? '') && size <= CONFIG_BYTES_MAX;
      })
      .sort((a, b) => depth(a) - depth(b));
  for (const [names, parse] of [
    [CONFIG_NAMES, architectureOfConfig],
    [CARD_NAMES, architectureOfCard],
  ] as const) {
    for (const file of named(names)) {
      const text = await readText(repo, file);
      const made = text === null ? null : parse(text, file.path);
      if (made !== null) return made;
    }
  }
  return null;
}

/** A text of a version; null if it cannot be read. */
async function readText(repo: ReadAccess, file: FileEntry): Promise<string | null> {
  try {
    const pieces: Uint8Array[] = [];
    for await (const bytes of streamFile(repo, await openStoredFile(repo, file))) {
      pieces.push(Buffer.from(bytes));
    }
    return Buffer.concat(pieces).toString('utf8');
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return null;
  }
}

/** Longest header of a safetensors file that is searched for metadata. */
const HEADER_BYTES_MAX = 4 * 1024 * 1024;

/** What the metadata of a safetensors file says; null for another file, or if it says nothing. */
async function readMetadata(repo: ReadAccess, file: StoredFile): Promise<Architecture | null> {
  if (file.skeleton?.format !== 'safetensors') return null;
  const source = structureSource(repo, file);
  if (source === null) return null;
  const length = Number(Buffer.from(await source.read(0, 8)).readBigUInt64LE());
  if (length > Math.min(HEADER_BYTES_MAX, source.size - 8)) return null;
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(await source.read(8, length)).toString('utf8'));
  } catch {
    return null;
  }
  const metadata = (header as { __metadata__?: unknown } | null)?.__metadata__;
  if (typeof metadata !== 'object' || metadata === null) return null;
  const texts = Object.entries(metadata).filter((row): row is [string, string] => {
    return typeof row[1] === 'string';
  });
  return architectureOfMetadata(new Map(texts), file.ref.path);
}
