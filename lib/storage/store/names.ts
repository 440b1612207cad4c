/**
 * Names of the store's files, relative to the backend. Paths of the file system are built in
 * repo/layout.ts alone, from these where they are the store's.
 */
import type { FileClass, SetId } from './types.js';

/** The list of live sets. */
export const MANIFEST_NAME = 'manifest';
/** Folder of published sets. */
export const PACKS_DIR = 'packs';
/** Folder of what was replaced and waits for its grace period. */
export const TRASH_DIR = 'trash';
/** Folder of files that are not finished. */
export const TMP_DIR = 'tmp';

/** A file of a published set. */
export function packName(id: SetId, fileClass: FileClass): string {
  return `${PACKS_DIR}/${id}.${fileClass}`;
}

/** A file of a set that was retired. */
export function retiredName(id: SetId, fileClass: FileClass): string {
  return `${TRASH_DIR}/${id}.${fileClass}`;
}

/** The stem of the name of a pack file, without its folder: a set's id, if it is one. */
export function stemOf(name: string): string {
  return name.split('.')[0] as string;
}
