/** What collections call the things that they remove from a remote, and the files that each stands for. Pure. */
import { isId } from '../../../base/bytes/hash.js';
import { PACKS_DIR, packName } from '../../store/names.js';
import { FILE_CLASSES, isSetId, type SetInfo } from '../../store/types.js';
import { LISTS_DIR, listName, type RemoteState } from '../remote/remote-file.js';
import type { RemoteObject } from '../transports/transport.js';

/** How garbage names all files of a set. */
export function setName(id: string): string {
  return `${PACKS_DIR}/${id}`;
}

/** True for what a collection may remove. */
export function isGarbageName(name: string): boolean {
  const [folder, id = '', ...rest] = name.split('/');
  if (rest.length > 0) return false;
  return folder === PACKS_DIR ? isSetId(id) : folder === LISTS_DIR && isId(id);
}

/** The garbage that a file would be part of; null for what is none of a remote's. */
export function garbageName(file: string): string | null {
  const [folder = '', base = ''] = file.split('/');
  if (folder === LISTS_DIR) return isId(base) ? file : null;
  const [id = '', fileClass = ''] = base.split('.');
  const isPack = isSetId(id) && FILE_CLASSES.some((known) => known === fileClass);
  return isPack ? setName(id) : null;
}

/** The files of garbage, the index first: without it a set is none. */
export function filesOf(name: string): string[] {
  const [folder, id = ''] = name.split('/');
  if (folder === LISTS_DIR || !isSetId(id)) return [name];
  const classes = [...FILE_CLASSES].sort((a, b) => Number(b === 'idx') - Number(a === 'idx'));
  return classes.map((fileClass) => packName(id, fileClass));
}

/** Bytes that each name would free. @param objects  all that is at the remote. */
export function garbageSizes(objects: readonly RemoteObject[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, bytes } of objects) {
    const key = garbageName(name);
    if (key !== null) sizes.set(key, (sizes.get(key) ?? 0) + bytes);
  }
  return sizes;
}

/** All that a state of a remote names. @param sets  those in its lists. */
export function listedNames(state: RemoteState, sets: readonly SetInfo[]): Set<string> {
  const { lists, collection } = state;
  const parts = [...lists, ...(collection?.garbage ?? []), ...(collection?.removing ?? [])];
  return new Set([
    ...sets.map(({ id }) => setName(id)),
    ...parts.map(({ sha256 }) => listName(sha256)),
  ]);
}
