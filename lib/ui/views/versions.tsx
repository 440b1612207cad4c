/** Versions as a table that is filtered and sorted as one writes. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { asDlvError } from '../../base/errors.js';
import { formatCount, formatNumber } from '../../cli/output/ui.js';
import type { QueryWords } from '../../pure/dql/complete.js';
import { parseColumn } from '../../pure/where/condition.js';
import type { ColumnNames } from '../../use/history/table/column-names.js';
import type { ListedVersion, VersionTable } from '../../use/ops/versions.js';
import { Document, Empty, Text } from '../parts/basics.js';
import { Grid } from '../parts/grid.js';
import { Groups } from '../parts/groups.js';
import { Parallel } from '../parts/parallel.js';
import { Scatter } from '../parts/scatter.js';
import { TableBar } from '../parts/table-bar.js';
import { pathOf, useApi } from '../state/api.js';
import { isMeasured } from '../state/axes.js';
import { quotedColumn } from '../state/brush.js';
import { groupsOf, sortGroups } from '../state/groups.js';
import { listOf } from '../state/route.js';
import { setParams, useRoute } from '../state/router.js';
import { columnNames, filterRows, mentioned, sortKeys, sortRows, spelled } from '../state/rows.js';

/** Rows of the first answer, which is shown while all are read. */
const FIRST = '100';

export function VersionsView(): JSX.Element {
  const { params } = useRoute();
  const { m, sort = '', cols, base } = params;
  const [draft, setDraft] = useState<string | null>(null);
  const where = draft ?? params.where ?? '';
  const own = useRef<string | null>(null);
  useEffect(() => {
    // What came from elsewhere (Back, a dragged range) takes the place of what was written.
    if ((params.where ?? '') !== own.current) setDraft(null);
    own.current = null;
  }, [params.where]);
  const follow = (text: string): void => {
    own.current = text;
    setParams({ where: text }, 'replace');
  };
  const words = useApi<QueryWords>('words');
  const names = useMemo(() => columnNames(words.data?.columns ?? []), [words.data]);
  const common = { versions: true, ...(m === undefined ? {} : { model: m }) };
  // What the server filters is right at once; what is filtered here is right as one writes.
  const firstPath = useRef(
    pathOf('list', { ...common, where, sort, columns: cols, last: FIRST }),
  ).current;
  const first = useApi<VersionTable>(firstPath);
  const usual = useApi<VersionTable>(
    first.data === null && first.error === null ? null : pathOf('list', common),
  );
  const chosen = useMemo(() => spelledColumns(cols, names), [cols, names]);
  const by = useMemo(() => spelledColumns(params.group, names), [params.group, names]);
  const axes = useMemo(
    () => spelledColumns([params.x, params.y, params.colour].filter(Boolean).join(','), names),
    [params.x, params.y, params.colour, names],
  );
  const also = useMemo(() => [...chosen, ...by, ...axes], [chosen, by, axes]);
  const extra = useMemo(
    () => extraColumns({ usual: usual.data, words: words.data, where, sort, also, names }),
    [usual.data, words.data, where, sort, also, names],
  );
  const wider = useApi<VersionTable>(
    extra === null || extra.length === 0 || usual.data === null
      ? null
      : pathOf('list', {
          ...common,
          columns: [...usual.data.columns, ...extra].map(quotedColumn).join(','),
        }),
  );
  const full = extra === null ? null : extra.length === 0 ? usual.data : wider.data;
  const found = useMemo(
    () => (full === null ? null : findRows(full.rows, { where, sort, names })),
    [full, where, sort, names],
  );
  const lastRight = useRef<readonly ListedVersion[] | null>(null);
  if (found !== null && found.problem === null) lastRight.current = found.rows;
  // A condition that is wrong, as all are while they are written, is told beside it; the rows stay.
  const isMistake = ['DLV_USAGE', 'DLV_NOT_FOUND'].includes(first.error?.code ?? '');
  const data = usual.data ?? first.data;
  const error = usual.error ?? (isMistake ? null : first.error);
  const table = { ...(usual.data === null ? first : usual), data, error };
  const problem = found?.problem ?? (found === null && isMistake ? first.error?.message : null);
  const isBase = ({ name, version }: ListedVersion): boolean =>
    name === base || (base !== undefined && version.startsWith(base));
  const baseline = base === undefined ? null : ((full ?? data)?.rows.find(isBase) ?? null);
  return (
    <>
      <h1>
        Versions
        {m !== undefined && (
          <>
            {' '}
            of <Text of={m} />
          </>
        )}
      </h1>
      <TableBar
        words={words.data}
        problem={problem ?? null}
        names={usual.data?.columns ?? []}
        where={where}
        onWhere={setDraft}
        onPause={follow}
      />
      <Document asked={table} what="versions">
        {(early) => {
          const right = found?.problem == null ? null : lastRight.current;
          const rows = right ?? found?.rows ?? (isMistake ? [] : early.rows);
          const shown = cols === undefined || chosen.length === 0 ? early.columns : chosen;
          if (early.versions === 0) return <NoVersions />;
          return (
            <>
              <Count
                shown={found === null ? early.fit : rows.length}
                of={early.versions}
                base={base}
                isReading={found === null}
              />
              {full === null && (params.group ?? params.as) !== undefined ? (
                <p class="loading">Reading all versions …</p>
              ) : by.length > 0 ? (
                <Grouped rows={rows} by={by} columns={shown} where={where} sort={sort} />
              ) : params.as === 'scatter' ? (
                <Scatter
                  all={full?.rows ?? early.rows}
                  rows={rows}
                  columns={shown}
                  offered={[...new Set([...shown, ...names.all()])].filter(isMeasured)}
                  where={where}
                />
              ) : params.as === 'parallel' ? (
                <Parallel
                  all={full?.rows ?? early.rows}
                  rows={rows}
                  columns={shown}
                  where={where}
                />
              ) : (
                <Grid
                  all={full?.rows ?? early.rows}
                  rows={rows}
                  columns={shown}
                  baseline={baseline}
                  sort={sort}
                />
              )}
            </>
          );
        }}
      </Document>
    </>
  );
}

function Count({
  shown,
  of,
  base,
  isReading,
}: {
  shown: number;
  of: number;
  base: string | undefined;
  /** True while a part of the versions is shown and the others are read. */
  isReading: boolean;
}): JSX.Element {
  return (
    <p class="dim count" role="status" aria-live="polite" data-reading={isReading}>
      {shown === of
        ? formatCount(of, 'version')
        : `${formatNumber(shown)} of ${formatCount(of, 'version')}`}
      {base !== undefined && (
        <>
          {' '}
          · Δ against <Text of={base} />{' '}
          <button type="button" class="small" onClick={() => setParams({ base: undefined })}>
            no baseline
          </button>
        </>
      )}
    </p>
  );
}

/** Columns that are chosen, in the one spelling that tables have; those that are none are left out. */
function spelledColumns(cols: string | undefined, names: ColumnNames): string[] {
  return listOf(cols).flatMap((name) => {
    try {
      return [spelled(parseColumn(name), names)];
    } catch {
      return [];
    }
  });
}

/** What a group is called by how many versions it has. */
const COUNT = 'versions';

/** The order without that of groups by how many they are: rows have no such column. */
function withoutCount(sort: string): string {
  const keys = sort.split(',').filter((key) => key.replace(/^-/, '') !== COUNT);
  return keys.join(',');
}

function Grouped({
  rows,
  by,
  columns,
  where,
  sort,
}: {
  rows: readonly ListedVersion[];
  by: readonly string[];
  columns: readonly string[];
  where: string;
  sort: string;
}): JSX.Element {
  const groups = useMemo(() => groupsOf(rows, by, columns), [rows, by, columns]);
  const sorted = useMemo(() => {
    const keys = sort
      .split(',')
      .filter(Boolean)
      .map((key) => ({ column: key.replace(/^-/, ''), isDown: key.startsWith('-') }));
    return sortGroups(groups, keys);
  }, [groups, sort]);
  return <Groups groups={sorted} by={by} columns={columns} where={where} sort={sort} />;
}

function NoVersions(): JSX.Element {
  return (
    <Empty title="There is no version yet.">
      <p>
        The first <code>dlv commit</code> makes one; it shows here by itself.
      </p>
    </Empty>
  );
}

interface Wanted {
  usual: VersionTable | null;
  words: QueryWords | null;
  where: string;
  sort: string;
  /** Columns that are shown, grouped by, or drawn. */
  also: readonly string[];
  names: ColumnNames;
}

/** Columns beyond the usual ones that are shown, filtered or sorted by; null while that cannot be known. */
function extraColumns({ usual, words, where, sort, also, names }: Wanted): string[] | null {
  if (usual === null || words === null) return null;
  const found = new Set<string>();
  const add = (make: () => readonly string[]): void => {
    try {
      for (const name of make()) if (!usual.columns.includes(name)) found.add(name);
    } catch {
      // What is wrong is said where it is written.
    }
  };
  if (where.trim() !== '') add(() => mentioned(where, names));
  add(() => sortKeys(withoutCount(sort), names).map(({ column }) => column));
  add(() => also);
  return [...found];
}

function findRows(
  rows: readonly ListedVersion[],
  { where, sort, names }: Pick<Wanted, 'where' | 'sort' | 'names'>,
): { rows: readonly ListedVersion[]; problem: string | null } {
  try {
    const fitting = where.trim() === '' ? rows : filterRows(rows, where, names);
    return { rows: sortRows(fitting, sortKeys(withoutCount(sort), names)), problem: null };
  } catch (thrown) {
    const error = asDlvError(thrown);
    const { hint } = error.data;
    return { rows, problem: `${error.message}${typeof hint === 'string' ? ` (${hint})` : ''}` };
  }
}
