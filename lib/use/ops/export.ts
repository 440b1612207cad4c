/** `dlv export`: versions with all that they need, in one file. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { ExistsError, NotFoundError } from '../../base/errors.js';
import { noRoom } from '../../base/files/files.js';
import { freeBytes } from '../../base/files/places/disks.js';
import { leadsTo, mayWriteIn } from '../../base/files/places/user-paths.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import { isBundle } from '../../storage/exchange/bundles/bundle-transport.js';
import { BundleWriter } from '../../storage/exchange/bundles/bundle-writer.js';
import { type Pushed, pushVersions } from '../../storage/exchange/push-objects.js';
import { Remote } from '../../storage/exchange/remote/remote.js';
import type { RemoteState } from '../../storage/exchange/remote/remote-file.js';
import { type NumberMarks, readNumbers } from '../../storage/repo/numbers.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import type { Backend } from '../../storage/store/backends/backend.js';
import { FolderBackend } from '../../storage/store/backends/folder-backend.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { type BundleRefs, bundleRefs } from '../tracking/bundles/bundle-refs.js';
import { defaultBranch } from '../tracking/push-refs.js';

export interface ExportOptions {
  /** The file that is written. */
  out: string;
  /** Models, branches, tags, other revisions, ranges `a..b`. */
  revisions?: string[];
  /** All branches of all models. */
  all?: boolean;
  /** Revisions whose versions are left out, with all that they derive from. */
  since?: string[];
  /** Tags of what is exported. Default: true. */
  tags?: boolean;
  /** Replaces a file that is no bundle. */
  force?: boolean;
  /** Only says what would be written. */
  dryRun?: boolean;
}

/** A branch or tag in a bundle. */
export interface BundledRef {
  kind: 'branch' | 'tag';
  /** `model/branch`, or the tag. */
  name: string;
  version: Id;
}

export interface ExportResult extends Pushed {
  path: string;
  refs: BundledRef[];
  /** Versions that a reader has to have already. */
  needs: Id[];
  /** Versions in it of which files were given up: it has the others of their files alone. */
  givenUp: number;
  /** Bytes of the file; null with `dryRun`. */
  fileBytes: number | null;
  dryRun: boolean;
}

/** Free on the disk beside the file itself. */
const SPARE_BYTES = 1 << 16;

/** @throws {ExistsError} {NotFoundError} {UsageError} {CorruptError} */
export async function exportVersions(
  repo: Repository,
  options: ExportOptions,
  context: OpContext,
): Promise<ExportResult> {
  const target = path.resolve(context.cwd, options.out);
  await checkPlace(target, options.force === true);
  const { revisions = [], all = false, since = [], tags = true, dryRun = false } = options;
  const chosen = await bundleRefs(repo, { revisions, all, since, tags }, context.signal);
  const writer = new BundleWriter(target, chosen.needs);
  const workshop = dryRun ? null : await openWorkshop(repo, target);
  try {
    const remote = await Remote.open(writer, null);
    const pushed = await fill(repo, remote, chosen, {
      dryRun,
      context,
      workshop: workshop?.backend ?? null,
    });
    const fileBytes = dryRun ? null : await writer.finish();
    const refs = listed(chosen.refs);
    const givenUp = await countGivenUp(repo, chosen.versions);
    return { path: target, refs, needs: chosen.needs, givenUp, fileBytes, dryRun, ...pushed };
  } finally {
    await writer.close();
    await workshop?.remove();
  }
}

/** A folder beside the bundle to make sets in, if the repository is read-only; else null: they are made there. */
async function openWorkshop(
  repo: Repository,
  target: string,
): Promise<{ backend: Backend; remove(): Promise<void> } | null> {
  if (await mayWriteIn(repo.layout.dir)) return null;
  const folder = await makeTemporaryFolder(path.join(path.dirname(target), '.dlv-export-'));
  const backend = new FolderBackend(folder);
  return {
    backend,
    remove: async () => {
      await backend.close();
      await removeFolder(folder);
    },
  };
}

async function countGivenUp(repo: Repository, versions: ReadonlySet<Id>): Promise<number> {
  let count = 0;
  for (const id of versions) {
    if (((await repo.tier(id))?.tombstones.notes.length ?? 0) > 0) count++;
  }
  return count;
}

/** @throws {ExistsError} if something else than a bundle is there. {NotFoundError} if its folder is missing. */
async function checkPlace(target: string, force: boolean): Promise<void> {
  const there = await leadsTo(target);
  if (there === null) {
    const folder = path.dirname(target);
    if ((await leadsTo(folder)) === 'folder') return;
    throw new NotFoundError(`there is no folder '${folder}'`, {
      ...{ kind: 'path', name: folder },
      hint: 'make the folder, or name a file in another one',
    });
  }
  if (there === 'file' && (force || (await isBundle(target)))) return;
  throw new ExistsError(`'${target}' exists and is no bundle`, {
    path: target,
    hint:
      there === 'file' ? 'name another file, or replace it with --force' : 'name a file, not this',
  });
}

function fill(
  repo: Repository,
  remote: Remote,
  { refs, needs, versions }: BundleRefs,
  { dryRun, context, workshop }: { dryRun: boolean; context: OpContext; workshop: Backend | null },
): Promise<Pushed> {
  const move = async () => ({ refs: new Map(refs), head: await headOf(repo, refs) });
  return numbersOf(repo, versions).then((numbers) =>
    pushVersions(
      { repo, remote, cache: null, had: needs },
      { tips: [...new Set(refs.values())], move, numbers, isNothing: () => false },
      {
        ...(context.signal ? { signal: context.signal } : {}),
        ...(workshop === null ? {} : { workshop }),
        dryRun,
        verify: true,
        onPlan: (bytes) => checkRoom(remote.shown, bytes),
        onStart: (what, bytes) =>
          context.progress.start(
            what === 'plan' ? 'looking for what is needed' : `writing ${remote.shown}`,
            bytes,
          ),
        onBytes: (bytes) => context.progress.advance(bytes),
      },
    ),
  );
}

/** @throws {IoError} if the disk is too full for the file. */
async function checkRoom(target: string, bytes: number): Promise<void> {
  const folder = path.dirname(target);
  const [free, needed] = [await freeBytes(folder), bytes + SPARE_BYTES];
  if (free === null || free >= needed) return;
  throw noRoom(`cannot export to '${target}'`, {
    file: target,
    needed,
    free,
    hint: 'free some disk space, or name a place on another disk',
  });
}

/** The branch that a clone of the bundle checks out. */
async function headOf(
  repo: Repository,
  refs: ReadonlyMap<string, Id>,
): Promise<RemoteState['head']> {
  const head = await readHead(repo.layout);
  const line = head.kind === 'branch' ? { model: head.model, branch: head.branch } : null;
  return defaultBranch(refs, null, line);
}

/** Highest numbers of the models whose versions are in the bundle. */
async function numbersOf(repo: Repository, versions: ReadonlySet<Id>): Promise<NumberMarks> {
  const marks: NumberMarks = new Map();
  const all = (await readNumbers(repo.layout)) ?? new Map();
  for (const id of versions) {
    const { model } = await repo.version(id);
    const mark = all.get(model);
    if (mark !== undefined) marks.set(model, mark);
  }
  return marks;
}

function listed(refs: ReadonlyMap<string, Id>): BundledRef[] {
  return [...refs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ref, version]) => {
      const kind = parseRefName(ref)?.kind === 'tag' ? 'tag' : 'branch';
      return { kind, name: ref.split('/').slice(2).join('/'), version };
    });
}
