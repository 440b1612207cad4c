/** Metrics over steps, a chart each, and what changes how they are drawn. What is followed here is in the address. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import { formatMetric } from '../../cli/output/render.js';
import { tableOf } from '../../cli/pages/parts.js';
import type { Curve } from '../../use/history/curves.js';
import { useKeys } from '../state/keys.js';
import { setParams, useRoute } from '../state/router.js';
import { Empty, Shown, Text } from './basics.js';
import { Chart, type ChartSeries } from './chart.js';

/** Charts on a page. */
const CHARTS_MAX = 24;

/** Curves of one thing: a version, or a run. */
export interface Plotted {
  name: string;
  curves: readonly Curve[];
}

/** Fields of a bar: which metrics, how smooth, which scales. */
export function ChartControls(): JSX.Element {
  const { params } = useRoute();
  const weight = weightOf(params.smooth);
  const toggleLog = (): void => setParams({ log: params.log === '1' ? undefined : '1' }, 'replace');
  useKeys({
    l: toggleLog,
    s: () => setParams({ smooth: weight > 0 ? '0' : undefined }, 'replace'),
  });
  return (
    <>
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
        <span title="as TensorBoard does it; the measured line stays, faint">
          smoothing {weight.toFixed(2)} (s)
        </span>
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
    </>
  );
}

/** TensorBoard's default where nothing is said. */
function weightOf(text: string | undefined): number {
  const weight = Number(text ?? '0.6');
  return weight >= 0 && weight < 1 ? weight : 0.6;
}

interface ChartsProps {
  of: readonly Plotted[];
  /** Said where there is none. */
  none: JSX.Element;
  /** Does something with what a line stands for when it is clicked. */
  onPick?: (name: string) => void;
}

export function Charts({ of, none, onPick }: ChartsProps): JSX.Element {
  const { params } = useRoute();
  const wanted = (params.metric ?? '').toLowerCase();
  const byMetric = useMemo(() => {
    const found = new Map<string, ChartSeries[]>();
    for (const { name, curves } of of) {
      for (const curve of curves) {
        const own = found.get(curve.name) ?? [];
        own.push({ name: printable(name), curve });
        found.set(curve.name, own);
      }
    }
    return found;
  }, [of]);
  const metrics = [...byMetric.keys()].filter((name) => name.toLowerCase().includes(wanted)).sort();
  if (byMetric.size === 0) return none;
  if (metrics.length === 0) {
    return (
      <Empty title="No metric has such a name.">
        <p>
          There are <Text of={[...byMetric.keys()].slice(0, 12).join(', ')} />.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <p class="dim">
        Drag to zoom, click twice to see all again
        {onPick === undefined ? '.' : '; a click on a line selects its version.'}
        {weightOf(params.smooth) > 0 &&
          ' What was measured is the faint line, and stands in parentheses.'}
      </p>
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
              {...(onPick === undefined ? {} : { onPick })}
            />
            <AsTable metric={metric} series={byMetric.get(metric) ?? []} />
          </figure>
        ))}
      </div>
      {metrics.length > CHARTS_MAX && (
        <p class="note">
          {metrics.length - CHARTS_MAX} more metrics are left out: name some in <i>metrics with</i>.
        </p>
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
            caption: `${metric}, of each line`,
            columns: [
              { title: 'line', kind: 'plain' },
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
    numbers.length === 0 ? '' : formatMetric(least),
    numbers.length === 0 ? '' : formatMetric(most),
    formatMetric(values.at(-1) ?? ''),
    steps.at(-1) ?? '',
  ];
}
