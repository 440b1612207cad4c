/** Brings a run back to where its last complete checkpoint left it, so that its command can go on from there. */

import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { maxOf } from '../../base/bytes/many.js';
import { ConflictError } from '../../base/errors.js';
import { makeDirectory, removeFile, renameFile, WriteFile } from '../../base/files/files.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import { placeOf, type RunRecord, recordPlace } from '../../storage/repo/runs/run-record.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { hashOf } from './file-hash.js';
import { versionsOfRun } from './run-facts.js';

/** Where a run goes on from. */
export interface ResumePoint {
  /** The last complete checkpoint: its file or folder, absolute; null if there is none. */
  checkpoint: string | null;
  step: number | null;
  /** Files that were written. */
  restored: string[];
  /** What was cut off, and where it is now. */
  setAside: { from: string; to: string }[];
}

/** A checkpoint and the version that has its files: paths there, each with the path below the place. */
interface Kept {
  id: Id;
  place: string;
  series: string;
  files: [string, string][];
}

/** Restores the newest checkpoint of each series at its place, and takes what is cut off out of the way. */
export async function restoreLast(
  repo: StoreAccess,
  record: RunRecord,
  context: OpContext,
): Promise<ResumePoint> {
  const { layout } = repo;
  const tip = await readRef(layout, branchRefName(record.model, record.branch));
  const versions = await versionsOfRun(repo, tip, record);
  const checkpoints = new Map<number, Kept>();
  for (const [n, { id, facts }] of versions) checkpoints.set(n, { id, ...facts });
  for (const { n, place, series, version, copies } of record.checkpoints) {
    if (version !== null && copies !== undefined && !checkpoints.has(n)) {
      checkpoints.set(n, { id: version, place, series, files: copies });
    }
  }
  const newest = new Map<string, number>();
  for (const [n, { series }] of checkpoints)
    newest.set(series, Math.max(newest.get(series) ?? 0, n));
  const point: ResumePoint = { checkpoint: null, step: null, restored: [], setAside: [] };
  await setAside(repo, record, maxOf(newest.values(), 0), point);
  for (const n of [...newest.values()].sort((a, b) => a - b)) {
    const { id, files, ...its } = checkpoints.get(n) as Kept;
    const place = placeOf(layout, its.place);
    const entries = new Map((await repo.tree(id)).files.map((entry) => [entry.path, entry]));
    for (const [own, inside] of files) {
      const entry = entries.get(own);
      if (entry === undefined) continue;
      const target = inside === '' ? place : insideOf(place, inside);
      if (await restore(repo, entry, target, context))
        point.restored.push(recordPlace(layout, target));
    }
    point.checkpoint = place;
    point.step = record.checkpoints.find((one) => one.n === n)?.step ?? null;
  }
  return point;
}

/** @throws {ConflictError} for a path that leads out of the checkpoint. */
function insideOf(place: string, inside: string): string {
  const target = path.resolve(place, inside);
  if (target.startsWith(place + path.sep)) return target;
  throw new ConflictError(`'${inside}' is not below its checkpoint '${place}'`, { path: inside });
}

/** Writes a file unless it is there as it was. @returns whether it was written. */
async function restore(
  repo: StoreAccess,
  entry: FileEntry,
  target: string,
  { signal }: OpContext,
): Promise<boolean> {
  const { kind, stat } = await statThrough(target);
  if (kind === 'file' && stat?.size === entry.size && (await hashOf(target)) === entry.sha256)
    return false;
  await makeDirectory(path.dirname(target));
  const out = await WriteFile.createTemporary(target);
  try {
    const file = await openStoredFile(repo, entry);
    for await (const bytes of streamFile(repo, file, signal ? { signal } : {}))
      await out.write(bytes);
    await out.syncAndClose();
    await renameFile(out.path, target);
  } catch (error) {
    await out.close().catch(() => {});
    await removeFile(out.path).catch(() => {});
    throw error;
  }
  return true;
}

/** A trainer that looks for its last checkpoint must not find one that is cut off. */
async function setAside(
  { layout }: StoreAccess,
  { checkpoints }: RunRecord,
  last: number,
  point: ResumePoint,
): Promise<void> {
  const whole = new Set(
    checkpoints.flatMap(({ state, place }) => (state === 'committed' ? [place] : [])),
  );
  for (const { n, state, place, series } of checkpoints) {
    if (state !== 'incomplete' || n < last || whole.has(place) || !series.includes('*')) continue;
    const from = placeOf(layout, place);
    if ((await statThrough(from)).kind === 'nothing') continue;
    let to = `${from}.incomplete`;
    for (let i = 2; (await statThrough(to)).kind !== 'nothing'; i++) to = `${from}.incomplete-${i}`;
    await renameFile(from, to);
    point.setAside.push({ from: place, to: recordPlace(layout, to) });
  }
}
