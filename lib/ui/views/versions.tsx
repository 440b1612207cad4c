/** Versions as a table that is filtered and sorted as one writes. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { asDlvError } from '../../base/errors.js';
import { formatCount, formatNumber } from '../../cli/output/ui.js';
import type { QueryWords } from '../../pure/dql/complete.js';
import type { ListedVersion, VersionTable } from '../../use/ops/versions.js';
import { Document, Empty, Text } from '../parts/basics.js';
import { ColumnChoice, WhereField } from '../parts/filter.js';
import { Grid } from '../parts/grid.js';
import { Parallel } from '../parts/parallel.js';
import { type Asked, pathOf, useApi } from '../state/api.js';
import { quotedColumn } from '../state/brush.js';
import { useKeys } from '../state/keys.js';
import { listOf } from '../state/route.js';
import { setParams, useRoute } from '../state/router.js';
import { columnNames, filterRows, mentioned, sortKeys, sortRows } from '../state/rows.js';

/** Rows of the first answer, which is shown while all are read. */
const FIRST = '100';

export function VersionsView(): JSX.Element {
  const { params } = useRoute();
  const { m, where = '', sort = '', cols, base } = params;
  const words = useApi<QueryWords>('words');
  const names = useMemo(() => columnNames(words.data?.columns ?? []), [words.data]);
  const common = { versions: true, ...(m === undefined ? {} : { model: m }) };
  // What the server filters is right at once; what is filtered here is right as one writes.
  const first = useApi<VersionTable>(
    pathOf('list', { ...common, where, sort, columns: cols, last: FIRST }),
  );
  const usual = useApi<VersionTable>(first.data === null ? null : pathOf('list', common));
  const extra = useMemo(
    () => extraColumns({ usual: usual.data, words: words.data, where, sort, cols, names }),
    [usual.data, words.data, where, sort, cols, names],
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
  const table: Asked<VersionTable> =
    found?.problem === null || found === null ? first : { ...first, error: null };
  const baseline =
    base === undefined
      ? null
      : (full?.rows.find(({ name, version }) => name === base || version.startsWith(base)) ?? null);
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
        problem={found?.problem ?? first.error?.message ?? null}
        names={usual.data?.columns ?? []}
      />
      <Document
        asked={{
          ...table,
          error:
            first.error !== null &&
            first.error.code !== 'DLV_USAGE' &&
            first.error.code !== 'DLV_NOT_FOUND'
              ? first.error
              : null,
        }}
        what="versions"
      >
        {(early) => {
          const rows = found?.rows ?? early.rows;
          const shown = cols === undefined ? (usual.data ?? early).columns : early.columns;
          if (early.versions === 0) return <NoVersions />;
          return (
            <>
              <p class="dim count" role="status" aria-live="polite">
                {found === null
                  ? `${formatNumber(early.fit)} of ${formatCount(early.versions, 'version')}`
                  : rows.length === early.versions
                    ? formatCount(early.versions, 'version')
                    : `${formatNumber(rows.length)} of ${formatCount(early.versions, 'version')}`}
                {base !== undefined && (
                  <>
                    {' '}
                    · Δ against <Text of={base} />{' '}
                    <button
                      type="button"
                      class="small"
                      onClick={() => setParams({ base: undefined })}
                    >
                      no baseline
                    </button>
                  </>
                )}
              </p>
              {params.as === 'parallel' ? (
                <Parallel
                  all={full?.rows ?? early.rows}
                  rows={rows}
                  columns={shown}
                  where={where}
                />
              ) : (
                <Grid rows={rows} columns={shown} baseline={baseline} sort={sort} />
              )}
            </>
          );
        }}
      </Document>
    </>
  );
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
  cols: string | undefined;
  names: ReturnType<typeof columnNames>;
}

/** Columns beyond the usual ones that are shown, filtered or sorted by; null while that cannot be known. */
function extraColumns({ usual, words, where, sort, cols, names }: Wanted): string[] | null {
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
  add(() => sortKeys(listOf(cols).join(','), names).map(({ column }) => column));
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
}: {
  words: QueryWords | null;
  problem: string | null;
  names: readonly string[];
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
        <WhereField fieldRef={field} words={words} problem={problem} />
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
