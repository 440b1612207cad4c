/** `dlv cat`: the bytes of a file, of a tensor, or of all tensors as one safetensors file. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import { loadedCopy } from '../extracting/loaded-copy.js';
import {
  type Extracted,
  type ExtractFormat,
  type ExtractOptions,
  planExtraction,
} from '../extracting/plan-extraction.js';
import type { Repository } from '../repository.js';

export type CatFormat = ExtractFormat;

export interface CatOptions extends ExtractOptions {
  /** Writes a file below .dlv that a program may map, or finds the one of an earlier call. */
  toCache?: boolean;
}

export interface CatResult extends Extracted {
  /** With `toCache`, the file that holds the bytes; it is never written again. Else null. */
  file: string | null;
}

/** Where the bytes go. Resolves when more may come; false ends the work. */
export type CatSink = (bytes: Uint8Array) => Promise<boolean>;

/**
 * Writes what is asked for, in pieces of at most a few tens of MiB.
 * @param sink  null: writes nothing and only says what would be written.
 * @throws {CorruptError} also at the end, if the bytes are not those of the version.
 */
export async function cat(
  repo: Repository,
  options: CatOptions,
  sink: CatSink | null,
  context: OpContext,
): Promise<CatResult> {
  if (options.toCache) return loadedCopy(repo, options, context);
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const job = await planExtraction(repo, options, context);
    if (sink !== null) {
      for await (const bytes of job.stream()) {
        throwIfAborted(context.signal);
        if (!(await sink(bytes))) break;
      }
    }
    return { ...job.result, file: null };
  } finally {
    await reader.close();
  }
}

/** The bytes that `cat` writes, for a caller that takes them one after another. */
export async function* streamBytes(
  repo: Repository,
  options: CatOptions,
  context: OpContext,
): AsyncGenerator<Uint8Array> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    for await (const bytes of (await planExtraction(repo, options, context)).stream()) {
      throwIfAborted(context.signal);
      yield bytes;
    }
  } finally {
    await reader.close();
  }
}
