/** Folders of the work tree as commands name them. */
import path from 'node:path';
import type { Layout } from '../../../storage/repo/layout.js';
import type { OpContext } from '../../context.js';

/** The innermost folder that holds all of some paths. */
export function commonFolder([first = '', ...others]: readonly string[]): string {
  let folder = first.slice(0, Math.max(0, first.lastIndexOf('/')));
  while (folder !== '' && !others.every((path) => path.startsWith(`${folder}/`))) {
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')));
  }
  return folder;
}

/** A folder of the work tree as it is named from where the user is. */
export function shownPath(
  { layout }: { readonly layout: Layout },
  folder: string,
  { cwd }: OpContext,
): string {
  return path.relative(cwd, path.join(layout.workTree, folder)) || '.';
}
