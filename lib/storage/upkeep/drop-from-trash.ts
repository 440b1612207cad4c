/** Removes retired sets at once whose records were copied and verified: they need no grace period. */
import { listDirectory, removeFile } from '../../base/files/files.js';
import type { Layout } from '../repo/layout.js';
import { isTrashName } from '../repo/processes/made-names.js';
import { listOtherReaders } from '../repo/processes/readers.js';
import { stemOf } from '../store/names.js';

/** Leaves them if another process may be reading them. @param sets  ids. */
export async function dropFromTrash(layout: Layout, sets: ReadonlySet<string>): Promise<void> {
  if ((await listOtherReaders(layout)).length > 0) return;
  for (const name of await listDirectory(layout.trash)) {
    if (isTrashName(name) && sets.has(stemOf(name))) await removeFile(layout.trashFile(name));
  }
}
