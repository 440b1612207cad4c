/** Metrics over steps of several versions, side by side. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import { formatMetric } from '../../cli/output/render.js';
import { tableOf } from '../../cli/pages/parts.js';
import type { Curve } from '../../use/history/curves.js';
import type { LogEntry } from '../../use/ops/log.js';
import { Document, Empty, Shown, Text, VersionsField } from '../parts/basics.js';
import { Chart, type ChartSeries } from '../parts/chart.js';
import { type Asked, pathOf, useApi } from '../state/api.js';
import { useKeys } from '../state/keys.js';
import { listOf } from '../state/route.js';
import { selectedOf, setParams, useRoute } from '../state/router.js';

/** Versions of one picture; charts on a page. */
const VERSIONS_MAX = 8;
const CHARTS_MAX = 24;

export function CurvesView(): JSX.Element {
  const route = useRoute();
  const { params } = route;
  const chosen = listOf(params.v);
  const names = chosen.length > 0 ? chosen : selectedOf(route);
  // Without a choice: the newest versions that have some.
  const asked = useApi<LogEntry[]>(
    names.length > 0
      ? null
      : pathOf('log', { all: true, curves: true, 'max-count': String(VERSIONS_MAX) }),
  );
  return (
    <>
      <h1>Curves</h1>
      <Controls names={names} />
      {names.length === 0 ? (
        <Document asked={asked} what="curves">
          {(entries) => <Charts versions={entries} />}
        </Document>
      ) : (
        <Chosen names={names.slice(0, VERSIONS_MAX)} />
      )}
    </>
  );
}

/** The curves of versions that are named; each is asked for, and kept, by itself. */
function Chosen({ names }: { names: readonly string[] }): JSX.Element {
  const [found, set] = useState<ReadonlyMap<string, Asked<LogEntry[]>>>(new Map());
  const entries = names.flatMap((name) => found.get(name)?.data?.[0] ?? []);
  const first = names.map((name) => found.get(name)).find((one) => one?.error);
  const isLoading = names.some(
    (name) => (found.get(name)?.isLoading ?? true) && !found.get(name)?.data,
  );
  const stable = useMemo(() => entries, [entries.map(({ version }) => version).join()]);
  return (
    <>
      {names.map((name) => (
        <Ask
          key={name}
          name={name}
          onAnswer={(answer) => set((old) => new Map(old).set(name, answer))}
        />
      ))}
      <Document
        asked={{ data: stable, error: first?.error ?? null, warnings: [], isLoading }}
        what="curves"
      >
        {() =>
          isLoading && stable.length === 0 ? (
            <p class="loading">Reading curves …</p>
          ) : (
            <Charts versions={stable} />
          )
        }
      </Document>
    </>
  );
}

function Ask({
  name,
  onAnswer,
}: {
  name: string;
  onAnswer: (answer: Asked<LogEntry[]>) => void;
}): null {
  const asked = useApi<LogEntry[]>(pathOf('log', { rev: name, 'max-count': '1', curves: true }));
  useEffect(() => onAnswer(asked), [asked]);
  return null;
}

function Controls({ names }: { names: readonly string[] }): JSX.Element {
  const { params } = useRoute();
  const weight = weightOf(params.smooth);
  const toggleLog = (): void => setParams({ log: params.log === '1' ? undefined : '1' }, 'replace');
  useKeys({
    l: toggleLog,
    s: () => setParams({ smooth: weight > 0 ? '0' : undefined }, 'replace'),
  });
  return (
    <div class="bar filter">
      <VersionsField names={names} onNames={(next) => setParams({ v: next.join(',') })} />
      <label class="field">
        <span>metrics with</span>
        <input
          type="search"
          value={params.metric ?? ''}
          placeholder="loss"
          onInput={({ currentTarget: { value } }) => setParams({ metric: value }, 'replace')}
        />
      </label>
      <label class="field">
        <span>smoothing {weight.toFixed(2)} (s)</span>
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={weight}
          onInput={({ currentTarget: { value } }) =>
            setParams({ smooth: value === '0.6' ? undefined : value }, 'replace')
          }
        />
      </label>
      <label class="check">
        <input type="checkbox" checked={params.log === '1'} onChange={toggleLog} /> log (l)
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={params.x === 'relative'}
          onChange={() =>
            setParams({ x: params.x === 'relative' ? undefined : 'relative' }, 'replace')
          }
        />
        from its start
      </label>
    </div>
  );
}

/** TensorBoard's default where nothing is said. */
function weightOf(text: string | undefined): number {
  const weight = Number(text ?? '0.6');
  return weight >= 0 && weight < 1 ? weight : 0.6;
}

function Charts({ versions }: { versions: readonly LogEntry[] }): JSX.Element {
  const { params } = useRoute();
  const wanted = (params.metric ?? '').toLowerCase();
  const byMetric = useMemo(() => {
    const found = new Map<string, ChartSeries[]>();
    for (const { name, curves = [] } of versions) {
      for (const curve of curves) {
        const own = found.get(curve.name) ?? [];
        own.push({ name: printable(name), curve });
        found.set(curve.name, own);
      }
    }
    return found;
  }, [versions]);
  const metrics = [...byMetric.keys()].filter((name) => name.toLowerCase().includes(wanted)).sort();
  if (metrics.length === 0) {
    return (
      <Empty
        title={
          byMetric.size === 0 ? 'These versions keep no curves.' : 'No metric has such a name.'
        }
      >
        <p>
          <code>dlv commit --log runs/7</code> keeps the metrics of a log; one value alone makes no
          curve.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <p class="dim">Drag to zoom, click twice to see all again.</p>
      <div class="plots charts">
        {metrics.slice(0, CHARTS_MAX).map((metric) => (
          <figure key={metric}>
            <figcaption>
              <Text of={metric} />
            </figcaption>
            <Chart
              metric={printable(metric)}
              series={byMetric.get(metric) ?? []}
              weight={weightOf(params.smooth)}
              isLog={params.log === '1'}
              isRelative={params.x === 'relative'}
            />
            <AsTable metric={metric} series={byMetric.get(metric) ?? []} />
          </figure>
        ))}
      </div>
      {metrics.length > CHARTS_MAX && (
        <p class="note">{metrics.length - CHARTS_MAX} more metrics are left out.</p>
      )}
    </>
  );
}

/** The same in numbers, for those who see no picture. */
function AsTable({
  metric,
  series,
}: {
  metric: string;
  series: readonly ChartSeries[];
}): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>as a table</summary>
      {isOpen && (
        <Shown
          markup={tableOf({
            caption: `${metric}, of each version`,
            columns: [
              { title: 'version', kind: 'plain' },
              ...['points', 'least', 'most', 'last', 'at step'].map((title) => ({
                title,
                kind: 'number' as const,
              })),
            ],
            rows: series.map(({ name, curve }) => [name, ...summaryOf(curve)]),
          })}
        />
      )}
    </details>
  );
}

function summaryOf({ count, steps, values }: Curve): (string | number)[] {
  const numbers = values.map(Number).filter(Number.isFinite);
  const least = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return [
    count,
    formatMetric(least),
    formatMetric(most),
    formatMetric(values.at(-1) ?? ''),
    steps.at(-1) ?? '',
  ];
}
