/** What becomes of a branch here when one of its name is imported. */
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { tagRefName } from '../../../storage/repo/refs/ref-name.js';
import { listRefNames, readRef } from '../../../storage/repo/refs/refs.js';
import { parseBranchTitle } from '../../../storage/repo/remotes.js';
import { derivesFrom } from '../ahead-behind.js';

/** A branch that is imported. */
interface Arrived {
  /** `model/branch`. */
  readonly name: string;
  readonly id: Id;
}

/** What becomes of a branch, or why nothing does. @param before  where it is; null if there is none. */
export async function judgeImport(
  repo: ReadAccess,
  { name, id }: Arrived,
  before: Id | null,
  shown: string,
): Promise<'new' | 'updated' | 'same' | { reason: string }> {
  if (before !== null && (await derivesFrom(repo, before, id))) return 'same';
  if (before !== null && !(await derivesFrom(repo, id, before))) {
    return {
      reason:
        `both have versions of their own: 'dlv remote add other ${shown}', 'dlv fetch other' and ` +
        `'dlv merge other/${name}' join them`,
    };
  }
  const place = parseBranchTitle(name);
  const head = await readHead(repo.layout);
  if (head.kind === 'branch' && `${head.model}/${head.branch}` === name) {
    return { reason: `HEAD is on it: 'dlv pull ${shown}' moves it, and its files with it` };
  }
  if (before !== null) return 'updated';
  for (const ref of await listRefNames(repo.layout, 'refs/heads')) {
    const other = ref.slice('refs/heads/'.length);
    if (!other.startsWith(`${name}/`) && !name.startsWith(`${other}/`)) continue;
    return { reason: `there is a branch '${other}' here, and both names cannot be` };
  }
  if (place !== null && (await readRef(repo.layout, tagRefName(place.model))) !== null) {
    return {
      reason: `there is a tag '${place.model}' here: it and a model of that name would be one`,
    };
  }
  return 'new';
}
