/** Which remote has what is lost here, as far as is known without asking it. */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import { collectFacts } from '../history/lines/ancestry.js';

/** A problem that fsck found. */
interface Found {
  readonly kind: string;
  readonly area: string;
  readonly affects: readonly { readonly version: Id | null }[];
  remedy: string;
}

/** Names, in the remedies of problems, the remote that was seen to have most of the versions that they affect. */
export async function nameRepairs(repo: ReadAccess, problems: readonly Found[]): Promise<void> {
  const open = problems.filter(isOfObjects);
  if (open.length === 0) return;
  try {
    const had = await versionsOfRemotes(repo);
    let known = '';
    for (const problem of open) {
      const affected = problem.affects.flatMap(({ version }) => version ?? []);
      let [best, most] = ['', 0];
      for (const [remote, versions] of had) {
        const count = affected.filter((id) => versions.has(id)).length;
        if (count > most) [best, most] = [remote, count];
      }
      if (most === 0) continue;
      const what = most === affected.length ? 'it from there; or else' : 'what is there; else';
      problem.remedy = `run 'dlv fsck --repair ${best}', which brings ${what} ${problem.remedy}`;
      known = known || best;
    }
    // A file of packs that is lost names no versions: what it held is what the other problems are about.
    for (const problem of known === '' ? [] : open) {
      if (problem.affects.length > 0) continue;
      problem.remedy = `run 'dlv fsck --repair ${known}' first; what that does not bring: ${problem.remedy}`;
    }
  } catch (error) {
    // Remotes or refs that cannot be read are problems of their own.
    if (!isUnreadable(error)) throw error;
  }
}

/** The versions of each remote, as its branches were seen last. */
async function versionsOfRemotes(repo: ReadAccess): Promise<Map<string, ReadonlyMap<Id, unknown>>> {
  const had = new Map<string, ReadonlyMap<Id, unknown>>();
  for (const remote of (await readRemotes(repo.layout)).urls.keys()) {
    const tips = (await listRefs(repo.layout, `refs/remotes/${remote}`)).map(({ id }) => id);
    had.set(remote, await collectFacts((id) => parentsOf(repo, id), tips, {}));
  }
  return had;
}

function isOfObjects({ kind, area }: Found): boolean {
  const isLost = kind === 'missing' || kind === 'damaged';
  return isLost && ['pack', 'object', 'version', 'graph'].includes(area);
}

/** None of a version that is lost itself: what it derives from is not known then. */
async function parentsOf(repo: ReadAccess, id: Id): Promise<{ parents: Id[] }> {
  try {
    return { parents: [...(await repo.version(id)).parents] };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return { parents: [] };
  }
}
