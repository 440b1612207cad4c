/** How work files differ from what is staged. */

import { sha256 } from '../../base/bytes/hash.js';
import { ReadFile, statOrNull } from '../../base/files/files.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { isClean, type StagedEntry } from '../../storage/repo/staging/staging.js';
import type { OpContext } from '../context.js';
import type { PathChange } from '../history/commit/staged-changes.js';

const READ_BYTES = 4 * 1024 * 1024;

/** Work files that differ from their staged entries. */
export async function workChanges(
  repo: ReadAccess,
  entries: readonly StagedEntry[],
  writtenNs: bigint,
  context: OpContext,
): Promise<PathChange[]> {
  const changes: PathChange[] = [];
  for (const entry of entries) {
    const state = await workState(repo, entry, writtenNs, context.signal);
    if (state !== 'same') changes.push({ path: entry.path, status: state });
  }
  return changes;
}

/**
 * How a work file differs from its staged entry. Only a file whose times prove nothing, of equal
 * size, is read.
 */
export async function workState(
  repo: ReadAccess,
  entry: StagedEntry,
  writtenNs: bigint,
  signal?: AbortSignal,
): Promise<'same' | 'modified' | 'deleted'> {
  const there = await statOrNull(repo.layout.workFile(entry.path));
  if (there === null) return 'deleted';
  if (!there.isFile || there.stat.size !== entry.size) return 'modified';
  const executable = (there.stat.mode & 0o100) !== 0;
  if (executable !== (entry.mode === 0o755)) return 'modified';
  if (isClean(entry, there.stat, writtenNs)) return 'same';
  return (await hashFile(repo.layout.workFile(entry.path), signal)) === entry.sha256
    ? 'same'
    : 'modified';
}

/** Hex sha256 of a file. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const source = await ReadFile.open(file);
  try {
    const hash = sha256();
    for (let at = 0; at < source.size; at += READ_BYTES) {
      signal?.throwIfAborted();
      hash.update(await source.read(at, Math.min(READ_BYTES, source.size - at)));
    }
    return hash.digest('hex');
  } finally {
    await source.close();
  }
}
