/**
 * Which files of a version make which snapshots.
 *
 * A snapshot is one file with tensors, or an index and its shards, or a model and its external data,
 * once for each role that its tensors have (OBJECTS.md §1).
 */
import path from 'node:path';
import type { Snapshot } from '../repo/file-tree.js';
import { ROLES, type Role } from '../tensor/layout.js';

/** What is known of a file of the version to be. */
export interface SnapshotHint {
  path: string;
  step: number | null;
  roles: readonly Role[];
  /** Paths in the version; those that are not part of it are ignored. */
  references: readonly string[];
}

/**
 * Makes the snapshots of a version.
 * @param step  the user's word (`--step`) for files that changed since the parent, or null.
 * @param changed  paths that changed since the parent.
 */
export function makeSnapshots(
  hints: readonly SnapshotHint[],
  step: number | null = null,
  changed: ReadonlySet<string> = new Set(),
): Snapshot[] {
  const byPath = new Map(hints.map((hint) => [hint.path, hint]));
  const owned = new Set<string>();
  const groups: SnapshotHint[][] = [];
  for (const hint of hints) {
    const members = hint.references.map((ref) => byPath.get(ref)).filter((m) => m !== undefined);
    if (members.length === 0) continue;
    groups.push([hint, ...members]);
    for (const member of members) owned.add(member.path);
  }
  for (const hint of hints) {
    if (!owned.has(hint.path) && !groups.some(([key]) => key === hint)) groups.push([hint]);
  }
  const snapshots: Snapshot[] = [];
  for (const group of groups) {
    const key = group[0] as SnapshotHint;
    if (owned.has(key.path) && group.length === 1) continue;
    const touched = group.some((member) => changed.has(member.path));
    const found = group.map((m) => m.step).find((s) => s !== null) ?? stepOfPath(key.path);
    for (const role of ROLES) {
      const members = group.filter((m) => m === key || m.roles.includes(role));
      if (!group.some((m) => m.roles.includes(role))) continue;
      snapshots.push({
        key: key.path,
        role,
        step: touched && step !== null ? step : found,
        members: members.map((m) => m.path),
      });
    }
  }
  return snapshots;
}

/** The training step that a path names ('ckpt-1000/model.safetensors', '12-step03000.pt'), or null. */
export function stepOfPath(file: string): number | null {
  const names = [path.posix.basename(file), path.posix.basename(path.posix.dirname(file))];
  for (const name of names) {
    const match =
      /(?:^|[^a-z])(?:global[-_]?step|step|iter(?:ation)?|checkpoint|ckpt)[-_=]?(\d{1,15})(?!\d)/i.exec(
        name,
      );
    if (match) return Number(match[1]);
  }
  const bare = /^(\d{1,15})\.[a-z]+$/i.exec(names[0] as string);
  return bare ? Number(bare[1]) : null;
}
