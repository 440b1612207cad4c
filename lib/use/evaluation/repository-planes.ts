/** Leading planes of the weights of a stored network, read from the store as the cascade asks for them. */

import os from 'node:os';
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { BugError, LimitError } from '../../base/errors.js';
import { patchFile, ReadFile, WriteFile } from '../../base/files/files.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import type {
  Depths,
  LoadedWeights,
  PlacedParameter,
  PlaneParameter,
  PlaneSource,
} from '../../knowledge/progressive/plane-source.js';
import type { ParameterBounds } from '../../pure/bounds/weights.js';
import { onnxReader } from '../../pure/formats/onnx/onnx.js';
import type { Parameter } from '../../pure/network/network.js';
import type { DType } from '../../pure/tensor/dtype.js';
import { leadingOf, boundsOf as prefixBounds } from '../../pure/tensor/prefix.js';
import { typedValues } from '../../pure/tensor/typed-values.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { planChains, plannedBytes } from '../../storage/objects/planes/chain-forest.js';
import { totalBytes } from '../../storage/objects/planes/read-counts.js';
import { bringFiles, bringTensors } from '../../storage/objects/stored/bring.js';
import { loadTensors } from '../../storage/objects/stored/load-tensors.js';
import { openStoredFile, type StoredFile } from '../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../storage/objects/stored/stored-structure.js';
import {
  type StoredTensor,
  tensorBytes,
  tensorElements,
  tensorsOf,
} from '../../storage/objects/stored/tensors.js';
import { hasLeadingPlanes } from '../../storage/objects/tensor-planes.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { segmentCount } from '../../storage/store/types.js';

/** Weights of a network that are held, with their intervals. */
const HELD_BYTES_MAX = 2 * 1024 ** 3;
const COPY_BYTES = 4 * 1024 * 1024;

/** What is known of a tensor. */
interface Held {
  readonly planes: number;
  readonly bytes: Uint8Array;
}

/** Planes of a network's weights. Close it. */
export class RepositoryPlanes implements PlaneSource {
  readonly parameters: readonly PlaneParameter[];
  readonly folder: string;
  readonly #repo: ReadAccess;
  readonly #path: string;
  /** Parameter → its tensor; those of no planes, which are read whole at first, included. */
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #offsets: ReadonlyMap<string, number>;
  readonly #held = new Map<string, Held>();
  readonly #signal: AbortSignal | undefined;

  private constructor(
    repo: ReadAccess,
    at: {
      folder: string;
      path: string;
      tensors: ReadonlyMap<string, StoredTensor>;
      offsets: ReadonlyMap<string, number>;
      signal: AbortSignal | undefined;
    },
  ) {
    this.#repo = repo;
    this.folder = at.folder;
    this.#path = at.path;
    this.#tensors = at.tensors;
    this.#offsets = at.offsets;
    this.#signal = at.signal;
    this.parameters = [...at.tensors].flatMap(([name, tensor]): PlaneParameter[] => {
      const planes = planesOf(tensor);
      if (planes === null) return [];
      const start = planes === 2 ? 1 : 2;
      return [{ name, elements: tensorElements(tensor), planes, start }];
    });
  }

  /**
   * Opens the weights of a network's file.
   * @returns  null if the file is not stored tensor by tensor, or keeps tensors in other files.
   */
  static async open(
    repo: ReadAccess,
    entry: FileEntry,
    parameters: Iterable<Parameter>,
    signal?: AbortSignal,
  ): Promise<RepositoryPlanes | null> {
    await bringFiles(repo, [entry], 1);
    const stored = await openStoredFile(repo, entry);
    const names = new Map([...parameters].map(({ name, tensor }) => [tensor, name]));
    const tensors = new Map<string, StoredTensor>();
    let bytes = 0;
    for (const tensor of tensorsOf(stored)) {
      tensors.set(names.get(tensor.name) ?? `tensor ${tensor.name}`, tensor);
      bytes += tensorBytes(tensor);
    }
    if (bytes > HELD_BYTES_MAX) {
      throw new LimitError(`the weights of '${entry.path}' take ${bytes} bytes`, {
        file: entry.path,
        limit: 'HELD_BYTES_MAX',
        value: bytes,
        max: HELD_BYTES_MAX,
        hint: 'evaluate it without --progressive',
      });
    }
    const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-eval-'));
    try {
      const file = path.join(folder, 'network.onnx');
      const offsets = await placeStructure(repo, stored, file);
      if (offsets !== null && [...tensors.values()].every(({ name }) => offsets.has(name))) {
        return new RepositoryPlanes(repo, { folder, path: file, tensors, offsets, signal });
      }
      await removeFolder(folder);
      return null;
    } catch (error) {
      await removeFolder(folder);
      throw error;
    }
  }

  close(): Promise<void> {
    return removeFolder(this.folder);
  }

  bytesAt(depths: Depths): Promise<number> {
    return this.#bytes(this.#tensors, depths);
  }

  /** Bytes that reading one parameter alone takes. */
  bytesOf(name: string, planes: number): Promise<number> {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new BugError(`no parameter '${name}'`);
    return this.#bytes([[name, tensor]], new Map([[name, planes]]));
  }

  async #bytes(tensors: Iterable<[string, StoredTensor]>, depths: Depths): Promise<number> {
    const requests: { id: Id; segment: number; planes: number }[] = [];
    for (const [name, tensor] of tensors) {
      const { home, dtype } = tensor;
      if (home.kind !== 'extent') continue;
      const planes = leadingOf(dtype, depths.get(name) ?? home.width);
      for (let segment = 0; segment < segmentCount(home.count); segment++) {
        requests.push({ id: home.id, segment, planes });
      }
    }
    const forest = await planChains(this.#repo.store, requests);
    return totalBytes(plannedBytes(forest, 'reusable'));
  }

  async load(depths: Depths): Promise<LoadedWeights> {
    const wanted = new Map<number, string[]>();
    for (const [name, tensor] of this.#tensors) {
      const planes = depths.get(name) ?? planesOf(tensor) ?? Number.POSITIVE_INFINITY;
      if ((this.#held.get(name)?.planes ?? 0) >= planes) continue;
      wanted.set(planes, [...(wanted.get(planes) ?? []), name]);
    }
    for (const [planes, names] of wanted) {
      const tensors = names.map((name) => this.#tensors.get(name) as StoredTensor);
      const leading = Number.isFinite(planes) ? { planes } : {};
      await bringTensors(this.#repo, tensors, leading.planes);
      const arrays = await loadTensors(this.#repo, tensors, {
        ...leading,
        ...(this.#signal ? { signal: this.#signal } : {}),
      });
      const patches = names.map((name, i) => {
        const bytes = arrays[i] as Uint8Array;
        this.#held.set(name, { planes, bytes });
        const tensor = tensors[i] as StoredTensor;
        return { offset: this.#offsets.get(tensor.name) as number, bytes };
      });
      await patchFile(this.#path, patches);
    }
    const bounds = new Map<string, ParameterBounds>();
    return {
      path: this.#path,
      boundsOf: (name) => {
        const known = bounds.get(name) ?? this.#bounds(name, depths);
        bounds.set(name, known);
        return known;
      },
      placeOf: (name) => this.#place(name, depths),
    };
  }

  #place(name: string, depths: Depths): PlacedParameter | null {
    const tensor = this.#tensors.get(name);
    const planes = tensor && Math.min(depths.get(name) ?? 4, 4);
    if (tensor?.dtype !== 'F32' || planes === undefined || planes < 2) return null;
    return { offset: this.#offsets.get(tensor.name) as number, planes };
  }

  #bounds(name: string, depths: Depths): ParameterBounds {
    const tensor = this.#tensors.get(name);
    const held = this.#held.get(name);
    if (tensor === undefined || held === undefined) {
      throw new BugError(`the parameter '${name}' was not read`);
    }
    const width = planesOf(tensor) ?? Number.POSITIVE_INFINITY;
    const planes = Math.min(depths.get(name) ?? width, held.planes);
    return boundsOfBytes(tensor.dtype, held.bytes, planes);
  }
}

/** The file's structure, zeros where tensors are. @returns where they are; null if it is not stored so. */
async function placeStructure(
  repo: ReadAccess,
  stored: StoredFile,
  file: string,
): Promise<Map<string, number> | null> {
  const source = structureSource(repo, stored);
  if (source === null) return null;
  const out = await WriteFile.create(file);
  try {
    for (let at = 0; at < source.size; at += COPY_BYTES) {
      await out.write(await source.read(at, Math.min(COPY_BYTES, source.size - at)));
    }
  } finally {
    await out.close();
  }
  const read = await ReadFile.open(file);
  try {
    const { tensors } = await onnxReader.layout(read);
    return new Map(
      tensors.flatMap((one) => (one.strides === null ? [[one.name, one.offset]] : [])),
    );
  } finally {
    await read.close();
  }
}

/** Planes of a tensor of which some can be left out; null for others. */
function planesOf(tensor: StoredTensor): number | null {
  const { dtype } = tensor;
  const isFloat = dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
  if (!isFloat || !hasLeadingPlanes(tensor)) return null;
  return dtype === 'F32' ? 4 : 2;
}

function boundsOfBytes(dtype: DType, bytes: Uint8Array, planes: number): ParameterBounds {
  const whole = (): Float32Array => Float32Array.from(typedValues(dtype, bytes.slice()), Number);
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
    const values = whole();
    return { low: values, high: values };
  }
  if (!Number.isFinite(planes) || planes >= (dtype === 'F32' ? 4 : 2)) {
    const values = whole();
    return { low: values, high: values };
  }
  const { least, greatest } = prefixBounds(dtype, bytes, planes);
  if (least instanceof Float32Array && greatest instanceof Float32Array) {
    return { low: least, high: greatest };
  }
  return { low: Float32Array.from(least, Number), high: Float32Array.from(greatest, Number) };
}
