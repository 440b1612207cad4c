/** Writes approximate copies of files into a folder of their own, with a note that says so. */
import nodePath from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { removeFile, writeFileAtomic } from '../../base/files/files.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { type Approximation, noteApproximations } from '../../storage/repo/approximations.js';
import { isShortened, writeApproximate } from '../../storage/tiers/approximate-file.js';
import type { OpContext } from '../context.js';
import { hashFile } from '../worktree/changes.js';
import { writeFiles } from './place-files.js';
import type { WantedFile, WorkFolder } from './work-folder.js';

/** Says in the folder which files are approximate. */
const NOTE_NAME = 'dlv-approximate.json';

interface Target {
  readonly folder: WorkFolder;
  /** Its path. */
  readonly root: string;
  readonly version: Id;
  readonly planes: number;
}

/**
 * Writes files of which floats have only leading planes, and all others exactly.
 * @returns paths of the approximate ones.
 */
export async function writeApproximateFiles(
  repo: ReadAccess,
  { folder, root, version, planes }: Target,
  wanted: readonly WantedFile[],
  context: OpContext,
): Promise<string[]> {
  await folder.checkRoom(wanted);
  const copies: (Approximation & { path: string })[] = [];
  const exact: WantedFile[] = [];
  for (const file of wanted) {
    const stored = await openStoredFile(repo, file.entry);
    if (!isShortened(stored, planes)) {
      exact.push(file);
      continue;
    }
    const unfinished = await folder.begin(file.entry);
    try {
      await writeApproximate(repo, stored, unfinished.file, {
        planes,
        version,
        ...(context.signal ? { signal: context.signal } : {}),
        onBytes: (bytes) => context.progress.advance(bytes),
      });
      const sha256 = await hashFile(unfinished.temporary, context.signal);
      const { path, sha256: exactSha256 } = file.entry;
      const size = unfinished.file.offset;
      copies.push({ path, sha256, size, planes, exact: exactSha256 });
      // Noted first: whoever adds it at once is told.
      await noteApproximations(repo.layout, copies.slice(-1));
      await folder.place(file, unfinished);
    } catch (error) {
      await unfinished.file.close().catch(() => {});
      await removeFile(unfinished.temporary).catch(() => {});
      throw error;
    }
  }
  await writeFiles(repo, folder, exact, context);
  if (copies.length > 0 && !wanted.some(({ entry }) => entry.path === NOTE_NAME)) {
    const files = copies.map((copy) => ({
      path: copy.path,
      sha256: copy.sha256,
      exact: copy.exact,
    }));
    const note = JSON.stringify({ version, planes, files }, null, 2);
    await writeFileAtomic(nodePath.join(root, NOTE_NAME), Buffer.from(`${note}\n`));
  }
  return copies.map(({ path }) => path);
}
