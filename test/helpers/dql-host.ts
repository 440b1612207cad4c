/** Versions that queries of tests are asked of: plain values, networks, who derives from whom. */
import { NotFoundError } from '../../lib/base/errors.js';
import type { Host, HostColumn } from '../../lib/pure/dql/host.js';
import { LayerSet } from '../../lib/pure/dql/layers/layer-set.js';
import { parseStatement } from '../../lib/pure/dql/parse.js';
import { type QueryAnswer, QueryRunner } from '../../lib/pure/dql/select.js';
import { layerView } from '../../lib/pure/network/layers/layer-view.js';
import type { Network } from '../../lib/pure/network/network.js';
import type { Value } from '../../lib/pure/where/condition.js';

export interface DqlVersion {
  name: string;
  parents?: string[];
  columns?: Record<string, Value>;
  points?: { step: number; value: number }[];
  network?: Network;
}

const NO_NETWORKS: LayerSet[] = [];

/** A host of some versions; ids are names. */
export function dqlHost(rows: readonly DqlVersion[], named: Record<string, string> = {}) {
  const sets = new Map<Network, LayerSet[]>();
  const loaded = new Set<DqlVersion>();
  const known = new Set([
    'name',
    'time',
    ...rows.flatMap(({ columns = {} }) => Object.keys(columns)),
  ]);
  const parentsOf = (name: string): string[] =>
    rows.find((row) => row.name === name)?.parents ?? [];
  const derives = (name: string, from: string): boolean =>
    parentsOf(name).some((parent) => parent === from || derives(parent, from));
  const host: Host<DqlVersion> & { loaded: Set<DqlVersion> } = {
    rows,
    loaded,
    id: ({ name }) => name,
    name: ({ name }) => name,
    column(name, fn): HostColumn<DqlVersion> {
      const full = known.has(name) ? name : `metrics.${name}`;
      if (!known.has(full)) throw new NotFoundError(`no version has the column '${name}'`);
      const get = (row: DqlVersion): Value =>
        full === 'name' ? row.name : (row.columns?.[full] ?? null);
      return { name: fn === null ? full : `${fn}(${full})`, get };
    },
    points: ({ points = [] }) => points,
    loadSeries: async () => {},
    networks: (row) =>
      loaded.has(row) && row.network !== undefined ? setsOf(row.network) : NO_NETWORKS,
    loadNetworks: async (row) => void loaded.add(row),
    derives: (row, from) => derives(row.name, from),
    isChild: (row, of) => row.parents?.includes(of) === true,
    resolve: async (revision) => revision,
    namedQuery: async (name) => {
      const text = named[name];
      if (text === undefined) throw new NotFoundError(`there is no query '${name}'`);
      return text;
    },
  };
  const setsOf = (network: Network): LayerSet[] => {
    const known = sets.get(network) ?? [new LayerSet(layerView(network))];
    sets.set(network, known);
    return known;
  };
  return host;
}

/** Runs a select. */
export async function ask(host: Host<DqlVersion>, text: string): Promise<QueryAnswer<DqlVersion>> {
  const statement = parseStatement(text);
  if (statement.kind !== 'select') throw new Error('no select');
  return new QueryRunner(host).select(text, statement);
}

/** The first column of what a select gives. */
export async function firstColumn(host: Host<DqlVersion>, text: string): Promise<Value[]> {
  return (await ask(host, text)).rows.map(({ cells }) => cells[0] as Value);
}
