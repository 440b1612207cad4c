/** `dlv remote`: addresses of remotes. */
import { ConflictError, ExistsError } from '../../base/errors.js';
import { keptUrl, shownUrl } from '../../storage/exchange/open-remote.js';
import { makeMoves } from '../../storage/repo/moves/carry-out.js';
import { leavesOut, readPromisedOf, writePromised } from '../../storage/repo/promised.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { changeRemotes, readRemotes } from '../../storage/repo/remotes.js';
import { FETCH_ALL_FLAGS } from '../../storage/store/promised.js';
import type { OpContext } from '../context.js';
import { moveReason } from '../history/lines/moves.js';
import type { Repository } from '../repository.js';
import { checkRemoteName, remoteNamed } from '../tracking/remotes.js';

/** A remote and its address, without the password. */
export interface RemoteEntry {
  name: string;
  url: string;
}

/** What became of a remote. */
export interface RemoteChange extends RemoteEntry {
  action: 'added' | 'removed' | 'renamed' | 'changed';
  /** Its name or address before; null if it was added. */
  before: string | null;
}

/** All remotes, by name. */
export async function listRemotes(repo: Repository): Promise<RemoteEntry[]> {
  const { urls } = await readRemotes(repo.layout);
  return [...urls].map(([name, url]) => ({ name, url: shownUrl(url) }));
}

/** @throws {ExistsError} {UsageError} for a bad name, or an address that leads nowhere known. */
export async function addRemote(
  repo: Repository,
  options: RemoteEntry,
  context: OpContext,
): Promise<RemoteChange> {
  const name = checkRemoteName(options.name);
  const url = keptUrl(options.url, context.cwd);
  await repo.locked((lock) =>
    changeRemotes(lock, ({ urls }) => {
      if (urls.has(name)) throw exists(name);
      urls.set(name, url);
    }),
  );
  return { action: 'added', name, url: shownUrl(url), before: null };
}

function exists(name: string): ExistsError {
  return new ExistsError(`there is a remote '${name}' already`, {
    kind: 'remote',
    name,
    hint: `'dlv remote set-url ${name} <url>' changes its address`,
  });
}

/** Forgets a remote, and where its branches were seen. */
export async function removeRemote(
  repo: Repository,
  options: { name: string },
  _context: OpContext,
): Promise<RemoteChange> {
  const { name } = options;
  const { url } = remoteNamed(await readRemotes(repo.layout), name);
  const why = await moveReason(repo, `remote: removed ${name}`);
  await repo.locked(async (lock) => {
    const promised = await readPromisedOf(repo.layout, name);
    if (promised !== null && (leavesOut(promised.filter) || promised.thin.size > 0)) {
      throw new ConflictError(`'${name}' has content that is not here`, {
        name,
        hint: `bring it here first: 'dlv fetch ${FETCH_ALL_FLAGS} ${name}'`,
      });
    }
    await writePromised(lock, name, null);
    await changeRemotes(lock, ({ urls, upstreams }) => {
      urls.delete(name);
      for (const [branch, { remote }] of upstreams) if (remote === name) upstreams.delete(branch);
    });
    const seen = await listRefs(repo.layout, `refs/remotes/${name}`);
    const refs = seen.map((ref) => ({ name: ref.name, before: ref.id, after: null }));
    if (refs.length > 0)
      await makeMoves(lock, { ...why, refs, head: null, notes: [], gone: [] }, null);
  });
  return { action: 'removed', name, url: shownUrl(url), before: name };
}

/** Gives a remote another name; what follows it goes with it. */
export async function renameRemote(
  repo: Repository,
  options: { from: string; to: string },
  _context: OpContext,
): Promise<RemoteChange> {
  const { from } = options;
  const to = checkRemoteName(options.to);
  const { url } = remoteNamed(await readRemotes(repo.layout), from);
  const why = await moveReason(repo, `remote: renamed ${from} to ${to}`);
  await repo.locked(async (lock) => {
    if ((await readRemotes(repo.layout)).urls.has(to)) throw exists(to);
    const promised = await readPromisedOf(repo.layout, from);
    // Under both names for a moment: either has what is not here.
    if (promised !== null) await writePromised(lock, to, promised);
    await changeRemotes(lock, ({ urls, upstreams }) => {
      urls.delete(from);
      urls.set(to, url);
      for (const upstream of upstreams.values()) {
        if (upstream.remote === from) upstream.remote = to;
      }
    });
    await writePromised(lock, from, null);
    const seen = await listRefs(repo.layout, `refs/remotes/${from}`);
    const refs = seen.flatMap(({ name, id }) => [
      {
        name: name.replace(`refs/remotes/${from}/`, `refs/remotes/${to}/`),
        before: null,
        after: id,
      },
      { name, before: id, after: null },
    ]);
    if (refs.length > 0)
      await makeMoves(lock, { ...why, refs, head: null, notes: [], gone: [] }, null);
  });
  return { action: 'renamed', name: to, url: shownUrl(url), before: from };
}

/** Changes the address of a remote. */
export async function setRemoteUrl(
  repo: Repository,
  options: RemoteEntry,
  context: OpContext,
): Promise<RemoteChange> {
  const { name } = options;
  const url = keptUrl(options.url, context.cwd);
  const before = remoteNamed(await readRemotes(repo.layout), name);
  await repo.locked((lock) => changeRemotes(lock, ({ urls }) => void urls.set(name, url)));
  return { action: 'changed', name, url: shownUrl(url), before: shownUrl(before.url) };
}
