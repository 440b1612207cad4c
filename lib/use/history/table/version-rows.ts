/** The versions that a table or a query looks at, as rows. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { branchesOf } from '../../../storage/repo/refs/lines-of-branches.js';
import { listRefs } from '../../../storage/repo/refs/refs.js';
import { collectFacts, orderVersions } from '../lines/ancestry.js';
import { resolveRanges } from '../lines/ranges.js';
import { resolveId } from '../lines/resolve.js';
import { listedRoots } from '../sizes/sizes.js';
import { Describer, openCatalog } from '../versions.js';
import type { VersionRow } from './columns.js';
import { networkSizes } from './network-sizes.js';

/** True if a text, such as a condition or a list of columns, may ask for the branches of versions. */
export function mentionsBranches(texts: readonly string[]): boolean {
  return texts.some((text) => /\bbranch\b/i.test(text));
}

export interface RowsWanted {
  /** Where to start, as in `log`; default: every branch and tag. */
  revisions?: readonly string[];
  /** Only versions of this model. */
  model?: string;
  /** Reads the sizes of networks, too. */
  networks?: boolean;
  /** Tells on the line of which branch each is, too. */
  branches?: boolean;
  /** Reads what evaluations found of a version, too. */
  evaluated?: ((id: Id) => Promise<ReadonlyMap<string, number>>) | undefined;
}

const NOT_ASKED: ReadonlyMap<string, number> = new Map();

/** All rows that are asked for, the newest first as `dlv log` shows them, and a way to read one more. */
export async function readRows(
  repo: ReadAccess,
  { revisions = [], model, networks = false, branches = false, evaluated }: RowsWanted,
  signal?: AbortSignal,
): Promise<{ rows: VersionRow[]; read: (id: Id) => Promise<VersionRow> }> {
  const catalog = openCatalog(repo);
  const factsOf = (id: Id) => catalog.facts(id);
  const refs = await listRefs(repo.layout);
  const describer = new Describer(repo, refs, factsOf);
  const { include, exclude } = await resolveRanges(repo, revisions, signal);
  const starts = revisions.length === 0 ? await listedRoots(repo, refs) : include;
  const found = await collectFacts(factsOf, starts, { signal });
  if (exclude.length > 0) {
    for (const id of (await collectFacts(factsOf, exclude, { signal })).keys()) found.delete(id);
  }
  await catalog.save();
  const kept = networks ? [...found.values()].map(({ network }) => network) : [];
  const sizes = await networkSizes(repo, kept, signal);
  const lines = new Map<string, Promise<Map<Id, string>>>();
  const branchOf = async (id: Id, of: string): Promise<string | null> => {
    const line = lines.get(of) ?? branchesOf({ layout: repo.layout, readVersion: factsOf }, of);
    lines.set(of, line);
    return (await line).get(id) ?? null;
  };
  const read = async (id: Id): Promise<VersionRow> => {
    const facts = await factsOf(id);
    const [number, name] = [await describer.number(id), await describer.name(id)];
    const network = facts.network === null ? null : (sizes.get(facts.network) ?? null);
    const branch = branches ? await branchOf(id, facts.model) : null;
    const found = (await evaluated?.(id)) ?? NOT_ASKED;
    const refs = await describer.shortRefs(id);
    return { id, facts, number, name, refs, branch, evaluated: found, network };
  };
  const rows: VersionRow[] = [];
  for (const id of orderVersions(found, starts, false)) {
    if (model !== undefined && found.get(id)?.model !== model) continue;
    throwIfAborted(signal);
    rows.push(await read(id));
  }
  if (model !== undefined && rows.length === 0) await resolveId(repo, model);
  return { rows, read };
}
