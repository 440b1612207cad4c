/** What queries ask of whoever knows the versions: rows, their columns, their networks, how they derive. */
import type { Binding } from '../where/evaluate.js';
import type { LayerSet } from './layers/layer-set.js';

/** A column of versions. */
export interface HostColumn<R> extends Binding<R> {
  /** In one spelling: 'best(metrics.acc)'. */
  name: string;
}

/** @typeParam R  a version. The same version is always the same object. */
export interface Host<R> {
  /** All versions, in the order in which a query without one shows them. */
  readonly rows: readonly R[];
  /** Id, and a revision that names a version. */
  id(row: R): string;
  name(row: R): string;
  /** A column by its name; with a function, that of a metric's points. @throws {UsageError} {NotFoundError} */
  column(name: string, fn: string | null): HostColumn<R>;
  /** Values of a metric by step, ascending; ready once `loadSeries` was awaited for the row. */
  points(row: R, metric: string): readonly { step: number | null; value: number }[];
  loadSeries(row: R): Promise<void>;
  /** Networks of a version, ready once `loadNetworks` was awaited; versions that keep the same networks share the list. */
  networks(row: R): readonly LayerSet[];
  loadNetworks(row: R): Promise<void>;
  /** True if `row` derives from the version `from`, over any number of steps. */
  derives(row: R, from: string): boolean;
  isChild(row: R, of: string): boolean;
  /** The id that a revision names. @throws {NotFoundError} {UsageError} */
  resolve(revision: string): Promise<string>;
  /** The text of a query that is kept under a name. @throws {NotFoundError} */
  namedQuery(name: string): Promise<string>;
}
