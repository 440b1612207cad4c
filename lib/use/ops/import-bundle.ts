/** `dlv import` of a bundle: its versions, branches and tags become those of this repository; and what one holds. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import { openBundle } from '../../storage/exchange/open-remote.js';
import type { Remote } from '../../storage/exchange/remote/remote.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { setBytes } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { type FetchedRef, fetchRefs } from '../tracking/fetch-refs.js';
import { lineOf } from '../tracking/line.js';

export interface ImportBundleOptions {
  file: string;
  /** Also versions that were forgotten here. */
  forgotten?: boolean;
  /** Says what would be taken. */
  dryRun?: boolean;
}

export interface ImportBundleResult {
  dryRun: boolean;
  kind: 'bundle';
  path: string;
  /** Branches and tags of the bundle, and what became of each. */
  refs: FetchedRef[];
  /** Versions that have to be here already. */
  needs: Id[];
  /** Versions that were not here, and the bytes that they take in packs. */
  versions: number;
  bytes: number;
}

/** What a bundle holds. */
export interface BundleContent {
  kind: 'bundle';
  path: string;
  refs: { kind: 'branch' | 'tag'; name: string; version: Id }[];
  /** `model/branch` that a clone checks out. */
  head: string | null;
  needs: Id[];
  /** Bytes of packs. */
  bytes: number;
  notes: number;
}

/** @throws {NotFoundError} if versions that it continues are not here; {RemoteError} {CorruptError} */
export async function importBundle(
  repo: Repository,
  options: ImportBundleOptions,
  context: OpContext,
): Promise<ImportBundleResult> {
  const { dryRun = false, forgotten = false } = options;
  const file = await placeOf(options.file, context);
  const source = await openBundle(file, lineOf(repo, {}, context));
  try {
    const how = { tags: 'all' as const, prune: false, force: false, forgotten, dryRun };
    const place = { source, remote: null, isImport: true };
    const { refs, versions, bytes } = await fetchRefs(repo, place, how, context);
    return {
      ...{ dryRun, kind: 'bundle', path: file },
      ...{ refs, needs: [...source.needs], versions, bytes },
    };
  } finally {
    await source.close();
  }
}

/** Reads what a bundle says of itself; no repository is needed. @throws {RemoteError} {CorruptError} */
export async function listBundle(
  context: OpContext,
  options: { file: string },
): Promise<BundleContent> {
  const file = await placeOf(options.file, context);
  const { signal, cwd } = context;
  const source = await openBundle(file, { cwd, cache: null, ...(signal ? { signal } : {}) });
  try {
    return { kind: 'bundle', path: file, ...(await contentOf(source)) };
  } finally {
    await source.close();
  }
}

async function contentOf(source: Remote): Promise<Omit<BundleContent, 'kind' | 'path'>> {
  const { head, refs } = source.state;
  const { sets, notes } = await source.holdings();
  return {
    refs: [...refs].map(([ref, version]) => ({
      kind: parseRefName(ref)?.kind === 'tag' ? 'tag' : 'branch',
      name: ref.split('/').slice(2).join('/'),
      version,
    })),
    head: head === null ? null : `${head.model}/${head.branch}`,
    needs: [...source.needs],
    bytes: sets.reduce((sum, info) => sum + setBytes(info), 0),
    notes: [...notes.values()].reduce((sum, ids) => sum + ids.length, 0),
  };
}

/** True if a place is a file, and so no folder of another tool. */
export async function isFilePlace({ cwd }: OpContext, place: string): Promise<boolean> {
  return (await leadsTo(path.resolve(cwd, place))) === 'file';
}

async function placeOf(given: string, { cwd }: OpContext): Promise<string> {
  const file = path.resolve(cwd, given);
  if ((await leadsTo(file)) === 'file') return file;
  throw new NotFoundError(`there is no file '${given}'`, { kind: 'path', name: file });
}
