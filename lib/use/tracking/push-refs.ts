/** Which refs of a remote a push moves, and whether it may. */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import type { RemoteState } from '../../storage/exchange/remote/remote-file.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { parseRefName, remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import type { BranchName } from '../history/lines/branches.js';
import { derivesFrom } from './ahead-behind.js';

/** What became of one ref of the remote. */
export type PushStatus = 'new' | 'updated' | 'forced' | 'same' | 'deleted' | 'rejected';

/** A ref that a push is about. */
export interface PushTarget {
  kind: 'branch' | 'tag';
  /** Full name at the remote. */
  ref: string;
  /** Version that it shall name; null: it is deleted. */
  to: Id | null;
  /** The branch here that it comes from; null if it is no branch. */
  from: BranchName | null;
  /** As `PushRules.force`, for this ref alone. */
  force?: boolean;
}

export interface PushedRef {
  kind: 'branch' | 'tag';
  /** `model/branch`, or the tag. */
  name: string;
  before: Id | null;
  after: Id | null;
  status: PushStatus;
  /** Why it was rejected, as a sentence. */
  reason: string | null;
}

export interface PushRules {
  /** Name of the remote here; null: no branches of it are remembered. */
  readonly remote: string | null;
  /** Also where versions that only the remote has are left behind. */
  readonly force: boolean;
  /** The same, if the branch of the remote is where it was seen last. */
  readonly lease: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** `model/branch`, or the tag. */
function titleOf(ref: string): string {
  return ref.split('/').slice(2).join('/');
}

/** What a push would do to each ref, from the state that the remote is in. */
export async function judgePush(
  repo: ReadAccess,
  state: Pick<RemoteState, 'refs'>,
  targets: readonly PushTarget[],
  rules: PushRules,
): Promise<PushedRef[]> {
  const refs: PushedRef[] = [];
  for (const target of targets) {
    const before = state.refs.get(target.ref) ?? null;
    const ref = { kind: target.kind, name: titleOf(target.ref), before, after: target.to };
    const verdict = await judge(repo, before, target, rules);
    refs.push(
      typeof verdict === 'string'
        ? { ...ref, status: verdict, reason: null }
        : { ...ref, status: 'rejected', reason: verdict.reason },
    );
  }
  return refs;
}

async function judge(
  repo: ReadAccess,
  before: Id | null,
  target: PushTarget,
  rules: PushRules,
): Promise<PushStatus | { reason: string }> {
  const { to } = target;
  const isForced = rules.force || target.force === true;
  if (before === to) return to === null ? { reason: 'the remote has no such ref' } : 'same';
  if (to === null) {
    if (rules.lease && !(await isAsSeen(repo, target, before, rules))) return { reason: MOVED };
    return 'deleted';
  }
  if (before === null) return 'new';
  if (target.kind === 'tag') {
    if (isForced) return 'forced';
    return { reason: 'the remote has a tag of that name for another version' };
  }
  const isHere = await repo.store.hasBlob(before);
  if (isHere && (await derivesFrom(repo, to, before, rules.signal))) return 'updated';
  if (rules.lease) {
    return (await isAsSeen(repo, target, before, rules)) ? 'forced' : { reason: MOVED };
  }
  if (isForced) return 'forced';
  return isHere
    ? {
        reason:
          "the branch there has versions that this one does not derive from: 'dlv pull' first, or, " +
          "if you rewrote them here, 'dlv push --force-with-lease'",
      }
    : { reason: "the branch there has versions that are not here: 'dlv pull' first" };
}

const MOVED =
  "the branch moved there since it was fetched last: 'dlv fetch', look, then push again";

/** True if a branch of the remote is where it was seen last. */
async function isAsSeen(
  repo: ReadAccess,
  { ref }: PushTarget,
  before: Id | null,
  { remote }: PushRules,
): Promise<boolean> {
  const place = parseRefName(ref);
  if (place?.kind !== 'head' || remote === null) return false;
  return (await readRef(repo.layout, remoteRefName(remote, place.model, place.branch))) === before;
}

/**
 * The refs of the remote once those that are not rejected have moved.
 * @throws {ConflictError} if the name of a new ref has no room beside another.
 */
export function movedRefs(
  state: Pick<RemoteState, 'refs' | 'head'>,
  refs: readonly PushedRef[],
  preferred: { model: string; branch: string } | null,
): Pick<RemoteState, 'refs' | 'head'> {
  const moved = new Map(state.refs);
  for (const { kind, name, after, status } of refs) {
    if (status === 'rejected' || status === 'same') continue;
    const ref = `refs/${kind === 'tag' ? 'tags' : 'heads'}/${name}`;
    if (after === null) moved.delete(ref);
    else moved.set(ref, after);
  }
  checkRoom(moved);
  return { refs: moved, head: defaultBranch(moved, state.head, preferred) };
}

function checkRoom(refs: ReadonlyMap<string, Id>): void {
  for (const name of refs.keys()) {
    const parts = name.split('/');
    for (let i = 3; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/');
      if (!refs.has(above)) continue;
      throw new ConflictError(
        `the remote cannot hold both '${titleOf(above)}' and '${titleOf(name)}'`,
        {
          name,
          other: above,
          hint: 'a name cannot also be the folder of another: push under another name, or delete one there',
        },
      );
    }
  }
}

/** The branch that a clone checks out: the one it was, else HEAD's here, else the first. */
export function defaultBranch(
  refs: ReadonlyMap<string, Id>,
  before: RemoteState['head'],
  preferred: RemoteState['head'],
): RemoteState['head'] {
  for (const head of [before, preferred]) {
    if (head !== null && refs.has(`refs/heads/${head.model}/${head.branch}`)) return head;
  }
  for (const name of [...refs.keys()].sort()) {
    const place = parseRefName(name);
    if (place?.kind === 'head') return { model: place.model, branch: place.branch };
  }
  return null;
}
