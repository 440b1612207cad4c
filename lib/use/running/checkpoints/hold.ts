/** Holds the files of candidates in the folder of a run, so that they stay when the trainer removes them. */
import path from 'node:path';
import {
  listEntries,
  makeDirectory,
  removeFile,
  renameFile,
  statOrNull,
} from '../../../base/files/files.js';
import { holdFile } from '../../../base/files/hold-file.js';
import { removeFolder } from '../../../base/files/temporary.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { millisecondsOf } from '../../../storage/repo/runs/run-record.js';
import { type Candidate, type CandidateFile, filesOf } from './candidate.js';

function placeFor(layout: Layout, id: string, { n, place }: Candidate, inside: string): string {
  const name = inside === '' ? path.basename(place) : inside;
  return path.join(layout.heldCheckpoint(id, n), ...name.split('/'));
}

/** Gives files second names at once, complete or not: their bytes come as the trainer writes them. */
export async function holdEarly(
  layout: Layout,
  id: string,
  candidate: Candidate,
  files: readonly CandidateFile[],
): Promise<void> {
  for (const file of files) {
    const to = placeFor(layout, id, candidate, file.inside);
    await makeDirectory(path.dirname(to));
    if ((await statOrNull(to)) !== null) await removeFile(to);
    // Where there is no link, a copy of what is not complete yet would be worth nothing.
    if ((await holdFile(file.file, to, 'only link')) === 'link') file.held = 'link';
  }
}

/** Takes files over that another candidate held. */
export async function takeHeld(
  layout: Layout,
  id: string,
  candidate: Candidate,
  from: { n: number; insides: readonly string[] },
): Promise<void> {
  for (const inside of from.insides) {
    const to = placeFor(layout, id, candidate, '');
    await makeDirectory(path.dirname(to));
    await renameFile(path.join(layout.heldCheckpoint(id, from.n), ...inside.split('/')), to);
  }
}

/** What is held of a complete candidate. */
export interface HeldNow {
  files: number;
  bytes: number;
  written: number;
  /** Why it is not what was complete; null if it is. */
  problem: string | null;
}

/**
 * Holds a complete candidate whole. Where its name is used again the trainer may write into the same file: such a
 * file is copied, and is what it was only if it did not change meanwhile.
 */
export async function holdWhole(
  layout: Layout,
  id: string,
  candidate: Candidate,
): Promise<HeldNow> {
  const files = filesOf(candidate);
  const now: HeldNow = { files: files.length, bytes: 0, written: 0, problem: null };
  await removeOthers(
    layout.heldCheckpoint(id, candidate.n),
    new Set(files.map((file) => placeFor(layout, id, candidate, file.inside))),
  );
  for (const file of files) {
    const to = placeFor(layout, id, candidate, file.inside);
    const isShared = file.held === 'link' && !candidate.isNumbered && !candidate.isPast;
    if (file.held === null || isShared) {
      await makeDirectory(path.dirname(to));
      const from = isShared ? `${to}.held` : file.file;
      if (isShared) await holdFile(to, from, 'link');
      await removeFile(to);
      const held = await holdFile(from, to, candidate.isNumbered ? 'link' : 'copy');
      const after = await statOrNull(held === 'gone' ? to : from);
      if (isShared) await removeFile(from);
      if (held === 'gone')
        now.problem ??= `'${file.inside || candidate.place}' was removed before it was complete`;
      else {
        file.held = held === 'copy' ? 'copy' : 'link';
        const isSame =
          after !== null &&
          after.stat.size === file.stat.size &&
          after.stat.mtimeNs === file.stat.mtimeNs;
        if (held === 'copy' && !isSame)
          now.problem ??= `'${file.inside || candidate.place}' changed while it was copied`;
      }
    }
    const found = await statOrNull(to);
    if (found === null) continue;
    now.bytes += found.stat.size;
    now.written = Math.max(now.written, millisecondsOf(found.stat.mtimeNs));
  }
  return now;
}

/** Removes what an earlier look held and is no part of the checkpoint. */
async function removeOthers(folder: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const entry of await listEntries(folder).catch(() => [])) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await removeOthers(file, wanted);
    else if (!wanted.has(file)) await removeFile(file);
  }
}

/** Lets go of the files of a checkpoint. */
export async function letGo(layout: Layout, id: string, n: number): Promise<void> {
  await removeFolder(layout.heldCheckpoint(id, n));
}
