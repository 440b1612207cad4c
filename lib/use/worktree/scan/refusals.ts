/** Why what a person named in the work tree is not taken. */
import { type DlvError, NotFoundError, UsageError } from '../../../base/errors.js';
import type { LinkTarget } from './follow-links.js';

export function ignored(input: string): UsageError {
  return new UsageError(`'${input}' is ignored by a .dlvignore file`, {
    hint: 'use --force to add it anyway',
  });
}

export function inNested(input: string, repository: string): UsageError {
  return new UsageError(`'${input}' lies in a repository of its own, '${repository}'`, {
    hint: `add it there: 'dlv -C ${repository} add …'`,
  });
}

export function notFound(input: string): NotFoundError {
  return new NotFoundError(`'${input}' matches no file`, {
    kind: 'path',
    name: input,
    hint: "'dlv status' lists the files that can be added",
  });
}

/** @param path  of the link, in a version. */
export function notFollowed(
  input: string,
  path: string,
  { why, to }: LinkTarget & { kind: 'none' },
): DlvError {
  const message = `cannot add '${input}': ${why}`;
  if (to === undefined) return new UsageError(message, { path });
  return new NotFoundError(message, {
    kind: 'path',
    name: input,
    path,
    hint: `'${path}' leads to '${to}': make that, or let the link lead elsewhere`,
  });
}
