/** `dlv branch -u`: which branch of a remote a branch follows. */
import { NotFoundError } from '../../base/errors.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import {
  changeRemotes,
  parseBranchTitle,
  readRemotes,
  type Upstream,
} from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import {
  type BranchName,
  existingBranch,
  noBranch,
  readBranch,
} from '../history/lines/branches.js';
import type { Repository } from '../repository.js';
import { upstreamTitle } from '../tracking/ahead-behind.js';
import { remoteNamed } from '../tracking/remotes.js';

/** What a branch follows from now on. */
export interface UpstreamChange extends BranchName {
  action: 'follows' | 'follows nothing';
  /** `remote/model/branch`; null if it follows nothing. */
  upstream: string | null;
}

/**
 * Makes a branch follow one of a remote, or (`upstream` null) none.
 * @param options.upstream  `<remote>/<model>/<branch>`, or `<remote>/<branch>` of the same model.
 * @throws {NotFoundError} if there is no such remote or branch.
 */
export async function setUpstream(
  repo: Repository,
  options: { name?: string; model?: string; upstream: string | null },
  _context: OpContext,
): Promise<UpstreamChange> {
  const head = await readHead(repo.layout);
  const name = options.name ?? (head.kind === 'branch' ? head.branch : null);
  if (name === null) throw await noBranch(repo, 'HEAD', [], 'HEAD is on no branch: name one');
  const own = { model: head.model, branch: name };
  // Before its first version a branch has no ref, and may follow one all the same.
  const isUnborn = options.name === undefined && (await readBranch(repo, own)) === null;
  const place = isUnborn ? own : (await existingBranch(repo, name, options.model)).place;
  const title = `${place.model}/${place.branch}`;
  const upstream =
    options.upstream === null ? null : await readUpstream(repo, options.upstream, place);
  await repo.locked((lock) =>
    changeRemotes(lock, ({ upstreams }) => {
      if (upstream === null) upstreams.delete(title);
      else upstreams.set(title, upstream);
    }),
  );
  const action = upstream === null ? 'follows nothing' : 'follows';
  return { action, ...place, upstream: upstream && upstreamTitle(upstream) };
}

async function readUpstream(repo: Repository, text: string, place: BranchName): Promise<Upstream> {
  const at = text.indexOf('/');
  const rest = text.slice(at + 1);
  const { name: remote } = remoteNamed(
    await readRemotes(repo.layout),
    text.slice(0, Math.max(0, at)),
  );
  for (const title of [rest, `${place.model}/${rest}`]) {
    const branch = parseBranchTitle(title);
    if (branch === null || remote === null) continue;
    const seen = await readRef(repo.layout, remoteRefName(remote, branch.model, branch.branch));
    if (seen !== null) return { remote, ...branch };
  }
  throw new NotFoundError(`no branch '${rest}' was seen at '${remote}'`, {
    kind: 'branch',
    name: text,
    hint: `'dlv fetch ${remote}' looks again, 'dlv branch -r' lists what was seen; 'dlv push -u' makes it there`,
  });
}
