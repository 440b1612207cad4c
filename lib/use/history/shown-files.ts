/** The files of a version as they are shown: roles, checkpoints and their series, tiers. */
import type { Id } from '../../base/bytes/hash.js';
import type { Role } from '../../pure/tensor/layout.js';
import type { TierErrors } from '../../pure/tensor/tier-errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { VersionTier } from '../../storage/objects/tiers.js';
import { dayOf } from '../../storage/objects/tombstones.js';
import { formatAuthor } from '../../storage/repo/settings/author.js';
import type { FileEntry, FilePage, Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { type FileMode, modeText } from './diff/files.js';
import { type FileRole, fileRoles, groupSeries, readMetrics } from './steps/checkpoints.js';
import { type MetricValue, metricValue } from './version-values.js';
import { formatMoment } from './versions.js';

/** One file of a version. */
export interface ShownFile {
  path: string;
  mode: FileMode;
  size: number;
  /** Of the exact bytes, as they were added. */
  sha256: string;
  /** What it is for: 'weights', 'optimizer', 'ema', 'scheduler', 'rng', 'tokenizer', … or 'other'. */
  role: FileRole;
  /** Tier that the file is kept as; null if its exact bytes are kept. */
  tier: string | null;
  /** When and why its content was given up: '2026-01-31 (keep: last 5)'; null: it was not. */
  givenUp: string | null;
}

/** A checkpoint of a series: a folder, or a file, with a step in its name. */
export interface ShownCheckpoint {
  path: string;
  step: number;
  files: number;
  bytes: number;
  /** Bytes by what the files are for. */
  roles: Partial<Record<FileRole, number>>;
  /** What was measured at its step: by the version, by trainer_state.json, by its name. */
  metrics: Record<string, MetricValue>;
}

/** Checkpoints of one run, by step. */
export interface ShownSeries {
  /** What their paths have in common: 'checkpoint-*'. */
  name: string;
  checkpoints: ShownCheckpoint[];
}

/** What was given up of one file. */
export interface ShownTierFile extends TierErrors {
  path: string;
  /** Of the bytes that are kept. */
  sha256: string;
  /** Extents replaced. */
  extents: number;
}

/** A tier that a version was given. */
export interface ShownTier {
  tier: string;
  author: string;
  time: string;
  /** Files that it replaces now. */
  files: ShownTierFile[];
}

/** One checkpoint of a version. */
export interface ShownSnapshot {
  /** Path of the file, or of the index of its shards. */
  key: string;
  role: Role;
  step: number | null;
  files: number;
  bytes: number;
}

/** Files and checkpoints as they are shown. */
export function shownFiles(
  files: readonly FileEntry[],
  snapshots: readonly Snapshot[],
): { files: ShownFile[]; snapshots: ShownSnapshot[] } {
  const roles = fileRoles(files, snapshots);
  const sizes = new Map(files.map((file) => [file.path, file.size]));
  return {
    files: files.map(({ path, mode, size, sha256, tier, tombstone }) => ({
      path,
      mode: modeText(mode),
      size,
      sha256: tier?.exactSha256 ?? sha256,
      role: roles.get(path) ?? 'other',
      tier: tier?.name ?? null,
      givenUp: tombstone === undefined ? null : `${dayOf(tombstone)} (${tombstone.why})`,
    })),
    snapshots: snapshots.map((snapshot) => shownSnapshot(snapshot, sizes)),
  };
}

/** Series of checkpoints with what was measured at their steps. */
export async function shownSeries(
  repo: ReadAccess,
  version: Id,
  { files, snapshots }: FilePage,
  context: OpContext,
): Promise<ShownSeries[]> {
  const series = groupSeries(files);
  await readMetrics(repo, series, (await repo.version(version)).metrics, context);
  const roles = fileRoles(files, snapshots);
  return series.map(({ name, checkpoints }) => ({
    name,
    checkpoints: checkpoints.map((checkpoint): ShownCheckpoint => {
      const byRole: ShownCheckpoint['roles'] = {};
      for (const { path, size } of checkpoint.files) {
        const role = roles.get(path) ?? 'other';
        byRole[role] = (byRole[role] ?? 0) + size;
      }
      const { path, step, bytes, metrics } = checkpoint;
      return {
        path,
        step,
        files: checkpoint.files.length,
        bytes,
        roles: byRole,
        metrics: Object.fromEntries([...metrics].map(([key, value]) => [key, metricValue(value)])),
      };
    }),
  }));
}

/** Tiers of a version, the oldest first. */
export function shownTiers(tier: VersionTier | null, files: readonly FileEntry[]): ShownTier[] {
  const shown = [...(tier?.notes ?? [])].map((note): ShownTier => {
    const rows: ShownTierFile[] = [];
    for (const { path, tier: mark } of files) {
      const found = mark === undefined ? null : tier?.fileOf(mark.exactRecipe);
      if (found?.note.id !== note.id) continue;
      const { sha256, extents, elements, maxAbs, rms, relative } = found.file;
      rows.push({ path, sha256, extents, elements, maxAbs, rms, relative });
    }
    const author = formatAuthor(note.author);
    return {
      tier: note.tier.tier,
      author,
      time: formatMoment(note.time, note.tzMinutes),
      files: rows,
    };
  });
  return shown.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

function shownSnapshot(snapshot: Snapshot, sizes: ReadonlyMap<string, number>): ShownSnapshot {
  const { key, role, step, members } = snapshot;
  const bytes = members.reduce((sum, path) => sum + (sizes.get(path) ?? 0), 0);
  return { key, role, step, files: members.length, bytes };
}
