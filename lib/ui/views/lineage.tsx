/** How versions follow from one another: a row each, with lines of descent beside it. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { shortId, subject } from '../../cli/output/render.js';
import { formatCount, formatNumber } from '../../cli/output/ui.js';
import { momentText } from '../../cli/pages/versions.js';
import {
  type DescentRow,
  descentWidth,
  drawDescent,
  layDescent,
} from '../../pure/picture/descent.js';
import type { LogEntry } from '../../use/ops/log.js';
import { Document, Empty, Refs, SelectBox, Shown, Text, VersionLink } from '../parts/basics.js';
import { Spacer, useMedia, Window } from '../parts/window.js';
import { pathOf, useApi } from '../state/api.js';
import { useKeys } from '../state/keys.js';
import { type LineageRow, lineageRows } from '../state/lineage.js';
import { listOf } from '../state/route.js';
import { go, setParams, toggleSelected, useRoute } from '../state/router.js';

/** Height of a row: that of the drawn lines. */
const ROW = 36;
/** Versions that are read at first. */
const FIRST = 2000;

export function LineageView(): JSX.Element {
  const { params } = useRoute();
  const { m, all } = params;
  const asked = useApi<LogEntry[]>(
    pathOf('log', {
      graph: true,
      ...(m === undefined ? { all: true } : { model: m }),
      ...(all === undefined ? { 'max-count': String(FIRST) } : {}),
    }),
  );
  return (
    <>
      <h1>
        Lineage
        {m !== undefined && (
          <>
            {' '}
            of <Text of={m} />
          </>
        )}
      </h1>
      <Document asked={asked} what="the history">
        {(entries) =>
          entries.length === 0 ? (
            <Empty title="There is no version yet.">
              <p>
                The first <code>dlv commit</code> begins the history.
              </p>
            </Empty>
          ) : (
            <Lineage entries={entries} />
          )
        }
      </Document>
    </>
  );
}

function Lineage({ entries }: { entries: readonly LogEntry[] }): JSX.Element {
  const { params } = useRoute();
  const [active, setActive] = useState(-1);
  const isNarrow = useMedia('(max-width: 640px)');
  const isUnfolded = params.fold === 'no';
  const open = params.open ?? '';
  const rows = useMemo(
    () => lineageRows(entries, isUnfolded ? true : new Set(listOf(open))),
    [entries, isUnfolded, open],
  );
  const laid = useMemo(() => layDescent(rows), [rows]);
  const width = useMemo(() => descentWidth(laid), [laid]);
  const folded = rows.reduce((sum, row) => sum + (row.kind === 'fold' ? row.entries.length : 0), 0);
  const act = (row: LineageRow | undefined): void => {
    if (row === undefined) return;
    if (row.kind === 'fold') setParams({ open: [...listOf(open), row.id].join(',') });
    else go('version', { v: row.entry.name });
  };
  const move = (by: number): void =>
    setActive((at) => Math.min(rows.length - 1, Math.max(0, at + by)));
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => act(rows[active]),
    x: () => {
      const row = rows[active];
      if (row?.kind === 'version') toggleSelected(row.entry.name);
    },
    e: () => setParams({ fold: isUnfolded ? undefined : 'no', open: undefined }),
  });
  const isCut = params.all === undefined && entries.length >= FIRST;
  return (
    <>
      <div class="bar">
        <p class="dim" aria-live="polite">
          {formatCount(entries.length, 'version')}
          {folded > 0 && `, ${formatNumber(folded)} of them folded`}
        </p>
        {(folded > 0 || isUnfolded) && (
          <button
            type="button"
            title="fold or unfold (e)"
            onClick={() => setParams({ fold: isUnfolded ? undefined : 'no', open: undefined })}
          >
            {isUnfolded ? 'Fold quiet stretches' : 'Unfold all'}
          </button>
        )}
        {isCut && (
          <button type="button" onClick={() => setParams({ all: '1' })}>
            Also older ones
          </button>
        )}
      </div>
      <Window count={rows.length} rowHeight={ROW} label="versions" active={active} class="tall">
        {(from, to) => (
          <table class="log lineage" aria-rowcount={rows.length}>
            <caption class="spoken">
              Versions, children before their parents; lines lead to what a version derives from
            </caption>
            <thead class="spoken">
              <tr>
                <th scope="col">select</th>
                <th scope="col">descent</th>
                <th scope="col">version</th>
                {!isNarrow && <th scope="col">id</th>}
                {!isNarrow && <th scope="col">date</th>}
              </tr>
            </thead>
            <tbody>
              <Spacer height={from * ROW} span={5} />
              {rows.slice(from, to).map((row, i) => (
                <Row
                  key={row.id}
                  row={row}
                  laid={laid[from + i] as DescentRow}
                  width={width}
                  index={from + i}
                  isActive={active === from + i}
                  isNarrow={isNarrow}
                  onOpen={() => act(row)}
                />
              ))}
              <Spacer height={(rows.length - to) * ROW} span={5} />
            </tbody>
          </table>
        )}
      </Window>
    </>
  );
}

interface RowProps {
  row: LineageRow;
  laid: DescentRow;
  width: number;
  index: number;
  isActive: boolean;
  isNarrow: boolean;
  onOpen: () => void;
}

function Row({ row, laid, width, index, isActive, isNarrow, onOpen }: RowProps): JSX.Element {
  const [picture] = drawDescent([laid], width);
  const common = {
    class: `${isActive ? 'active' : ''}`,
    'aria-rowindex': index + 1,
    ...(isActive ? { 'aria-current': 'true' as const } : {}),
  };
  if (row.kind === 'fold') {
    const [first, last] = [row.entries[0] as LogEntry, row.entries.at(-1) as LogEntry];
    return (
      <tr {...common}>
        <td />
        <td class="descent">{picture && <Shown markup={picture} tag="span" />}</td>
        <td class="t" colSpan={isNarrow ? 1 : 3}>
          <button type="button" class="unfold" onClick={onOpen}>
            {formatCount(row.entries.length, 'version')}: <Text of={last.name} /> …{' '}
            <Text of={first.name} />
          </button>
        </td>
      </tr>
    );
  }
  const { entry } = row;
  return (
    <tr {...common}>
      <td class="pick">
        <SelectBox name={entry.name} />
      </td>
      <td class="descent">{picture && <Shown markup={picture} tag="span" />}</td>
      <td class="t">
        <VersionLink name={entry.name} /> <Refs of={entry.refs} />
        {entry.tier !== null && <span class="ref">{entry.tier}, not exact</span>}{' '}
        <span class="message" title={entry.message.slice(0, 400)}>
          <Text of={subject(entry.message)} />
        </span>
      </td>
      {!isNarrow && (
        <td>
          <code>{shortId(entry.version)}</code>
        </td>
      )}
      {!isNarrow && <td class="dim">{momentText(entry.time)}</td>}
    </tr>
  );
}
