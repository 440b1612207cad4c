/** Files as they are now, in folders where a trainer writes, moves and removes what it likes. */
import path from 'node:path';
import { pushAll } from '../../../base/bytes/many.js';
import { type FileStat, listEntries } from '../../../base/files/files.js';
import { statThrough } from '../../../base/files/places/user-paths.js';

/** A file of a checkpoint. */
export interface SeenFile {
  /** Path below the place, with '/'; empty if the place is the file. */
  inside: string;
  file: string;
  stat: FileStat;
}

/** Files of one checkpoint. */
const FILES_MAX = 100_000;

export async function entriesOf(folder: string): Promise<Awaited<ReturnType<typeof listEntries>>> {
  // Folders come and go while a trainer works.
  return listEntries(folder).catch(() => []);
}

/** What is at a place now; a trainer moves and removes what it likes. */
export async function lookAt(file: string): Promise<{ kind: string; stat: FileStat | null }> {
  return statThrough(file).catch(() => ({ kind: 'nothing', stat: null }));
}

export async function fileAt(file: string, inside: string): Promise<SeenFile[]> {
  const { kind, stat } = await lookAt(file);
  return kind === 'file' && stat !== null ? [{ inside, file, stat }] : [];
}

export async function filesBelow(
  folder: string,
  inside = '',
  found: SeenFile[] = [],
): Promise<SeenFile[]> {
  for (const entry of await entriesOf(path.join(folder, inside))) {
    if (found.length >= FILES_MAX) break;
    if (entry.name.startsWith('.dlv') || /\.(tmp|part|partial|incomplete)$/.test(entry.name))
      continue;
    const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory()) await filesBelow(folder, name, found);
    else pushAll(found, await fileAt(path.join(folder, ...name.split('/')), name));
  }
  return found;
}
