/** Checks that the repository still has the objects of stored files. */
import { ConflictError } from '../../../base/errors.js';
import type { PackSession } from '../../../storage/objects/session.js';
import { namedObjects, openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import { segmentCount } from '../../../storage/store/types.js';

/**
 * Checks that everything the new entries name is still live: another process may have collected
 * objects that were garbage until now.
 * @throws {ConflictError} if something is gone; running the command again stores it again.
 */
export async function checkLive(
  session: PackSession,
  results: readonly Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>[],
): Promise<void> {
  if (await session.isUndisturbed()) return;
  for (const result of results) {
    const stored = await openStoredFile(session, result);
    for (const object of namedObjects(stored)) {
      const live =
        object.kind === 'blob'
          ? await session.hasBlob(object.id)
          : await session.hasExtent(object.id, segmentCount(object.count as number));
      if (!live) {
        throw new ConflictError(
          `an object of '${result.path}' was collected as garbage, or left to a remote, meanwhile`,
          { path: result.path, hint: 'run the command again' },
        );
      }
    }
  }
}
