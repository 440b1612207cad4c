/** For tests of a work tree with symbolic links and folders that may not be entered. */
import plain from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { status } from '../../lib/use/ops/status.js';
import type { TestRepository } from './repository.js';

/** What status says, as 'staged added a' and 'modified b (symbolic link)'. */
export async function changes(repo: TestRepository): Promise<string[]> {
  const { models, untracked } = await repo.with((open) => status(open, repo.context));
  return models
    .flatMap(({ staged, unstaged }) => [
      ...staged.map((change) => `staged ${change.status} ${change.path}`),
      ...unstaged.map(({ path: file, status: how, became }) =>
        became === undefined ? `${how} ${file}` : `${how} ${file} (${became})`,
      ),
    ])
    .concat(untracked.map((file) => `untracked ${file}`));
}

export async function warned(
  repo: TestRepository,
  action: () => Promise<unknown>,
): Promise<string> {
  repo.warnings.length = 0;
  await action();
  return repo.warnings.join('\n');
}

/** Runs something while nobody may list the names in a folder, though files in it may be read. @param denied real path. */
export async function whileUnlisted(denied: string, action: () => Promise<unknown>): Promise<void> {
  const { readdirSync } = plain;
  const refused = (...args: unknown[]): unknown => {
    if (args[0] === denied) throw Object.assign(new Error('denied'), { code: 'EACCES' });
    return (readdirSync as (...all: unknown[]) => unknown)(...args);
  };
  Object.assign(plain, { readdirSync: refused });
  try {
    await action();
  } finally {
    Object.assign(plain, { readdirSync });
  }
}

/** Runs something while nobody may enter a folder, whoever runs the tests. @param denied real path. */
export async function whileDenied(denied: string, action: () => Promise<void>): Promise<void> {
  const { stat, lstat, readdir, realpath } = fs;
  const isDenied = (folder: string): boolean =>
    folder === denied || folder.startsWith(denied + path.sep);
  /** The call, refused if the folder that it has to enter is denied. */
  const refused =
    (call: unknown, entered: (place: string) => Promise<string>) =>
    async (...args: unknown[]): Promise<unknown> => {
      if (isDenied(await entered(String(args[0])).catch(() => ''))) {
        throw Object.assign(new Error('denied'), { code: 'EACCES' });
      }
      return (call as (...all: unknown[]) => Promise<unknown>)(...args);
    };
  const refusedNow =
    (call: unknown, entered: (place: string) => string) =>
    (...args: unknown[]): unknown => {
      let folder = '';
      try {
        folder = entered(String(args[0]));
      } catch {
        // What is not there is nobody's.
      }
      if (isDenied(folder)) throw Object.assign(new Error('denied'), { code: 'EACCES' });
      return (call as (...all: unknown[]) => unknown)(...args);
    };
  const { statSync, lstatSync, readdirSync, realpathSync } = plain;
  Object.assign(plain, {
    statSync: refusedNow(statSync, (place) => path.dirname(realpathSync(place))),
    lstatSync: refusedNow(lstatSync, (place) => realpathSync(path.dirname(place))),
    readdirSync: refusedNow(readdirSync, (place) => realpathSync(place)),
  });
  Object.assign(fs, {
    stat: refused(stat, async (place) => path.dirname(await realpath(place))),
    lstat: refused(lstat, (place) => realpath(path.dirname(place))),
    readdir: refused(readdir, (place) => realpath(place)),
  });
  try {
    await action();
  } finally {
    Object.assign(fs, { stat, lstat, readdir });
    Object.assign(plain, { statSync, lstatSync, readdirSync });
  }
}
