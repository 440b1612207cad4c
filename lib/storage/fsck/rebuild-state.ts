/**
 * The state files of `fsck --rebuild`: format, HEAD, refs, notes, reflogs. Staging is made by the op,
 * which knows what is staged after a checkout. The caller holds the lock.
 */

import path from 'node:path';
import { type Id, isId } from '../../base/bytes/hash.js';
import { eachLine } from '../../base/bytes/lines.js';
import { sealReadable } from '../../base/bytes/sealed.js';
import { isDamage, objectFault } from '../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  removeFile,
  writeFileAtomic,
} from '../../base/files/files.js';
import { readTail } from '../../base/files/small-files.js';
import { MANIFEST_BYTES_MAX, NOTES_BYTES_MAX, REFLOG_BYTES_MAX } from '../../base/limits.js';
import type { ReadAccess, SettingAccess } from '../objects/access.js';
import { findLostNotes } from '../objects/tiers.js';
import { REBUILT_FORMAT, readFormat, writeFormat } from '../repo/format.js';
import { mendGitMarkers } from '../repo/git-markers.js';
import { restoreKept } from '../repo/kept.js';
import { type Layout, SELF_IGNORE } from '../repo/layout.js';
import { finishMoves, hasMoves } from '../repo/moves/carry-out.js';
import type { RepositoryLock } from '../repo/processes/lock.js';
import { formatHead, type Head, parseHead, readHead } from '../repo/refs/head.js';
import { notesRefName, parseRefName } from '../repo/refs/ref-name.js';
import {
  appendReflog,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  parseReflogLine,
  type ReflogEntry,
  readReflog,
} from '../repo/refs/reflog.js';
import {
  formatNotes,
  formatRef,
  listRefNames,
  parseNotes,
  parseRef,
  readNotes,
  readRef,
} from '../repo/refs/refs.js';
import { copyToTrash } from './copy-to-trash.js';
import type { RebuildReport } from './rebuild.js';

/** Makes folders, format and .gitignore: what opening a repository needs. */
export async function rebuildFrame(layout: Layout, report: RebuildReport): Promise<void> {
  for (const folder of layout.folders()) await makeDirectory(folder);
  for (const marker of await mendGitMarkers(layout)) {
    report.done.push(`made '${marker}' again, which keeps 'git clean' away`);
  }
  const restored = await restoreKept(layout);
  if (restored.length > 0) report.done.push(`put back from 'kept': ${restored.join(', ')}`);
  if (!(await isSound(() => readFormat(layout)))) {
    await copyToTrash(layout, 'format');
    await writeFormat(layout, REBUILT_FORMAT);
    report.done.push("rebuilt 'format' as this dlv writes it");
  }
  const ignore = await readSmallFile(layout.gitignore, MANIFEST_BYTES_MAX).catch(
    (error: unknown) => {
      if (isMissing(error) || isDamage(error)) return new Uint8Array(0);
      throw error;
    },
  );
  if (Buffer.from(ignore).toString('latin1') !== SELF_IGNORE) {
    await copyToTrash(layout, '.gitignore');
    await writeFileAtomic(layout.gitignore, Buffer.from(SELF_IGNORE));
    report.done.push("rebuilt '.gitignore'");
  }
}

/** True if a read succeeds, false if it finds damage or nothing. */
export async function isSound(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    return false;
  }
}

/** Ends the moves of a command that was killed, if the list of them is sound; else drops it. */
export async function rebuildMoves(lock: RepositoryLock, report: RebuildReport): Promise<void> {
  const { layout } = lock;
  if (!(await hasMoves(layout))) return;
  if (await isSound(() => finishMoves(lock))) {
    report.done.push('carried out what an interrupted command had begun to move');
    return;
  }
  await copyToTrash(layout, 'moves');
  await removeFile(layout.moves);
  report.done.push("dropped 'moves', which is damaged: refs stay as they are");
}

/** What the rebuild of refs is handed. */
export type RefRepair = ReadAccess & SettingAccess;

/** Makes refs, notes, HEAD and reflogs again where they are damaged or name what cannot be read. */
export async function rebuildRefs(
  repo: RefRepair,
  lock: RepositoryLock,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const names = new Set(await listRefNames(layout));
  for (const name of await listReflogs(layout)) if (parseRefName(name) !== null) names.add(name);
  const found = new Map<string, Id>();
  for (const name of [...names].sort()) {
    if (name.startsWith('refs/notes/')) await rebuildNotes(repo, name, report);
    else {
      const id = await rebuildRef(repo, lock, name, report);
      if (id !== null) found.set(name, id);
    }
  }
  await restoreLostNotes(repo, report);
  await rebuildHead(repo, lock, found, report);
  for (const name of await listReflogs(layout)) await rebuildReflog(layout, name, report);
}

/** True for a version that is here, also if only a newer dlv can read it. */
export async function isReadable(repo: RefRepair, id: Id): Promise<boolean> {
  try {
    await repo.version(id);
    return true;
  } catch (error) {
    const fault = objectFault(error);
    if (fault === null) throw error;
    return fault === 'newer';
  }
}

/** @returns the version that the ref names now, or null. */
async function rebuildRef(
  repo: RefRepair,
  lock: RepositoryLock,
  name: string,
  report: RebuildReport,
): Promise<Id | null> {
  const { layout } = repo;
  let current: Id | null = null;
  const sound = await isSound(async () => {
    current = await readRef(layout, name);
  });
  if (sound && current !== null && (await isReadable(repo, current))) return current;
  const { entries } = await readReflog(layout, name, NOT_A_VERSION);
  // It was deleted: the last line says so.
  if (sound && current === null && entries.at(-1)?.after === null) return null;
  // A tag means one version for ever: another one than it named would be a lie.
  const isMoved = current !== null;
  const id = isMoved && name.startsWith('refs/tags/') ? null : await lastReadable(repo, entries);
  if (id !== null) {
    await copyToTrash(layout, name);
    if (isMoved) await appendReflog(lock, name, moveOfRebuild(current, id));
    await makeDirectory(path.dirname(layout.ref(name)));
    await writeFileAtomic(
      layout.ref(name),
      sealReadable(formatRef(id), layout.ref(name), parseRef),
    );
    const why = isMoved ? `; version ${current}, which it named, cannot be read` : '';
    report.done.push(
      `set '${name}' to ${id.slice(0, 10)}, the last version of its reflog that can be read${why}`,
    );
    return id;
  }
  if (isMoved) {
    report.failed.push(
      `'${name}' still names version ${current}, which cannot be read, and its reflog has no other: ` +
        "delete it, or set it to a version of 'dlv log --all'",
    );
  } else if (!sound) {
    report.failed.push(
      `'${name}' stays damaged: its reflog names no version that is here; ` +
        "find the version with 'dlv log --all' or delete the ref",
    );
  }
  return current;
}

async function lastReadable(repo: RefRepair, entries: readonly ReflogEntry[]): Promise<Id | null> {
  for (const { after } of entries.toReversed()) {
    if (after !== null && (await isReadable(repo, after))) return after;
  }
  return null;
}

function moveOfRebuild(before: Id | null, after: Id | null): ReflogEntry {
  const reason = 'fsck: the version before cannot be read';
  return { before, after, who: 'dlv fsck', time: Date.now(), reason };
}

/** Keeps the note ids of a damaged list that are whole and present. */
async function rebuildNotes(
  repo: ReadAccess & SettingAccess,
  name: string,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const version = name.split('/')[3] as Id;
  if (await isSound(() => readNotes(layout, version))) return;
  const kept: Id[] = [];
  const tail = readTail(layout.ref(name), NOTES_BYTES_MAX);
  for (const line of eachLine(tail?.bytes ?? new Uint8Array(0))) {
    if (isId(line) && (await repo.store.findBlob(line))?.kind === 'note') kept.push(line);
  }
  await copyToTrash(layout, name);
  const file = layout.ref(name);
  await writeFileAtomic(file, sealReadable(formatNotes(kept), file, parseNotes));
  report.done.push(`kept ${kept.length} notes of '${name}'`);
}

/** Lists tier notes again that were lost with their ref: without them a version cannot be rebuilt. */
async function restoreLostNotes(
  repo: ReadAccess & SettingAccess,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  await repo.store.reload();
  for (const [version, notes] of await findLostNotes(repo)) {
    const name = notesRefName(version);
    const all = [...(await readNotes(layout, version)), ...notes];
    await makeDirectory(path.dirname(layout.ref(name)));
    const file = layout.ref(name);
    await writeFileAtomic(file, sealReadable(formatNotes(all), file, parseNotes));
    report.done.push(`listed ${notes.length} tiers again in '${name}': the exact bytes are gone`);
  }
}

/** HEAD of a damaged or missing file, and of one that names a version which cannot be read. */
async function rebuildHead(
  repo: RefRepair,
  lock: RepositoryLock,
  refs: ReadonlyMap<string, Id>,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  let old: Head | null = null;
  const sound = await isSound(async () => {
    old = await readHead(layout);
  });
  const lost = lostVersionOf(old);
  if (sound && (lost === null || (await isReadable(repo, lost)))) return;
  const { entries } = await readReflog(layout, 'HEAD', NOT_A_VERSION);
  const last = entries.at(-1)?.after ?? null;
  const model = (old as Head | null)?.model;
  const branches = [...refs].filter(([name]) =>
    name.startsWith(model === undefined ? 'refs/heads/' : `refs/heads/${model}/`),
  );
  // Several branches may be there: the one that is made first is the likelier one.
  const first = `/${repo.config.get('init.branch')}`;
  branches.sort(([a], [b]) => Number(b.endsWith(first)) - Number(a.endsWith(first)));
  const chosen = branches.find(([, id]) => id === last) ?? branches[0];
  const place = chosen === undefined ? null : parseRefName(chosen[0]);
  const head: Head =
    place?.kind === 'head'
      ? { kind: 'branch', model: place.model, branch: place.branch }
      : { kind: 'branch', model: model ?? 'model', branch: repo.config.get('init.branch') };
  await copyToTrash(layout, 'HEAD');
  if (lost !== null) await appendReflog(lock, 'HEAD', moveOfRebuild(lost, chosen?.[1] ?? null));
  await writeFileAtomic(layout.head, sealReadable(formatHead(head), layout.head, parseHead));
  const why = chosen?.[1] === last && last !== null ? 'where its reflog ends' : 'a guess';
  const reason = lost === null ? why : `version ${lost}, which it named, cannot be read`;
  report.done.push(`set HEAD to '${head.model}/${(head as { branch: string }).branch}': ${reason}`);
}

function lostVersionOf(head: Head | null): Id | null {
  return head?.kind === 'detached' ? head.id : null;
}

/** Takes the damaged lines out of a reflog. */
async function rebuildReflog(layout: Layout, name: string, report: RebuildReport): Promise<void> {
  const file = layout.log(name);
  const sound: string[] = [];
  let damaged = 0;
  // Of a longer one the last lines are kept: readers read no more.
  for (const line of eachLine(readTail(file, REFLOG_BYTES_MAX)?.bytes ?? new Uint8Array(0))) {
    if (line === '' && isListLog(name)) {
      // It is between two refs; more than one tell nothing.
      if (sound.at(-1) !== '\n') sound.push('\n');
    } else if (parseReflogLine(line) === null) damaged++;
    else sound.push(`${line}\n`);
  }
  if (damaged === 0) return;
  const shown = layout.nameOf(file);
  await copyToTrash(layout, shown);
  await writeFileAtomic(file, Buffer.from(sound.join('')));
  report.done.push(`took ${damaged} damaged lines out of '${shown}'`);
}
