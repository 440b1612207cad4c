/**
 * The series of checkpoints that a run writes, as its versions hold them: which path each file has, and the newest
 * files of the series that a new checkpoint is not of.
 */
import type { Id } from '../../base/bytes/hash.js';
import {
  foldersOfSeries,
  pathInFolder,
  plainPath,
  type SeriesFiles,
} from '../../pure/paths/series-names.js';
import type { RunCheckpoint, RunRecord } from '../../storage/repo/runs/run-record.js';
import { Staging } from '../../storage/repo/staging/staging.js';
import type { StoreAccess } from '../history/access.js';
import type { NewFile } from '../history/commit/make-version.js';
import { stagedEntriesOf } from '../history/commit/staged-version.js';
import { type HeldFile, heldFiles } from './checkpoints/held-files.js';
import type { RunFacts } from './run-facts.js';

/** A version that a run made. */
export interface MadeVersion {
  id: Id;
  facts: RunFacts;
}

/** The newest version of each series. */
export function newestOfSeries(made: Iterable<MadeVersion>): Map<string, MadeVersion> {
  const newest = new Map<string, MadeVersion>();
  for (const one of made) {
    const { series, checkpoint } = one.facts;
    if (checkpoint >= (newest.get(series)?.facts.checkpoint ?? 0)) newest.set(series, one);
  }
  return newest;
}

/** Says where the files of each series are in the next version of a run. */
export async function pathsOfSeries(
  { layout }: StoreAccess,
  { id, checkpoints }: RunRecord,
  newest: ReadonlyMap<string, MadeVersion>,
  own: { checkpoint: RunCheckpoint; files: readonly HeldFile[] },
): Promise<(series: string, inside: string) => string> {
  const known = new Map<string, SeriesFiles & { insides: string[] }>();
  const add = (series: string, insides: Iterable<string>, folder: string): void => {
    const one = known.get(series) ?? { series, insides: [], folder };
    one.insides = [...new Set([...one.insides, ...insides])];
    known.set(series, one);
  };
  for (const { facts } of newest.values()) {
    add(
      facts.series,
      facts.files.map(([, inside]) => inside),
      folderOf(facts),
    );
  }
  for (const one of checkpoints) {
    // What is no version yet counts too: the first version that could know of a series does.
    const isOwn = one.n === own.checkpoint.n;
    if (!isOwn && !/^(writing|held|failed)$/.test(one.state)) continue;
    const files = isOwn
      ? own.files
      : await heldFiles(layout.heldCheckpoint(id, one.n), one.isFolder);
    add(
      one.series,
      files.map(({ inside }) => inside),
      '',
    );
  }
  const folders = foldersOfSeries([...known.values()]);
  return (series, inside) => pathInFolder(folders.get(series) ?? '', plainPath(series, inside));
}

/** The folder in which a version has the files of its series; empty: none. */
function folderOf({ series, files }: RunFacts): string {
  for (const [own, inside] of files) {
    const end = `/${plainPath(series, inside)}`;
    if (own.endsWith(end)) return own.slice(0, -end.length);
  }
  return '';
}

/** The newest files of the other series of a run, where they are in the next version; by series. */
export async function carriedFiles(
  repo: StoreAccess,
  others: Iterable<MadeVersion>,
  pathOf: (series: string, inside: string) => string,
): Promise<Map<string, NewFile[]>> {
  const carried = new Map<string, NewFile[]>();
  for (const { id, facts } of others) {
    const { series } = facts;
    const moved = new Map(facts.files.map(([own, inside]) => [own, pathOf(series, inside)]));
    const tree = await repo.tree(id);
    const files = tree.files.filter(({ path }) => moved.has(path));
    const entries = await stagedEntriesOf(repo, { ...tree, files }, new Staging());
    carried.set(
      series,
      entries.map(({ stat: _, stagedAtNs: __, ...entry }) => {
        const references = entry.hint.references.map((path) => moved.get(path) ?? path);
        const path = moved.get(entry.path) as string;
        return { ...entry, path, hint: { ...entry.hint, references } };
      }),
    );
  }
  return carried;
}
