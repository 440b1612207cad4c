/**
 * The state files of `fsck --rebuild`: format, HEAD, refs, notes, reflogs. Staging is made by the op,
 * which knows what is staged after a checkout. The caller holds the lock.
 */

import path from 'node:path';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  writeFileAtomic,
} from '../../base/bytes/files.js';
import { type Id, isId } from '../../base/bytes/hash.js';
import { sealReadable } from '../../base/bytes/sealed.js';
import { isDamage } from '../../base/errors.js';
import { MANIFEST_BYTES_MAX, REFLOG_BYTES_MAX } from '../../base/limits.js';
import type { ReadAccess, SettingAccess } from '../objects/access.js';
import { findLostNotes } from '../objects/tiers.js';
import { REBUILT_FORMAT, readFormat, writeFormat } from '../repo/format.js';
import { type Layout, notesRefName, SELF_IGNORE } from '../repo/layout.js';
import { formatHead, type Head, parseHead, readHead } from '../repo/refs/head.js';
import { parseRefName } from '../repo/refs/ref-name.js';
import { parseReflogLine, readReflog } from '../repo/refs/reflog.js';
import {
  formatNotes,
  formatRef,
  listRefNames,
  parseNotes,
  parseRef,
  readNotes,
  readRef,
} from '../repo/refs/refs.js';
import { logNames } from './fsck-state.js';
import { keepAside } from './keep-aside.js';
import type { RebuildReport } from './rebuild.js';

/** Makes folders, format and .gitignore: what opening a repository needs. */
export async function rebuildFrame(layout: Layout, report: RebuildReport): Promise<void> {
  for (const folder of layout.folders()) await makeDirectory(folder);
  if (!(await isSound(() => readFormat(layout)))) {
    await keepAside(layout, 'format');
    await writeFormat(layout, REBUILT_FORMAT);
    report.done.push("made 'format' anew: that of this dlv");
  }
  const ignore = await readSmallFile(layout.gitignore, MANIFEST_BYTES_MAX).catch(
    (error: unknown) => {
      if (isMissing(error) || isDamage(error)) return new Uint8Array(0);
      throw error;
    },
  );
  if (Buffer.from(ignore).toString('latin1') !== SELF_IGNORE) {
    await keepAside(layout, '.gitignore');
    await writeFileAtomic(layout.gitignore, Buffer.from(SELF_IGNORE));
    report.done.push("made '.gitignore' anew");
  }
}

async function isSound(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    return false;
  }
}

/** Makes refs, notes, HEAD and reflogs anew where they are damaged. */
export async function rebuildRefs(
  repo: ReadAccess & SettingAccess,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const names = new Set(await listRefNames(layout));
  for (const name of await logNames(layout)) if (parseRefName(name) !== null) names.add(name);
  const found = new Map<string, Id>();
  for (const name of [...names].sort()) {
    if (name.startsWith('refs/notes/')) await rebuildNotes(repo, name, report);
    else {
      const id = await rebuildRef(repo, name, report);
      if (id !== null) found.set(name, id);
    }
  }
  await restoreLostNotes(repo, report);
  await rebuildHead(repo, found, report);
  for (const name of await logNames(layout)) await rebuildReflog(layout, name, report);
}

async function rebuildRef(
  repo: ReadAccess & SettingAccess,
  name: string,
  report: RebuildReport,
): Promise<Id | null> {
  const { layout } = repo;
  let current: Id | null = null;
  const sound = await isSound(async () => {
    current = await readRef(layout, name);
  });
  if (sound && current !== null) return current;
  const { entries } = await readReflog(layout, name, '0'.repeat(64) as Id);
  // It was deleted: the last line says so.
  if (sound && entries.at(-1)?.after === null) return null;
  for (const entry of entries.reverse()) {
    const id = entry.after;
    if (id === null || !(await isSound(() => repo.readBlob(id, 'version')).catch(() => false))) {
      continue;
    }
    await keepAside(layout, name);
    await makeDirectory(path.dirname(layout.ref(name)));
    const file = layout.ref(name);
    await writeFileAtomic(file, sealReadable(formatRef(id), file, parseRef));
    report.done.push(`set '${name}' to ${id.slice(0, 10)}, the last version of its reflog`);
    return id;
  }
  if (!sound) {
    report.failed.push(
      `'${name}' stays damaged: its reflog names no version that is here; ` +
        "find the version with 'dlv log --all' or delete the ref",
    );
  }
  return null;
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
  const text = Buffer.from(await readSmallFile(layout.ref(name), MANIFEST_BYTES_MAX)).toString();
  const kept: Id[] = [];
  for (const line of text.split('\n')) {
    if (isId(line) && (await repo.store.findBlob(line))?.kind === 'note') kept.push(line);
  }
  await keepAside(layout, name);
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

async function rebuildHead(
  repo: ReadAccess & SettingAccess,
  refs: ReadonlyMap<string, Id>,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  if (await isSound(() => readHead(layout))) return;
  const { entries } = await readReflog(layout, 'HEAD', '0'.repeat(64) as Id);
  const last = entries.at(-1)?.after ?? null;
  const branches = [...refs].filter(([name]) => name.startsWith('refs/heads/'));
  const chosen = branches.find(([, id]) => id === last) ?? branches[0];
  const place = chosen === undefined ? null : parseRefName(chosen[0]);
  const head: Head =
    place?.kind === 'head'
      ? { kind: 'branch', model: place.model, branch: place.branch }
      : { kind: 'branch', model: 'model', branch: repo.config.get('init.branch') };
  await keepAside(layout, 'HEAD');
  const file = layout.head;
  await writeFileAtomic(file, sealReadable(formatHead(head), file, parseHead));
  const why = chosen?.[1] === last && last !== null ? 'where its reflog ends' : 'a guess';
  report.done.push(`set HEAD to '${head.model}/${(head as { branch: string }).branch}': ${why}`);
}

/** Takes the damaged lines out of a reflog. */
async function rebuildReflog(layout: Layout, name: string, report: RebuildReport): Promise<void> {
  const file = layout.log(name);
  const text = Buffer.from(await readSmallFile(file, REFLOG_BYTES_MAX)).toString();
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const sound = lines.filter((line) => line === '' || parseReflogLine(line) !== null);
  if (sound.length === lines.length) return;
  await keepAside(layout, `logs/${name}`);
  await writeFileAtomic(file, Buffer.from(sound.map((line) => `${line}\n`).join('')));
  report.done.push(`took ${lines.length - sound.length} damaged lines out of 'logs/${name}'`);
}
