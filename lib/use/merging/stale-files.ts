/** Checkpoints and networks of a version that arithmetic on weights did not touch: they hold what was before. */
import type { FilePage, Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';

/** Files that one warning names. */
const SHOWN = 4;

export interface StaleSearch {
  /** The version whose files were written anew, and the files that were. */
  ours: FilePage;
  written: readonly { path: string }[];
  /** Versions that were combined: a file that is the same in all of them is as it should be. */
  inputs?: readonly FilePage[];
  /** True for files that are no export of the weights, such as those of an adapter. */
  isApart?: (path: string) => boolean;
}

/** Warns of files with tensors that stay as they were while the weights beside them changed. */
export function warnOfStaleFiles(
  { ours, written, inputs = [], isApart = () => false }: StaleSearch,
  context: OpContext,
): void {
  const changed = new Set(written.map(({ path }) => path));
  if (changed.size === 0) return;
  const pages = inputs.map(({ files }) => new Map(files.map((file) => [file.path, file.sha256])));
  const own = new Map(ours.files.map((file) => [file.path, file.sha256]));
  const isSettled = ({ members }: Snapshot): boolean =>
    members.some((path) => changed.has(path)) ||
    members.every((path) => isApart(path)) ||
    (pages.length > 1 &&
      members.every((path) => pages.every((page) => page.get(path) === own.get(path))));
  const stale = [
    ...new Set(ours.snapshots.filter((snapshot) => !isSettled(snapshot)).map(({ key }) => key)),
  ];
  if (stale.length === 0) return;
  const shown = stale.slice(0, SHOWN).map((path) => `'${path}'`);
  const more = stale.length > SHOWN ? ` and ${stale.length - SHOWN} more` : '';
  const [stays, they, are] =
    stale.length === 1 ? ['stays as it was', 'it', 'was'] : ['stay as they were', 'they', 'were'];
  context.warn(
    `${shown.join(', ')}${more} ${stays}: if ${they} ${are} made from ` +
      `'${[...changed][0]}', make ${stale.length === 1 ? 'it' : 'them'} anew`,
  );
}
