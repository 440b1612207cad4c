/** The names in a repository that a command line may hold, for the completion of shells. */
import { readHead } from '../../storage/repo/refs/head.js';
import { listRefNames } from '../../storage/repo/refs/refs.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import type { Repository } from '../repository.js';

export interface RepositoryNames {
  models: string[];
  /** `branch` of HEAD's model, then `model/branch` of all. */
  branches: string[];
  tags: string[];
  remotes: string[];
}

/** All names, each kind in order. */
export async function listNames({ layout }: Repository): Promise<RepositoryNames> {
  const { model } = await readHead(layout);
  const behind = (names: readonly string[], prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const heads = await listRefNames(layout, 'refs/heads');
  const titles = behind(heads, 'refs/heads/');
  return {
    models: [...new Set(titles.map((title) => title.slice(0, title.indexOf('/'))))],
    branches: [...behind(titles, `${model}/`), ...titles],
    tags: behind(await listRefNames(layout, 'refs/tags'), 'refs/tags/'),
    remotes: [...(await readRemotes(layout)).urls.keys()],
  };
}
