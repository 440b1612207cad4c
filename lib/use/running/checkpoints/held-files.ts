/** Files of checkpoints that are held in the folder of a run. */
import path from 'node:path';
import { isMissing, listEntries } from '../../../base/files/files.js';

/** A file that is held. */
export interface HeldFile {
  /** Path below the checkpoint, with '/'; empty if it is the checkpoint. */
  inside: string;
  file: string;
}

/** Files of a checkpoint as they are held. */
export async function heldFiles(folder: string, isFolder: boolean): Promise<HeldFile[]> {
  const found: HeldFile[] = [];
  const visit = async (inside: string): Promise<void> => {
    for (const entry of await listEntries(path.join(folder, inside))) {
      const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
      const file = path.join(folder, ...name.split('/'));
      if (entry.isDirectory()) await visit(name);
      else found.push({ inside: isFolder ? name : '', file });
    }
  };
  try {
    await visit('');
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return found;
}
