/** The versions of a repository as queries see them: rows of the catalog, networks and curves read when asked for. */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import type { Host, HostColumn } from '../../pure/dql/host.js';
import { LayerSet } from '../../pure/dql/layers/layer-set.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { readQuery } from '../../storage/repo/queries.js';
import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { OpContext } from '../context.js';
import { seriesOf } from '../history/commit/tell.js';
import { resolveId } from '../history/lines/resolve.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { Columns, type VersionRow } from '../history/table/columns.js';

type Points = readonly { step: number | null; value: number }[];

const NONE: readonly LayerSet[] = [];

export class RepositoryHost implements Host<VersionRow> {
  readonly rows: readonly VersionRow[];
  readonly #repo: ReadAccess;
  readonly #context: OpContext;
  readonly #columns: Columns;
  /** By the id of what a version keeps of its networks; of older versions, by their own. */
  readonly #sets = new Map<Id, readonly LayerSet[]>();
  readonly #setsOf = new Map<VersionRow, readonly LayerSet[]>();
  readonly #series = new Map<VersionRow, ReadonlyMap<string, Points>>();
  readonly #lineage: Lineage;

  constructor(repo: ReadAccess, rows: readonly VersionRow[], context: OpContext) {
    this.#repo = repo;
    this.rows = rows;
    this.#context = context;
    this.#columns = new Columns(rows);
    this.#lineage = new Lineage(rows);
  }

  id(row: VersionRow): string {
    return row.id;
  }

  name(row: VersionRow): string {
    return row.name;
  }

  column(name: string, fn: string | null): HostColumn<VersionRow> {
    return this.#columns.find({ kind: 'column', name, function: fn, at: 0 });
  }

  points(row: VersionRow, metric: string): Points {
    const whole = this.#series.get(row)?.get(metric);
    return whole ?? row.facts.metrics.filter(({ name }) => name === metric);
  }

  async loadSeries(row: VersionRow): Promise<void> {
    if (row.facts.knowledge.series === null || this.#series.has(row)) return;
    const version = await this.#repo.version(row.id);
    const knowledge = readKnowledge(version.extensions, `version ${shortId(row.id)}`);
    const series = await seriesOf(this.#repo, version, knowledge);
    this.#series.set(
      row,
      new Map(
        series.map(({ name, steps, values }) => [
          name,
          steps.map((step, i) => ({ step, value: values[i] as number })),
        ]),
      ),
    );
  }

  networks(row: VersionRow): readonly LayerSet[] {
    return this.#setsOf.get(row) ?? [];
  }

  async loadNetworks(row: VersionRow): Promise<void> {
    if (this.#setsOf.has(row)) return;
    const { network, mayDefine } = row.facts;
    if (network === null && !mayDefine) {
      this.#setsOf.set(row, NONE);
      return;
    }
    const key = network ?? row.id;
    const known = this.#sets.get(key);
    const sets =
      known ??
      (await networksOfVersion(this.#repo, row.id, this.#context)).map(
        ({ view }) => new LayerSet(view),
      );
    if (known === undefined) this.#sets.set(key, sets);
    this.#setsOf.set(row, sets);
  }

  derives(row: VersionRow, from: string): boolean {
    return this.#lineage.derives(row, from);
  }

  isChild(row: VersionRow, of: string): boolean {
    return row.facts.parents.includes(of as Id);
  }

  async resolve(revision: string): Promise<string> {
    // The rows are read already; to look for a number in the line of a model reads its versions one by one.
    const [, model, number] = /^(.+)@(\d+)$/.exec(revision) ?? [];
    if (model !== undefined) {
      const found = this.rows.filter(
        (row) => row.facts.model === model && row.number === Number(number),
      );
      if (found.length === 1) return (found[0] as VersionRow).id;
    }
    return resolveId(this.#repo, revision);
  }

  namedQuery(name: string): Promise<string> {
    return readQuery(this.#repo.layout, name);
  }
}

/** Who derives from whom. A join asks of one version and many others, in either order: the last of each is kept. */
class Lineage {
  readonly #parents: ReadonlyMap<string, readonly string[]>;
  #children: Map<string, string[]> | null = null;
  #lastRow: VersionRow | null = null;
  #ancestors: ReadonlySet<string> | null = null;
  #lastFrom: string | null = null;
  #descendants: ReadonlySet<string> | null = null;

  constructor(rows: readonly VersionRow[]) {
    this.#parents = new Map(rows.map(({ id, facts }) => [id, facts.parents]));
  }

  derives(row: VersionRow, from: string): boolean {
    const [sameRow, sameFrom] = [row === this.#lastRow, from === this.#lastFrom];
    if (!sameRow) this.#ancestors = null;
    if (!sameFrom) this.#descendants = null;
    this.#lastRow = row;
    this.#lastFrom = from;
    if (sameFrom) {
      this.#descendants ??= reach(from, this.#childrenOf());
      return this.#descendants.has(row.id);
    }
    this.#ancestors ??= reach(row.id, this.#parents);
    return this.#ancestors.has(from);
  }

  #childrenOf(): ReadonlyMap<string, readonly string[]> {
    if (this.#children !== null) return this.#children;
    const children = new Map<string, string[]>();
    for (const [id, parents] of this.#parents) {
      for (const parent of parents) {
        const known = children.get(parent);
        if (known === undefined) children.set(parent, [id]);
        else known.push(id);
      }
    }
    this.#children = children;
    return children;
  }
}

/** All that can be reached from one, without itself. */
function reach(from: string, next: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const queue = [...(next.get(from) ?? [])];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    pushAll(queue, next.get(id) ?? []);
  }
  return found;
}
