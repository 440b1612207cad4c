/**
 * The files of a version in the form of staging, and the state of a line after it moves to a
 * version.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { FileStat } from '../../../base/files/files.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import {
  changedEntry,
  type EntryFields,
  type StagedEntry,
  type Staging,
} from '../../../storage/repo/staging/staging.js';
import type { FileEntry, FilePage } from '../../../storage/repo/version/file-page.js';
import type { SnapshotHint } from '../../../storage/repo/version/snapshots.js';

/** True if two entries have the same content and mode. */
export function sameFile(
  a: Pick<FileEntry, 'sha256' | 'mode'>,
  b: Pick<FileEntry, 'sha256' | 'mode'>,
): boolean {
  return a.sha256 === b.sha256 && a.mode === b.mode;
}

/**
 * Entries for the files of a version. What staging knows of a file of the same content is kept, its
 * state in the work tree included; else the state is unknown.
 */
export async function stagedEntriesOf(
  repo: ReadAccess,
  tree: FilePage,
  staging: Staging,
): Promise<EntryFields[]> {
  const references = new Map<string, Set<string>>();
  const steps = new Map<string, number>();
  for (const { key, members, step } of tree.snapshots) {
    const others = references.get(key) ?? new Set();
    for (const member of members) if (member !== key) others.add(member);
    references.set(key, others);
    if (step !== null) steps.set(key, step);
  }
  const entries: EntryFields[] = [];
  for (const file of tree.files) {
    const step = steps.get(file.path) ?? null;
    const known = staging.entry(file.path);
    if (known !== null && sameFile(known, file) && known.recipe.id === file.recipe.id) {
      entries.push(changedEntry(known, { step: step ?? known.step }));
      continue;
    }
    const { format, roles } = await describeFile(repo, file);
    const hint: SnapshotHint = { references: [...(references.get(file.path) ?? [])], roles };
    entries.push({ ...file, stat: null, stagedAtNs: '0', format, step, hint });
  }
  return entries;
}

/** The state of a file that was here with other content: no work file has it, so each is read. */
export const SEEN: FileStat = { size: 0, mtimeNs: '0', ctimeNs: '0', inode: '0', mode: 0 };

/**
 * Entries that take the place of what is staged for a line, of any version. If the work file of one is gone, it was
 * deleted, as rm and mv do, unless it was never written here: the line has it unwritten, or has it not and no
 * file of the line was ever here.
 */
export function asSeen(
  entries: readonly StagedEntry[],
  before: Staging,
  model: string,
): StagedEntry[] {
  const line = before.get(model) === undefined ? null : before.entries(model);
  const isHere = line !== null && (line.length === 0 || line.some(({ stat }) => stat !== null));
  return entries.map((entry) => {
    const known = before.entry(entry.path);
    const wasSeen = known === null ? isHere : known.stat !== null;
    return entry.stat === null && wasSeen ? changedEntry(entry, { stat: SEEN }) : entry;
  });
}

async function describeFile(
  repo: ReadAccess,
  file: FileEntry,
): Promise<{ format: string; roles: SnapshotHint['roles'] }> {
  const { skeleton } = await openStoredFile(repo, file);
  const roles = new Set((skeleton?.tensors ?? []).map((tensor) => tensor.role));
  return { format: skeleton?.format ?? 'blob', roles: [...roles] };
}

/** Replaces the files of a line by `entries`, which `version` holds. */
export function moveLine(
  staging: Staging,
  model: string,
  to: { version: Id | null; branch: string | null; entries: readonly StagedEntry[] },
): void {
  const line = staging.open(model, to.branch);
  const wanted = new Set(to.entries.map((entry) => entry.path));
  for (const { path } of staging.entries(model)) if (!wanted.has(path)) staging.remove(path);
  for (const entry of to.entries) staging.put(model, entry);
  line.branch = to.branch;
  line.base = to.version;
  line.otherParents = [];
  line.sets = [];
}

/** @throws {ConflictError} if a line is not as it was planned with: another command worked on it. */
export function checkUnchanged(planned: Staging, now: Staging, model: string): void {
  const before = planned.get(model);
  const after = now.get(model);
  const a = planned.entries(model);
  const b = now.entries(model);
  const same =
    before?.base === after?.base &&
    before?.branch === after?.branch &&
    a.length === b.length &&
    a.every((entry, i) => {
      const other = b[i] as StagedEntry;
      return entry.path === other.path && sameFile(entry, other);
    });
  if (same) return;
  throw new ConflictError(`another command changed what is staged for '${model}' meanwhile`, {
    model,
    hint: "run the command again; 'dlv status' shows the state",
  });
}
