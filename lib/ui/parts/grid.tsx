/** The table of versions: ten thousand rows of which those in sight are made; cards where it is narrow. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { formatMetric, shortId } from '../../cli/output/render.js';
import { formatBytes } from '../../cli/output/ui.js';
import { shownDelta } from '../../cli/output/versions/version-table.js';
import { utcText } from '../../cli/pages/versions.js';
import { directionOf } from '../../pure/logs/direction.js';
import type { ListedVersion } from '../../use/ops/versions.js';
import { useKeys } from '../state/keys.js';
import { go, setParams, toggleSelected } from '../state/router.js';
import { clickedSort, sortMark, titleOf } from '../state/rows.js';
import { SelectBox, Text, VersionLink } from './basics.js';
import { Spacer, useMedia, Window } from './window.js';

const ROW = 34;
const CARD = 112;
/** How versions stand where no other order is asked for. */
const NEWEST_FIRST = '-time';
/** Metrics on a card. */
const CARD_METRICS = 3;

export interface GridProps {
  /** All versions, whether they fit or not. */
  all: readonly ListedVersion[];
  rows: readonly ListedVersion[];
  columns: readonly string[];
  /** The version that numbers are compared with. */
  baseline: ListedVersion | null;
  sort: string;
}

export function valueText(column: string, row: ListedVersion): string {
  const value = row.values[column] ?? null;
  if (value === null) return '';
  if (column === 'time' && typeof value === 'number') return utcText(value);
  if (column === 'bytes' && typeof value === 'number') return formatBytes(value);
  if (column === 'version' && typeof value === 'string') return shortId(value);
  if (typeof value === 'number') return formatMetric(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Columns of numbers, and the best value of those that are metrics. */
function useKinds({ all, rows, columns }: Pick<GridProps, 'all' | 'rows' | 'columns'>): {
  numeric: ReadonlySet<string>;
  best: ReadonlyMap<string, number>;
} {
  const numeric = useMemo(() => {
    const isNumber = (column: string): boolean =>
      column !== 'time' && all.some((row) => typeof row.values[column] === 'number');
    return new Set(columns.filter(isNumber));
  }, [all, columns]);
  const best = useMemo(() => {
    const found = new Map<string, number>();
    for (const column of columns) {
      const metric = column.replace(/^\w+\((.*)\)$/s, '$1').replace(/^metrics\./, '');
      const direction = column.includes('metrics.') ? directionOf(metric) : null;
      if (direction === null) continue;
      const sign = direction === 'min' ? 1 : -1;
      let least = Number.POSITIVE_INFINITY;
      for (const { values } of rows) {
        const value = values[column];
        if (typeof value === 'number' && sign * value < least) least = sign * value;
      }
      if (Number.isFinite(least)) found.set(column, sign * least);
    }
    return found;
  }, [rows, columns]);
  return { numeric, best };
}

export function Grid(props: GridProps): JSX.Element {
  const { rows, baseline } = props;
  const [active, setActive] = useState(-1);
  const isNarrow = useMedia('(max-width: 640px)');
  const move = (by: number): void =>
    setActive((at) => Math.min(rows.length - 1, Math.max(0, at + by)));
  const name = rows[active]?.name;
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => name !== undefined && go('version', { v: name }),
    x: () => name !== undefined && toggleSelected(name),
    b: () => setParams({ base: name === undefined || name === baseline?.name ? undefined : name }),
  });
  if (rows.length === 0) return <p class="empty">No version fits.</p>;
  return isNarrow ? <Cards {...props} active={active} /> : <Table {...props} active={active} />;
}

function Table({
  all,
  rows,
  columns,
  baseline,
  sort,
  active,
}: GridProps & { active: number }): JSX.Element {
  const { numeric, best } = useKinds({ all, rows, columns });
  const shown = columns[0] === 'name' ? columns : ['name', ...columns.filter((c) => c !== 'name')];
  return (
    <Window count={rows.length} rowHeight={ROW} label="versions" active={active} class="tall">
      {(from, to) => (
        <table class="grid" aria-rowcount={rows.length + 1} aria-colcount={shown.length + 1}>
          <caption class="spoken">
            Versions; the best value of each metric is bold; headings sort, with shift by one more
          </caption>
          <thead>
            <tr>
              <th scope="col" class="pick">
                <span class="spoken">selected</span>
              </th>
              {shown.map((column) => (
                <th
                  key={column}
                  scope="col"
                  class={numeric.has(column) ? 'n' : ''}
                  aria-sort={sortMark(sort || NEWEST_FIRST, column)}
                >
                  <button
                    type="button"
                    onClick={(event) =>
                      setParams({
                        sort: clickedSort(sort, column, numeric.has(column), event.shiftKey),
                      })
                    }
                  >
                    <Text of={titleOf(column, shown)} />
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Spacer height={from * ROW} span={shown.length + 1} />
            {rows.slice(from, to).map((row, i) => (
              <tr
                key={row.version}
                aria-rowindex={from + i + 2}
                aria-current={from + i === active ? 'true' : undefined}
                class={`${from + i === active ? 'active' : ''} ${row.version === baseline?.version ? 'base' : ''}`}
              >
                <td class="pick">
                  <SelectBox name={row.name} />
                </td>
                {shown.map((column) => (
                  <Cell
                    key={column}
                    row={row}
                    column={column}
                    isNumber={numeric.has(column)}
                    isBest={best.get(column) === row.values[column]}
                    baseline={baseline}
                  />
                ))}
              </tr>
            ))}
            <Spacer height={(rows.length - to) * ROW} span={shown.length + 1} />
          </tbody>
        </table>
      )}
    </Window>
  );
}

interface CellProps {
  row: ListedVersion;
  column: string;
  isNumber: boolean;
  isBest: boolean;
  baseline: ListedVersion | null;
}

function Cell({ row, column, isNumber, isBest, baseline }: CellProps): JSX.Element {
  const text = valueText(column, row);
  if (column === 'name') {
    return (
      <th scope="row" class="name">
        <VersionLink name={row.name} />
      </th>
    );
  }
  const delta = deltaOf(row, column, baseline);
  const step =
    Object.hasOwn(row.steps, column) && column.startsWith('best(') ? row.steps[column] : undefined;
  return (
    <td
      class={`${isNumber ? 'n' : 't'} ${isBest ? 'best' : ''}`}
      title={isNumber ? undefined : text}
    >
      <Text of={text} />
      {step !== undefined && <small> @{step}</small>}
      {delta !== null && <small class="delta"> {delta}</small>}
    </td>
  );
}

function deltaOf(
  row: ListedVersion,
  column: string,
  baseline: ListedVersion | null,
): string | null {
  if (baseline === null || !/^(\w+\()?(metrics|params)\./.test(column)) return null;
  const [a, b] = [baseline.values[column], row.values[column]];
  if (typeof a !== 'number' || typeof b !== 'number' || row.version === baseline.version)
    return null;
  return String(shownDelta(b - a));
}

function Cards({
  all,
  rows,
  columns,
  baseline,
  active,
}: GridProps & { active: number }): JSX.Element {
  const { best } = useKinds({ all, rows, columns });
  const metrics = columns.filter((column) => column.includes('metrics.')).slice(0, CARD_METRICS);
  return (
    <Window count={rows.length} rowHeight={CARD} label="versions" active={active} class="tall">
      {(from, to) => (
        <ul class="rowcards" style={{ height: `${rows.length * CARD}px` }}>
          {rows.slice(from, to).map((row, i) => (
            <li
              key={row.version}
              class={from + i === active ? 'active' : ''}
              style={{ top: `${(from + i) * CARD}px`, height: `${CARD}px` }}
              aria-setsize={rows.length}
              aria-posinset={from + i + 1}
            >
              <div class="first">
                <SelectBox name={row.name} />
                <VersionLink name={row.name} />
                <span class="dim">{valueText('time', row)}</span>
              </div>
              <dl>
                {metrics.map((column) => (
                  <div key={column}>
                    <dt>
                      <Text of={titleOf(column, columns)} />
                    </dt>
                    <dd class={best.get(column) === row.values[column] ? 'best' : ''}>
                      {valueText(column, row) || '–'}
                      {deltaOf(row, column, baseline) !== null && (
                        <small> {deltaOf(row, column, baseline)}</small>
                      )}
                    </dd>
                  </div>
                ))}
              </dl>
              <p class="message">
                <Text of={valueText('message', row)} />
              </p>
            </li>
          ))}
        </ul>
      )}
    </Window>
  );
}
