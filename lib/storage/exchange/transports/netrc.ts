/**
 * Users and passwords of web servers from the user's `.netrc`, as curl and git read it: `machine <host> login <name>
 * password <secret>`. Macros are skipped, and so is `default`: the address of a remote may be a stranger's, and gets no
 * password that is not meant for its host. Nothing of it is ever printed or stored.
 */
import { homedir } from 'node:os';
import path from 'node:path';
import { isMissing, readSmallFile } from '../../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';

/** With what a user logs in at a server. */
export interface Login {
  user: string;
  password: string;
}

/** Finds the login of a host in the text of a `.netrc`; null if it names none. The first entry that fits counts. */
export function findLogin(text: string, host: string): Login | null {
  const words = wordsOf(text);
  let isOurs = false;
  let found: Partial<Login> = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === 'machine' || word === 'default') {
      if (found.password !== undefined) break;
      found = {};
      isOurs = word === 'machine' && words[++at]?.toLowerCase() === host.toLowerCase();
    } else if (word === 'login' || word === 'password' || word === 'account') {
      const value = words[++at] ?? '';
      if (!isOurs || word === 'account') continue;
      found[word === 'login' ? 'user' : 'password'] = value;
    }
  }
  return found.password === undefined ? null : { user: '', password: '', ...found };
}

/** Words of the file; one in quotes may hold spaces. Comments and macros, which end at an empty line, are left out. */
function wordsOf(text: string): string[] {
  const plain = text
    .replace(/^[ \t]*macdef[^\n]*\n(?:[^\n]+\n?)*/gm, '')
    .replace(/^[ \t]*#.*$/gm, '');
  return [...plain.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, word]) =>
    quoted === undefined ? (word as string) : quoted.replaceAll(/\\(.)/g, '$1'),
  );
}

/** The login of a host in the file that `NETRC` names, else `~/.netrc`; null if there is none, or it cannot be read. */
export async function readLogin(
  host: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Login | null> {
  const file = env.NETRC || path.join(homedir(), '.netrc');
  try {
    const bytes = await readSmallFile(file, STATE_FILE_BYTES_MAX);
    return findLogin(Buffer.from(bytes).toString('utf8'), host);
  } catch (error) {
    if (isMissing(error) || isUnreadableHere(error)) return null;
    throw error;
  }
}

/** The file of another user, or a folder: nothing of it is meant for us. */
function isUnreadableHere(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return ['EACCES', 'EPERM', 'EISDIR', 'DLV_IO'].includes(cause?.code ?? code ?? '');
}
