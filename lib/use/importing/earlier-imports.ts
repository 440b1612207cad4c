/** What earlier imports of a history took: its versions are found again by what they record of where they came from. */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import type { LineAccess } from '../history/access.js';
import { collectVersions } from '../history/lines/ancestry.js';
import type { SourceHistory, SourceVersion } from './source.js';

/** Kind of the operation that a version records, before the kind of its source and its key. */
export const OPERATION = 'import';

/** Versions that are here already. */
export interface EarlierImport {
  /** By their keys in the source. */
  ids: Map<string, Id>;
  /** The branches of the model, by their names. */
  tips: Map<string, Id>;
}

/** Looks for versions of an earlier run. */
export async function findEarlier(
  repo: LineAccess,
  source: Pick<SourceHistory, 'kind' | 'versions'>,
  model: string,
  signal?: AbortSignal,
): Promise<EarlierImport> {
  const ids = new Map<string, Id>();
  const refs = await listRefs(repo.layout);
  const prefix = `refs/heads/${model}/`;
  const heads = refs.filter(({ name }) => name.startsWith(prefix));
  const starts = refs.filter(
    ({ name }) => name.startsWith(prefix) || name.startsWith('refs/tags/'),
  );
  const found = await collectVersions(
    repo,
    starts.map(({ id }) => id),
    { signal },
  );
  const keys = new Set(source.versions.map(({ key }) => key));
  for (const [id, version] of found) {
    if (version.model !== model) continue;
    const { operation } = readKnowledge(version.extensions, id);
    const detail = operation?.kind === OPERATION ? operation.detail : '';
    const start = `${source.kind} `;
    const key = detail.startsWith(start) ? detail.slice(start.length) : '';
    if (keys.has(key)) ids.set(key, id);
  }
  return { ids, tips: new Map(heads.map(({ name, id }) => [name.slice(prefix.length), id])) };
}

/**
 * Versions that are not here, while others that derive from them are: they were forgotten, and stay so.
 * @returns for each of their keys what to say of it.
 */
export function findForgotten(
  versions: readonly SourceVersion[],
  ids: ReadonlyMap<string, Id>,
): Map<string, string> {
  const below = new Set<string>();
  const forgotten = new Map<string, string>();
  for (const { key, title, parents } of [...versions].reverse()) {
    const isHere = ids.has(key);
    if (!isHere && below.has(key)) {
      forgotten.set(key, `${title} is left out: versions after it were taken already, without it`);
    }
    if (isHere || below.has(key)) for (const parent of parents) below.add(parent);
  }
  return forgotten;
}

/** @throws {ConflictError} if HEAD is on the model, or a branch of it is at a version that is not of the source. */
export async function checkBranches(
  repo: LineAccess,
  branches: Iterable<string>,
  model: string,
  { ids, tips }: EarlierImport,
): Promise<void> {
  const head = await readHead(repo.layout);
  if (head.model === model) {
    throw new ConflictError(`HEAD is on the model '${model}'`, {
      model,
      hint: "name another one with --model: an import makes branches, and leaves HEAD's alone",
    });
  }
  const known = new Set(ids.values());
  for (const branch of branches) {
    const tip = tips.get(branch);
    if (tip === undefined || known.has(tip)) continue;
    throw new ConflictError(`'${model}/${branch}' has versions of its own`, {
      name: `${model}/${branch}`,
      hint: 'import into another model with --model',
    });
  }
}
