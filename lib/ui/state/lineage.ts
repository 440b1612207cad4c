/** The rows of the lineage: versions, and runs of versions that stand for themselves, folded into one row. */
import type { LogEntry } from '../../use/ops/log.js';

export type LineageRow =
  | { kind: 'version'; id: string; parents: readonly string[]; entry: LogEntry }
  | { kind: 'fold'; id: string; parents: readonly string[]; entries: readonly LogEntry[] };

/** Shortest run that is folded. */
const FOLD_MIN = 4;

/**
 * Rows in the order of `entries` (children before parents). A run is folded where nothing happens: each version
 * has one parent, the one below, which has no other child, and nothing names it.
 * @param open  ids of first versions of runs that are shown all the same; true for all.
 */
export function lineageRows(
  entries: readonly LogEntry[],
  open: ReadonlySet<string> | true,
): LineageRow[] {
  const children = new Map<string, number>();
  for (const { parents } of entries) {
    for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const isPlain = ({ version, parents, refs }: LogEntry): boolean =>
    parents.length === 1 && refs.length === 0 && (children.get(version) ?? 0) === 1;
  const rows: LineageRow[] = [];
  let run: LogEntry[] = [];
  const end = (): void => {
    const [first] = run;
    const shown = open === true || run.length < FOLD_MIN || (first && open.has(first.version));
    if (shown) for (const entry of run) rows.push(rowOf(entry));
    else if (first !== undefined) {
      rows.push({
        kind: 'fold',
        id: first.version,
        parents: run.at(-1)?.parents ?? [],
        entries: run,
      });
    }
    run = [];
  };
  for (const entry of entries) {
    const follows = run.length === 0 || run.at(-1)?.parents[0] === entry.version;
    if (!follows || !isPlain(entry)) end();
    if (isPlain(entry)) run.push(entry);
    else rows.push(rowOf(entry));
  }
  end();
  return rows;
}

function rowOf(entry: LogEntry): LineageRow {
  return { kind: 'version', id: entry.version, parents: entry.parents, entry };
}
