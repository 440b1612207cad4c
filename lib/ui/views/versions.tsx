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
import { ColumnChoice, WhereField } from '../parts/filter.js';
import { Grid } from '../parts/grid.js';
import { Parallel } from '../parts/parallel.js';
import { pathOf, useApi } from '../state/api.js';
import { quotedColumn } from '../state/brush.js';
import { useKeys } from '../state/keys.js';
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
  const extra = useMemo(
    () => extraColumns({ usual: usual.data, words: words.data, where, sort, chosen, names }),
    [usual.data, words.data, where, sort, chosen, names],
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
  // A condition that is wrong is told beside it; the rows stay.
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
      <Filter
        words={words.data}
        problem={problem ?? null}
        names={usual.data?.columns ?? []}
        where={where}
        onWhere={setDraft}
        onPause={follow}
      />
      <Document asked={table} what="versions">
        {(early) => {
          const rows = found?.rows ?? (isMistake ? [] : early.rows);
          const shown = cols === undefined || chosen.length === 0 ? early.columns : chosen;
          if (early.versions === 0) return <NoVersions />;
          return (
            <>
              <Count
                shown={found === null ? early.fit : rows.length}
                of={early.versions}
                base={base}
              />
              {params.as === 'parallel' ? (
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
}: {
  shown: number;
  of: number;
  base: string | undefined;
}): JSX.Element {
  return (
    <p class="dim count" role="status" aria-live="polite">
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
  chosen: readonly string[];
  names: ColumnNames;
}

/** Columns beyond the usual ones that are shown, filtered or sorted by; null while that cannot be known. */
function extraColumns({ usual, words, where, sort, chosen, names }: Wanted): string[] | null {
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
  add(() => sortKeys(sort, names).map(({ column }) => column));
  add(() => chosen);
  return [...found];
}

function findRows(
  rows: readonly ListedVersion[],
  { where, sort, names }: Pick<Wanted, 'where' | 'sort' | 'names'>,
): { rows: readonly ListedVersion[]; problem: string | null } {
  try {
    const fitting = where.trim() === '' ? rows : filterRows(rows, where, names);
    return { rows: sortRows(fitting, sortKeys(sort, names)), problem: null };
  } catch (thrown) {
    const error = asDlvError(thrown);
    const { hint } = error.data;
    return { rows, problem: `${error.message}${typeof hint === 'string' ? ` (${hint})` : ''}` };
  }
}

function Filter({
  words,
  problem,
  names,
  where,
  onWhere,
  onPause,
}: {
  words: QueryWords | null;
  problem: string | null;
  names: readonly string[];
  where: string;
  onWhere: (where: string) => void;
  onPause: (where: string) => void;
}): JSX.Element {
  const { params } = useRoute();
  const [isChoosing, setChoosing] = useState(false);
  const field = useRef<HTMLInputElement | null>(null);
  useKeys({ '/': () => field.current?.focus(), '.': () => setChoosing((is) => !is) });
  useEffect(() => {
    if (!isChoosing) return;
    document.querySelector<HTMLInputElement>('.columns input')?.focus();
  }, [isChoosing]);
  return (
    <>
      <div class="bar filter">
        <WhereField
          fieldRef={field}
          words={words}
          problem={problem}
          where={where}
          onWhere={onWhere}
          onPause={onPause}
        />
        <button
          type="button"
          aria-expanded={isChoosing}
          title="choose columns (.)"
          onClick={() => setChoosing(!isChoosing)}
        >
          Columns
        </button>
        <button
          type="button"
          aria-pressed={params.as === 'parallel'}
          onClick={() => setParams({ as: params.as === 'parallel' ? undefined : 'parallel' })}
        >
          Parallel coordinates
        </button>
        {params.cols !== undefined && (
          <button type="button" onClick={() => setParams({ cols: undefined })}>
            Usual columns
          </button>
        )}
      </div>
      {isChoosing && (
        <ColumnChoice
          all={words?.columns ?? []}
          shown={params.cols === undefined ? names : listOf(params.cols)}
          onClose={() => setChoosing(false)}
        />
      )}
    </>
  );
}
