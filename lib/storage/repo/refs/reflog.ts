/**
 * Reflogs: where a ref pointed, when, and why it moved. One line for each move, with a checksum.
 *
 * The line of a move is written before its ref moves, so that a move that fails leaves a line that never
 * took effect: such a line is told by the next one, which starts from another id. These lines are not
 * synced; what a power cut tears is reported as damaged and costs no version. The line of a creation is
 * written after its ref, that of a deletion before, and both are synced: a log whose last line leads to
 * a version belongs to a ref that has to be there. @see docs/format/refs.md
 */

import path from 'node:path';
import { type Id, isId } from '../../../base/bytes/hash.js';
import { filledLines } from '../../../base/bytes/lines.js';
import { PLAIN } from '../../../base/bytes/printable.js';
import { checkReadable, lineSum } from '../../../base/bytes/sealed.js';
import { appendLines } from '../../../base/files/append-lines.js';
import { makeDurableDirectory } from '../../../base/files/files.js';
import { listTree, readTail } from '../../../base/files/small-files.js';
import { DAMAGED_LINES_MAX, REFLOG_BYTES_MAX } from '../../../base/limits.js';
import { isNoState } from '../git-markers.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';

/** What is said about one move of a ref. */
export interface MoveReason {
  /** 'name <email>'. */
  who: string;
  /** Milliseconds since 1970. */
  time: number;
  /** 'commit: <subject>', 'reset: moving to …'. */
  reason: string;
}

/** One move of a ref. null stands for "no version". */
export interface ReflogEntry extends MoveReason {
  before: Id | null;
  after: Id | null;
}

/** A reflog as read back. */
export interface Reflog {
  /** Moves that took effect, oldest first. */
  entries: ReflogEntry[];
  /** Numbers of the lines (from 1) whose checksum is wrong, at most DAMAGED_LINES_MAX of them. */
  damaged: number[];
}

const NO_VERSION = '0'.repeat(64);

/** Tells readReflog that the ref's value is not known: it then leaves no move out. */
export const NOT_A_VERSION = NO_VERSION as Id;

function oneLine(text: string): string {
  return (PLAIN.test(text) ? text : text.replace(/[\p{Cc}\p{Cs}]+/gu, ' ')).trim();
}

/** One line, with its checksum and line feed. */
export function formatReflogLine(entry: ReflogEntry): string {
  const who = oneLine(entry.who).replaceAll('\t', ' ');
  const body = `${entry.before ?? NO_VERSION} ${entry.after ?? NO_VERSION} ${entry.time} ${who}\t${oneLine(entry.reason)}`;
  return `${lineSum(body)} ${body}\n`;
}

/** The mirror of formatReflogLine, without the line feed; null if the line is damaged. */
export function parseReflogLine(line: string): ReflogEntry | null {
  const body = line.slice(9);
  if (line[8] !== ' ' || lineSum(body) !== line.slice(0, 8)) return null;
  const match = /^([0-9a-f]{64}) ([0-9a-f]{64}) (\d{1,16}) ([^\t]*)\t(.*)$/su.exec(body);
  if (!match) return null;
  const [, before = '', after = '', time, who = '', reason = ''] = match;
  const idOrNull = (text: string): Id | null =>
    text !== NO_VERSION && isId(text) ? (text as Id) : null;
  return { before: idOrNull(before), after: idOrNull(after), time: Number(time), who, reason };
}

function readableLine(file: string, entry: ReflogEntry): string {
  const line = formatReflogLine(entry);
  checkReadable(file, () => {
    const read = parseReflogLine(line.slice(0, -1));
    if (line.indexOf('\n') !== line.length - 1 || read?.after !== entry.after) {
      throw new Error('the line would not be understood');
    }
  });
  return line;
}

/** Appends one line. @param name a checked ref name, or 'HEAD'. */
export async function appendReflog(
  lock: RepositoryLock,
  name: string,
  entry: ReflogEntry,
): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.log(name);
  await makeDurableDirectory(path.dirname(file));
  // A ref begins or ends: only these lines show later that a ref is missing.
  const sync = name !== 'HEAD' && (entry.before === null || entry.after === null);
  await appendLines(file, readableLine(file, entry), { sync });
}

/** Appends lines to a log that is a list; they are on the disk when this returns. */
export async function appendListLog(
  lock: RepositoryLock,
  name: string,
  entries: readonly ReflogEntry[],
): Promise<void> {
  lock.assertHeld();
  if (entries.length === 0) return;
  const file = lock.layout.log(name);
  await makeDurableDirectory(path.dirname(file));
  const lines = entries.map((entry) => readableLine(file, entry));
  await appendLines(file, lines.join(''), { sync: true });
}

/** Why a ref came to where it is: the reason of the last move, if that led to `current`; else null. */
export async function lastReason(
  layout: Layout,
  name: string,
  current: Id,
): Promise<string | null> {
  const last = (await readReflog(layout, name, current)).entries.at(-1);
  return last?.after === current ? last.reason : null;
}

/**
 * True if no line says how a ref that is there came to be: the command that made it was interrupted
 * between the ref and its line.
 */
export async function isUnlogged(layout: Layout, name: string, current: Id): Promise<boolean> {
  const { entries } = await readReflog(layout, name, current);
  return (entries.at(-1)?.after ?? null) === null;
}

/** Name, as of a reflog, of the lines of refs that were deleted; no ref can be called so. */
export const DELETED_LOG = 'deleted';

/** Keeps the lines of a ref that is about to be deleted: gc asks them for the grace period. */
export async function keepReflog(lock: RepositoryLock, name: string): Promise<void> {
  lock.assertHeld();
  const lines: string[] = [];
  for (const { line } of readLines(lock.layout.log(name))) {
    // Damaged lines are dropped with their ref.
    if (parseReflogLine(line) !== null) lines.push(`${line}\n`);
  }
  // Begins on a line of its own, in case the one before is torn.
  await appendLines(lock.layout.log(DELETED_LOG), `\n${lines.join('')}`, { sync: true });
}

/** Name, as of a reflog, of the lines that say what became of versions; no ref can be called so. */
export const GONE_LOG = 'gone';

/** True for a log whose lines are not the moves of one ref. */
export function isListLog(name: string): boolean {
  return name === DELETED_LOG || name === GONE_LOG;
}

/** Lines of a log that is a list, oldest first; damaged ones are left out. */
export async function readListLog(layout: Layout, name: string): Promise<ReflogEntry[]> {
  return (await readListGroups(layout, name)).flat();
}

/** The same, cut at its empty lines: of deleted refs, the lines of each are a group. */
export async function readListGroups(layout: Layout, name: string): Promise<ReflogEntry[][]> {
  const groups: ReflogEntry[][] = [];
  let group: ReflogEntry[] = [];
  for (const { line } of readLines(layout.log(name))) {
    // A file may be of nothing but empty lines: a group is made when it has an entry.
    if (line === '') {
      group = [];
      continue;
    }
    const entry = parseReflogLine(line);
    if (entry === null) continue;
    if (group.length === 0) groups.push(group);
    group.push(entry);
  }
  return groups;
}

/** Lines of the last REFLOG_BYTES_MAX bytes of the file, numbered from the first that is whole. */
function* readLines(file: string): ReturnType<typeof filledLines> {
  const tail = readTail(file, REFLOG_BYTES_MAX);
  if (tail === null) return;
  const cut = tail.start > 0 ? 1 : 0;
  for (const { number, line } of filledLines(tail.bytes)) {
    if (number > cut) yield { number: number - cut, line };
  }
}

/**
 * Reads a reflog; damaged lines are left out and reported.
 * @param current where the ref points now: tells whether the last line took effect.
 */
export async function readReflog(
  layout: Layout,
  name: string,
  current: Id | null,
): Promise<Reflog> {
  const damaged: number[] = [];
  const all: ReflogEntry[] = [];
  for (const { number, line } of readLines(layout.log(name))) {
    if (line === '' && isListLog(name)) continue; // it stands between two refs
    const entry = parseReflogLine(line);
    if (entry) all.push(entry);
    else if (damaged.length < DAMAGED_LINES_MAX) damaged.push(number);
  }
  // Going back from the present: a line that starts where the next one starts, and does not lead
  // there, is a move that failed. Any other gap is a line that was lost; its neighbours stay.
  const entries: ReflogEntry[] = [];
  let next = current;
  for (const entry of all.reverse()) {
    if (entry.after !== next && entry.before === next) continue;
    entries.push(entry);
    next = entry.before;
  }
  return { entries: entries.reverse(), damaged };
}

/** Names of all reflogs, sorted: 'HEAD', DELETED_LOG, GONE_LOG, and names of refs, present and lost. */
export function listReflogs(layout: Layout): Promise<string[]> {
  return listTree(layout.log(''), { skip: isNoState });
}
