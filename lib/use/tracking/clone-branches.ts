/** Which branches a clone has: the one that HEAD will name, and one of each other model. */
import { NotFoundError } from '../../base/errors.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import type { BranchName } from '../history/lines/branches.js';

const HEADS = 'refs/heads/';

/**
 * The branch of the remote that HEAD will name; null if it has none yet and none is asked for.
 * @throws {NotFoundError} if it has not the one that is asked for.
 */
export function branchOf(
  source: RemoteReader,
  { branch: given, model: only }: { branch?: string; model?: string },
  head: BranchName | null,
): BranchName | null {
  const { refs } = source.state;
  if (only !== undefined && only !== head?.model) {
    const names = [...refs.keys()].filter((ref) => ref.startsWith(`${HEADS}${only}/`));
    const branches = names.map((ref) => ref.slice(`${HEADS}${only}/`.length));
    const branch = [given, 'main'].find((name) => name && branches.includes(name)) ?? branches[0];
    if (branch !== undefined && (given === undefined || given === branch)) {
      return { model: only, branch };
    }
  }
  if (given === undefined) return branchWithVersions([...refs.keys()], head);
  const model = head?.model ?? '';
  const at = given.indexOf('/');
  const candidates = [
    { model, branch: given },
    { model: given.slice(0, Math.max(0, at)), branch: given.slice(at + 1) },
  ];
  for (const one of candidates) if (refs.has(branchRefName(one.model, one.branch))) return one;
  const names = [...refs.keys()].filter((ref) => ref.startsWith(HEADS));
  const there = names.map((ref) => ref.slice(HEADS.length)).slice(0, 6);
  throw new NotFoundError(`'${source.shown}' has no branch '${given}'`, {
    kind: 'branch',
    name: given,
    hint: there.length === 0 ? 'it has no branches yet' : `it has ${there.join(', ')}`,
  });
}

/** HEAD's branch, or one that has versions where that has none: of its model if possible, and of its name or main. */
function branchWithVersions(refs: readonly string[], head: BranchName | null): BranchName | null {
  if (head === null || refs.includes(branchRefName(head.model, head.branch))) return head;
  const all = refs
    .filter((ref) => ref.startsWith(HEADS))
    .map((ref) => ref.slice(HEADS.length))
    .map((title) => ({
      model: title.slice(0, title.indexOf('/')),
      branch: title.slice(title.indexOf('/') + 1),
    }));
  const own = all.filter(({ model }) => model === head.model);
  const among = own.length > 0 ? own : all;
  for (const name of [head.branch, 'main']) {
    const found = among.find(({ branch }) => branch === name);
    if (found !== undefined) return found;
  }
  return among[0] ?? head;
}

/** Branches that the clone has of its own: HEAD's, and one of each other model. */
export function ownBranches(
  { state }: RemoteReader,
  head: BranchName,
  lines: readonly string[],
): BranchName[] {
  const byModel = new Map<string, string[]>();
  for (const ref of state.refs.keys()) {
    if (!ref.startsWith(HEADS)) continue;
    const [, , model = '', ...rest] = ref.split('/');
    const title = ref.slice(HEADS.length);
    if (lines.length > 0 && !lines.some((line) => title === line || model === line)) continue;
    byModel.set(model, [...(byModel.get(model) ?? []), rest.join('/')]);
  }
  const branches: BranchName[] = [head];
  for (const [model, names] of byModel) {
    if (model === head.model) continue;
    const branch = [head.branch, 'main'].find((name) => names.includes(name)) ?? names[0];
    branches.push({ model, branch: branch as string });
  }
  return branches;
}
