/** Groups of versions as a table: how many there are in each, and what their numbers are on average, from least to most. */
import type { JSX } from 'preact';
import { formatCount, formatNumber } from '../../cli/output/ui.js';
import { groupCell, shownValue } from '../../cli/output/versions/version-table.js';
import type { GroupCell, GroupRow } from '../../use/ops/versions.js';
import { whereOfGroup } from '../state/groups.js';
import { Link, setParams, useRoute } from '../state/router.js';
import { clickedSort, sortMark, titleOf } from '../state/rows.js';
import { Text } from './basics.js';

/** Rows that are shown. */
const GROUPS_MAX = 500;

/** `0.9121` and, small, the least and the most. */
function GroupNumbers({
  column,
  cell,
}: {
  column: string;
  cell: GroupCell | undefined;
}): JSX.Element {
  if (cell === undefined || cell.value !== null || cell.mean === null) {
    return <Text of={groupCell(column, cell)} />;
  }
  const short = (value: number | null): string =>
    shownValue(column, value === null ? null : Number(value.toPrecision(4)));
  return (
    <>
      {short(cell.mean)}{' '}
      <small>
        {short(cell.min)}…{short(cell.max)}
      </small>
    </>
  );
}

interface GroupsProps {
  groups: readonly GroupRow[];
  by: readonly string[];
  columns: readonly string[];
  where: string;
  sort: string;
}

export function Groups({ groups, by, columns, where, sort }: GroupsProps): JSX.Element {
  const { params } = useRoute();
  const others = columns.filter((name) => {
    const isOne = by.includes(name) || ['name', 'message', 'time', 'version'].includes(name);
    return !isOne && groups.some(({ cells }) => (cells[name]?.count ?? 0) > 0);
  });
  const isNumber = (name: string): boolean =>
    name === 'versions' || groups.some(({ cells }) => (cells[name]?.mean ?? null) !== null);
  if (groups.length === 0) return <p class="empty">No version fits.</p>;
  return (
    <section class="wide window tall" tabIndex={0} aria-label="groups">
      <table class="grid groups">
        <caption class="spoken">
          Groups of versions; of numbers the mean, and in parentheses the least and the most
        </caption>
        <thead>
          <tr>
            {[...by, 'versions', ...others].map((column, _, all) => (
              <th
                key={column}
                scope="col"
                class={isNumber(column) ? 'n' : ''}
                aria-sort={sortMark(sort, column)}
              >
                <button
                  type="button"
                  onClick={(event) =>
                    setParams({
                      sort: clickedSort(sort, column, isNumber(column), event.shiftKey),
                    })
                  }
                >
                  <Text of={titleOf(column, all)} />
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.slice(0, GROUPS_MAX).map((row) => {
            const next = whereOfGroup(where, row.group);
            return (
              <tr key={JSON.stringify(row.group)}>
                {by.map((column) => (
                  <th scope="row" key={column} class="t">
                    <Text of={shownValue(column, row.group[column] ?? null) || '(none)'} />
                  </th>
                ))}
                <td class="n">
                  {next === null ? (
                    formatNumber(row.versions)
                  ) : (
                    <Link
                      view="versions"
                      params={{ ...params, group: undefined, sort: undefined, where: next }}
                      aria-label={`show ${formatCount(row.versions, 'version')}`}
                    >
                      {formatNumber(row.versions)}
                    </Link>
                  )}
                </td>
                {others.map((column) => (
                  <td key={column} class={isNumber(column) ? 'n' : 't'}>
                    <GroupNumbers column={column} cell={row.cells[column]} />
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {groups.length > GROUPS_MAX && (
        <p class="note">
          The first {formatNumber(GROUPS_MAX)} of {formatCount(groups.length, 'group')}.
        </p>
      )}
    </section>
  );
}
