/**
 * Unfinished files that killed commands left in folders of the user: beside a bundle, and in a work tree on
 * another disk than .dlv, where a rename from .dlv/tmp is not possible. gc does not know these folders, so the
 * next command that writes into one cleans it up.
 */
import path from 'node:path';
import { listEntries, removeFile, statOrNull } from '../../../base/files/files.js';
import { parseTemporaryName } from '../../../base/files/temporary-name.js';
import { isAbandoned, ownerState } from './process-identity.js';

/** True for names that dlv gives to unfinished files, and nobody else. */
export function isUnfinishedName(name: string): boolean {
  return parseTemporaryName(name) !== null;
}

/** Removes what ended processes left unfinished in a folder, not in the folders below it. @throws {IoError} */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const entry of await listEntries(folder)) {
    const owner = entry.isFile() ? parseTemporaryName(entry.name) : null;
    if (owner === null) continue;
    const file = path.join(folder, entry.name);
    const there = await statOrNull(file);
    if (there === null || !there.isFile) continue;
    const { mtimeNs } = there.stat;
    const state = await ownerState(owner, { file, mtimeNs });
    if (state === 'dead' || (state === 'unknown' && isAbandoned(mtimeNs))) await removeFile(file);
  }
}
