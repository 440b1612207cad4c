/** One file that is staged, as values. */
import type { FileStat } from '../../../base/files/files.js';
import type { FileEntry, FileMode, RecipeRef } from '../version/file-page.js';
import type { HintedFile, SnapshotHint } from '../version/snapshots.js';

/**
 * A file that is stored and will be part of the next version of its model. Where it was read from staging its fields
 * are decoded when they are asked for (read-entry.ts): so it is never spread, which would lose them and which the
 * compiler refuses, but copied by `changedEntry`.
 */
export abstract class StagedEntry implements FileEntry, HintedFile {
  abstract get path(): string;
  abstract get mode(): FileMode;
  abstract get size(): number;
  abstract get sha256(): string;
  abstract get gitSha1(): string | null;
  abstract get recipe(): RecipeRef;
  /** State of the work file when it was opened to be hashed; null if it is not known to match. */
  abstract get stat(): FileStat | null;
  /** When that was, nanoseconds since 1970 as decimal text. */
  abstract get stagedAtNs(): string;
  abstract get format(): string;
  abstract get step(): number | null;
  abstract get hint(): SnapshotHint;
  /** `sameStat` with its stat, where that can be told without decoding it. */
  hasStat?(stat: FileStat): boolean;
  row?(): Uint8Array;
}

/** Fields of an entry, by their names. */
export type EntryFields = { [K in Exclude<keyof StagedEntry, 'hasStat' | 'row'>]: StagedEntry[K] };

/** The fields of an entry as an object of its own, some of them changed. */
export function changedEntry(
  entry: StagedEntry,
  changes: Readonly<Partial<EntryFields>> = {},
): EntryFields {
  const { path, mode, size, sha256, gitSha1, recipe, stat, stagedAtNs, format, step, hint } = entry;
  const fields = {
    path,
    mode,
    size,
    sha256,
    gitSha1,
    recipe,
    stat,
    stagedAtNs,
    format,
    step,
    hint,
  };
  return { ...fields, ...changes };
}
