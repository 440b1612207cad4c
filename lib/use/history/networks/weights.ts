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
  inferArchitecture,
} from '../../../pure/network/weights/architecture.js';
import { groupParameters, totalOf } from '../../../pure/network/weights/groups.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { streamFile } from '../../../storage/objects/stored/rebuild.js';
import { openStoredFile, type StoredFile } from '../../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../../storage/objects/stored/stored-structure.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
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
  for (const { key, role, step, members } of snapshots) {
    if (role !== 'weights' || described.has(key)) continue;
    const tensors: CountedTensor[] = [];
    for (const path of members) {
      throwIfAborted(signal);
      const file = byPath.get(path);
      if (file === undefined) continue;
      const stored = await openStoredFile(repo, file);
      said ??= await readMetadata(repo, stored);
      for (const { name, dtype, shape, role: own } of stored.skeleton?.tensors ?? []) {
        if (own === 'weights') tensors.push({ name, dtype, shape });
      }
    }
    const groups = groupParameters(tensors);
    inferred ??= inferArchitecture(tensors);
    const layers = groups.map((group) => ({ ...group, tensors: [...group.tensors] }));
    const checkpoint = { key, paths: members, tensors };
    let pairing: DescribedPairing | null = null;
    for (const network of networks) pairing ??= await pairCheckpoint(repo, id, network, checkpoint);
    weights.push({ key, step, tensors: tensors.length, ...totalOf(groups), layers, pairing });
  }
  return { weights, architecture: (await readConfig(repo, files)) ?? said ?? inferred };
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
