/** How damage of a remote is told. */
import { CorruptError, FormatVersionError, isDamage } from '../../../base/errors.js';

/** That a remote holds something else than it should. @param what  may be a message that says so already. */
export function damagedRemote(shown: string, what: string, id?: string): CorruptError {
  // What a scan cannot read counts as damage; the disk that failed may be this one.
  const isDevice = what.endsWith('(EIO)');
  const remedy = isDevice
    ? 'run the command again; if it fails again, look at the disk'
    : 'push again from a repository that is whole, to a new address';
  const start = `the remote '${shown}' ${isDevice ? 'cannot be read' : 'is damaged'}: `;
  return new CorruptError(what.startsWith(start) ? what : start + what, {
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

/**
 * Reads records of a remote, from where they have arrived.
 * @throws {CorruptError} that names the remote, where they are damaged: no file of this repository is.
 */
export async function readingRemote<T>(shown: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isDamage(error) || error.data.url !== undefined) throw error;
    const { message, data } = damagedRemote(shown, error.message);
    throw new CorruptError(message, { ...error.data, ...data });
  }
}

/** A file of a remote that was read whole. @throws {CorruptError} {FormatVersionError} that names the remote: nothing here is damaged. */
export function parseAt<T>(shown: string, name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatVersionError) {
      const message = error.message.replace('this repository', `the remote '${shown}'`);
      throw new FormatVersionError(message, { ...error.data, url: shown });
    }
    if (!isDamage(error)) throw error;
    const what = error.message.replace(/^.*?is damaged: /, '');
    const isWeb = /^https?:/.test(shown);
    const page = 'look at the address with a browser: a page to log in may stand there; else ';
    throw new CorruptError(`'${name}' at '${shown}' is not what a remote holds there: ${what}`, {
      file: name,
      url: shown,
      hint: `${isWeb ? page : ''}push again from a repository that is whole, to a new address`,
    });
  }
}
