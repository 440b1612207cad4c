/** How work files differ from what is staged. */

import { sha256 } from '../../base/bytes/hash.js';
import { Pace } from '../../base/bytes/pace.js';
import { type FileStat, ReadFile } from '../../base/files/files.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { isClean, type StagedEntry } from '../../storage/repo/staging/staging.js';
import { LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import { isDenied, lookAtWork, type Oddity, plainFileNow, UNREADABLE } from './scan/work-file.js';

const READ_BYTES = 4 * 1024 * 1024;

/** How a work file differs from its staged entry. */
export interface WorkState {
  /** absent: not there, and never written here. That says nothing of what a person wants. */
  status: 'same' | 'modified' | 'deleted' | 'absent';
  /** What it became that is not a plain file, with what to say of it; null for a file or nothing. */
  odd: { became: Oddity; says: string; behind: FileStat | null } | null;
}

const SAME: WorkState = { status: 'same', odd: null };
const MODIFIED: WorkState = { status: 'modified', odd: null };
const DELETED: WorkState = { status: 'deleted', odd: null };
const ABSENT: WorkState = { status: 'absent', odd: null };

/** A tracked path that differs in the work tree. */
export interface WorkChange extends PathChange {
  /** What it became, if that is not a plain file. */
  became?: Oddity;
  /** True for a link, or what lies below one, that leads to a file: 'add --follow' takes its content. */
  isBehind?: true;
}

/**
 * True if the work file of an entry was seen here with its content: written by a checkout, or added. One
 * that was not is not a deletion when it is not there.
 */
export function wasHere(entry: Pick<StagedEntry, 'stat'>): boolean {
  return entry.stat !== null;
}

/**
 * Work files that differ from their staged entries, and tracked ones that are not there and never were: these do not
 * differ.
 */
export async function workChanges(
  repo: ReadAccess,
  entries: readonly StagedEntry[],
  writtenNs: bigint,
  context: OpContext,
): Promise<{ changes: WorkChange[]; absent: string[] }> {
  const changes: WorkChange[] = [];
  const absent: string[] = [];
  const states = new WorkStates(repo, writtenNs, context.signal);
  const pace = new Pace(context.signal);
  for (const entry of entries) {
    if (pace.isDue()) await pace.step();
    if (states.isSurelySame(entry)) continue;
    const { status, odd } = await states.of(entry);
    if (status === 'absent') absent.push(entry.path);
    if (status === 'same' || status === 'absent') continue;
    changes.push({
      path: entry.path,
      status,
      ...(odd === null ? {} : { became: odd.became }),
      ...(odd === null || odd.behind === null ? {} : { isBehind: true }),
    });
  }
  return { changes, absent };
}

/**
 * Compares work files with staged entries. Only a file whose times prove nothing, of equal size, is
 * read. A symbolic link whose file has the staged content is the same: `add --follow` staged it so.
 */
export class WorkStates {
  readonly #repo: Pick<ReadAccess, 'layout'>;
  readonly #writtenNs: bigint;
  readonly #signal: AbortSignal | undefined;
  readonly #guard: LinkGuard;

  /** @param writtenNs mtime of the staging file. */
  constructor(repo: Pick<ReadAccess, 'layout'>, writtenNs: bigint, signal?: AbortSignal) {
    this.#repo = repo;
    this.#writtenNs = writtenNs;
    this.#signal = signal;
    this.#guard = new LinkGuard(repo.layout.workTree);
  }

  /** True if size and times tell at once that a work file is as it was staged; false says nothing. */
  isSurelySame(entry: StagedEntry): boolean {
    const stat = plainFileNow(this.#repo.layout, this.#guard, entry.path);
    return stat !== null && hasSameShape(entry, stat) && isClean(entry, stat, this.#writtenNs);
  }

  async of(entry: StagedEntry): Promise<WorkState> {
    const there = await lookAtWork(this.#repo.layout, this.#guard, entry.path);
    if (there.kind === 'gone') return wasHere(entry) ? DELETED : ABSENT;
    try {
      if (there.kind === 'file') return await this.#compare(entry, there.stat);
      const same = there.behind !== null && (await this.#compare(entry, there.behind)) === SAME;
      return same ? SAME : { status: 'modified', odd: there };
    } catch (error) {
      if (isDenied(error)) return { status: 'modified', odd: UNREADABLE };
      throw error;
    }
  }

  async #compare(entry: StagedEntry, stat: FileStat): Promise<WorkState> {
    if (!hasSameShape(entry, stat)) return MODIFIED;
    if (isClean(entry, stat, this.#writtenNs)) return SAME;
    const hash = await hashFile(this.#repo.layout.workFile(entry.path), this.#signal);
    return hash === entry.sha256 ? SAME : MODIFIED;
  }
}

function hasSameShape(entry: StagedEntry, stat: FileStat): boolean {
  return stat.size === entry.size && modeOf(stat) === entry.mode;
}

/** The mode of a version's file that a work file has. */
export function modeOf(stat: FileStat): 0o644 | 0o755 {
  return stat.mode & 0o100 ? 0o755 : 0o644;
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
