/**
 * Checks paths that untrusted files name: zip entries, shards of an index, external data. Such a path
 * must stay inside the folder of the file that names it, on every operating system.
 */
import { PATH_BYTES_MAX } from '../../base/limits.js';

/** Why `path` may not be followed, or null for a plain relative path with '/' between its parts. */
export function unsafePathReason(path: string): string | null {
  if (path === '') return 'is empty';
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `is longer than ${PATH_BYTES_MAX} bytes`;
  if (path.includes('\0')) return 'has a NUL byte';
  if (path.includes('\\')) return 'has a backslash';
  if (path.startsWith('/')) return 'is absolute';
  if (/^[A-Za-z]:/.test(path)) return 'names a drive';
  const parts = path.split('/');
  if (parts.includes('..')) return "leaves the folder with '..'";
  if (parts.includes('') || parts.includes('.')) return "has an empty or '.' part";
  return null;
}
