/** The names in a repository that a command line may hold, for the completion of shells. */
import { readQueries } from '../../storage/repo/queries.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { listRefNames } from '../../storage/repo/refs/refs.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import { listRuns } from '../../storage/repo/runs/run-record.js';
import type { Repository } from '../repository.js';
import { stashRefs } from '../stashing/stashes.js';

/** What names are asked for. */
export type NamesWanted =
  | 'revision'
  | 'branch'
  /** What `dlv switch` goes to: branches, those that only remotes have, and models. */
  | 'goal'
  | 'remote branch'
  | 'branch or tag'
  | 'tag'
  | 'remote'
  | 'model'
  | 'stash'
  | 'run'
  | 'query';

/**
 * All names of a kind, in order. Branches are those of HEAD's model by their own names, then `model/branch` of all,
 * and so at remotes: `origin/main`, then `origin/model/main`.
 */
export async function listNames(repo: Repository, wanted: NamesWanted): Promise<string[]> {
  const { layout } = repo;
  switch (wanted) {
    case 'remote':
      return [...(await readRemotes(layout)).urls.keys()];
    case 'stash':
      return (await stashRefs(repo, (await repo.head()).model)).map((_, i) => `stash@{${i}}`);
    case 'run':
      return (await listRuns(layout)).flatMap(({ id, name }) =>
        name === null ? [id] : [name, id],
      );
    case 'query':
      return [...(await readQueries(layout)).keys()];
    case 'tag':
      return behind(await listRefNames(layout, 'refs/tags'), 'refs/tags/');
    default:
      return refNames(repo, wanted);
  }
}

type Refs = 'revision' | 'branch' | 'goal' | 'remote branch' | 'branch or tag' | 'model';

async function refNames({ layout }: Repository, wanted: Refs): Promise<string[]> {
  const { model } = await readHead(layout);
  const titles = behind(await listRefNames(layout, 'refs/heads'), 'refs/heads/');
  const branches = [...behind(titles, `${model}/`), ...titles];
  const models = [...new Set(titles.map((title) => title.slice(0, title.indexOf('/'))))];
  if (wanted === 'branch') return branches;
  if (wanted === 'model') return models;
  const tags = behind(await listRefNames(layout, 'refs/tags'), 'refs/tags/');
  if (wanted === 'branch or tag') return [...branches, ...tags];
  const seen = behind(await listRefNames(layout, 'refs/remotes'), 'refs/remotes/').map((name) => {
    const at = name.indexOf('/');
    return { remote: name.slice(0, at), title: name.slice(at + 1) };
  });
  const own = seen.filter(({ title }) => title.startsWith(`${model}/`));
  if (wanted === 'goal') {
    // A branch that only a remote has is made when one switches to it.
    const there = own.map(({ title }) => title.slice(model.length + 1));
    return [...new Set([...branches, ...there, ...models])];
  }
  const remote = [
    ...own.map(({ remote, title }) => `${remote}/${title.slice(model.length + 1)}`),
    ...seen.map(({ remote, title }) => `${remote}/${title}`),
  ];
  return wanted === 'remote branch' ? remote : ['HEAD', ...branches, ...remote, ...tags, ...models];
}

function behind(names: readonly string[], prefix: string): string[] {
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
