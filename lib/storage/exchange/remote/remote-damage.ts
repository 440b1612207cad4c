/** How damage of a remote is told. */
import { CorruptError } from '../../../base/errors.js';

/** That a remote holds something else than it should. */
export function damagedRemote(shown: string, what: string, id?: string): CorruptError {
  // What a scan cannot read counts as damage; the disk that failed may be this one.
  const isDevice = what.endsWith('(EIO)');
  const remedy = isDevice
    ? 'run the command again; if it fails again, look at the disk'
    : 'push again from a repository that is whole, to a new address';
  const is = isDevice ? 'cannot be read' : 'is damaged';
  return new CorruptError(`the remote '${shown}' ${is}: ${what}`, {
    url: shown,
    file: shown,
    ...(id === undefined ? {} : { id }),
    hint: `nothing of it was taken; ${remedy}`,
  });
}

/** That one file of a remote is not what it should be, or missing. @param name  of the file, at the remote. */
export function damagedFile(shown: string, name: string, what: string): CorruptError {
  return new CorruptError(`'${name}' at '${shown}' is damaged: ${what}`, {
    file: name,
    url: shown,
    hint: 'nothing was taken from it; push again from a repository that is whole, to a new address',
  });
}
