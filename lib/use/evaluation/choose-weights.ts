/**
 * Which weights of versions are put into a network: those of checkpoints, never the network's own file where there is
 * another, and of versions that are compared those of one name where each has it.
 */
import type { Id } from '../../base/bytes/hash.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { AmbiguousError, NotFoundError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { FileEntry, FilePage, Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { isBelow } from '../history/steps/pick-snapshot.js';

/** What is asked of the versions. */
export interface WeightsQuestion {
  /** Network that the weights of each version are put in. */
  networkOf: (version: Id) => Promise<FileEntry>;
  /** Path of the file of weights, of a shard or of the folder it lies in; default: the only one. */
  weights?: string | undefined;
}

/** Checkpoints of one version. */
interface Candidates {
  version: Id;
  label: string;
  snapshots: readonly Snapshot[];
}

/**
 * The weights of each version.
 * @throws {NotFoundError} if a version has none; {AmbiguousError} if it has several and none is named.
 */
export async function chooseWeights(
  repo: ReadAccess,
  versions: readonly Id[],
  { networkOf, weights }: WeightsQuestion,
  context: OpContext,
): Promise<Map<Id, Snapshot>> {
  const all: Candidates[] = [];
  for (const version of versions) {
    const page = await repo.tree(version);
    const label = `version ${version.slice(0, 10)}`;
    const own = page.snapshots.filter(({ role }) => role === 'weights');
    if (own.length === 0) {
      throw new NotFoundError(`${label} has no weights`, {
        kind: 'snapshot',
        name: version,
        hint: "'dlv show' lists what a version has",
      });
    }
    const snapshots =
      weights === undefined
        ? withoutNetworks(page, own, {
            network: await networkOf(version),
            networks: new Set((await networksOfVersion(repo, version, context)).map(pathOf)),
          })
        : [named(own, weights, label)];
    all.push({ version, label, snapshots });
  }
  const common = commonKey(all);
  return new Map(all.map((one) => [one.version, chosen(one, common)]));
}

function pathOf({ path }: { path: string }): string {
  return path;
}

/** Checkpoints that are no networks; if there are none, other networks than the one that is run; else that one. */
function withoutNetworks(
  { files }: FilePage,
  snapshots: readonly Snapshot[],
  { network, networks }: { network: FileEntry; networks: ReadonlySet<string> },
): readonly Snapshot[] {
  const same = new Set(
    files
      .filter(({ path, recipe }) => path === network.path || recipe.id === network.recipe.id)
      .map(pathOf),
  );
  const others = snapshots.filter(({ key }) => !same.has(key));
  const checkpoints = others.filter(({ key }) => !networks.has(key));
  return [checkpoints, others, snapshots].find((some) => some.length > 0) ?? [];
}

/** @throws {NotFoundError} {AmbiguousError} */
function named(snapshots: readonly Snapshot[], weights: string, label: string): Snapshot {
  const wanted = weights.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  const exact = snapshots.find(({ key, members }) => key === wanted || members.includes(wanted));
  const below = snapshots.filter(({ key }) => isBelow(key, wanted));
  const [first, ...more] = exact === undefined ? below : [exact];
  const keys = quoteSome(snapshots.map(({ key }) => key));
  if (first === undefined) {
    throw new NotFoundError(`${label} has no weights '${weights}'`, {
      kind: 'snapshot',
      name: weights,
      hint: `it has weights in ${keys}`,
    });
  }
  if (more.length > 0) throw ambiguous(label, below);
  return first;
}

/** The only path at which each version has a checkpoint; null if there is none, or more than one. */
function commonKey(all: readonly Candidates[]): string | null {
  const [first, ...others] = all.map(({ snapshots }) => snapshots.map(({ key }) => key));
  const keys = (first ?? []).filter((key) => others.every((own) => own.includes(key)));
  return keys.length === 1 ? (keys[0] as string) : null;
}

function chosen({ label, snapshots }: Candidates, common: string | null): Snapshot {
  const [first, ...more] = snapshots;
  const shared = snapshots.find(({ key }) => key === common);
  if (shared !== undefined) return shared;
  if (first === undefined || more.length > 0) throw ambiguous(label, snapshots);
  return first;
}

function ambiguous(label: string, snapshots: readonly Snapshot[]): AmbiguousError {
  const keys = snapshots.map(({ key }) => key);
  return new AmbiguousError(`${label} has weights in ${quoteSome(keys)}`, {
    kind: 'snapshot',
    name: label,
    candidates: keys,
    hint: `name one: --weights ${keys[0]}`,
  });
}
