/** `load`: the tensors of one checkpoint of a version, by name, as typed arrays. */

import { totalmem } from 'node:os';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { LimitError } from '../../base/errors.js';
import type { DType } from '../../pure/tensor/dtype.js';
import type { Role } from '../../pure/tensor/layout.js';
import { type TypedValues, typedValues } from '../../pure/tensor/typed-values.js';
import { bringTensors } from '../../storage/objects/stored/bring.js';
import { eachTensor, loadTensors } from '../../storage/objects/stored/load-tensors.js';
import { tensorBytes } from '../../storage/objects/stored/tensors.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { Snapshot } from '../../storage/repo/version/file-page.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { OpContext } from '../context.js';
import { type NamedTensor, namedTensorsOf, pickNames } from '../history/find-tensors.js';
import { resolveId } from '../history/lines/resolve.js';
import { warnOfMissingParts } from '../history/steps/missing-parts.js';
import { chooseSnapshot } from '../history/steps/pick-snapshot.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import type { Repository } from '../repository.js';

export type { TypedValues } from '../../pure/tensor/typed-values.js';

export interface LoadOptions extends AcceptTier {
  revision: string;
  /** File, index of shards, or folder: where the version has several checkpoints. */
  path?: string;
  /** What is loaded; default: weights. */
  role?: Role;
  /** Only these tensors. */
  names?: readonly string[];
  /** F16, BF16 and 8-bit floats as their bits, not widened to float32. */
  bits?: boolean;
}

/** A tensor with its elements. */
export interface LoadedTensor {
  name: string;
  dtype: DType;
  shape: number[];
  /** Row-major. F16, BF16 and 8-bit floats are float32 unless bits were asked for. */
  values: TypedValues;
}

/** A checkpoint that was not loaded. */
export interface OtherSnapshot {
  /** Its `path` for another call. */
  key: string;
  step: number | null;
}

export interface LoadResult {
  version: Id;
  /** Path of the checkpoint's file, or of the index of its shards. */
  key: string;
  role: Role;
  step: number | null;
  /** All its files. */
  files: string[];
  /** By the names that `show`, `diff` and `cat` use, in the order of the file. */
  tensors: Map<string, LoadedTensor>;
  /** What else the version has of the role. */
  others: OtherSnapshot[];
}

interface Plan {
  version: Id;
  snapshot: Snapshot;
  others: Snapshot[];
  tensors: NamedTensor[];
}

/**
 * Loads one checkpoint of a version. Where it has several, one that is outside numbered folders
 * is taken, else that of the last step; `others` names the rest.
 * @throws {NotFoundError} {LimitError} if it does not fit in memory; {TierError} {CorruptError}
 */
export async function load(
  repo: Repository,
  options: LoadOptions,
  context: OpContext,
): Promise<LoadResult> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const { version, snapshot, others, tensors } = await plan(repo, options, context);
    await bringTensors(
      repo,
      tensors.map(({ tensor }) => tensor),
    );
    const bytes = tensors.reduce((sum, { tensor }) => sum + tensorBytes(tensor), 0);
    checkMemory(snapshot, bytes);
    context.progress.start('loading', bytes);
    const arrays = await loadTensors(
      repo,
      tensors.map(({ tensor }) => tensor),
      { ...signalOf(context), onBytes: (count) => context.progress.advance(count) },
    );
    const loaded = tensors.map((named, i) => loadedTensor(named, arrays[i] as Uint8Array, options));
    const { key, role, step, members } = snapshot;
    return {
      version,
      key,
      role,
      step,
      files: members,
      tensors: new Map(loaded.map((tensor) => [tensor.name, tensor])),
      others: others.map((other) => ({ key: other.key, step: other.step })),
    };
  } finally {
    context.progress.finish();
    await reader.close();
  }
}

/** The same tensors one after another: memory holds some 64 MiB of them, or the largest. */
export async function* loadEach(
  repo: Repository,
  options: LoadOptions,
  context: OpContext,
): AsyncGenerator<LoadedTensor> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const { tensors } = await plan(repo, options, context);
    const stored = tensors.map(({ tensor }) => tensor);
    await bringTensors(repo, stored);
    for await (const { tensor, bytes } of eachTensor(repo, stored, signalOf(context))) {
      throwIfAborted(context.signal);
      yield loadedTensor(tensors[tensor] as NamedTensor, bytes, options);
    }
  } finally {
    await reader.close();
  }
}

async function plan(repo: Repository, options: LoadOptions, context: OpContext): Promise<Plan> {
  const { revision, names, acceptTier } = options;
  const version = await resolveId(repo, revision);
  const page = await repo.tree(version);
  const label = `version ${shortId(version)}`;
  const { snapshot, others } = chooseSnapshot(page, options, label, context);
  const members = new Set(snapshot.members);
  checkTiers(
    page.files.filter(({ path }) => members.has(path)),
    acceptTier,
    context,
  );
  await warnOfMissingParts(repo, page, snapshot, context);
  const all = await namedTensorsOf(repo, page, snapshot);
  const tensors = names === undefined ? all : pickNames(all, names, snapshot.key);
  return { version, snapshot, others, tensors };
}

/** @throws {LimitError} before anything is allocated that the machine has no memory for. */
function checkMemory({ key }: Snapshot, bytes: number): void {
  const memory = totalmem();
  if (bytes <= memory) return;
  throw new LimitError(`the tensors of '${key}' take ${bytes} bytes; the machine has ${memory}`, {
    file: key,
    hint: 'load them one after another with loadEach, or only some with names',
  });
}

function signalOf({ signal }: OpContext): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function loadedTensor(
  { name, tensor: { dtype, shape } }: NamedTensor,
  bytes: Uint8Array,
  { bits }: LoadOptions,
): LoadedTensor {
  return { name, dtype, shape, values: typedValues(dtype, bytes, bits) };
}
