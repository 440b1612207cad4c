/** The page of `dlv bench --html`: tables, and plots of plans, planes and depths. */
import { html, type Markup } from '../../pure/picture/markup.js';
import { barPlot, legend, linePlot, type Series } from '../../pure/picture/plot.js';
import type { BenchResult } from '../../use/ops/bench.js';
import {
  type BenchTable,
  benchTables,
  costFormat,
  digits,
  machineLine,
  noiseLine,
  snapshotName,
} from '../output/bench-tables.js';
import { formatBytes } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import { figureOf, figures, type Section, tableOf } from './parts.js';

export function benchPage(result: BenchResult, origin: PageOrigin): string {
  const plots = [planPlot(result), planePlot(result), depthPlot(result)].filter(
    (plot) => plot !== null,
  );
  const pictures: Section | null =
    plots.length === 0 ? null : { id: 'plots', title: 'Plots', body: figures(plots) };
  const { leftOut } = result;
  return pageOf({
    title: `Storage of ${origin.repository ?? 'checkpoints'}`,
    lead: html`<p class="dim">${machineLine(result)}</p><p class="dim">${noiseLine(result)}</p>`,
    sections: [
      pictures,
      ...benchTables(result).map((table, i) => ({
        id: `table-${i + 1}`,
        title: table.title,
        body: tableBody(table),
      })),
    ],
    notes:
      leftOut.length > 0 ? [`Interrupted; not measured to the end: ${leftOut.join(', ')}.`] : [],
    origin,
  });
}

function tableBody({ title, notes, head, rows }: BenchTable): Markup {
  return html`${notes.map((note) => html`<p class="note">${note}</p>`)}${tableOf({
    caption: title,
    columns: head.map((name, i) => ({ title: name, kind: i === 0 ? 'plain' : 'number' })),
    rows,
  })}`;
}

/** Storage against recreation, a line for each planner, and the bound below them. */
function planPlot({ plans }: BenchResult): Markup | null {
  if (plans === null || plans.points.length === 0) return null;
  const { points, bounds, now } = plans;
  const title = (planner: string, budget: number | null): string =>
    budget === null ? planner : `${planner}, budget × ${budget}`;
  const byPlanner = new Map<string, Series['points'][number][]>();
  for (const { planner, budget, storage, recreation } of points) {
    const own = byPlanner.get(planner) ?? [];
    own.push({ x: recreation, y: storage, title: title(planner, budget) });
    byPlanner.set(planner, own);
  }
  // What a plan of least storage would cost to recreate is not known: auto's is the nearest there is.
  const bound = bounds.flatMap(({ budget, storage: y }) => {
    const auto = points.find((p) => p.planner === 'auto' && p.budget === budget);
    return auto === undefined ? [] : [{ x: auto.recreation, y }];
  });
  const order = ['auto', ...[...byPlanner.keys()].filter((name) => name !== 'auto')];
  const series: Series[] = order.map((name) => ({
    name,
    points: [...(byPlanner.get(name) ?? [])].sort((a, b) => a.x - b.x),
  }));
  if (now !== null) {
    const { storage: y, recreation: x } = now;
    series.push({ name: 'now', kind: 'points', points: [{ x, y, title: 'as stored now' }] });
  }
  series.push({ name: 'lower bound', kind: 'dashed', points: bound });
  const plot = linePlot(series, {
    title: 'bytes stored against the cost to recreate every snapshot, for each planner',
    xLabel: `${plans.unit === 'bytes' ? 'bytes read' : 'predicted time'} to recreate every snapshot`,
    yLabel: 'bytes stored',
    xFormat: costFormat(plans),
    yFormat: formatBytes,
    xScale: plans.unit === 'bytes' ? 'bytes' : 'linear',
    yScale: 'bytes',
  });
  return figureOf('Storage against recreation', plot, legend(series));
}

/** Bytes of each class of planes by encoding. */
function planePlot({ storage }: BenchResult): Markup | null {
  if (storage === null) return null;
  const bars = storage.rows.flatMap(({ codec, classes }) =>
    classes === null
      ? []
      : [
          {
            name: codec.replace('dlv ', '').replace('delta ', 'Δ ').replace(' by plane', ''),
            parts: [classes.hi, classes.mid, classes.low],
          },
        ],
  );
  const names = ['first two planes', 'next', 'the rest'];
  const plot = barPlot(bars, names, {
    title: 'bytes of each class of planes, by encoding',
    xLabel: 'encoding (Δ: as a delta)',
    yLabel: '',
    yFormat: formatBytes,
    yScale: 'bytes',
  });
  const key = legend(names.map((name) => ({ name, kind: 'points' as const })));
  return figureOf('Bytes by planes', plot, key);
}

/** Time of each snapshot against how deep its chains are. */
function depthPlot({ recovery, snapshots }: BenchResult): Markup | null {
  if (recovery === null) return null;
  const groups = new Map<string, Series['points'][number][]>();
  for (const { snapshot, planes, scheme, cache, ms } of recovery.rows) {
    const of = snapshot === null ? undefined : snapshots[snapshot];
    if (of === undefined || cache === 'cold') continue;
    const name = `${planes === null ? 'all' : planes} planes, ${scheme}`;
    const own = groups.get(name) ?? [];
    const title = `${snapshotName(of, snapshots)}: ${digits(ms.median)} ms`;
    own.push({ x: of.meanDepth, y: ms.median, title });
    groups.set(name, own);
  }
  // Points, not lines: what lies between two snapshots was not measured, and times waver.
  const series = [...groups].map(([name, points]): Series => ({ name, kind: 'points', points }));
  const plot = linePlot(series, {
    title: 'time to recreate a snapshot against the depth of its chains',
    xLabel: 'deltas below a tensor, mean by bytes',
    yLabel: 'ms',
    xFromZero: true,
    yFromZero: true,
  });
  return figureOf('Time against depth of chains (warm)', plot, legend(series));
}
