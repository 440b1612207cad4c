/** What git writes, read: the rows of a tree, texts in the encoding of a commit, authors. */
import { isUtf8 } from 'node:buffer';
import type { Author } from '../../../storage/repo/version/version.js';

export interface TreeRow {
  mode: string;
  type: string;
  id: string;
  size: number;
  path: string;
  /** False if the bytes of the name are no UTF-8: `path` shows what can be shown. */
  isText: boolean;
}

/** Text of a commit in the encoding that it names; UTF-8 if it names none, or one that is not known. */
export function textOf(bytes: Buffer): string {
  const end = bytes.indexOf('\n\n');
  const head = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  const encoding = /^encoding (\S+)$/m.exec(head)?.[1];
  if (encoding === undefined) return bytes.toString('utf8');
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

/** Longest name that is taken of an author: at most four times as many bytes. */
const NAME_CHARS_MAX = 1000;

/** An author that a version can hold. */
export function authorOf(name: string, email: string): Author {
  const plain = (text: string): string =>
    [...text.replace(/[\p{Cc}\p{Cs}<>]+/gu, ' ').trim()].slice(0, NAME_CHARS_MAX).join('');
  return { name: plain(name) === '' ? 'unknown' : plain(name), email: plain(email) };
}

/** Rows of `git ls-tree -r -z -l`. */
export function parseTree(bytes: Buffer): TreeRow[] {
  const rows: TreeRow[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    if (end < 0) break;
    const tab = bytes.indexOf(0x09, at);
    const [mode = '', type = '', id = '', size = '-'] = bytes
      .toString('latin1', at, tab)
      .split(/ +/);
    const name = bytes.subarray(tab + 1, end);
    rows.push({
      ...{ mode, type, id, size: Number(size) },
      ...{ path: name.toString('utf8'), isText: isUtf8(name) },
    });
    at = end + 1;
  }
  return rows;
}
