/**
 * Checkpoints that are copies of others: a trainer writes its newest weights as `last.ckpt` as well. Such a copy is no
 * version of its own.
 */
import type { Id } from '../../base/bytes/hash.js';
import { statOrNull } from '../../base/files/files.js';
import type { RunCheckpoint } from '../../storage/repo/runs/run-record.js';
import type { StoreAccess } from '../history/access.js';
import type { HeldFile } from './checkpoints/held-files.js';
import { hashOf } from './file-hash.js';
import type { MadeVersion } from './series-files.js';

/** A version that has the files of a checkpoint. */
interface Equal {
  id: Id;
  number: number | null;
  copies: [string, string][];
}

/** Versions that are looked at: a copy is of one that was made about when it was. */
const VERSIONS_MAX = 16;

/** A version of another series that has all files of a checkpoint without a step; null for none. @throws {IoError} */
export async function equalVersion(
  repo: StoreAccess,
  made: Iterable<MadeVersion>,
  { step, series }: Pick<RunCheckpoint, 'step' | 'series'>,
  files: readonly HeldFile[],
): Promise<Equal | null> {
  if (step !== null) return null;
  const others = [...made].filter(({ facts }) => facts.series !== series);
  others.sort((a, b) => b.facts.checkpoint - a.facts.checkpoint);
  for (const { id, facts } of others.slice(0, VERSIONS_MAX)) {
    const copies = await copiesIn(repo, { id, facts }, files);
    if (copies !== null) return { id, number: (await repo.version(id)).number, copies };
  }
  return null;
}

async function copiesIn(
  repo: StoreAccess,
  { id, facts }: MadeVersion,
  files: readonly HeldFile[],
): Promise<[string, string][] | null> {
  const own = new Set([
    ...facts.files.map(([path]) => path),
    ...Object.values(facts.others).flat(),
  ]);
  const entries = (await repo.tree(id)).files.filter(({ path }) => own.has(path));
  const copies: [string, string][] = [];
  for (const { inside, file } of files) {
    const size = (await statOrNull(file))?.stat.size;
    // Most files differ in their sizes: only where none does are they read.
    if (!entries.some((entry) => entry.size === size)) return null;
    const hash = await hashOf(file);
    const equal = entries.find((entry) => entry.sha256 === hash);
    if (equal === undefined) return null;
    copies.push([equal.path, inside]);
  }
  return copies;
}

/**
 * Those that are held, in their order; but one that nothing numbers, and that was seen before a numbered one of its size
 * though it was written later, comes after that: it may be a copy of it.
 */
export function heldInOrder(checkpoints: readonly RunCheckpoint[]): RunCheckpoint[] {
  const held = checkpoints.filter(({ state }) => state === 'held' || state === 'failed');
  const after = new Map<number, RunCheckpoint[]>();
  const first = held.filter((one) => {
    if (one.step !== null || isAfterPeer(checkpoints, one)) return true;
    const peer = held.find((other) => {
      return other.n > one.n && isPeer(other, one) && other.written <= one.written;
    });
    if (peer !== undefined) after.set(peer.n, [...(after.get(peer.n) ?? []), one]);
    return peer === undefined;
  });
  return first.flatMap((one) => [one, ...(after.get(one.n) ?? [])]);
}

function isPeer({ step, bytes }: RunCheckpoint, one: RunCheckpoint): boolean {
  return step !== null && bytes === one.bytes;
}

/** True if a numbered one of its size came since the one before of its own series. */
function isAfterPeer(checkpoints: readonly RunCheckpoint[], one: RunCheckpoint): boolean {
  const before = checkpoints.filter(({ n }) => n < one.n);
  const own = before.findLast(({ series }) => series === one.series)?.n ?? 0;
  return before.some((other) => other.n > own && isPeer(other, one));
}

/** What the versions after a copy carry along of its series: the files that it has beside copies of another checkpoint. */
export function besideCopies(
  made: Iterable<MadeVersion>,
  { n, series, version, copies = [] }: RunCheckpoint,
): MadeVersion | null {
  for (const { id, facts } of made) {
    if (id !== version) continue;
    const own = new Set(facts.files.map(([path]) => path));
    const files = copies.filter(([path]) => !own.has(path));
    return { id, facts: { ...facts, series, checkpoint: n, files } };
  }
  return null;
}
