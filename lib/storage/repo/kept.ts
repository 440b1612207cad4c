/**
 * `.dlv/kept`: second names of the state files that nothing else could give back after `git clean -fdx`:
 * settings, remotes, queries, budgets, numbers, HEAD and staging.
 *
 * A second name is a hard link, so it costs no copy and holds what a person writes into the file. Where
 * the disk has no links it is a copy, of small files alone. The names are renewed whenever a lock is
 * released; `dlv fsck --rebuild` puts lost files back. @see docs/decisions/0017-git-clean-passes-over-packs.md
 */
import {
  copyFile,
  io,
  ioError,
  removeFile,
  renameFile,
  statOrNull,
} from '../../base/files/files.js';
import { withTemporaryName } from '../../base/files/temporary-name.js';
import { markForGit } from './git-markers.js';
import type { Layout } from './layout.js';

/** Files with a second name. Folders that need protection have a marker of their own. */
const KEPT_FILES = [
  'HEAD',
  'config',
  'remotes',
  'queries',
  'budgets',
  'numbers',
  'staging',
] as const;
type KeptFile = (typeof KEPT_FILES)[number];

/** What a disk without hard links answers. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK']);

/**
 * Renews markers and second names; what is unchanged costs two stats. The caller holds the lock.
 * Best effort: a command that did its work does not fail for this, and the next one tries again.
 */
export async function keepStateFiles(layout: Layout): Promise<void> {
  try {
    if ((await statOrNull(layout.format)) === null) return;
    await markForGit(layout);
    for (const name of KEPT_FILES) await keepFile(layout, name);
  } catch {
    // A full or read-only disk: nothing is lost yet, and a later command renews them.
  }
}

async function keepFile(layout: Layout, name: KeptFile): Promise<void> {
  const [from, to] = [layout.file(name), layout.keptFile(name)];
  const file = await statOrNull(from);
  // A file that is gone may be one that git deleted: its second name is what is left.
  if (file === null) return;
  const kept = await statOrNull(to);
  // Renaming one name of a file over another of its names does nothing, and would leave the first one.
  if (kept?.stat.inode === file.stat.inode) return;
  const isCopied =
    kept?.stat.size === file.stat.size && BigInt(kept.stat.mtimeNs) >= BigInt(file.stat.mtimeNs);
  await putSecond(from, to, { folder: layout.kept, mayCopy: !isCopied && name !== 'staging' });
}

/**
 * Gives a file a second name, in place of what is there.
 * @param how.mayCopy  whether a copy will do where the disk has no links. Of staging it does not: the time
 *                     at which it was written is part of it.
 * @returns whether it was done.
 */
async function putSecond(
  from: string,
  to: string,
  { folder, mayCopy }: { folder: string; mayCopy: boolean },
): Promise<boolean> {
  let temporary: string;
  try {
    temporary = await withTemporaryName(folder, async (place) => {
      await io.link(from, place);
      return place;
    });
  } catch (error) {
    const hasLinks = !NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '');
    if (hasLinks) throw ioError('give a second name to', from, error);
    if (!mayCopy) return false;
    temporary = await withTemporaryName(folder, async (place) => {
      await copyFile(from, place, to);
      return place;
    });
  }
  try {
    await renameFile(temporary, to);
  } catch (error) {
    await io.unlink(temporary).catch(() => {});
    throw error;
  }
  return true;
}

/** Drops the second name of a file that is damaged, and so is not to come back. */
export async function dropKept(layout: Layout, name: KeptFile): Promise<void> {
  await removeFile(layout.keptFile(name));
}

/** Puts files back that are gone and have a second name. @returns their names. */
export async function restoreKept(layout: Layout): Promise<string[]> {
  const restored: string[] = [];
  for (const name of KEPT_FILES) {
    const [from, to] = [layout.keptFile(name), layout.file(name)];
    if ((await statOrNull(to)) !== null || !(await statOrNull(from))?.isFile) continue;
    const isDone = await putSecond(from, to, { folder: layout.dir, mayCopy: name !== 'staging' });
    if (isDone) restored.push(name);
  }
  return restored;
}
